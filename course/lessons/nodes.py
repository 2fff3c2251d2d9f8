"""What keeps a result from being a node that `backward` can walk, in words: for laws that ask for a Value."""

from __future__ import annotations

from typing import Any

from ...engine.scalar.value import Value
from ..judging import digits

NO_TUPLE = "parents and slopes are tuples, even of one, and brackets alone make none: a comma does."
"""What somebody is told who wrote (x) for a tuple of x."""
PLAIN_PARENT = (
    "a parent is a plain number, and no slope can be handed to one: give the Value itself, and do not write over it."
)
VALUE_INSIDE = (
    "the number of a node, or a slope of it, is itself a Value: it was computed from Values, and a node keeps plain "
    "numbers. Begin from `.data`."
)


def flaw(y: Any) -> str:
    """What y is in place of a node made of numbers, tuples and parents; '' where it is one."""
    if not isinstance(y, Value):
        return digits(y) if y is None else f"a plain {type(y).__name__}"
    data: Any = y.data
    if not _is_number(data):
        return "a Value inside a Value" if isinstance(data, Value) else f"a Value of {digits(data)}"
    if not isinstance(y.parents, (tuple, list)) or not isinstance(y.local_grads, (tuple, list)):
        return "a node whose parents or slopes are no tuple"
    if not all(isinstance(parent, Value) for parent in y.parents):
        return "a node with a plain number as its parent"
    if not all(map(_is_number, y.local_grads)):
        return "a node with a slope that is no number"
    return ""


def misbuilt(data: Any, parents: Any, slopes: Any) -> Value:
    """A node as somebody makes one who was never told its types: for known wrong answers."""
    return Value(data, parents, slopes)


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float))
