"""A GPT's weights as decoding wants them: whatever does not depend on the text is worked out once.

Gains and biases of norms are part of the matrices behind them, 1/sqrt(D) of that of q; so is the sqrt(C) by which a row
over the root of its mean square is longer than over its length. Where every reader of the residual stream subtracts
its mean, what is written into it has none. Matrices lie (in, out): several rows are multiplied twice as fast so
(docs/log.md).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...engine.tensor.ops.rope import rotations
from .tensor import GPT, sinusoids

Array = np.ndarray
_GELU = 2 * math.sqrt(2 / math.pi)
GELU_SCALE, GELU_SHIFT = (_GELU * 0.044715) ** (1 / 3), _GELU / (_GELU * 0.044715) ** (1 / 3)
"""s and t of gelu(h) = h / (1 + exp(-2 u)), u = c (h + a h^3), which is -k/s / (1 + exp(k (k^2 + t))) of k = -s h: the
matrix before it gives k, the one behind it takes -1/s. A pass less."""
_KEPT = ("norm_1.weight", "norm_1.bias", "norm_2.weight", "norm_2.bias")


class Layer(NamedTuple):
    """A block: matrices (in, out), biases or None, and of norms after the sum the gains and biases that they keep."""

    qkv: Array
    qkv_bias: Array | None
    proj: Array
    proj_bias: Array | None
    gain_1: Array | None
    bias_1: Array | None
    fc: Array
    fc_bias: Array | None
    out: Array
    out_bias: Array | None
    gain_2: Array | None
    bias_2: Array | None


class FoldedWeights:
    """What a model's parameters become. Nothing in it is a view of them."""

    def __init__(self, model: GPT) -> None:
        """Raises ValueError for a weight of another precision than the model's."""
        config, self.dtype = model.config, model.dtype
        self.config, self._found = config, {name: p.data for name, p in model.named_parameters()}
        for name, array in self._found.items():
            if array.dtype != self.dtype:
                raise ValueError(
                    f"{name} holds {array.dtype} and the model computes in {self.dtype}: build it with that dtype, "
                    "and load the weights with load_state_dict"
                )
        self.pre = config.norm_position == "pre"
        self.length = np.array(math.sqrt(config.n_embd), self.dtype)
        # A norm after the sum, the input's RMSNorm and a head without a norm would see the mean that is left out.
        self.is_centred = config.norm == "layer" and self.pre and config.final_norm and not config.input_rmsnorm
        self.wte = self._stream(self._found["wte.weight"])
        self.places = self._places()  # (S, C) or None
        self.turns = (
            rotations(np.arange(config.block_size), config.head_size, config.rope_base, self.dtype)  # (S, D/2)
            if config.positions == "rope"
            else None
        )
        self.layers = [self._layer(f"h.{i}.") for i in range(config.n_layer)]
        name = "wte" if config.tie_lm_head else "lm_head"
        self.head, self.head_bias = self._linear(name, "norm_f" if config.final_norm else "")
        del self._found

    def _places(self) -> Array | None:
        config = self.config
        if config.positions == "sinusoidal":
            table = sinusoids(np.arange(config.block_size), config.n_embd).astype(self.dtype)
            return self._stream(table)
        return self._stream(self._found["wpe.weight"]) if config.positions == "learned" else None

    def _layer(self, at: str) -> Layer:
        norm_1, norm_2 = (at + "norm_1", at + "norm_2") if self.pre else ("", "")
        qkv, qkv_bias = self._linear(at + "attn.qkv", norm_1)
        if not self.config.qk_norm:  # which would take the factor out again
            for array in (qkv, qkv_bias):
                if array is not None:
                    array[..., : self.config.attn_width] *= self.config.attn_scale / math.sqrt(self.config.head_size)
        proj, proj_bias = self._linear(at + "attn.proj", writes=True)
        fc, fc_bias = self._linear(at + "mlp.fc", norm_2)
        out, out_bias = self._linear(at + "mlp.proj", writes=True)
        if self.config.activation == "gelu":
            for array in (fc, fc_bias):
                if array is not None:
                    array *= -GELU_SCALE
            out *= -1 / GELU_SCALE
        gain_1, bias_1, gain_2, bias_2 = (self._copy(at + name) for name in _KEPT)
        if not self.pre:
            gain_1, gain_2 = (self.length if gain is None else self.length * gain for gain in (gain_1, gain_2))
        return Layer(qkv, qkv_bias, proj, proj_bias, gain_1, bias_1, fc, fc_bias, out, out_bias, gain_2, bias_2)

    def _linear(self, name: str, norm: str = "", *, writes: bool = False) -> tuple[Array, Array | None]:
        """W (g n + b) + c = (W g) n + (W b + c): the matrix (in, out), and the bias; `writes` into the stream."""
        weight, bias = self._found[f"{name}.weight"], self._copy(f"{name}.bias")
        gain, shift = self._found.get(f"{norm}.weight", np.ones(1)), self._found.get(f"{norm}.bias")
        if shift is not None:
            bias = weight @ shift if bias is None else weight @ shift + bias
        matrix = np.empty(weight.shape[::-1], self.dtype)
        if writes and self.is_centred:
            np.subtract(weight.T, weight.mean(0)[:, None], matrix)
            bias = None if bias is None else bias - bias.mean()
        else:
            np.multiply(weight.T, self.length * gain[:, None] if norm else 1, matrix)
        return matrix, bias

    def _stream(self, rows: Array) -> Array:
        """Rows that are added to the residual stream."""
        return rows - rows.mean(-1, keepdims=True) if self.is_centred else rows.copy()

    def _copy(self, name: str) -> Array | None:
        return self._found[name].copy() if name in self._found else None
