"""What the exercises of lessons 5 and 6 share: arrays in words, differences, how an answer is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...exercise import Broken
from ...judging import digits

Array = np.ndarray
Vjp = Callable[[Array], tuple[Array, ...]]
Op = Callable[..., tuple[Array, Vjp]]

NUDGE = 1e-5
CLOSE = 1e-6
"""A central difference of numbers of size 1 errs by 1e-9."""


def words(array: Array) -> str:
    """`[[1, 2], [3, 4]]`"""
    if np.ndim(array) == 0:
        return digits(float(array))
    return "[" + ", ".join(map(words, array)) + "]"


def not_a_pair(result: Any) -> str:
    """What came back in place of (array, function); "" where it is that."""
    if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
        return f"a {type(result).__name__}, not (y, vjp)"
    return "" if isinstance(result[0], np.ndarray) else f"y is a {type(result[0]).__name__}, not an array"


def measured(op: Callable[..., Array], arrays: tuple[Array, ...], g: Array, which: int) -> Array:
    """d sum(g op) / d arrays[which], entry by entry, by central differences."""
    slopes = np.zeros(arrays[which].shape)
    for index in np.ndindex(slopes.shape):
        ends = []
        for h in (NUDGE, -NUDGE):
            moved = [array.copy() for array in arrays]
            moved[which][index] += h
            ends.append(float((g * op(*moved)).sum()))
        slopes[index] = (ends[0] - ends[1]) / (2 * NUDGE)
    return slopes


def first_difference(
    got: Array, expected: Array, name: str, call: str, *, close: float, why: str = ""
) -> Broken | None:
    """The first entry that is wrong."""
    for index in np.ndindex(expected.shape):
        if not abs(got[index] - expected[index]) <= close * max(1.0, abs(float(expected[index]))):
            place = f"{name}[{', '.join(map(str, index))}]" if index else name
            return Broken(
                call=f"{call}: {place}", expected=digits(float(expected[index])) + why, got=digits(float(got[index]))
            )
    return None


def seen(arrays: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, float | str]:
    """Every entry of arrays that have their shape; of others the shape in words."""
    found: dict[str, float | str] = {}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.shape != shapes[name]:
            found[name] = f"shape {np.shape(array)}"
            continue
        found |= {f"{name}[{', '.join(map(str, index))}]": float(array[index]) for index in np.ndindex(array.shape)}
    return found


def wrong_shapes(names: tuple[str, ...], got: Any, arrays: tuple[Array, ...], call: str) -> Broken | None:
    """A gradient has the shape of what it is the gradient of."""
    if not isinstance(got, (tuple, list)) or len(got) != len(arrays):
        return Broken(call=call, expected=f"{len(arrays)} gradients: {', '.join(names)}", got=digits(got))
    for name, gradient, array in zip(names, got, arrays, strict=True):
        if np.shape(gradient) != array.shape:
            said = f"{name} of shape {array.shape}, as the input has it"
            return Broken(call=call, expected=said, got=f"shape {np.shape(gradient)}")
    return None
