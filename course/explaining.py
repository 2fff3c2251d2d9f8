"""Known wrong answers: the one whose numbers a student's are, to 1e-10, wherever it differs from the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from .exercise import Answer, Exercise, Observation

CLOSE = 1e-10
"""Relative, or absolute below 1: two spellings of one formula differ by less, two formulas by more."""


_FAILED = "result"
"""The one label of a case that ended in an error."""


def explain(exercise: Exercise, answer: Answer, v: Any, cases: Sequence[Any], broken: Sequence[Any]) -> str:
    """The sentence of the known wrong answer that `answer` is, on `cases`; '' where it is none that we know.

    One that is the same everywhere comes before one that is the same only where it differs from a right answer, which
    is somebody with two misconceptions. That one has to differ in one of the `broken` cases, or it explains nothing.
    """
    yours = [observed(exercise, answer, case, v) for case in (*broken, *cases)]
    right = [observed(exercise, exercise.right[0](v), case, v) for case in (*broken, *cases)]
    partly = ""
    for wrong in (one for one in exercise.wrong if one.applies(v)):
        theirs = (observed(exercise, wrong.answer(v), case, v) for case in (*broken, *cases))
        match = _matched(zip(theirs, yours, right, strict=True), len(broken))
        if match == "whole":
            return wrong.sentence
        if match == "part":
            partly = partly or wrong.sentence
    return partly


def _matched(
    observations: Iterable[tuple[Observation, Observation, Observation]], n_broken: int
) -> Literal["whole", "part", "not"]:
    """How far (theirs, yours, right) of all cases are the same; one that is not ends the search early."""
    is_whole, is_part, differs = True, True, False
    for i, (theirs, yours, right) in enumerate(observations):
        labels = {**right, **theirs}  # a word in place of numbers is to be said of both, not missing from both
        bends = [one for one in labels if not (one in right and one in theirs and same(theirs[one], right[one]))]
        if yours.keys() == {_FAILED} != theirs.keys():  # their second mistake: it hides the first one here
            bends = []
        is_whole = is_whole and alike(theirs, yours)
        is_part = is_part and all(same(theirs.get(label, ""), yours.get(label, "")) for label in bends)
        differs = differs or (bool(bends) and i < n_broken)
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
        return {_FAILED: f"raises {type(error).__name__}"}


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
