"""What each op is on arrays: how to work out its results, and how a gradient goes back through it.

`engine/scalar` says both on the line that computes one number. Here the same formulas stand for many numbers at once,
and nothing is computed yet: a rule is given `do`, which notes a call of NumPy, to be made at each replay, and returns
the array that the call fills.

    do(np.multiply, x, y)            a call into new memory
    do(np.multiply, x, y, out=z)     a call into z

First the ops of one or two numbers: a rule is how to work out z, and the slopes dz/dx and dz/dy. Then the ops of many:
sums, dot products, linear layers, cross-entropy. c is what an op took besides its parents: the 2 of x**2. A nan, an
infinity and a zero end as they do in a Value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, Protocol

import numpy as np

from ..scalar.value import Largest, Value

Array = np.ndarray
Nodes = Sequence[Value]
Back = Callable[[Array], Any]
"""Emits the calls of a group's way back, given the array of its gradients."""
Do = Callable[..., Array]
Slope = float | Callable[..., Array]  # a number, or slope(do, z, c, *xs)
Rule = tuple[Callable[..., Any], tuple[Slope, ...]]
"""forward(do, z, c, *xs) fills z; one slope for each parent."""

_ROOT, _CUBIC = math.sqrt(2 / math.pi), 0.044715


class Calls:
    """A list of calls. Each is made when it is noted, too, on whatever is there: NumPy says what shape comes out."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def __call__(self) -> None:
        """Make them all."""
        for function, arguments in self.calls:
            function(*arguments)

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """By place, which is faster: x.take(places, axis, out, mode), ufunc.reduce(x, axis, dtype, out)"""
        if function is np.maximum:  # NumPy deprecates a third argument by place for it
            function, arguments = partial(np.maximum, out=arguments[2]), arguments[:2]
        function(*arguments)
        self.calls.append((function, arguments))

    def do(self, function: Callable[..., Any], *inputs: Array, out: Array | None = None) -> Array:
        """function(*inputs, out), into new memory where none is given; returns it"""
        out = np.asarray(function(*inputs)) if out is None else out
        self.call(function, *inputs, out)
        return out

    def gather(self, source: Array, places: Array) -> Array:
        """source[places]: a view, which costs no call, where there is one."""
        if (view := view_of(source, places)) is not None:
            return view
        out = np.empty(places.shape, source.dtype)
        self.call(source.take, places, None, out, "clip")  # "clip": any other mode copies the result once more
        return out

    def reduce(self, ufunc: np.ufunc, source: Array, places: Array, counts: Sequence[int], out: Array) -> None:
        """ufunc, add or maximum, over the first counts[0] of source[places], over the next counts[1], ... -> (S, k)"""
        n, (S, k) = counts[0], out.shape
        if min(counts) != max(counts):
            self.call(ufunc.reduceat, self.gather(source, places), np.cumsum([0, *counts[:-1]]), 1, None, out)
        elif n > 3:  # the first of each, the second of each, ...: to add rows to rows is faster than along a row
            x = self.gather(source, np.ascontiguousarray(places.reshape(S, k, n).swapaxes(1, 2)))
            self.call(ufunc.reduce, x, 1, None, out)
        elif n > 1:
            x, *others = (self.gather(source, places[:, i::n]) for i in range(n))
            for y in others:
                x = self.do(ufunc, x, y, out=out)
        else:
            self.call(source.take, places, None, out, "clip")


class Site(Protocol):
    """A program as a rule sees it: where numbers and gradients lie, and the two lists of calls that it adds to."""

    samples: int
    p: Array
    leaf: dict[Value, int]
    forward_calls: Calls
    backward_calls: Calls

    def read(self, nodes: Nodes) -> Array: ...  # the values of any nodes: (S, n)
    def read_largest(self, nodes: Nodes) -> Array: ...  # their constants, the largest of some Values: (S, n)
    def read_indices(self, nodes: Nodes) -> Array: ...  # their constants, indices that are open or not: (S, n)
    def view(self, group: Nodes) -> Array: ...  # where the results of a whole group go: (S, k)
    def edges(self, operands: Nodes) -> Array: ...  # where each finds its share of the gradient: (S, n)
    def pass_on(self, operands: Nodes, g: Array, counts: Sequence[int]) -> None: ...  # or reads g itself, at no cost
    def learn(self, first: int, x: Array, y: Array) -> None: ...  # weights from `first` on get x y as their share


def view_of(source: Array, places: Array) -> Array | None:
    """source[places] as a view: where the places follow each other, else None"""
    first = places.flat[0] if places.size else 0
    follow = (places.reshape(-1) == np.arange(first, first + places.size)).all()
    return source[first : first + places.size].reshape(places.shape) if follow else None


def _by(ufunc: np.ufunc, *slopes: Slope) -> Rule:
    """z = ufunc(x), ufunc(x, y) or ufunc(x, c)"""
    return lambda do, z, c, *xs: do(ufunc, *(xs if c is None else (*xs, c)), out=z), slopes


def _zeros(x: Array) -> Array:
    """An array, not a number: NumPy turns a Python number into an array at every call."""
    return np.zeros(x.shape)


# **** powers: c is one number, the same for all nodes of a group


def _power(do: Do, z: Array, c: float, x: Array) -> None:
    """x^c. What is frequent goes the fast way: squares, and the roots of norms; pow takes twenty times as long."""
    if c == 2:
        do(np.square, x, out=z)
    elif c == -1:
        do(np.reciprocal, x, out=z)
    elif c == 0.5:
        do(np.sqrt, x, out=z)
    elif c == -0.5:
        do(np.reciprocal, do(np.sqrt, x), out=z)
    else:
        do(np.power, x, np.array(c), out=z)


def _power_slope(do: Do, z: Array, c: float, x: Array) -> Array:
    """c x^(c-1), and 0 where c is"""
    if c == 0:
        return _zeros(x)
    if c == 2:
        return do(np.add, x, x)
    if c == -1:
        return do(np.negative, do(np.square, z))
    slope = np.empty(x.shape)
    _power(do, slope, c - 1, x)
    return do(np.multiply, slope, np.array(c))


def _exponential_slope(do: Do, z: Array, c: float, x: Array) -> Array:
    """c^x log c, and 0 where c^x is, and where 0^x begins a line of zeros"""
    slope = do(np.multiply, z, np.log(np.full(x.shape, c)))
    is_flat = do(np.equal, z, _zeros(x))
    if c == 0:
        is_flat = do(np.logical_or, is_flat, do(np.greater_equal, x, _zeros(x)))
    return _zero_where(do, is_flat, slope)


def _zero_where(do: Do, mask: Array, x: Array) -> Array:
    """x, but 0 where the mask is, whatever x is there: a product would make nan of 0 times infinity."""
    return do(_choose, mask, _zeros(x), x, out=np.empty(x.shape))


def _choose(mask: Array, x: Array, y: Array, out: Array) -> None:
    """np.where, into memory that is there"""
    np.copyto(out, y)
    np.copyto(out, x, where=mask)


# **** bends: functions that look at their number


def _takes_first(do: Do, x: Array, y: Array) -> Array:
    """Where max(x, y) is x: at equality, too, and at a nan"""
    return do(np.logical_or, do(np.greater_equal, x, y), do(np.not_equal, x, x))


def _tanh_in_gelu(do: Do, x: Array) -> Array:
    """tanh(sqrt(2/pi) (x + 0.044715 x^3))"""
    cubic = do(np.multiply, do(np.square, x), np.array(_CUBIC))
    inner = do(np.multiply, do(np.add, cubic, np.array(1.0)), x)
    return do(np.tanh, do(np.multiply, inner, np.array(_ROOT)))


def _gelu(do: Do, z: Array, c: None, x: Array) -> None:
    """x/2 (1 + tanh(..))"""
    do(np.multiply, do(np.multiply, x, np.array(0.5)), do(np.add, _tanh_in_gelu(do, x), np.array(1.0)), out=z)


def _gelu_slope(do: Do, z: Array, c: None, x: Array) -> Array:
    """(1 + t)/2 + x/2 (1 - t^2) sqrt(2/pi) (1 + 3 0.044715 x^2),  t = tanh(..); its end is 0 where 1 - t^2 is"""
    t = _tanh_in_gelu(do, x)
    bend = do(np.subtract, np.array(1.0), do(np.square, t))
    steep = do(np.add, do(np.multiply, do(np.square, x), np.array(3 * _CUBIC)), np.array(1.0))
    curve = do(np.multiply, do(np.multiply, do(np.multiply, x, np.array(0.5 * _ROOT)), bend), steep)
    curve = _zero_where(do, do(np.equal, bend, _zeros(x)), curve)
    return do(np.add, do(np.multiply, do(np.add, t, np.array(1.0)), np.array(0.5)), curve)


def _sigmoid(do: Do, z: Array, c: None, x: Array) -> None:
    """(1 + tanh(x/2)) / 2"""
    half = np.array(0.5)
    do(np.multiply, do(np.add, do(np.tanh, do(np.multiply, x, half)), np.array(1.0)), half, out=z)


RULES: dict[str, Rule] = {
    "x+y": _by(np.add, 1.0, 1.0),
    "x-y": _by(np.subtract, 1.0, -1.0),
    "x*y": _by(np.multiply, lambda do, z, c, x, y: y, lambda do, z, c, x, y: x),
    "x/y": _by(
        np.divide,
        lambda do, z, c, x, y: do(np.reciprocal, y),
        lambda do, z, c, x, y: do(np.multiply, do(np.negative, z), do(np.reciprocal, y)),
    ),
    "xmaxy": _by(
        np.maximum,
        lambda do, z, c, x, y: _takes_first(do, x, y),
        lambda do, z, c, x, y: do(np.logical_not, _takes_first(do, x, y)),
    ),
    "x+c": _by(np.add, 1.0),
    "x-c": _by(np.subtract, 1.0),
    "x*c": _by(np.multiply, lambda do, z, c, x: c),
    "x/c": _by(np.divide, lambda do, z, c, x: do(np.reciprocal, c)),
    "xmaxc": _by(np.maximum, lambda do, z, c, x: _takes_first(do, x, c)),
    "c-x": (lambda do, z, c, x: do(np.subtract, c, x, out=z), (-1.0,)),
    "c/x": (
        lambda do, z, c, x: do(np.divide, c, x, out=z),
        (lambda do, z, c, x: do(np.negative, do(np.divide, z, x)),),
    ),
    "x**c": (_power, (_power_slope,)),
    "c**x": (lambda do, z, c, x: do(np.power, np.array(c), x, out=z), (_exponential_slope,)),
    "neg": _by(np.negative, -1.0),
    "exp": _by(np.exp, lambda do, z, c, x: z),
    "log": _by(np.log, lambda do, z, c, x: do(np.reciprocal, x)),
    "sqrt": _by(np.sqrt, lambda do, z, c, x: do(np.divide, np.array(0.5), z)),
    "tanh": _by(np.tanh, lambda do, z, c, x: do(np.subtract, np.array(1.0), do(np.square, z))),
    "sigmoid": (_sigmoid, (lambda do, z, c, x: do(np.multiply, z, do(np.subtract, np.array(1.0), z)),)),
    "relu": (
        lambda do, z, c, x: do(np.maximum, x, _zeros(x), out=z),
        (lambda do, z, c, x: do(np.greater, x, _zeros(x)),),
    ),
    "gelu": (_gelu, (_gelu_slope,)),
    "abs": _by(np.absolute, lambda do, z, c, x: do(np.sign, x)),
}


# **** ops of many numbers: each emits the calls forward, and returns what emits those of the way back


def elementwise(site: Site, kind: str, nodes: Nodes) -> Back:
    """Ops of one or two numbers, by RULES"""
    operands = [[node.parents[i] for node in nodes] for i in range(len(nodes[0].parents))]
    xs, z, c = [site.read(x) for x in operands], site.view(nodes), _constants(site, kind, nodes)
    forward, slopes = RULES[kind]
    forward(site.forward_calls.do, z, c, *xs)

    def back(g: Array) -> None:
        do = site.backward_calls.do
        for slope, operand in zip(slopes, operands, strict=True):
            if slope == 1.0:
                site.pass_on(operand, g, [1] * len(operand))
            else:
                factor = slope(do, z, c, *xs) if callable(slope) else np.array(slope)
                do(np.multiply, g, factor, out=site.edges(operand))

    return back


def _constants(site: Site, kind: str, nodes: Nodes) -> Any:
    """What the ops took besides their parents: one number for powers, else (S, k), as z, or NumPy would take longer."""
    if nodes[0].constant is None:
        return None
    if kind in POWERS:
        return float(nodes[0].constant)
    if looked_at(nodes[0]):
        return site.read_largest(nodes)
    return np.tile([float(node.constant) for node in nodes], (site.samples, 1))


def _sum(site: Site, kind: str, nodes: Nodes) -> Back:
    """Sums, means and dot products (with a bias or without), of as many terms as each node has

    Where all have the same few, the first terms of all lie before the second ones: to add rows to rows is faster than
    along a row, and NumPy adds up to 7 numbers in the same order either way.
    """
    n_sides = 2 if kind.startswith("dot") else 1
    counts, z = [len(node.parents) // n_sides for node in nodes], site.view(nodes)
    (S, k), n, is_even = z.shape, counts[0], min(counts) == max(counts)
    by_term = is_even and n < 8
    axis, shape = (1, (S, n, k)) if by_term else (2, (S, k, n)) if is_even else (1, (S, sum(counts)))
    sides = []
    for i in range(n_sides):
        terms = [node.parents[i * n : (i + 1) * n] for node, n in zip(nodes, counts, strict=True)]
        sides.append(list(chain(*(zip(*terms, strict=True) if by_term else terms))))
    biases = [node.parents[-1] for node in nodes] if kind == "dot+b" else []
    xs, call = [site.read(side).reshape(shape) for side in sides], site.forward_calls.call
    x = site.forward_calls.do(np.multiply, *xs) if n_sides == 2 else xs[0]
    if is_even:
        call(np.add.reduce, x, axis, None, z)
    else:
        call(np.add.reduceat, x, np.cumsum([0, *counts[:-1]]), axis, None, z)
    if kind == "mean":
        call(np.divide, z, np.tile(np.array(counts, float), (S, 1)), z)
    if biases:
        call(np.add, z, site.read(biases), z)

    def back(g: Array) -> None:
        do, shares = site.backward_calls.do, None
        if biases:
            site.pass_on(biases, g, [1] * k)
        if kind == "sum":
            site.pass_on(operands_of(kind, nodes), g, counts)
            return
        each = np.expand_dims(g, axis) if is_even else np.empty(shape)  # the gradient of a node, for each of its terms
        if not is_even:
            site.backward_calls.call(g.take, np.repeat(np.arange(k), counts), axis, each, "clip")
        slopes = xs[::-1] if n_sides == 2 else [np.tile(np.repeat(1 / np.array(counts), counts), S).reshape(shape)]
        for side, slope in zip(sides, slopes, strict=True):
            if shares is None or side != sides[0]:
                shares = do(np.multiply, each, slope, out=site.edges(side).reshape(shape))
            else:  # squares: both sides read the same
                site.pass_on(side, shares, [1] * len(side))

    return back


def _linear(site: Site, kind: str, nodes: Nodes) -> Back:
    """y = x W^T + b of all x at once: what was a dot product a row is a product of matrices again"""
    n, has_bias = divmod(len(nodes[0].parents), 2)
    rows, inputs = n_rows(nodes), operands_of(kind, nodes)
    first, first_bias = (site.leaf[nodes[0].parents[i]] for i in (n, -1))
    w, b = site.p[first : first + rows * n].reshape(rows, n), site.p[first_bias : first_bias + rows]
    x, z = site.read(inputs).reshape(-1, n), site.view(nodes).reshape(-1, rows)
    site.forward_calls.call(np.dot, x, w.T, z)  # of a few rows in half the time of matmul
    if has_bias:
        site.forward_calls.call(np.add, z, b, z)

    def back(g: Array) -> None:
        do, g = site.backward_calls.do, g.reshape(-1, rows)
        site.learn(first, g.T, x)
        do(np.dot, g, w, out=site.edges(inputs).reshape(-1, n))
        if has_bias:
            site.learn(first_bias, np.ones(len(g)), g)

    return back


def _cross_entropy(site: Site, kind: str, nodes: Nodes) -> Back:
    """log sum_j exp(z_j - m) + (m - z_target),  m = max(z);  dL/dz = softmax(z) - [j = target]"""
    logits, do, call = operands_of(kind, nodes), site.forward_calls.do, site.forward_calls.call
    n, k = len(nodes[0].parents), len(nodes) * site.samples
    z, losses = site.read(logits).reshape(k, n), site.view(nodes).reshape(k)
    place = do(np.add, site.read_indices(nodes).reshape(k), n * np.arange(k))  # of the target among all logits
    largest, total, chosen = np.empty((3, k))
    call(np.maximum.reduce, z, 1, None, largest)
    exps = do(np.exp, do(np.subtract, z, largest[:, None]))
    call(np.add.reduce, exps, 1, None, total)
    call(z.reshape(-1).take, place, None, chosen, "clip")
    call(np.add, do(np.log, total), do(np.subtract, largest, chosen), losses)

    def back(g: Array) -> None:
        do, to = site.backward_calls.do, site.edges(logits).reshape(k, n)
        do(np.multiply, do(np.divide, exps, total[:, None]), g.reshape(k, 1), out=to)
        site.backward_calls.call(np.subtract.at, to.reshape(-1), place, g.reshape(k))

    return back


def _no_target(site: Site, kind: str, nodes: Nodes) -> Back:
    """Rows whose target is -1: their loss and its slopes are 0, as all memory is at first"""
    return lambda g: site.edges(operands_of(kind, nodes))


POWERS = ("x**c", "c**x")  # whose c is frozen, and one for a whole group
EMIT: dict[str, Callable[[Site, str, Nodes], Back]] = {  # the others are `elementwise`
    **dict.fromkeys(("sum", "mean", "dot", "dot+b"), _sum),
    "linear": _linear,
    "cross_entropy": _cross_entropy,
    "no target": _no_target,
}


def looked_at(node: Value) -> Sequence[Value]:
    """The Values that an op took the largest of, as its constant: they are looked at anew, and get no gradient."""
    return node.constant.of if isinstance(node.constant, Largest) else ()


def operands_of(kind: str, nodes: Nodes) -> list[Value]:
    """The parents that are read one by one: of a linear layer each x once, and no weights: those are a matrix."""
    if kind != "linear":
        return list(chain.from_iterable(node.parents for node in nodes))
    return [x for node in nodes[:: n_rows(nodes)] for x in node.parents[: len(node.parents) // 2]]


def n_rows(dots: Nodes) -> int:
    """How many dot products in a row have the x of the first one."""
    x = dots[0].parents[: len(dots[0].parents) // 2]
    return next((i for i, dot in enumerate(dots) if dot.parents[: len(x)] != x), len(dots))
