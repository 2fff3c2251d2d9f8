"""Known wrong answers: the one whose numbers a student's are, to 1e-10, wherever it differs from the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from .exercise import Answer, Exercise, Observation

CLOSE = 1e-10
"""Relative, or absolute below 1: two spellings of one formula differ by less, two formulas by more."""


def explain(exercise: Exercise, answer: Answer, v: Any, cases: Sequence[Any]) -> str:
    """The sentence of the known wrong answer that `answer` is; '' where it is none that we know.

    One that is the same everywhere comes before one that is the same only where it differs from a right answer:
    that is somebody with two misconceptions, who is told of the first.
    """
    yours = [observed(exercise, answer, case, v) for case in cases]
    right = [observed(exercise, exercise.right[0](v), case, v) for case in cases]
    partly = ""
    for wrong in (one for one in exercise.wrong if one.applies(v)):
        theirs = (observed(exercise, wrong.answer(v), case, v) for case in cases)
        match = _matched(zip(theirs, yours, right, strict=True))
        if match == "whole":
            return wrong.sentence
        if match == "part":
            partly = partly or wrong.sentence
    return partly


def _matched(
    observations: Iterable[tuple[Observation, Observation, Observation]],
) -> Literal["whole", "part", "not"]:
    """How far (theirs, yours, right) of all cases are the same; one that is not ends the search early."""
    is_whole, is_part, differs = True, True, False
    for theirs, yours, right in observations:
        bends = [label for label in right if label not in theirs or not same(theirs[label], right[label])]
        is_whole = is_whole and alike(theirs, yours)
        is_part = is_part and all(same(theirs.get(label, ""), yours.get(label, "")) for label in bends)
        differs = differs or bool(bends)
        if not is_whole and not is_part:
            return "not"
    return "whole" if is_whole else "part" if differs else "not"


def observed(exercise: Exercise, answer: Answer, case: Any, v: Any) -> Observation:
    """What can be seen of the answer on one case; an error is something to see, too."""
    try:
        seen = exercise.observe(answer, case, v)
        return {label: _seen(x) for label, x in seen.items()}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (a student's code may raise anything)
        return {"result": f"raises {type(error).__name__}"}


def _seen(x: object) -> float | str:
    """A blank that was left in a Value is something to see, too."""
    return x if isinstance(x, (int, float, str)) else repr(x)


def alike(a: Observation, b: Observation) -> bool:
    """The same labels with the same words and numbers."""
    return a.keys() == b.keys() and all(same(a[label], b[label]) for label in a)


def same(a: float | str, b: float | str) -> bool:
    """Equal to 1e-10; nan is nan."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
