"""Engines for exercise 2a: two right ones, written differently, and known wrong ones: a right one with one change."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ...exercise import Answer, Wrong
from .programs import FUNCTIONS

Functions = Sequence[str]
_births = itertools.count()


class _Node:
    """A number of the first engine: it keeps parents and local slopes; what a subclass changes is a misconception."""

    slopes: Mapping[str, Callable[[float], float]] = MappingProxyType({})

    def __init__(self, data: float, parents: tuple[Any, ...] = (), local: tuple[float, ...] = ()) -> None:
        self.data, self.grad, self.parents, self.local = data, 0.0, parents, local
        self.born = next(_births)

    def pair(self, other: Any, data: float, slopes: tuple[float, float]) -> Any:
        """A node of two; of one where `other` is a plain number."""
        if isinstance(other, _Node):
            return type(self)(data, (self, other), slopes)
        return type(self)(data, (self,), slopes[:1])

    def __add__(self, other: Any) -> Any:
        return self.pair(other, self.data + _plain(other), (1.0, 1.0))

    def __mul__(self, other: Any) -> Any:
        return self.pair(other, self.data * _plain(other), (_plain(other), self.data))

    def __sub__(self, other: Any) -> Any:
        return self.pair(other, self.data - _plain(other), (1.0, -1.0))

    def __rsub__(self, other: float) -> Any:
        return type(self)(other - self.data, (self,), (-1.0,))

    __radd__ = __add__
    __rmul__ = __mul__

    def apply(self, name: str) -> Any:
        """A function of one number."""
        slope = self.slopes.get(name, FUNCTIONS[name].slope)
        return type(self)(FUNCTIONS[name].f(self.data), (self,), (slope(self.data),))

    def below(self) -> list[Any]:
        """Every node, parents before children."""
        found, todo = {self}, [self]
        while todo:
            for parent in todo.pop().parents:
                if parent not in found:
                    found.add(parent)
                    todo.append(parent)
        return sorted(found, key=lambda node: node.born)

    def hand_on(self) -> None:
        """To the parents."""
        for parent, slope in zip(self.parents, self.local, strict=True):
            parent.grad += slope * self.grad

    def forget(self, nodes: list[Any]) -> None:
        """Inner nodes start afresh, leaves collect."""
        for node in nodes:
            if node.parents:
                node.grad = 0.0

    def backward(self) -> None:
        nodes = self.below()
        self.forget(nodes)
        self.grad = 1.0
        for node in reversed(nodes):
            node.hand_on()


class _Closure:
    """A number of the second right engine, as micrograd writes it: each node knows how to hand on."""

    def __init__(self, data: float, parents: tuple[Any, ...] = ()) -> None:
        self.data, self.grad, self.parents = data, 0.0, parents
        self.hand_on: Callable[[], None] = lambda: None

    def _made(self, data: float, slopes: list[tuple[Any, float]]) -> Any:
        out = type(self)(data, tuple(node for node, _ in slopes))

        def hand_on() -> None:
            for node, slope in slopes:
                node.grad += slope * out.grad

        out.hand_on = hand_on
        return out

    def __add__(self, other: Any) -> Any:
        other = other if isinstance(other, _Closure) else type(self)(other)
        return self._made(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other: Any) -> Any:
        other = other if isinstance(other, _Closure) else type(self)(other)
        return self._made(self.data * other.data, [(self, other.data), (other, self.data)])

    def __neg__(self) -> Any:
        return self * -1.0

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __rsub__(self, other: float) -> Any:
        return (-self) + other

    __radd__ = __add__
    __rmul__ = __mul__

    def apply(self, name: str) -> Any:
        return self._made(FUNCTIONS[name].f(self.data), [(self, FUNCTIONS[name].slope(self.data))])

    def backward(self) -> None:
        order: list[_Closure] = []
        seen = {self}
        stack = [(self, iter(self.parents))]
        while stack:
            node, parents = stack[-1]
            parent = next(parents, None)
            if parent is None:
                order.append(node)
                stack.pop()
            elif parent not in seen:
                seen.add(parent)
                stack.append((parent, iter(parent.parents)))
        for node in order:
            node.grad = 0.0 if node.parents else node.grad
        self.grad = 1.0
        for node in reversed(order):
            node.hand_on()


def _plain(x: Any) -> float:
    return x.data if isinstance(x, _Node) else float(x)


def _with(base: type, **changes: Any) -> Callable[[Functions], Answer]:
    """An answer: the engine with some of its methods in another way, and the functions that a variant asks for."""

    def answer(functions: Functions) -> Answer:
        methods = {name: _function(name) for name in functions}
        return {"Number": type("Number", (base,), {**methods, **changes})}

    return answer


def _function(name: str) -> Callable[[Any], Any]:
    return lambda self: self.apply(name)


RIGHT = (_with(_Node), _with(_Closure))


# **** misconceptions


def _assign(self: Any) -> None:
    for parent, slope in zip(self.parents, self.local, strict=True):
        parent.grad = slope * self.grad


def _rewalk(self: Any) -> None:
    """Each node hands on as soon as it received anything, once for every road."""
    self.forget(self.below())
    self.grad = 1.0

    def go(node: Any) -> None:
        for parent, slope in zip(node.parents, node.local, strict=True):
            parent.grad += slope * node.grad
            go(parent)

    go(self)


def _level_by_level(self: Any) -> None:
    """Each node once, in the order in which it is met."""
    self.forget(self.below())
    self.grad = 1.0
    seen, row = {self}, [self]
    for node in row:
        node.hand_on()
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                row.append(parent)


def _recursive(self: Any) -> list[Any]:
    order: list[Any] = []
    seen = set()

    def visit(node: Any) -> None:
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(self)
    return order


def _oldest_first(self: Any) -> None:
    nodes = self.below()
    self.forget(nodes)
    self.grad = 1.0
    for node in nodes:
        node.hand_on()


def _without_a_seed(self: Any) -> None:
    nodes = self.below()
    self.forget(nodes)
    for node in reversed(nodes):
        node.hand_on()


def _once(self: Any) -> None:
    """Parents as a set: `a + a` has one."""
    for parent, slope in dict(zip(self.parents, self.local, strict=True)).items():
        parent.grad += slope * self.grad


def _own_factor(self: Any, other: Any) -> Any:
    return self.pair(other, self.data * _plain(other), (self.data, _plain(other)))


def _plus_minus(self: Any, other: Any) -> Any:
    return self.pair(other, self.data - _plain(other), (1.0, 1.0))


def _reversed_minus(self: Any, other: float) -> Any:
    return self - other


def _untracked(self: Any, name: str) -> Any:
    made = _Node.apply(self, name)
    return made if name in ("exp", "log") else type(self)(made.data)


def _refuse(self: Any, other: float) -> Any:
    return NotImplemented


def _keep(self: Any, nodes: list[Any]) -> None:
    """Nodes between keep what an earlier backward left."""


def _forget_all(self: Any, nodes: list[Any]) -> None:
    for node in nodes:
        node.grad = 0.0


_AGAIN = (
    "a node handed on what it had so far, and then again when more came: what was early counts twice. In "
    "a chain of 14 doublings it walks 32,766 steps for 14 nodes. When may a node speak?"
)
_EARLY = (
    "each node spoke once, and some before everything computed from them had spoken: 14 where lesson 1 "
    "has 26. Which order does no node regret?"
)
WRONG = (
    Wrong(
        name="assigns",
        answer=_with(_Node, hand_on=_assign),
        sentence="a number was reached by two roads, and only the last of them was kept: over several paths slopes "
        "add.",
    ),
    Wrong(
        name="walks again",
        answer=_with(_Node, backward=_rewalk),
        sentence=_AGAIN,
    ),
    Wrong(
        name="speaks too early",
        answer=_with(_Node, backward=_level_by_level),
        sentence=_EARLY,
    ),
    Wrong(
        name="walks again, keeping",
        answer=_with(_Node, backward=_rewalk, forget=_keep),
        sentence=_AGAIN,
    ),
    Wrong(
        name="speaks too early, keeping",
        answer=_with(_Node, backward=_level_by_level, forget=_keep),
        sentence=_EARLY,
    ),
    Wrong(
        name="oldest first",
        answer=_with(_Node, backward=_oldest_first),
        sentence="the walk begins at the leaves, which have nothing to hand on yet: slopes run from the result back.",
    ),
    Wrong(
        name="recursion",
        answer=_with(_Node, below=_recursive),
        sentence="a chain of 5,000 nodes is deeper than Python's stack. A function that "
        "calls itself for each parent needs a frame for each: walk a list.",
    ),
    Wrong(
        name="no seed",
        answer=_with(_Node, backward=_without_a_seed),
        sentence="every slope is 0: nobody said how fast the result moves with itself, and that is where all begins.",
    ),
    Wrong(
        name="inner nodes keep theirs",
        answer=_with(_Node, forget=_keep),
        sentence="the first backward is right. In the second one, nodes between still held what the first had left, "
        "and handed it on once more: leaves collect, nodes between start afresh.",
    ),
    Wrong(
        name="leaves forget",
        answer=_with(_Node, forget=_forget_all),
        sentence="the second backward threw away what the leaves had. They collect, over examples and over calls; "
        "whoever wants to begin anew sets grad to 0.",
    ),
    Wrong(
        name="a set of parents",
        answer=_with(_Node, hand_on=_once),
        sentence="in a + a both parents are the same node, and you counted it once: a set, or a dict, holds it once.",
    ),
    Wrong(
        name="own factor",
        answer=_with(_Node, __mul__=_own_factor),
        sentence="in a * b you gave a the slope a. Hold b still and move a: what does it move by?",
    ),
    Wrong(
        name="minus is plus",
        answer=_with(_Node, __sub__=_plus_minus),
        sentence="in a - b the slope for b has the wrong sign: when b grows, a - b shrinks.",
    ),
    Wrong(
        name="exp is x",
        answer=_with(_Node, slopes={"exp": lambda x: x}),
        sentence="the slope of exp is exp itself, not x: at x = 1 they are 2.718 and 1, at 2 nudging says 7.389.",
    ),
    Wrong(
        name="log is x",
        answer=_with(_Node, slopes={"log": lambda x: x}),
        sentence="the slope of log at x is not x: log climbs ever slower, so its slope shrinks as x grows. Nudge it "
        "at 2.",
    ),
    Wrong(
        name="relu always lets through",
        answer=_with(_Node, slopes={"relu": lambda x: 1.0}),
        sentence="the slope of relu is 1 where x is positive. Where it is negative the result stays 0: how fast is "
        "that?",
        applies=lambda functions: "relu" in functions,
    ),
    Wrong(
        name="minus turned round",
        answer=_with(_Node, __rsub__=_reversed_minus),
        sentence="2 - a was computed as a - 2: where the plain number stands on the left, it is what is subtracted "
        "from.",
    ),
    Wrong(
        name="untracked",
        answer=_with(_Node, apply=_untracked),
        sentence="a function's result has no parents, so it looks like a leaf and nothing comes back through it.",
    ),
    Wrong(
        name="not from the left",
        answer=_with(_Node, __radd__=_refuse, __rmul__=_refuse, __rsub__=_refuse),
        sentence="2 + a asks the number 2 first, which does not know your class; then Python asks a. By which method?",
    ),
)
