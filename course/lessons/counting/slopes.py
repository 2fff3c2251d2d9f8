"""Exercise 4b: the slopes of a table of logits, which are zero exactly where the table is that of the counts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from .pairs import Counting, Documents, Table, counts, drawn

_NUDGE, _CLOSE = 1e-5, 1e-7
"""A central difference of these losses errs by 1e-10."""


@dataclass(frozen=True)
class Start:
    """Documents, and the logits whose slopes are asked for."""

    documents: Documents
    logits: Table

    def __str__(self) -> str:
        return f"slopes({self.logits}, {[list(ids) for ids in self.documents]})"


def _starter(v: Counting) -> str:
    return f'''"""Exercise 4b: where training comes to rest.

A table of logits z gives p(b | a) = exp(z[a][b]) / sum over c of exp(z[a][c]). Its loss is the mean of -ln p(b | a)
over all pairs of the documents: from {v.words}.
How fast does that loss move with each logit?

Check it with:  nanochat learn check 4b
"""

import math


def slopes(logits, documents):
    """V rows of V numbers -> d loss / d logits, V rows of V numbers"""
    ...
'''


def _cases(rng: random.Random, v: Counting) -> list[Start]:
    by_hand = Start([[0, 1, 2, 2, 1, 0]], [[0.0] * 3] * 3)
    sizes = ((2, 3), (3, 4), (5, 4))
    return [by_hand, *(Start(drawn(rng, n, size), _normal(rng, size)) for n, size in sizes)]


def _normal(rng: random.Random, size: int) -> Table:
    return [[rng.gauss(0, 1) for _ in range(size)] for _ in range(size)]


def _softmax(row: list[float]) -> list[float]:
    exps = [math.exp(z - max(row)) for z in row]
    return [e / math.fsum(exps) for e in exps]


def _loss(v: Counting, logits: Table, documents: Documents) -> float:
    losses = [-math.log(_softmax(logits[a])[b]) for a, b in v.pairs(documents)]
    return math.fsum(losses) / len(losses)


# **** laws


def _measured(answer: Answer, case: Start, v: Counting) -> Broken | None:
    got = answer["slopes"](case.logits, case.documents)
    for a in range(len(case.logits)):
        for b in range(len(case.logits)):
            ends = [_loss(v, _moved(case.logits, a, b, h), case.documents) for h in (_NUDGE, -_NUDGE)]
            expected = (ends[0] - ends[1]) / (2 * _NUDGE)
            if not abs(got[a][b] - expected) < _CLOSE:
                said = f"{digits(expected)}, as nudging z[{a}][{b}] measures"
                return Broken(call=f"{case}[{a}][{b}]", expected=said, got=digits(got[a][b]))
    return None


def _moved(logits: Table, a: int, b: int, h: float) -> Table:
    return [[z + h * ((i, j) == (a, b)) for j, z in enumerate(row)] for i, row in enumerate(logits)]


def _rows(answer: Answer, case: Start, v: Counting) -> Broken | None:
    for a, row in enumerate(answer["slopes"](case.logits, case.documents)):
        if abs(math.fsum(row)) > 1e-12:
            said = "numbers that sum to 0: one taken from all logits of a row changes nothing"
            return Broken(call=f"{case}, row {a}", expected=said, got=digits(math.fsum(row)))
    return None


def _rest(answer: Answer, case: Start, v: Counting) -> Broken | None:
    """At the logarithms of shares of which none is 0."""
    size = len(case.logits)
    every = [ids for a in range(size) for b in range(size) for ids in ([a, b], [a, 0, b], [a, b, b])]
    seen = counts(v, every, size)
    there = [[math.log(n) for n in row] for row in seen]
    largest = max(abs(x) for row in answer["slopes"](there, every) for x in row)
    if largest < 1e-12:
        return None
    said = "0 everywhere: no table predicts the pairs better than their shares"
    return Broken(call="slopes at the logarithms of the counts", expected=said, got=f"up to {digits(largest)}")


def _observe(answer: Answer, case: Start, v: Counting) -> Observation:
    got = answer["slopes"](case.logits, case.documents)
    return {f"slope of z[{a}][{b}]": x for a, row in enumerate(got) for b, x in enumerate(row)}


# **** right and wrong

Entry = Callable[[float, float, int, int, int], float]
"""(p, share of the row's pairs, pairs of the row, of all, rows that have any) -> slope"""


def _answer(entry: Entry) -> Callable[[Counting], Answer]:
    def answer(v: Counting) -> Answer:
        def slopes(logits: Table, documents: Documents) -> Table:
            seen = counts(v, documents, len(logits))
            total, n_rows = sum(map(sum, seen)), sum(map(any, seen))
            return [
                [entry(p, n / (sum(row) or 1), sum(row), total, n_rows) for p, n in zip(_softmax(z), row, strict=True)]
                for z, row in zip(logits, seen, strict=True)
            ]

        return {"slopes": slopes}

    return answer


def _pair_by_pair(v: Counting) -> Answer:
    def slopes(logits: Table, documents: Documents) -> Table:
        table = [[0.0] * len(logits) for _ in logits]
        pairs = list(v.pairs(documents))
        for a, b in pairs:
            for c, p in enumerate(_softmax(logits[a])):
                table[a][c] += (p - (c == b)) / len(pairs)
        return table

    return {"slopes": slopes}


EXERCISE = Exercise(
    title="where training comes to rest",
    file="slopes.py",
    asks=("slopes",),
    starter=_starter,
    variants={"to the right": Counting(), "skipping": Counting(step=2), "from the right": Counting(step=-1)},
    cases=_cases,
    call=str,
    laws=(
        Law(name="slopes", sentence="every slope is what nudging its logit measures", holds=_measured, points=3),
        Law(name="rows", sentence="the slopes of a row sum to 0", holds=_rows, needs=()),
        Law(name="rest", sentence="at the counts every slope is 0", holds=_rest, points=2, needs=("slopes",)),
    ),
    observe=_observe,
    right=(_answer(lambda p, share, row, total, n_rows: (p - share) * row / total), _pair_by_pair),
    wrong=(
        Wrong(
            name="sign",
            answer=_answer(lambda p, share, row, total, n_rows: (share - p) * row / total),
            sentence="that is the way downhill, and a slope points uphill: raising the logit of a pair that was seen "
            "lowers the loss.",
        ),
        Wrong(
            name="sum",
            answer=_answer(lambda p, share, row, total, n_rows: (p - share) * row),
            sentence="these are the slopes of the sum of all losses; the loss is their mean.",
        ),
        Wrong(
            name="rows alike",
            answer=_answer(lambda p, share, row, total, n_rows: (p - share) / n_rows if row else 0.0),
            sentence="every row counts the same in your slopes: a token that begins half of the pairs should have "
            "half of the say.",
        ),
        Wrong(
            name="no target",
            answer=_answer(lambda p, share, row, total, n_rows: p * row / total),
            sentence="these are the probabilities without what was seen taken from them: all slopes are positive, so "
            "every logit would fall for ever.",
        ),
        Wrong(
            name="one for all",
            answer=_answer(lambda p, share, row, total, n_rows: (p - (share > 0)) * row / total),
            sentence="a pair that was seen once is a target like one that was seen ten times: weigh each by its share.",
        ),
    ),
    hints=(
        "One pair first: the loss is ln(sum of exp z[a][c]) - z[a][b]. Only row a is in it.",
        "Its slopes are p(c | a), less 1 where c is b (lesson 3). Add them up over the pairs.",
        "N(a) pairs share row a: what they add up to is N(a) times (p - share). And the mean divides by all pairs.",
    ),
    project="nanochat.engine.scalar.functional:cross_entropy",
)
