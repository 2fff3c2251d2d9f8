"""The configuration space of the transformer, checked once, and the parameters that each point of it has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ...errors import ConfigError
from ..parameters import Parameter

Norm = Literal["none", "rms", "layer", "dyt"]
Positions = Literal["learned", "sinusoidal", "rope", "none"]
Activation = Literal["relu", "relu2", "gelu", "silu", "swiglu"]
Init = Literal["uniform", "normal", "gpt2", "he"]


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """A decoder-only transformer; the defaults are the mini-GPT of nanochat-rs-next."""

    vocab_size: int = 27
    """Tokens in the vocabulary; the tokenizer of a run replaces it."""
    block_size: int = 8
    """Tokens that attention can look back over; longer text slides through."""
    n_layer: int = 1
    """Blocks, each attention and an MLP."""
    n_head: int = 4
    """Query heads; n_embd is a multiple of it."""
    n_kv_head: int = 0
    """Key and value heads; 0 means n_head, fewer is grouped-query, 1 is multi-query attention."""
    n_embd: int = 16
    """Width of the residual stream."""
    mlp_width: int = 0
    """Hidden units of the MLP; 0 means 4 n_embd."""
    norm: Norm = "rms"
    """Normalisation of every block."""
    norm_position: Literal["pre", "post"] = "pre"
    """Before each sublayer (x + f(norm(x))) or after its sum (norm(x + f(x)))."""
    norm_gain: bool = False
    """Norms learn a gain."""
    norm_bias: bool = False
    """LayerNorm and DyT learn a bias."""
    norm_eps: float = 1e-5
    """Added to the variance or mean square under the root."""
    final_norm: bool = False
    """One more norm before the head."""
    input_rmsnorm: bool = False
    """Normalise token + position once, before the first block."""
    qk_norm: bool = False
    """RMS-normalise queries and keys, head by head, after the rotation."""
    positions: Positions = "learned"
    """How a token knows where it stands; sinusoidal ones are added with amplitude 1, embeddings begin near 0."""
    activation: Activation = "relu2"
    """Nonlinearity of the MLP."""
    attn_bias: bool = False
    """Biases in the attention's linear layers."""
    mlp_bias: bool = False
    """Biases in the MLP's linear layers."""
    head_bias: bool = False
    """A bias in an untied head."""
    attn_proj: bool = True
    """Attention has an output projection."""
    tie_lm_head: bool = True
    """The head is the token embedding matrix."""
    window: int = 0
    """A token sees itself and the window - 1 before it; 0 means all."""
    logit_softcap: float = 0.0
    """Logits become c tanh(logits / c); 0 turns it off."""
    dropout: float = 0.0
    """Share of activations dropped in training, tensor mode only."""
    init: Init = "uniform"
    """uniform in +-init_scale; normal; gpt2: residual projections smaller by sqrt(2 n_layer); he: sqrt(2 / fan_in)."""
    init_scale: float = 0.02
    """Half-width or standard deviation of the first weights."""
    zero_init_proj: bool = True
    """Projections into the residual stream start at zero, so that a block starts as the identity."""

    def __post_init__(self) -> None:
        for field, least in {
            "vocab_size": 1,
            "block_size": 1,
            "n_layer": 1,
            "n_head": 1,
            "n_embd": self.n_head,
        }.items():
            if getattr(self, field) < 1:
                raise ConfigError(f"{field}={getattr(self, field)} is too small: give {least} or more")
        for field in ("n_kv_head", "mlp_width", "window"):
            if getattr(self, field) < 0:
                raise ConfigError(f"{field}={getattr(self, field)} is negative: give 0 for the default, or a count")
        if self.n_embd % self.n_head:
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
            raise ConfigError(
                f"positions=rope rotates pairs, but a head has {self.head_size} channels: "
                f"choose n_head so that n_embd / n_head is even, e.g. n_embd={self.n_head * (self.head_size + 1)}"
            )
        for field, low, high in (
            ("dropout", 0.0, 1.0),
            ("logit_softcap", 0.0, math.inf),
            ("init_scale", 0.0, math.inf),
        ):
            if not low <= getattr(self, field) < high:
                raise ConfigError(
                    f"{field}={getattr(self, field)} is outside {low:g} to {high:g}: give e.g. {field}=0.1"
                )
        if not 0 < self.norm_eps < math.inf:
            raise ConfigError(f"norm_eps={self.norm_eps} must be positive, e.g. 1e-5")
        if self.head_bias and self.tie_lm_head:
            raise ConfigError("head_bias=true needs an untied head: set tie_lm_head=false or head_bias=false")

    @property
    def kv_heads(self) -> int:
        """Key and value heads in force."""
        return self.n_kv_head or self.n_head

    @property
    def head_size(self) -> int:
        """Channels of one head."""
        return self.n_embd // self.n_head

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
        c, kv = self.n_embd, self.kv_heads * self.head_size
        wide = 2 if self.activation == "swiglu" else 1
        table = self._norm("norm_1") | self._linear("attn.qkv", c, c + 2 * kv, bias=self.attn_bias)
        if self.attn_proj:
            table |= self._linear("attn.proj", c, c, bias=self.attn_bias, residual=True)
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
