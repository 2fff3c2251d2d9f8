"""Functions of lists of Values: dot products, linear layers, norms, softmax, attention, cross-entropy.

A sum or a dot product of n numbers is one node with n or 2n parents, not a chain of n or 2n nodes: the same
derivative, with a fifteenth of the bookkeeping (docs/log.md has the figures). Vectors are lists of Values,
matrices lists of rows, weights (out, in).
"""

from __future__ import annotations

import math
from builtins import sum as add_floats
from collections.abc import Callable, Sequence
from operator import attrgetter, mul

from .value import Largest, Value

_data = attrgetter("data")


def sum(xs: Sequence[Value]) -> Value:
    """x_1 + ... + x_n as one node.  (n,) -> ()"""
    try:
        total = add_floats(map(_data, xs))
    except AttributeError:  # numbers among them; here and below the try costs nothing where there are none
        return sum(_values(xs))
    return Value(total, tuple(xs), (1.0,) * len(xs), "sum")


def mean(xs: Sequence[Value]) -> Value:
    """(x_1 + ... + x_n) / n as one node.  (n,) -> ()"""
    n = len(xs)
    if not n:
        raise ValueError("mean of no number: give one at least")
    total = sum(xs)
    return Value(total.data / n, total.parents, (1.0 / n,) * n, "mean")


def dot(xs: Sequence[Value], ys: Sequence[Value]) -> Value:
    """x_1 y_1 + ... + x_n y_n as one node.  (n,), (n,) -> ()       d/dx_i = y_i, d/dy_i = x_i"""
    try:
        x_data, y_data = [x.data for x in xs], [y.data for y in ys]
    except AttributeError:
        return dot(_values(xs), _values(ys))
    if len(x_data) != len(y_data):
        raise ValueError(f"dot of {len(x_data)} and {len(y_data)} numbers: both sides need the same length")
    return Value(add_floats(map(mul, x_data, y_data)), (*xs, *ys), y_data + x_data, "dot")


def linear(x: Sequence[Value], weight: Sequence[Sequence[Value]], bias: Sequence[Value] | None = None) -> list[Value]:
    """y = W x + b       x (in,), W (out, in), b (out,) -> (out,).  A row is one node, its bias included."""
    x = tuple(x)
    try:
        x_data = [v.data for v in x]
    except AttributeError:
        return linear(_values(x), weight, bias)
    n = len(x)
    if bias is not None and len(bias) != len(weight):
        raise ValueError(f"linear: the weight has {len(weight)} rows and the bias {len(bias)} numbers: give one a row")
    y = []
    for i, row in enumerate(weight):
        w_data = [w.data for w in row]
        if len(w_data) != n:
            raise ValueError(f"linear: the input has {n} numbers, row {i} of the weight takes {len(w_data)}")
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
    if not x:
        raise ValueError("rms_norm of no number: give one at least")
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
    try:
        largest = Largest(xs)
    except AttributeError:
        return softmax(_values(xs))
    exps = [(x - largest).exp() for x in xs]
    total = sum(exps) ** -1
    return [e * total for e in exps]


def cross_entropy(logits: Sequence[Value], target: int, *, label_smoothing: float = 0.0) -> Value:
    """-log softmax(logits)[target] = logsumexp(z) - z_target, in nats       (V,) -> ()

    label_smoothing a > 0: (1 - a) of that, and a of the mean over all classes, logsumexp(z) - mean(z).

    One node: dL/dz_i = p_i - [i = target]. Stable for logits of any size, since the largest is taken out first.
    A target of -1 is ignored: loss and slopes are 0. One nan, one inf, or -inf alone make all of them nan.
    Raises IndexError on a target that is no class and not -1.
    """
    try:
        z = tuple(map(_data, logits))
    except AttributeError:
        return cross_entropy(_values(logits), target, label_smoothing=label_smoothing)
    if not 0 <= target < len(z):
        return _no_class(logits, target)
    if label_smoothing:
        spread = cross_entropy(logits, 0) + logits[0] - mean(logits)
        return cross_entropy(logits, target) * (1 - label_smoothing) + spread * label_smoothing
    largest = max(z)
    finite = -math.inf < largest < math.inf
    exps = [0.0 if v == -math.inf else math.exp(v - largest) for v in z] if finite else [math.nan] * len(z)
    total = add_floats(exps)
    slopes = [e / total for e in exps]
    slopes[target] -= 1.0
    return Value(math.log(total) + (largest - z[target]), tuple(logits), tuple(slopes), "cross_entropy", target)


def attention(
    q: Sequence[Value], keys: Sequence[Sequence[Value]], values: Sequence[Sequence[Value]], *, scale: float = 1.0
) -> list[Value]:
    """y = sum_s p_s v_s,  p = softmax(scale q . k_s / sqrt(D))       q (D,), keys and values (S, D) -> (D,)

    One query of one head, over the keys that it may see.       Vaswani et al. 2017, arXiv:1706.03762
    """
    if not keys:
        raise ValueError("attention over no key: a query sees itself at least")
    q = [x * (scale / math.sqrt(len(q))) for x in q]
    p = softmax([dot(q, k) for k in keys])
    return [dot(p, column) for column in zip(*values, strict=True)]


def rope(x: Sequence[Value], position: int, *, base: float = 10000.0) -> list[Value]:
    """Rotate each pair (x_2i, x_2i+1) by the angle position * base^(-2i/D)       Su et al. 2021, arXiv:2104.09864

    x (D,) -> (D,), D even. Products of rotated queries and keys depend on the distance between them alone.
    """
    if len(x) % 2:
        raise ValueError(f"rope: heads of D={len(x)} channels have no pairs to rotate: choose n_embd / n_head even")
    y: list[Value] = []
    for i in range(0, len(x), 2):
        angle = position * base ** (-i / len(x))
        cos, sin = math.cos(angle), math.sin(angle)
        y += [x[i] * cos - x[i + 1] * sin, x[i] * sin + x[i + 1] * cos]
    return y


def relu(xs: Sequence[Value]) -> list[Value]:
    """max(x, 0)"""
    return _each(Value.relu, xs)


def relu2(xs: Sequence[Value]) -> list[Value]:
    """max(x, 0)^2       So et al. 2021 (Primer), arXiv:2109.08668"""
    return [x**2 for x in relu(xs)]


def gelu(xs: Sequence[Value]) -> list[Value]:
    """Value.gelu, number by number"""
    return _each(Value.gelu, xs)


def silu(xs: Sequence[Value]) -> list[Value]:
    """x sigmoid(x)       Elfwing et al. 2017, arXiv:1702.03118"""
    return [s * x for x, s in zip(xs, _each(Value.sigmoid, xs), strict=True)]


def swiglu(xs: Sequence[Value]) -> list[Value]:
    """silu(gate) * up: gate is the first half, up the other       (2H,) -> (H,)       Shazeer 2020, arXiv:2002.05202"""
    half = len(xs) // 2
    return [g * u for g, u in zip(silu(xs[:half]), xs[half:], strict=True)]


def _values(xs: Sequence[Value | float]) -> list[Value]:
    """The same with Values in the place of numbers: a list may mix them, as arithmetic does.  (n,) -> (n,)"""
    return [x if isinstance(x, Value) else Value(x) for x in xs]


def _each(f: Callable[[Value], Value], xs: Sequence[Value]) -> list[Value]:
    """f of each"""
    try:
        return [f(x) for x in xs]
    except AttributeError:
        return [f(x) for x in _values(xs)]


def _no_class(logits: Sequence[Value], target: int) -> Value:
    """The loss of a row that is ignored; anything else is refused."""
    if not logits:
        raise ValueError("cross_entropy of no logits: give one at least")
    if target != -1:
        raise IndexError(
            f"cross_entropy: target {target} is no class: give 0 to {len(logits) - 1}, or -1 to ignore the row"
        )
    return Value(0.0, tuple(logits), (0.0,) * len(logits), "cross_entropy", target)


def _affine(x: list[Value], weight: Sequence[Value] | None, bias: Sequence[Value] | None) -> list[Value]:
    if weight is not None:
        x = [v * w for v, w in zip(x, weight, strict=True)]
    if bias is not None:
        x = add(x, bias)
    return x
