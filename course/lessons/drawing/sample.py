"""Exercise 10a: from logits to probabilities that temperature and a cut have shaped, and from those to a token."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from ...exercise import Answer, Broken, Exercise, Law, Observation, law
from ...judging import digits, raised
from .mistakes import MISTAKES, Cut, Numbers, answer_with

_N_DRAWS = 1000
_LAST = 1 - 2.0**-53
"""The largest u."""
VARIANTS = {
    "top k": Cut("top k"),
    "top p": Cut("top p"),
    "min p": Cut("min p"),
    "epsilon": Cut("epsilon"),
    "typical": Cut("typical"),
    "top p, cut first": Cut("top p", early=True),
    "min p, cut first": Cut("min p", early=True),
    "epsilon, cut first": Cut("epsilon", early=True),
    "typical, cut first": Cut("typical", early=True),
}
_WORDS = {
    "top k": "the `amount` largest stay",
    "top p": "the shortest run of the likeliest stays whose p sum to `amount` or more, the crossing one included",
    "min p": "those stay whose p is `amount` times the largest p, or more",
    "epsilon": "those stay whose p is `amount` or more; where there is none, the likeliest",
    "typical": "sorted by how near -ln p is to the mean of -ln p under p, the nearest first: the shortest run stays "
    "whose p sum to `amount` or more, the crossing one included",
    "all": "",
}
_AMOUNTS = {"top p": (0.8, 0.5, 0.9), "min p": (0.3, 0.1, 0.5), "epsilon": (0.2, 0.1, 0.3), "typical": (0.7, 0.4, 0.9)}


@dataclass(frozen=True)
class Choice:
    """What probabilities is tried on; draw gets what a right answer makes of it."""

    logits: Numbers
    temperature: float
    amount: float

    def __str__(self) -> str:
        z = ", ".join(map(digits, self.logits))
        return f"probabilities([{z}], {self.temperature:g}, {self.amount:g})"


def _starter(v: Cut) -> str:
    hot = "p = softmax(logits / temperature)"
    steps = ["p = softmax(logits)", _WORDS[v.kind], f"{hot} over those, 0 for the others"]
    if not v.early:
        steps = [hot, _WORDS[v.kind], "the others get 0, and what is left is divided by its sum"]
    lines = "\n".join(fill(step, 110, initial_indent="    ", subsequent_indent="        ") for step in steps)
    return f'''"""Exercise 10a: shape a distribution, and draw from it.

{lines}

Temperature 0 means the largest logit alone. Of equal logits the one with the lowest id comes first.
Check it with:  nanochat learn check 10a
"""

import math


def probabilities(logits, temperature, amount):
    """logits, V numbers -> V probabilities that sum to 1"""
    ...


def draw(p, u):
    """An id, of which u decides: for u spread evenly over 0 <= u < 1, id i comes up with probability p[i]"""
    ...
'''


def _cases(rng: random.Random, v: Cut) -> list[Choice]:
    """(1, 2, 5) / 8 at temperature 1/2 is (1, 4, 25) / 30: by hand."""
    by_hand = [math.log(n) for n in (1, 2, 5)]
    amounts = _AMOUNTS.get(v.kind, (2, 1, 3))
    cases = [Choice(by_hand, 0.5, 3 if v.kind == "top k" else amounts[0]), Choice(by_hand, 0.0, amounts[0])]
    if v.kind == "epsilon":
        cases.append(Choice([0.0, 0.1, 0.2, -0.1], 1.0, 0.5))
    cases.append(Choice([1.0, 2.0, 2.0, 1.0], 0.0, amounts[0]))
    if v.kind != "min p":
        cases.append(Choice([1.0, 1.0, 1.0, 1.0], 1.0, 2 if v.kind == "top k" else 0.6))
    for temperature, amount in zip((0.7, 1.5, 2.5), amounts, strict=True):
        cases += [Choice(_far_from(rng, v, temperature, amount), temperature, amount) for _ in range(2)]
    return cases


def _far_from(rng: random.Random, v: Cut, temperature: float, amount: float) -> Numbers:
    """Logits of both signs whose cut changes with the order, and keeps two at least, unless that is rare."""
    logits: Numbers = []
    for _ in range(40):
        logits = [rng.randint(-30, 30) / 10 + 0.01 * i for i in range(6)]
        both = (answer_with(Cut(v.kind, early))["probabilities"] for early in (False, True))
        kept = [sum(x > 0 for x in one(logits, temperature, amount)) for one in both]
        if kept[v.early] > 1 and (kept[0] != kept[1] or v.kind == "top k"):
            break
    return logits


def _large(rng: random.Random, v: Cut) -> list[Choice]:
    return [Choice([0.0, 1000.0, 999.0], 1.0, 2 if v.kind == "top k" else 0.25)]


# **** laws


def _p(answer: Answer, case: Choice) -> Numbers:
    return list(answer["probabilities"](list(case.logits), case.temperature, case.amount))


def _sum(answer: Answer, case: Choice, v: Cut) -> Broken | None:
    got = answer["probabilities"](list(case.logits), case.temperature, case.amount)
    said = f"{len(case.logits)} probabilities that sum to 1"
    if not isinstance(got, (list, tuple)) or len(got) != len(case.logits):
        return Broken(call=str(case), expected=said, got=digits(got))
    if all(x >= 0 for x in got) and abs(math.fsum(got) - 1) < 1e-9:
        return None
    return Broken(call=str(case), expected=said, got=f"a sum of {digits(math.fsum(got))}")


def _kept(answer: Answer, case: Choice, v: Cut) -> Broken | None:
    got, expected = ([i for i, x in enumerate(_p(one, case)) if x > 0] for one in (answer, answer_with(v)))
    if got == expected:
        return None
    call = f"ids that {case} leaves possible"
    return Broken(call=call, expected=f"{expected}", got=f"{got}")


def _value(answer: Answer, case: Choice, v: Cut) -> Broken | None:
    for i, (x, y) in enumerate(zip(_p(answer, case), _p(answer_with(v), case), strict=True)):
        if not math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12):
            return Broken(call=f"{case}[{i}]", expected=digits(y), got=digits(x))
    return None


def _shares(answer: Answer, case: Choice, v: Cut) -> Broken | None:
    """Of 1,000 evenly spread u, a piece of length p has 1,000 p of them, give or take one at its ends."""
    p = _p(answer_with(v), case)
    found = _drawn(answer, p)
    for i, x in enumerate(p):
        if abs(found.get(i, 0) - _N_DRAWS * x) > 2:
            call = f"draw([{', '.join(map(digits, p))}], u) for {_N_DRAWS} even steps of u"
            return Broken(call=call, expected=f"{_N_DRAWS * x:.0f} times {i}", got=f"{found.get(i, 0)} times")
    return None


def _ends(answer: Answer, case: Choice, v: Cut) -> Broken | None:
    """What cannot happen does not, at both ends of u; floats that sum to a little less than 1 included."""
    for p in ([0.0, 0.5, 0.5, 0.0], [0.7, 0.1, 0.1, 0.1 - 1e-12, 0.0], [1.0, 0.0]):
        for u in (0.0, _LAST):
            got = answer["draw"](list(p), u)
            if not (isinstance(got, int) and 0 <= got < len(p) and p[got] > 0):
                said = f"one of {[i for i, x in enumerate(p) if x > 0]}"
                return Broken(call=f"draw({p}, {'0' if not u else 'just below 1'})", expected=said, got=digits(got))
    return None


def _drawn(answer: Answer, p: Numbers) -> Counter[Any]:
    return Counter(answer["draw"](list(p), (i + 0.5) / _N_DRAWS) for i in range(_N_DRAWS))


def _observe(answer: Answer, case: Choice, v: Cut) -> Observation:
    """Each function by itself: a file may have the first one and not yet the second."""
    found: dict[str, Any] = {}
    try:
        found |= {f"p[{i}]": x for i, x in enumerate(_p(answer, case))}
    except Exception as error:  # noqa: BLE001 (a student's code may raise anything)
        found["p"] = raised(error).split(":")[0]
    p = _p(answer_with(v), case)
    try:
        counts = Counter(answer["draw"](list(p), (i + 0.5) / 50) for i in range(50))
        found |= {f"draws of {i}": counts.get(i, 0) for i in range(len(p))}
        found["draw at 0"] = digits(answer["draw"]([0.0, 0.5, 0.5, 0.0], 0.0))
        found["draw at 1"] = digits(answer["draw"]([0.7, 0.1, 0.1, 0.1 - 1e-12, 0.0], _LAST))
    except Exception as error:  # noqa: BLE001
        found["draw"] = raised(error).split(":")[0]
    return found


# **** a second right answer


def _by_weights(v: Cut) -> Answer:
    """Weights in place of probabilities, tokens taken out one by one; drawing by halves of the running sums."""

    def probabilities(logits: Sequence[float], temperature: float, amount: float) -> Numbers:
        largest = max(logits)
        if temperature == 0:
            return [1.0 if i == list(logits).index(largest) else 0.0 for i in range(len(logits))]
        cold = [math.exp(z - largest) for z in logits]
        hot = [math.exp((z - largest) / temperature) for z in logits]
        judged = cold if v.early else hot
        kept = v.keep([x / math.fsum(judged) for x in judged], amount)
        weights = [x if i in kept else 0.0 for i, x in enumerate(hot)]
        return [x / math.fsum(weights) for x in weights]

    def draw(p: Numbers, u: float) -> int:
        possible = [i for i, x in enumerate(p) if x > 0]
        left = u
        for i in possible[::-1]:
            if left < p[i]:
                return i
            left -= p[i]
        return possible[0]

    return answer_with(v, probabilities, draw)


EXERCISE = Exercise(
    title="temperature, a cut, a draw",
    file="sample.py",
    asks=("probabilities", "draw"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=str,
    laws=(
        law("sum", "no probability is negative, and they sum to 1", _sum, 1),
        law("kept", "exactly those ids stay possible that the cut lets pass", _kept, 3, "sum"),
        law("value", "every probability is the formula's", _value, 3, "sum"),
        Law(
            name="large",
            sentence="... when the logits are large as well",
            holds=_value,
            needs=("value",),
            cases=_large,
        ),
        law("shares", "draw gives an id as often as its probability says", _shares, 3),
        law("ends", "draw never gives what has no probability, at either end of u", _ends, 2),
    ),
    observe=_observe,
    right=(answer_with, _by_weights),
    wrong=MISTAKES,
    hints=(
        "Temperature 0 first. Then a softmax of logits / temperature, the largest taken out.",
        "The cut is a set of ids: sort them by what the formula says, and walk until it is full.",
        "draw: walk along p with a running sum; the first id whose sum is above u. What if none is?",
    ),
    project="nanochat.inference.samplers:probabilities",
)
