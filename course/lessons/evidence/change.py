"""Milestone 2, exercise 12c: one change of a GPT in both spellings, certified by the student's own certificate."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from ....engine.scalar.value import Value
from ....experiments.certify.finding import ENGINES_TOLERANCE, SLOPE_TOLERANCE, Finding
from ....experiments.certify.reading import read_finding
from ...exercise import Answer, Broken, Exercise, Observation, law
from ...judging import digits
from ..arrays.spelling import Array, words
from .places import Change, certified, certified_model, first_of
from .suggestions import MISTAKES, VARIANTS, Suggestion, answer_with


def _starter(v: Suggestion) -> str:
    hidden = "\n\n    x is -inf where a key is hidden; its y must be 0\n    " if v.place == "weights" else ""
    return f'''"""Milestone 2, exercise 12c: change a GPT, in both spellings.

Your place is the {v.place}. A change that you may take:

    {v.formula}

Any other is as good: no law knows the formula. They ask that both spellings are one function, and slopes slopes.
Check it with:  nanochat learn check 12c        then:  nanochat learn sweep
"""

import numpy as np

from nanochat.engine import Value


def scalar(xs):
    """xs, a list of Values -> as many Values"""
    ...


def tensor(x):
    """x (..., C) -> y of the same shape, and vjp(g) -> dx; row by row along the last axis{hidden}"""
    ...
'''


def change_of(answer: Answer, v: Suggestion) -> Change:
    """What the answer puts into a GPT."""
    return Change(v.place, answer["scalar"], answer["tensor"])


def _cases(rng: random.Random, v: Suggestion) -> list[Array]:
    """A row by hand, and two that are drawn; none near 0, where a size has a corner."""
    drawn = [[rng.choice((-1, 1)) * rng.randint(2, 25) / 10 for _ in range(4)] for _ in range(2)]
    return [np.array([[1.0, -2.0, 0.5]]), np.array(drawn)]


def _large(rng: random.Random, v: Suggestion) -> list[Array]:
    return [np.array([[1000.0, -1000.0, 2.0]])]


def _call(x: Array) -> str:
    return f"tensor({words(x)})"


# **** laws


def _shape(answer: Answer, x: Array, v: Suggestion) -> Broken | None:
    row = answer["scalar"]([Value(float(number)) for number in x[0]])
    if not isinstance(row, (list, tuple)) or len(row) != x.shape[1] or not all(isinstance(y, Value) for y in row):
        call = f"scalar({words(x[0])}) of Values"
        return Broken(call=call, expected=f"a list of {x.shape[1]} Values", got=digits(row))
    got = answer["tensor"](x.copy())
    if not isinstance(got, tuple) or len(got) != 2 or not callable(got[1]):
        return Broken(call=_call(x), expected="an array and a function: (y, vjp)", got=f"a {type(got).__name__}")
    for name, array in (("y", got[0]), ("dx", first_of(got[1](np.ones_like(x))))):
        if np.shape(array) != x.shape:
            return Broken(call=_call(x), expected=f"{name} of shape {x.shape}", got=f"shape {np.shape(array)}")
    return None


def _spellings(answer: Answer, seed: int, v: Suggestion) -> Broken | None:
    found = certified(change_of(answer, v), seed)
    return _judged(found, found.engines_error, ENGINES_TOLERANCE, "your function: scalar against tensor")


def _slopes(answer: Answer, seed: int, v: Suggestion) -> Broken | None:
    found = certified(change_of(answer, v), seed)
    return _judged(found, found.slope_error, SLOPE_TOLERANCE, "your function: gradients against differences")


def _model(answer: Answer, seed: int, v: Suggestion) -> Broken | None:
    found = certified_model(change_of(answer, v), seed)
    return _judged(found, found.engines_error, ENGINES_TOLERANCE, "a GPT with it: scalar against tensor")


def _judged(found: Finding, error: float, allowed: float, call: str) -> Broken | None:
    """In the words of a certificate."""
    if error <= allowed:
        return None
    return Broken(call=call, expected=f"equal to {allowed:g}", got=f"{error:.1e} apart: {read_finding(found)}")


def _survives(answer: Answer, x: Array, v: Suggestion) -> Broken | None:
    y, vjp = answer["tensor"](x.copy())
    row = [z.data for z in answer["scalar"]([Value(float(number)) for number in x[0]])]
    for name, array in (("y", y), ("dx", first_of(vjp(np.ones_like(x)))), ("y of Values", np.array(row))):
        if not np.isfinite(array).all():
            return Broken(call=_call(x), expected=f"{name} of finite numbers", got=words(array))
    return None


def _differs(answer: Answer, x: Array, v: Suggestion) -> Broken | None:
    y, plain = answer["tensor"](x.copy())[0], v.plain[1](x.copy())[0]
    if np.abs(y - plain).max() > 1e-6:
        return None
    return Broken(call=_call(x), expected="another y than the project's own has", got=words(y))


def _single(answer: Answer, x: Array, v: Suggestion) -> Broken | None:
    y, vjp = answer["tensor"](x.astype(np.float32))
    for name, array in (("y", y), ("dx", first_of(vjp(np.ones(x.shape, np.float32))))):
        if array.dtype != np.float32:
            return Broken(call=f"{_call(x)} in float32", expected=f"{name} in float32", got=str(array.dtype))
    return None


def _untouched(answer: Answer, x: Array, v: Suggestion) -> Broken | None:
    given, g = x.copy(), np.ones_like(x)
    answer["tensor"](given)[1](g)
    if np.array_equal(given, x) and (g == 1).all():
        return None
    return Broken(call=_call(x), expected="x and g as they were", got=words(given))


def _observe(answer: Answer, x: Any, v: Suggestion) -> Observation:
    """Both spellings on rows of x; a seed stands for the rows of a certificate."""
    if not isinstance(x, np.ndarray):
        x = np.random.default_rng(x).standard_normal((2, 3)).round(2)
    g = np.cos(np.arange(x.size)).reshape(x.shape)
    given = x.copy()
    with np.errstate(all="ignore"):
        y, vjp = answer["tensor"](given)
        dx = first_of(vjp(g.copy()))
        single = answer["tensor"](x.astype(np.float32))[0]
    found: dict[str, Any] = {"x": "kept" if np.array_equal(given, x) else "changed", "of float32": str(single.dtype)}
    for name, array in (("y", y), ("dx", dx)):
        found |= {f"{name}[{i}]": float(number) for i, number in enumerate(np.ravel(array))}
    leaves = [Value(float(number)) for number in x[0]]
    row = answer["scalar"](leaves)
    sum((z * float(weight) for z, weight in zip(row, g[0], strict=True)), Value(0.0)).backward()
    found |= {f"scalar y[{i}]": z.data for i, z in enumerate(row)}
    return found | {f"scalar slope {i}": leaf.grad for i, leaf in enumerate(leaves)}


def _seeds(rng: random.Random, v: Suggestion) -> list[int]:
    return [rng.randrange(1 << 30)]


EXERCISE = Exercise(
    title="milestone 2, a change in both spellings",
    file="change.py",
    asks=("scalar", "tensor"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=lambda x: _call(x) if isinstance(x, np.ndarray) else "the certificate",
    laws=(
        law("shape", "each gives as many numbers as it gets", _shape, 1),
        law("untouched", "x and g are as they were", _untouched, 1, "shape"),
        law("slopes", "gradients are what differences measure, in both spellings", _slopes, 3, "shape", cases=_seeds),
        law("spellings", "both spellings are one function", _spellings, 3, "shape", cases=_seeds),
        law("large", "1000 and -1000 have a value and a slope, too", _survives, 2, "shape", cases=_large),
        law("single", "float32 stays float32", _single, 1, "shape"),
        law("change", "it is another function than the project's", _differs, 1, "shape"),
        law("model", "a GPT with it is the same in both spellings", _model, 3, "spellings", cases=_seeds),
    ),
    observe=_observe,
    right=(answer_with, lambda v: answer_with(v, v.scalar_again, v.tensor_again)),
    wrong=MISTAKES,
    hints=(
        "Write scalar first, of Values: no vjp is needed there, and it says what tensor has to be.",
        "vjp: which numbers of a row does x[j] move? One path for each; all of them times g, added up.",
        "If the spellings differ and all slopes are right, the functions differ: print both for one row.",
    ),
    project="nanochat.experiments.certify.compare:examine",
    allowed=("numpy", "nanochat.engine.Value", "nanochat.engine.scalar.functional"),
)
