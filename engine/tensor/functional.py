"""Functions of Tensors: every op of `ops/`, lifted in one line. help(F.layer_norm) shows the op's formula and shapes.

Positional arguments are Tensors (or arrays, as constants; or None for an optional one), the rest goes by keyword.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

from . import ops
from .tensor import Tensor, apply


def _lift(op: Callable[..., Any]) -> Callable[..., Tensor]:
    """op on arrays -> the function on Tensors that records it. A partial costs no Python call of its own."""
    return update_wrapper(partial(apply, op), op)


add, sub, mul, div, maximum = _lift(ops.add), _lift(ops.sub), _lift(ops.mul), _lift(ops.div), _lift(ops.maximum)
scale, shift, neg, power = _lift(ops.scale), _lift(ops.shift), _lift(ops.neg), _lift(ops.power)
exp, log, sqrt, tanh, abs = _lift(ops.exp), _lift(ops.log), _lift(ops.sqrt), _lift(ops.tanh), _lift(ops.abs)
sum, mean = _lift(ops.sum), _lift(ops.mean)
reshape, transpose, getitem, concat = _lift(ops.reshape), _lift(ops.transpose), _lift(ops.getitem), _lift(ops.concat)

matmul, linear = _lift(ops.matmul), _lift(ops.linear)
embedding, embedding_sum = _lift(ops.embedding), _lift(ops.embedding_sum)

layer_norm, rms_norm, dyt = _lift(ops.layer_norm), _lift(ops.rms_norm), _lift(ops.dyt)

relu, relu2, gelu = _lift(ops.relu), _lift(ops.relu2), _lift(ops.gelu)
silu, swiglu = _lift(ops.silu), _lift(ops.swiglu)

split_heads, merge_heads = _lift(ops.split_heads), _lift(ops.merge_heads)
rope = _lift(ops.rope)
attention = _lift(ops.attention)
self_attention = _lift(ops.self_attention)

softmax = _lift(ops.softmax)
cross_entropy = _lift(ops.cross_entropy)
dropout = _lift(ops.dropout)
