"""The configuration space of the transformer, checked once, and the parameters that each point of it has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ...errors import ConfigError
from ...setting import check_bounds, setting
from ..parameters import Parameter

Norm = Literal["none", "rms", "layer", "dyt"]
Positions = Literal["learned", "sinusoidal", "rope", "none"]
Activation = Literal["relu", "relu2", "gelu", "silu", "swiglu"]
Init = Literal["uniform", "normal", "gpt2", "he"]

_A_NORM = ("model.norm", ("rms", "layer", "dyt"))


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """A decoder-only transformer; the defaults are the mini-GPT of nanochat-rs-next."""

    vocab_size: int = setting(
        27,
        "Tokens in the vocabulary; the tokenizer of a run replaces it.",
        least=1,
        no_axis="the text decides it, whatever is given",
    )
    block_size: int = setting(8, "Tokens that attention can look back over; longer text slides through.", least=1)
    n_layer: int = setting(1, "Blocks, each attention and an MLP.", least=1)
    n_head: int = setting(4, "Query heads; n_embd is a multiple of it, unless head_dim is given.", least=1)
    n_kv_head: int = setting(
        0, "Key and value heads; 0 means n_head, fewer is grouped-query, 1 is multi-query attention.", least=0
    )
    n_embd: int = setting(16, "Width of the residual stream.", least=1)
    head_dim: int = setting(0, "Channels of one head; 0 means n_embd / n_head.", least=0)
    mlp_width: int = setting(0, "Hidden units of the MLP; 0 means 4 n_embd.", least=0)
    norm: Norm = setting("rms", "Normalisation of every block.")
    norm_position: Literal["pre", "post"] = setting(
        "pre", "Before each sublayer (x + f(norm(x))) or after its sum (norm(x + f(x))).", needs=_A_NORM
    )
    norm_gain: bool = setting(False, "Norms learn a gain.", needs=_A_NORM)
    norm_bias: bool = setting(False, "LayerNorm and DyT learn a bias.", needs=("model.norm", ("layer", "dyt")))
    norm_eps: float = setting(
        1e-5, "Added to the variance or mean square under the root; 0: the spacing of the numbers at 1.", least=0
    )
    final_norm: bool = setting(False, "One more norm before the head.")
    input_rmsnorm: bool = setting(
        False,
        "Normalise token + position once, before the first block.",
        flag="--input-rmsnorm",
        short="Normalise the embeddings once.",
    )
    qk_norm: bool = setting(False, "RMS-normalise queries and keys, head by head, after the rotation.")
    positions: Positions = setting(
        "learned",
        "How a token knows where it stands; sinusoidal ones are added with amplitude 1, embeddings begin near 0.",
    )
    rope_base: float = setting(10000.0, "Base of rope's angles.", above=0, needs=("model.positions", ("rope",)))
    activation: Activation = setting("relu2", "Nonlinearity of the MLP.")
    attn_bias: bool = setting(False, "Biases in the attention's linear layers.")
    mlp_bias: bool = setting(False, "Biases in the MLP's linear layers.")
    head_bias: bool = setting(False, "A bias in an untied head.")
    attn_proj: bool = setting(True, "Attention has an output projection.")
    tie_lm_head: bool = setting(
        True, "The head is the token embedding matrix.", flag="--tie-lm-head", short="The head is the embedding matrix."
    )
    attn_scale: float = setting(1.0, "Attention's scores are so many times q k / sqrt(head size).", above=0)
    window: int = setting(0, "A token sees itself and the window - 1 before it; 0 means all.", least=0)
    window_pattern: str = setting(
        "", "Layers that keep to the window, S, or see all, L, e.g. SSSL, repeated; the last sees all. Empty: S."
    )
    logit_softcap: float = setting(0.0, "Logits become c tanh(logits / c); 0 turns it off.", least=0)
    label_smoothing: float = setting(
        0.0,
        "Share of a target in training that all tokens share: Szegedy et al. 2015, arXiv:1512.00567.",
        least=0,
        below=1,
    )
    dropout: float = setting(0.0, "Share of activations dropped in training, tensor mode only.", least=0, below=1)
    init: Init = setting(
        "uniform",
        "uniform in +-init_scale; normal; gpt2: residual projections smaller by sqrt(2 n_layer); he: sqrt(2 / fan_in).",
    )
    init_scale: float = setting(0.02, "Half-width or standard deviation of the first weights.", least=0)
    zero_init_proj: bool = setting(
        True, "Projections into the residual stream start at zero, so that a block starts as the identity."
    )

    def __post_init__(self) -> None:
        check_bounds(self, "model")
        if not self.head_dim and self.n_embd % self.n_head:
            raise ConfigError(
                f"n_embd={self.n_embd} is not divisible by n_head={self.n_head}: "
                f"choose a multiple, e.g. n_embd={self.n_head * max(1, round(self.n_embd / self.n_head))}"
            )
        if self.n_head % self.kv_heads:
            fits = max(k for k in range(1, min(self.kv_heads, self.n_head) + 1) if self.n_head % k == 0)
            raise ConfigError(
                f"n_head={self.n_head} is not divisible by n_kv_head={self.n_kv_head}: choose a divisor, e.g. {fits}"
            )
        if self.positions == "rope" and self.head_size % 2:
            even = self.head_size + 1
            wider = f"head_dim={even}" if self.head_dim else f"n_embd={self.n_head * even}"
            raise ConfigError(
                f"positions=rope rotates pairs, but a head has {self.head_size} channels: make it even, e.g. {wider}"
            )
        if self.window_pattern.strip("SL"):
            raise ConfigError(f"window_pattern={self.window_pattern} has other letters than S and L: write e.g. SSSL")
        if self.window_pattern and not self.window:
            short = f"window={-(-self.block_size // 4)}"
            raise ConfigError(f"window_pattern={self.window_pattern} has no window for its S layers: set e.g. {short}")
        if not self.attn_proj and self.attn_width != self.n_embd:
            raise ConfigError(
                f"head_dim={self.head_dim} makes heads of {self.attn_width} channels together, which without an output "
                f"projection are added to a stream of n_embd={self.n_embd}: set head_dim=0 or attn_proj=true"
            )
        if self.head_bias and self.tie_lm_head:
            raise ConfigError("head_bias=true needs an untied head: set tie_lm_head=false or head_bias=false")

    @property
    def context_size(self) -> int:
        """How many of the last tokens the next one depends on."""
        return self.block_size

    @property
    def kv_heads(self) -> int:
        """Key and value heads in force."""
        return self.n_kv_head or self.n_head

    @property
    def head_size(self) -> int:
        """Channels of one head."""
        return self.head_dim or self.n_embd // self.n_head

    @property
    def attn_width(self) -> int:
        """Channels of all query heads together: what attention writes, before its output projection."""
        return self.n_head * self.head_size

    def window_of(self, layer: int) -> int:
        """The window of a layer; 0 means all."""
        last, kinds = layer == self.n_layer - 1, self.window_pattern or "S"
        return 0 if (self.window_pattern and last) or kinds[layer % len(kinds)] == "L" else self.window

    @property
    def hidden(self) -> int:
        """Hidden units of the MLP in force."""
        return self.mlp_width or 4 * self.n_embd

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter by name, in the order in which first weights are drawn."""
        c, table = self.n_embd, {}
        table["wte.weight"] = self._embedding(self.vocab_size)
        if self.positions == "learned":
            table["wpe.weight"] = self._embedding(self.block_size)
        for i in range(self.n_layer):
            table |= {f"h.{i}.{name}": parameter for name, parameter in self._block().items()}
        if self.final_norm:
            table |= self._norm("norm_f")
        if not self.tie_lm_head:
            table |= self._linear("lm_head", c, self.vocab_size, bias=self.head_bias)
        return table

    def _block(self) -> dict[str, Parameter]:
        c, inner, kv = self.n_embd, self.attn_width, self.kv_heads * self.head_size
        wide = 2 if self.activation == "swiglu" else 1
        table = self._norm("norm_1") | self._linear("attn.qkv", c, inner + 2 * kv, bias=self.attn_bias)
        if self.attn_proj:
            table |= self._linear("attn.proj", inner, c, bias=self.attn_bias, residual=True)
        table |= self._norm("norm_2") | self._linear("mlp.fc", c, wide * self.hidden, bias=self.mlp_bias)
        return table | self._linear("mlp.proj", self.hidden, c, bias=self.mlp_bias, residual=True)

    def _embedding(self, rows: int) -> Parameter:
        return Parameter((rows, self.n_embd), "uniform" if self.init == "uniform" else "normal", self.init_scale)

    def _linear(self, name: str, n_in: int, n_out: int, *, bias: bool, residual: bool = False) -> dict[str, Parameter]:
        scale = math.sqrt(2 / n_in) if self.init == "he" else self.init_scale
        if residual and self.init == "gpt2":
            scale /= math.sqrt(2 * self.n_layer)
        weight = Parameter((n_out, n_in), "uniform" if self.init == "uniform" else "normal", scale)
        if residual and self.zero_init_proj:
            weight = Parameter((n_out, n_in))
        return {f"{name}.weight": weight} | ({f"{name}.bias": Parameter((n_out,))} if bias else {})

    def _norm(self, name: str) -> dict[str, Parameter]:
        table = {}
        if self.norm == "dyt":
            table[f"{name}.alpha"] = Parameter((1,), "constant", 0.5)
        if self.norm != "none" and self.norm_gain:
            table[f"{name}.weight"] = Parameter((self.n_embd,), "constant", 1.0)
        if self.norm in ("layer", "dyt") and self.norm_bias:
            table[f"{name}.bias"] = Parameter((self.n_embd,))
        return table
