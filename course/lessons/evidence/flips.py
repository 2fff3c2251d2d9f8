"""Exercise 12b: a test without a distribution: had the signs fallen otherwise, how often would it look so clear?"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import permutations, product

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits

Differences = tuple[float, ...]
_TIES = 1e-9


def _starter(v: bool) -> str:
    seen = "|sum| is at least the |sum| that was seen" if v else "sum is at most the sum that was seen"
    return f'''"""Exercise 12b: an exact test by signs.

If the variant changed nothing, the two runs of a seed could as well be swapped: every difference could have had the
other sign. Of all 2^n patterns of signs, p is the share whose {seen}.
(Sums that differ by less than 1e-9 count as equal.)

Check it with:  nanochat learn check 12b
"""

import itertools


def sign_flip_p(differences):
    """n differences, n at most 12 -> p"""
    ...
'''


def _cases(rng: random.Random, v: bool) -> list[Differences]:
    """All of one sign: 2 of 8 patterns, or 1. Then with zeros and ties, and drawn ones."""
    fixed = [(-1.0, -2.0, -3.0), (1.0,), (2.0, -1.0, -1.0), (0.5, 0.0, -0.2), (3.0, 2.0, 2.5)]
    return [*fixed, *(tuple(rng.randint(-30, 30) / 100 for _ in range(n)) for n in (5, 6, 8))]


def _run(answer: Answer, case: Differences) -> float:
    p: float = answer["sign_flip_p"](list(case))
    return p


def _call(case: Differences) -> str:
    return f"sign_flip_p([{', '.join(map(digits, case))}])"


def _share(answer: Answer, case: Differences, v: bool) -> Broken | None:
    """A whole number of the 2^n patterns, and the one that was seen among them."""
    p, n = float(_run(answer, case)), 2 ** len(case)
    if 1 / n - 1e-12 <= p <= 1 and abs(p * n - round(p * n)) < 1e-6:
        return None
    return Broken(call=_call(case), expected=f"one of 1/{n}, 2/{n}, ... 1", got=digits(p))


def _order(answer: Answer, case: Differences, v: bool) -> Broken | None:
    before, after = _run(answer, case), _run(answer, case[::-1])
    if math.isclose(before, after):
        return None
    return Broken(call=_call(case[::-1]), expected=f"{digits(before)}, as in the other order", got=digits(after))


def _value(answer: Answer, case: Differences, v: bool) -> Broken | None:
    got, expected = _run(answer, case), _right(v)["sign_flip_p"](list(case))
    return None if math.isclose(got, expected) else Broken(call=_call(case), expected=digits(expected), got=digits(got))


def _observe(answer: Answer, case: Differences, v: bool) -> Observation:
    return {"p": _run(answer, case)}


# **** right and wrong

Counts = Callable[[Sequence[float], bool], float]


def _answer(p: Counts) -> Callable[[bool], Answer]:
    return lambda v: {"sign_flip_p": lambda differences: p(differences, v)}


def _flipped(d: Sequence[float], v: bool, *, strict: bool = False) -> float:
    return _among(
        [sum(s * x for s, x in zip(signs, d, strict=True)) for signs in product((1, -1), repeat=len(d))], d, v, strict
    )


def _among(sums: Sequence[float], d: Sequence[float], v: bool, strict: bool = False) -> float:
    """The share of sums that are as extreme as that of d."""
    edge = -_TIES if not strict else _TIES
    seen = sum(d)
    n = sum((abs(x) >= abs(seen) + edge) if v else (x <= seen - edge) for x in sums)
    return n / len(sums)


def _by_halves(d: Sequence[float], v: bool) -> float:
    """One difference after another: every sum so far, with either sign."""
    sums = [0.0]
    for x in d:
        sums = [total + s * x for total in sums for s in (1, -1)]
    return _among(sums, d, v)


def _shuffled(d: Sequence[float], v: bool) -> float:
    """The differences in another order: their sum stays."""
    return _among([sum(order) for order in list(permutations(d[:5]))], d[:5], v)


def _by_signs(d: Sequence[float], v: bool) -> float:
    """Only how many are above and below 0."""
    return _flipped([(x > 0) - (x < 0) for x in d], v)


def _without_seen(d: Sequence[float], v: bool) -> float:
    n = 2 ** len(d)
    return (_flipped(d, v) * n - 1) / (n - 1)


def _normal(d: Sequence[float], v: bool) -> float:
    size = math.sqrt(sum(x * x for x in d)) or 1.0
    p = math.erfc(abs(sum(d)) / size / math.sqrt(2))
    return p if v else (p / 2 if sum(d) < 0 else 1 - p / 2)


_right = _answer(_flipped)

EXERCISE = Exercise(
    title="a test by signs",
    file="flips.py",
    asks=("sign_flip_p",),
    starter=_starter,
    variants={"either direction": True, "lower only": False},
    cases=_cases,
    call=_call,
    laws=(
        Law(name="share", sentence="p is a whole number of patterns, the one that was seen among them", holds=_share),
        Law(name="order", sentence="the order of the seeds does not count", holds=_order, needs=("share",)),
        Law(
            name="value",
            sentence="p counts what is as clear as what was seen",
            holds=_value,
            points=3,
            needs=("share",),
        ),
    ),
    observe=_observe,
    right=(_right, _answer(_by_halves)),
    wrong=(
        Wrong(
            name="clearer only",
            answer=_answer(lambda d, v: _flipped(d, v, strict=True)),
            sentence="only patterns that are clearer than what was seen are counted: as clear counts, too, so that p "
            "is never 0.",
        ),
        Wrong(
            name="without what was seen",
            answer=_answer(_without_seen),
            sentence="the pattern that was seen is left out: it is one of the 2^n.",
        ),
        Wrong(
            name="the other question",
            answer=lambda v: _right(not v),
            sentence="one direction or both? That is another question, and another p.",
        ),
        Wrong(
            name="signs alone",
            answer=_answer(_by_signs),
            sentence="only signs were counted, not how large the differences are.",
        ),
        Wrong(
            name="shuffled",
            answer=_answer(_shuffled),
            sentence="the differences were put in another order, which leaves their sum as it is: signs are flipped.",
        ),
        Wrong(
            name="normal",
            answer=_answer(_normal),
            sentence="that is a normal distribution's p: the patterns are to be counted.",
        ),
        Wrong(
            name="1 - p",
            answer=_answer(lambda d, v: 1 - _flipped(d, v)),
            sentence="that is 1 - p: a small p says that chance would seldom do this.",
        ),
    ),
    hints=(
        "itertools.product((1, -1), repeat=n) gives every pattern of signs.",
        "For each: the sum of sign times difference. Compare with the sum that was seen, as clear included.",
        "Three differences of one sign: which of the eight patterns are as clear?",
    ),
    project="nanochat.experiments.statistics.significance:sign_flip_p",
)
