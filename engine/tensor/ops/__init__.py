"""Functions of arrays that know their own gradient: op(*arrays, **static) -> (y, vjp), NumPy and math only.

Positional arguments are differentiable arrays (None for an optional one that is not there), keywords are not.
vjp(g), with g = dL/dy, returns one gradient for each positional argument (None for one that is not there): g itself,
a view of g, or an array that shares memory with nothing else. Ops write neither into their inputs nor into g, and
keep float32 and float64. They ask for new memory with like=x, so that it is recorded where x is (recording.py).
"""

from .activations import dropout, gelu, relu, relu2, silu, swiglu
from .attention import attention
from .elementwise import abs, add, div, exp, log, maximum, mul, neg, power, scale, shift, sqrt, sub, tanh
from .linear import embedding, embedding_sum, linear, matmul
from .losses import cross_entropy, softmax
from .norms import dyt, layer_norm, rms_norm
from .rope import rope
from .self_attention import self_attention
from .shapes import concat, getitem, mean, merge_heads, reshape, split_heads, sum, transpose

__all__ = [
    "abs", "add", "attention", "concat", "cross_entropy", "div", "dropout", "dyt", "embedding",
    "embedding_sum", "exp", "gelu",
    "getitem", "layer_norm", "linear", "log", "matmul", "maximum", "mean", "merge_heads", "mul", "neg", "power",
    "relu", "relu2", "reshape", "rms_norm", "rope", "scale", "self_attention", "shift", "silu", "softmax",
    "split_heads", "sqrt", "sub", "sum", "swiglu", "tanh", "transpose",
]  # fmt: skip
