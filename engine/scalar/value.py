"""A number that remembers how it was computed, and can therefore say how it depends on everything before it.

A node stores its parents and, beside each, the local derivative d(node)/d(parent), worked out on the line that
computes the value. The chain rule is then written once, in `backward`. After micrograd (Karpathy 2020).

Values follow IEEE arithmetic as arrays do: exp(1000) is inf, log(0) is -inf and 0/0 is nan, so that a run that
diverges can be stopped by name instead of dying in the middle of a formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from itertools import count
from numbers import Real
from operator import attrgetter
from typing import Any

_next_birth = count().__next__
_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


class Value:
    """A float in a graph: `data`, `grad` = dL/d(data), and how it came to be: `op`, `parents`, `local_grads`.

    `constant` is what the op took beside its parents: 2.0 in `x + 2.0`, the target of a cross-entropy.

    >>> a, b, c = Value(2.0), Value(-3.0), Value(4.0)
    >>> y = a * b + c.relu() ** 2
    >>> y.backward()
    >>> y.data, a.grad, b.grad, c.grad
    (10.0, -3.0, 2.0, 8.0)
    """

    __slots__ = ("born", "constant", "data", "grad", "local_grads", "op", "parents")

    def __init__(
        self,
        data: float,
        parents: Sequence[Value] = (),
        local_grads: Sequence[float] = (),
        op: str = "",
        constant: Any = None,
    ) -> None:
        self.data = data if parents else _number(data)
        self.grad = 0.0
        self.parents = parents
        self.local_grads = local_grads
        self.op = op
        self.constant = constant
        self.born = _next_birth()  # parents are older than children: sorting by it is a topological order

    def backward(self) -> None:
        """Add d(self)/d(leaf) to `grad` of every leaf below; set `grad` of every node between to d(self)/d(node).

        Leaves accumulate over calls, as in PyTorch, so zero them first; inner nodes start afresh, so a second call
        adds the same gradient again and nothing worse. No recursion: a chain of 100,000 nodes is no deeper than one.
        """
        if not self.parents:
            self.grad += 1.0
            return
        _number(self.data)  # a * array has got as far as this
        inner = [node for node in self.ancestors() if node.parents]
        for node in inner:
            node.grad = 0.0
        self.grad = 1.0
        inner.sort(key=attrgetter("born"), reverse=True)
        for node in inner:
            g = node.grad
            for parent, local_grad in zip(node.parents, node.local_grads):  # noqa: B905 (strict= costs time here)
                parent.grad += local_grad * g

    def ancestors(self) -> set[Value]:
        """Everything that this value was computed from, itself included."""
        found = {self}
        frontier = {self}
        while frontier:
            frontier = set().union(*[node.parents for node in frontier]) - found
            found |= frontier
        return found

    # **** arithmetic: with another Value or a Python number on either side

    def __add__(self, other: Value | float) -> Value:
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0), "+")
        return Value(self.data + other, (self,), (1.0,), "+", other)

    def __mul__(self, other: Value | float) -> Value:
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data), "*")
        return Value(self.data * other, (self,), (other,), "*", other)

    def __pow__(self, exponent: float) -> Value:
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a Value, ** takes a number: write (b * a.log()).exp() for a ** b")
        slope = exponent * _power(self.data, exponent - 1) if exponent else 0.0
        return Value(_power(self.data, exponent), (self,), (slope,), f"**{exponent:g}", exponent)

    def __truediv__(self, other: Value | float) -> Value:
        if isinstance(other, Value):
            ratio, inverse = _divide(self.data, other.data), _divide(1.0, other.data)
            return Value(ratio, (self, other), (inverse, -ratio * inverse), "/")
        return Value(_divide(self.data, other), (self,), (_divide(1.0, other),), "/", other)

    def __neg__(self) -> Value:
        return Value(-self.data, (self,), (-1.0,), "neg")

    def __sub__(self, other: Value | float) -> Value:
        if isinstance(other, Value):
            return Value(self.data - other.data, (self, other), (1.0, -1.0), "-")
        return Value(self.data - other, (self,), (1.0,), "-", other)

    def __rsub__(self, other: float) -> Value:
        return Value(other - self.data, (self,), (-1.0,), f"{other:g}-", other)

    def __rtruediv__(self, other: float) -> Value:
        ratio = _divide(other, self.data)
        return Value(ratio, (self,), (-_divide(ratio, self.data),), f"{other:g}/", other)

    def __rpow__(self, base: float) -> Value:
        y = _power(base, self.data)
        is_flat = not y or (base == 0 and self.data >= 0)  # 0^0 = 1 begins a line of zeros: slope 0, as in torch
        return Value(y, (self,), (0.0 if is_flat else y * _log(base),), f"{base:g}**", base)

    __radd__ = __add__
    __rmul__ = __mul__

    # **** order is that of the data, so max([a, b]) works; == asks whether it is the same node of the graph

    def __lt__(self, other: Value | float) -> bool:
        return self.data < float(other)

    def __le__(self, other: Value | float) -> bool:
        return self.data <= float(other)

    def __gt__(self, other: Value | float) -> bool:
        return self.data > float(other)

    def __ge__(self, other: Value | float) -> bool:
        return self.data >= float(other)

    # **** functions of one number

    def exp(self) -> Value:
        y = _exp(self.data)
        return Value(y, (self,), (y,), "exp")

    def log(self) -> Value:
        return Value(_log(self.data), (self,), (_divide(1.0, self.data),), "log")

    def sqrt(self) -> Value:
        y = math.sqrt(self.data) if self.data >= 0 else math.nan
        return Value(y, (self,), (_divide(0.5, y),), "sqrt")

    def tanh(self) -> Value:
        y = math.tanh(self.data)
        return Value(y, (self,), (1.0 - y * y,), "tanh")

    def sigmoid(self) -> Value:
        y = 0.5 * (1.0 + math.tanh(0.5 * self.data))  # 1 / (1 + exp(-x)), without an exp that can overflow
        return Value(y, (self,), (y * (1.0 - y),), "sigmoid")

    def relu(self) -> Value:
        """max(x, 0), with slope 0 at 0. A nan stays a nan."""
        x = self.data
        return Value(0.0 if x <= 0 else x, (self,), (1.0 if x > 0 else 0.0,), "relu")

    def gelu(self) -> Value:
        """x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))       Hendrycks and Gimpel 2016, arXiv:1606.08415"""
        x = self.data
        t = math.tanh(_SQRT_2_OVER_PI * (x + _GELU_CUBIC * x * x * x))
        bend = 1 - t * t  # 0 where the curve has become a line, however large x is
        slope = 0.5 * (1 + t) + (0.5 * x * bend * _SQRT_2_OVER_PI * (1 + 3 * _GELU_CUBIC * x * x) if bend else 0.0)
        return Value(0.5 * x * (1 + t), (self,), (slope,), "gelu")

    def __abs__(self) -> Value:
        """|x|, with slope 0 at 0."""
        x = self.data
        return Value(abs(x), (self,), (_sign(x),), "abs")

    abs = __abs__

    def max(self, other: Value | float) -> Value:
        """The larger of the two, nan if either is; where they are equal the slope goes to self."""
        x, y = self.data, float(other)
        takes_self = x >= y or x != x
        largest = x if takes_self else y
        if isinstance(other, Value):
            return Value(largest, (self, other), (float(takes_self), float(not takes_self)), "max")
        return Value(largest, (self,), (float(takes_self),), "max", y)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or pickle of a leaf is born anew. Raises TypeError for any other node: its place is in its graph."""
        if self.parents:
            raise TypeError(
                f"a Value that was computed (by {self.op or 'hand'}) cannot be copied or pickled, since its copy would "
                "share its graph: take Value(v.data), or compute it again from copied leaves"
            )
        return _leaf, (self.data, self.grad, self.op)

    def __float__(self) -> float:
        return float(self.data)

    def __round__(self, n_digits: int | None = None) -> float:
        return round(self.data, n_digits)

    def __format__(self, spec: str) -> str:
        return format(_number(self.data), spec) if spec else repr(self)

    def __repr__(self) -> str:
        return f"Value(data={_number(self.data):g}, grad={self.grad:g})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """For a notebook, which asks: the graph as a picture. Beside the core, so by name."""
        return dict(import_module("nanochat.engine.scalar.pictures.notebook").bundle(self))


class Largest(float):
    """max(xs) as a constant, through which no gradient flows, that knows what it is the largest `of`; 0 of nothing.

    It may miss a nan, as Python's max does.
    """

    of: Sequence[Value]

    def __new__(cls, xs: Sequence[Value]) -> Largest:
        largest = super().__new__(cls, max([x.data for x in xs], default=0.0))
        largest.of = xs
        return largest


def _leaf(data: float, grad: float, op: str) -> Value:
    leaf = Value(data, op=op)
    leaf.grad = grad
    return leaf


def _number(data: Any) -> float:
    """Raises TypeError for what is no single number."""
    if isinstance(data, Real):
        return data  # type: ignore[return-value]  # an int or a NumPy scalar stays what it is
    what, remedy = f"{type(data).__name__} {data!r}", "give it a float; for arrays there is nanochat.Tensor"
    if isinstance(data, Value):
        what, remedy = "Value", "use it as it is, or take v.data, which begins a new graph"
    raise TypeError(f"a Value holds one number, this is the {what:.60}: {remedy}")


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x < 0 or x > 0 else x


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    if x > 0:
        return math.log(x)
    return -math.inf if x == 0 else math.nan


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _power(base: float, exponent: float) -> float:
    if base <= 0 and abs(exponent) == 0.5:  # a root, as arrays take it: of -inf pow says inf, of -0 it says 0
        root = math.sqrt(base) if base == 0 else math.nan
        return root if exponent > 0 else _divide(1.0, root)
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:  # a negative base to a broken power, or 0 to a negative one
        return math.nan if base else math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf
