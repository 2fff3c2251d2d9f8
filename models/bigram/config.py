"""What a bigram model is made of."""

from __future__ import annotations

from dataclasses import dataclass

from ...setting import check_bounds, setting
from ..parameters import Parameter


@dataclass(frozen=True, kw_only=True)
class BigramConfig:
    """logits = W norm(E[token]); E is (V, V), and W is E itself when tied."""

    vocab_size: int = setting(
        27,
        "Tokens in the vocabulary; the tokenizer of a run replaces it.",
        least=1,
        no_axis="the text decides it, whatever is given",
    )
    block_size: int = setting(16, "Pairs in one training window; the model itself looks at one token.", least=1)
    tie_lm_head: bool = setting(
        True,
        "The head uses the embedding matrix: V^2 parameters instead of 2 V^2.",
        flag="--tie-lm-head",
        short="The head is the embedding matrix.",
    )
    input_rmsnorm: bool = setting(
        False,
        "Normalise the embedding by its root mean square.",
        flag="--input-rmsnorm",
        short="Normalise the embeddings once.",
    )
    norm_eps: float = setting(1e-5, "Added to the mean square under the root.", above=0)
    init_scale: float = setting(0.01, "First weights are uniform in -init_scale to init_scale.", above=0)

    def __post_init__(self) -> None:
        check_bounds(self, "model")

    @property
    def context_size(self) -> int:
        """How many of the last tokens the next one depends on."""
        return 1

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter by name, in the order in which first weights are drawn."""
        square = Parameter((self.vocab_size, self.vocab_size), "uniform", self.init_scale)
        return {"wte.weight": square} if self.tie_lm_head else {"wte.weight": square, "lm_head.weight": square}
