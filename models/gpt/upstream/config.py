"""The configuration space of the transformer, larger by what karpathy/nanochat adds to it. With none of it: a GPT.

Sources are nanochat's gpt.py of 2026-02-10 (2f09686) and 2026-07-03 (92d63d4), and what these name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from ....errors import ConfigError
from ....setting import setting
from ...parameters import Parameter
from ..config import GPTConfig

Init = Literal["uniform", "normal", "gpt2", "he", "nanochat", "nanochat-2026-02"]
FEBRUARY = "nanochat-2026-02"
"""The init of 2026-02; "nanochat" is that of 2026-07."""
SMEAR_CHANNELS = 24
"""Channels of an embedding that decide how much of the one before is mixed in."""
_VALUES = ("model.value_embed", (True,))


@dataclass(frozen=True, kw_only=True)
class UpstreamConfig(GPTConfig):
    """A GPT, and what nanochat adds, each on its own."""

    value_embed: bool = setting(
        False,
        "Every other layer, the last among them, adds an embedding of the token, gated head by head, to its values: "
        "ResFormer, Zhou et al. 2024, arXiv:2410.17897.",
        short="Every other layer adds an embedding of the token to its values.",
    )
    value_gate_channels: int = setting(12, "Channels that the gate of value_embed reads.", least=1, needs=_VALUES)
    value_gate_range: float = setting(
        3.0, "That gate is so many times a sigmoid; 1/2 of it is where it begins.", above=0, needs=_VALUES
    )
    residual_mix: bool = setting(
        False, "A block reads a x + b x0, x0 the embedding; a and b are learned, two numbers a layer (modded-nanogpt)."
    )
    smear: bool = setting(False, "A gated share of the embedding of the token before is added to that of a token.")
    backout: bool = setting(
        False, "A learned share of the stream after the middle layer is subtracted before the final norm."
    )
    init: Init = setting(  # type: ignore[assignment]  # the base has fewer words for it
        "nanochat",
        "nanochat: embeddings normal 0.8, the head normal 0.001, matrices uniform of deviation 1 / sqrt(n_embd), fc "
        "0.4 of it, projections 0; nanochat-2026-02: as it was before; others as in a GPT.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value_embed and self.value_gate_channels > self.n_embd:
            raise ConfigError(
                f"value_gate_channels={self.value_gate_channels} are more than n_embd={self.n_embd} has: "
                f"set value_gate_channels={self.n_embd} or less"
            )

    @property
    def smear_channels(self) -> int:
        """Channels that the gate of smear reads."""
        return min(SMEAR_CHANNELS, self.n_embd)

    @property
    def kv_width(self) -> int:
        """Channels of the values of all heads."""
        return self.kv_heads * self.head_size

    def embeds_values(self, layer: int) -> bool:
        """Whether a layer has value embeddings: the last, and every other one before it."""
        return self.value_embed and layer % 2 == (self.n_layer - 1) % 2

    def parameters(self) -> dict[str, Parameter]:
        """Those of a GPT, then those of each block that it has not, then smear and backout."""
        base = self if self.init not in ("nanochat", FEBRUARY) else replace(self, init="normal")
        table = super(UpstreamConfig, base).parameters()
        if base is not self:
            table = {name: self._as_upstream(name, parameter) for name, parameter in table.items()}
        gates = Parameter((self.kv_heads, self.value_gate_channels), *self._gate())
        for layer in range(self.n_layer):
            if self.residual_mix:
                a, b = self._mix(layer)
                table[f"h.{layer}.mix_x"] = Parameter((1,), "constant", a)
                table[f"h.{layer}.mix_x0"] = Parameter((1,), "constant", b)
            if self.embeds_values(layer):
                table[f"h.{layer}.value_embed.weight"] = self._matrix((self.vocab_size, self.kv_width))
                table[f"h.{layer}.value_gate.weight"] = gates
        if self.smear:
            table["smear.gate.weight"] = Parameter((1, self.smear_channels), "positive", 0.02)
            table["smear.share"] = Parameter((1,))
        if self.backout:
            table["backout"] = Parameter((1,), "constant", 0.2)
        return table

    def _as_upstream(self, name: str, parameter: Parameter) -> Parameter:
        """The first values of a parameter of the GPT, as nanochat draws them; gains and biases as ever."""
        last = name.rpartition("h.")[2].partition(".")[2]
        if name in ("wte.weight", "wpe.weight"):
            return Parameter(parameter.shape, "normal", 1.0 if self.init == FEBRUARY else 0.8)
        if name == "lm_head.weight":
            return Parameter(parameter.shape, "normal", 0.001)
        if last == "attn.qkv.weight":
            return self._matrix(parameter.shape)
        if last == "mlp.fc.weight":
            return self._matrix(parameter.shape, 1.0 if self.init == FEBRUARY else 0.4)
        return Parameter(parameter.shape) if len(parameter.shape) == 2 else parameter

    def _matrix(self, shape: tuple[int, ...], share: float = 1.0) -> Parameter:
        """Uniform, of the deviation share / sqrt(n_embd)."""
        return Parameter(shape, "uniform", share * math.sqrt(3 / self.n_embd))

    def _gate(self) -> tuple[Literal["constant", "positive"], float]:
        """How the gates of value_embed are drawn."""
        return ("constant", 0.0) if self.init == FEBRUARY else ("positive", 0.02)

    def _mix(self, layer: int) -> tuple[float, float]:
        """a and b of residual_mix at first: less of both in deeper layers."""
        depth = layer / max(1, self.n_layer - 1)
        return (1.0, 0.1) if self.init == FEBRUARY else (1.15 - 0.10 * depth, 0.20 - 0.15 * depth)
