"""How much arithmetic a token costs: a count from the configuration, for budgets and tables. Standard library only."""

from __future__ import annotations

from .bigram.config import BigramConfig
from .gpt.config import GPTConfig
from .parameters import count_parameters


def flops_per_token(config: BigramConfig | GPTConfig) -> int:
    """Floating-point operations of forward and backward for one training token: 6 N + 12 L H D T.

    N are the weights that multiply: no embedding row, which is looked up, but the head, tied or not. A product of a
    weight is 2 operations forward and 4 backward; so is each of the 2 H D products of attention with the T tokens that
    it sees (a layer's window shortens T; that the mask leaves out half is not subtracted). Norms, softmax and
    activations are not counted. Chowdhery et al. 2022 (PaLM), arXiv:2204.02311, appendix B.
    """
    table = config.parameters()
    weights = {name: one for name, one in table.items() if len(one.shape) == 2 and not name.endswith(_LOOKED_UP)}
    n = count_parameters(weights)
    if config.tie_lm_head:
        n += table["wte.weight"].size
    if isinstance(config, BigramConfig):
        return 6 * n
    return 6 * n + 12 * config.attn_width * keys_of_a_token(config)


def keys_of_a_token(config: GPTConfig) -> int:
    """Tokens that the last of a full context attends to, all layers together."""
    T = config.block_size
    return sum(min(config.window_of(layer) or T, T) for layer in range(config.n_layer))


_LOOKED_UP = ("wte.weight", "wpe.weight", "value_embed.weight")
