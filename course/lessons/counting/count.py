"""Exercise 4a: a language model that counts, and the nats a token that it costs."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ...exercise import Answer, Broken, Exercise, Observation, law
from ...judging import digits
from .mistakes import MISTAKES, model, nats
from .pairs import VARIANTS, Counting, Documents, Table, counts, drawn, random_table

_CLOSE = 1e-9


@dataclass(frozen=True)
class Text:
    """Documents to count, a vocabulary, and a table to measure them with."""

    documents: Documents
    size: int
    table: Table

    def __str__(self) -> str:
        return f"count_model({[list(ids) for ids in self.documents]}, {self.size})"


def _starter(v: Counting) -> str:
    return f'''"""Exercise 4a: a language model that counts.

Count pairs from {v.words}, each document by itself.
With N(a, b) pairs from a to b, N(a) pairs from a, and V tokens:

    p(b | a) = {v.formula}

Check it with:  nanochat learn check 4a
"""

import math


def count_model(documents, vocab_size):
    """documents: lists of ids below vocab_size, dots included, [[0, 1, 2, 2, 1, 0]] for .abba.
    -> vocab_size rows; row a holds p(b | a) for every b
    """
    ...


def nats(probabilities, documents):
    """The mean of -ln p(b | a), over all those pairs of all documents"""
    ...
'''


def _cases(rng: random.Random, v: Counting) -> list[Text]:
    """`.abba.` first, where . is 0, a is 1, b is 2. In one case the last token is never seen: its row is chance."""
    by_hand = Text([[0, 1, 2, 2, 1, 0]], 3, [[1 / 3] * 3] * 3)
    sizes = ((2, 3, 3), (3, 4, 5), (6, 5, 5))
    return [by_hand, *(Text(drawn(rng, n, used), size, random_table(rng, size)) for n, used, size in sizes)]


# **** laws


def _table(answer: Answer, case: Text, v: Counting) -> Broken | None:
    got = answer["count_model"](case.documents, case.size)
    is_table = isinstance(got, (list, tuple)) and all(isinstance(row, (list, tuple)) for row in got)
    shape = [len(row) for row in got] if is_table else []
    if shape == [case.size] * case.size and all(isinstance(x, (int, float)) for row in got for x in row):
        return None
    what = f"rows of {shape} numbers" if is_table else f"a {type(got).__name__}"
    return Broken(call=str(case), expected=f"{case.size} rows of {case.size} numbers", got=what)


def _rows(answer: Answer, case: Text, v: Counting) -> Broken | None:
    for a, row in enumerate(answer["count_model"](case.documents, case.size)):
        if abs(math.fsum(row) - 1) > _CLOSE or not all(x > 0 for x in row):
            got = f"{digits(math.fsum(row))}, the smallest {digits(min(row))}"
            return Broken(call=f"{case}, row {a}", expected="positive numbers that sum to 1", got=got)
    return None


def _counted(answer: Answer, case: Text, v: Counting) -> Broken | None:
    got, seen = answer["count_model"](case.documents, case.size), counts(v, case.documents, case.size)
    for a, row in enumerate(seen):
        for b, n in enumerate(row):
            expected = v.smoothed(n, sum(row), case.size)
            if not math.isclose(got[a][b], expected, rel_tol=_CLOSE):
                said = f"{digits(expected)}, since {n} of the {sum(row)} pairs from {a} go to {b}"
                return Broken(call=f"{case}[{a}][{b}]", expected=said, got=digits(got[a][b]))
    return None


def _order(answer: Answer, case: Text, v: Counting) -> Broken | None:
    turned = list(reversed(case.documents))
    there, back = (answer["count_model"](documents, case.size) for documents in (case.documents, turned))
    if all(
        math.isclose(x, y, rel_tol=_CLOSE) for rows in zip(there, back, strict=True) for x, y in zip(*rows, strict=True)
    ):
        return None
    return Broken(call=f"{case}, the documents in another order", expected="the same table", got="another one")


def _uniform(answer: Answer, case: Text, v: Counting) -> Broken | None:
    chance = [[1 / case.size] * case.size for _ in range(case.size)]
    got, expected = answer["nats"](chance, case.documents), math.log(case.size)
    if isinstance(got, (int, float)) and abs(got - expected) < _CLOSE:
        return None
    said = f"ln {case.size} = {digits(expected)}"
    return Broken(call=f"nats of a table of 1/{case.size} everywhere", expected=said, got=digits(got))


def _weights(answer: Answer, case: Text, v: Counting) -> Broken | None:
    losses = [-math.log(case.table[a][b]) for a, b in v.pairs(case.documents)]
    got, expected = answer["nats"](case.table, case.documents), math.fsum(losses) / len(losses)
    if abs(got - expected) < _CLOSE:
        return None
    sizes = " and ".join(str(len(v.pairs_of(ids))) for ids in case.documents)
    return Broken(call=f"nats of documents with {sizes} pairs", expected=digits(expected), got=digits(got))


def _gibbs(answer: Answer, case: Text, v: Counting) -> Broken | None:
    """The shares of the pairs that were seen predict them better than any other table does."""
    seen = counts(v, case.documents, case.size)
    tiny = 1e-9
    best = [[(n + tiny) / (sum(row) + tiny * case.size) for n in row] for row in seen]
    ours, theirs = (answer["nats"](table, case.documents) for table in (best, case.table))
    if ours <= theirs + _CLOSE:
        return None
    said = f"less than another table, {digits(theirs)}"
    return Broken(call=f"nats of the shares themselves, {case}", expected=said, got=digits(ours))


def _unequal(rng: random.Random, v: Counting) -> list[Text]:
    """Documents of ten pairs and of two: the mean over pairs is not the mean of two means."""
    by_hand = Text([[0, 1] * 6, [0, 0, 1, 1]], 2, [[0.25, 0.75], [0.5, 0.5]])
    return [by_hand, *_cases(rng, v)[1:]]


def _observe(answer: Answer, case: Text, v: Counting) -> Observation:
    seen: dict[str, Any] = {}
    got = answer["count_model"](case.documents, case.size)
    seen |= {f"p({b} | {a})": x for a, row in enumerate(got) for b, x in enumerate(row)}
    return seen | {"nats": answer["nats"](case.table, case.documents)}


# **** right answers


def _looped(v: Counting) -> Answer:
    def count_model(documents: Documents, vocab_size: int) -> Table:
        return model(v, documents, vocab_size, v.smoothed)

    return {"count_model": count_model, "nats": lambda table, documents: nats(v, table, documents)}


def _by_counter(v: Counting) -> Answer:
    """The same with a Counter, row by row from the pairs, and the nats from how often each pair occurs."""

    def count_model(documents: Documents, vocab_size: int) -> list[tuple[float, ...]]:
        found, rows = Counter(v.pairs(documents)), Counter(a for a, _ in v.pairs(documents))
        ids = range(vocab_size)
        return [tuple(v.smoothed(found[a, b], rows[a], vocab_size) for b in ids) for a in ids]

    def measured(table: Table, documents: Documents) -> float:
        found = Counter(v.pairs(documents))
        return sum(n * math.log(1 / table[a][b]) for (a, b), n in found.items()) / sum(found.values())

    return {"count_model": count_model, "nats": measured}


EXERCISE = Exercise(
    title="a model that counts",
    file="count.py",
    asks=("count_model", "nats"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=lambda case: f"{case} and nats of these documents",
    laws=(
        law("table", "a row for every token, a number for every token in it", _table, 1),
        law("rows", "no number is 0 or less, and every row sums to 1", _rows, 1, "table"),
        law("counted", "p(b | a) is the formula of the pairs that were seen", _counted, 3, "table", "rows"),
        law("order", "the order of the documents changes nothing", _order, 1, "table"),
        law("uniform", "a model that knows nothing costs ln V nats", _uniform, 1),
        law("weights", "every pair counts the same, in whichever document", _weights, 2, "uniform", cases=_unequal),
        law("gibbs", "no other table costs less than the shares themselves", _gibbs, 1, "uniform"),
    ),
    observe=_observe,
    right=(_looped, _by_counter),
    wrong=MISTAKES,
    hints=(
        "Fill a table of zeros with N(a, b) first, pair by pair, and look at it for `.abba.` before you divide.",
        "Row a is divided by what its own numbers sum to: one sum a row, then V divisions.",
        "For nats keep two numbers, the sum of -ln p and how many pairs; divide once, at the end, after all documents.",
    ),
    project="nanochat.models.bigram.counts:BigramCounts",
)
