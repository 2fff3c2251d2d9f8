"""Functions of lists of Values: dot products, linear layers, norms, softmax, attention, cross-entropy.

A sum or a dot product of n numbers is one node with n or 2n parents, not a chain of n or 2n nodes: the same
derivative, with a fifteenth of the bookkeeping (docs/log.md has the figures). Vectors are lists of Values,
matrices lists of rows, weights (out, in).
"""

from __future__ import annotations

import math
from builtins import sum as add_floats
from collections.abc import Sequence
from operator import attrgetter, mul

from .value import Value

_data = attrgetter("data")


def sum(xs: Sequence[Value]) -> Value:
    """x_1 + ... + x_n as one node.  (n,) -> ()"""
    return Value(add_floats(map(_data, xs)), tuple(xs), (1.0,) * len(xs), "sum")


def mean(xs: Sequence[Value]) -> Value:
    """(x_1 + ... + x_n) / n as one node.  (n,) -> ()"""
    n = len(xs)
    return Value(add_floats(map(_data, xs)) / n, tuple(xs), (1.0 / n,) * n, "mean")


def dot(xs: Sequence[Value], ys: Sequence[Value]) -> Value:
    """x_1 y_1 + ... + x_n y_n as one node.  (n,), (n,) -> ()       d/dx_i = y_i, d/dy_i = x_i"""
    x_data, y_data = [x.data for x in xs], [y.data for y in ys]
    if len(x_data) != len(y_data):
        raise ValueError(f"dot of {len(x_data)} and {len(y_data)} numbers: both sides need the same length")
    return Value(add_floats(map(mul, x_data, y_data)), (*xs, *ys), y_data + x_data, "dot")


def linear(x: Sequence[Value], weight: Sequence[Sequence[Value]], bias: Sequence[Value] | None = None) -> list[Value]:
    """y = W x + b       x (in,), W (out, in), b (out,) -> (out,).  A row is one node, its bias included."""
    x = tuple(x)
    x_data = [v.data for v in x]
    if len(weight[0]) != len(x):
        raise ValueError(f"linear: the input has {len(x)} numbers, the weight takes {len(weight[0])}")
    y = []
    for i, row in enumerate(weight):
        w_data = [w.data for w in row]
        total = add_floats(map(mul, x_data, w_data))
        if bias is None:
            y.append(Value(total, (*x, *row), w_data + x_data, "dot"))
        else:
            b = bias[i]
            y.append(Value(total + b.data, (*x, *row, b), [*w_data, *x_data, 1.0], "dot+b"))
    return y


def add(xs: Sequence[Value], ys: Sequence[Value]) -> list[Value]:
    """x + y, number by number.  (n,), (n,) -> (n,)"""
    return [x + y for x, y in zip(xs, ys, strict=True)]


def scale(xs: Sequence[Value], factor: Value | float) -> list[Value]:
    """x * factor.  (n,) -> (n,)"""
    return [x * factor for x in xs]


def rms_norm(x: Sequence[Value], weight: Sequence[Value] | None = None, *, eps: float = 1e-5) -> list[Value]:
    """y = x / sqrt(mean(x^2) + eps) * weight       (C,) -> (C,)       Zhang and Sennrich 2019, arXiv:1910.07467"""
    rstd = (dot(x, x) * (1 / len(x)) + eps) ** -0.5
    return _affine([v * rstd for v in x], weight, None)


def layer_norm(
    x: Sequence[Value], weight: Sequence[Value] | None = None, bias: Sequence[Value] | None = None, *, eps: float = 1e-5
) -> list[Value]:
    """y = (x - mean) / sqrt(var + eps) * weight + bias       (C,) -> (C,)       Ba et al. 2016, arXiv:1607.06450"""
    centre = mean(x)
    centred = [v - centre for v in x]
    rstd = (dot(centred, centred) * (1 / len(x)) + eps) ** -0.5
    return _affine([v * rstd for v in centred], weight, bias)


def dyt(
    x: Sequence[Value], alpha: Value, weight: Sequence[Value] | None = None, bias: Sequence[Value] | None = None
) -> list[Value]:
    """y = tanh(alpha x) * weight + bias       (C,) -> (C,)       Zhu et al. 2025, arXiv:2503.10622"""
    return _affine([(v * alpha).tanh() for v in x], weight, bias)


def softmax(xs: Sequence[Value]) -> list[Value]:
    """p_i = exp(x_i - m) / sum_j exp(x_j - m),  m = max(x)       (n,) -> (n,), positive, sums to 1

    m is a constant: softmax does not change when one number is taken from every x, so no gradient is lost, and
    no exp can overflow.
    """
    largest = max(map(_data, xs))
    exps = [(x - largest).exp() for x in xs]
    total = sum(exps) ** -1
    return [e * total for e in exps]


def cross_entropy(logits: Sequence[Value], target: int) -> Value:
    """-log softmax(logits)[target] = logsumexp(z) - z_target, in nats       (V,) -> ()

    One node: dL/dz_i = p_i - [i = target]. Stable for logits of any size, since the largest is taken out first.
    """
    z = tuple(map(_data, logits))
    largest = max(z)
    exps = [math.exp(v - largest) if v > -math.inf else 0.0 for v in z] if largest < math.inf else [math.nan] * len(z)
    total = add_floats(exps)
    slopes = [e / total for e in exps]
    slopes[target] -= 1.0
    return Value(math.log(total) + (largest - z[target]), tuple(logits), tuple(slopes), "cross_entropy")


def attention(q: Sequence[Value], keys: Sequence[Sequence[Value]], values: Sequence[Sequence[Value]]) -> list[Value]:
    """y = sum_s p_s v_s,  p = softmax(q . k_s / sqrt(D))       q (D,), keys and values (S, D) -> (D,)

    One query of one head, over the keys that it may see.       Vaswani et al. 2017, arXiv:1706.03762
    """
    q = scale(q, 1 / math.sqrt(len(q)))
    p = softmax([dot(q, k) for k in keys])
    return [dot(p, column) for column in zip(*values, strict=True)]


def rope(x: Sequence[Value], position: int, *, base: float = 10000.0) -> list[Value]:
    """Rotate each pair (x_2i, x_2i+1) by the angle position * base^(-2i/D)       Su et al. 2021, arXiv:2104.09864

    x (D,) -> (D,), D even. Products of rotated queries and keys depend on the distance between them alone.
    """
    y: list[Value] = []
    for i in range(0, len(x), 2):
        angle = position * base ** (-i / len(x))
        cos, sin = math.cos(angle), math.sin(angle)
        y += [x[i] * cos - x[i + 1] * sin, x[i] * sin + x[i + 1] * cos]
    return y


def relu(xs: Sequence[Value]) -> list[Value]:
    """max(x, 0)"""
    return [x.relu() for x in xs]


def relu2(xs: Sequence[Value]) -> list[Value]:
    """max(x, 0)^2       So et al. 2021 (Primer), arXiv:2109.08668"""
    return [x.relu() ** 2 for x in xs]


def gelu(xs: Sequence[Value]) -> list[Value]:
    """Value.gelu, number by number"""
    return [x.gelu() for x in xs]


def silu(xs: Sequence[Value]) -> list[Value]:
    """x sigmoid(x)       Elfwing et al. 2017, arXiv:1702.03118"""
    return [x * x.sigmoid() for x in xs]


def swiglu(xs: Sequence[Value]) -> list[Value]:
    """silu(gate) * up: gate is the first half, up the other       (2H,) -> (H,)       Shazeer 2020, arXiv:2002.05202"""
    half = len(xs) // 2
    return [g * u for g, u in zip(silu(xs[:half]), xs[half:], strict=True)]


def _affine(x: list[Value], weight: Sequence[Value] | None, bias: Sequence[Value] | None) -> list[Value]:
    if weight is not None:
        x = [v * w for v, w in zip(x, weight, strict=True)]
    if bias is not None:
        x = add(x, bias)
    return x
