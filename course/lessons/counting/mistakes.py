"""Known wrong answers of exercise 4a, beside the right spelling that they are changed from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ...exercise import Answer, Wrong
from .pairs import Counting, Documents, Table, counts

Smoothing = Callable[[float, float, int], float]
Model = Callable[[Counting, Documents, int], Table]
Nats = Callable[[Counting, Table, Documents], float]


def model(v: Counting, documents: Documents, size: int, smoothed: Smoothing) -> Table:
    """Every row by itself: p(b | a) from N(a, b) and N(a)."""
    return [[smoothed(n, sum(row), size) for n in row] for row in counts(v, documents, size)]


def nats(v: Counting, table: Table, documents: Documents) -> float:
    """The mean of -ln p over all pairs."""
    losses = [-math.log(table[a][b]) for a, b in v.pairs(documents)]
    return math.fsum(losses) / len(losses)


def _answer(count: Model | None = None, measure: Nats | None = None) -> Callable[[Counting], Answer]:
    counted: Model = count or (lambda v, documents, size: model(v, documents, size, v.smoothed))
    measured: Nats = measure or nats
    return lambda v: {
        "count_model": lambda documents, vocab_size: counted(v, documents, vocab_size),
        "nats": lambda probabilities, documents: measured(v, probabilities, documents),
    }


def _shares(v: Counting, documents: Documents, size: int) -> Table:
    return model(v, documents, size, lambda n, row, size: n / row if row else 1 / size)


def _above_only(v: Counting, documents: Documents, size: int) -> Table:
    add = v.add or 1 - v.mix
    return model(v, documents, size, lambda n, row, size: (n + add) / (row or 1))


def _columns(v: Counting, documents: Documents, size: int) -> Table:
    turned = list(zip(*counts(v, documents, size), strict=True))
    columns = [[v.smoothed(n, sum(column), size) for n in column] for column in turned]
    return [list(row) for row in zip(*columns, strict=True)]


def _whole(v: Counting, documents: Documents, size: int) -> Table:
    table = counts(v, documents, size)
    total = sum(map(sum, table))
    return [[v.smoothed(n, total, size * size) for n in row] for row in table]


def _joined(v: Counting, documents: Documents, size: int) -> Table:
    """One document of all."""
    return model(v, [[i for document in documents for i in document]], size, v.smoothed)


def _round(v: Counting, documents: Documents, size: int) -> Table:
    """One document of all, which goes on at its beginning."""
    ids = [i for document in documents for i in document]
    return model(v, [[*ids, ids[0]]], size, v.smoothed)


def _less_than_one(v: Counting, documents: Documents, size: int) -> Table:
    """Where no pair begins with a token, the share of chance stands alone."""
    return model(v, documents, size, lambda n, row, size: v.smoothed(n, row, size) if row else (1 - v.mix) / size)


def _turned(v: Counting, documents: Documents, size: int) -> Table:
    return [list(row) for row in zip(*model(v, documents, size, v.smoothed), strict=True)]


def _too_few(v: Counting, documents: Documents, size: int) -> Table:
    return model(v, [ids[:-1] for ids in documents], size, v.smoothed)


def _logs(v: Counting, documents: Documents, size: int) -> Table:
    return [[math.log(p) for p in row] for row in model(v, documents, size, v.smoothed)]


def _bare(v: Counting, documents: Documents, size: int) -> Table:
    return [[float(n) for n in row] for row in counts(v, documents, size)]


def _other_way(v: Counting, documents: Documents, size: int) -> Table:
    other = replace(v, step={1: -1, -1: 1, 2: 1}[v.step])
    return model(other, documents, size, v.smoothed)


def _once(v: Counting, documents: Documents, size: int) -> Table:
    seen = [[min(n, 1) for n in row] for row in counts(v, documents, size)]
    return [[v.smoothed(n, sum(row), size) for n in row] for row in seen]


def _mean_of_means(v: Counting, table: Table, documents: Documents) -> float:
    means = [nats(v, table, [ids]) for ids in documents if v.pairs_of(ids)]
    return math.fsum(means) / len(means)


def _by_tokens(v: Counting, table: Table, documents: Documents) -> float:
    n_pairs = sum(len(v.pairs_of(ids)) for ids in documents)
    return nats(v, table, documents) * n_pairs / sum(map(len, documents))


MISTAKES = (
    Wrong(
        name="not smoothed",
        answer=_answer(_shares),
        sentence="a pair that was never seen has probability 0 in your table: the first new word that holds it costs "
        "infinitely many nats. What does the formula give it?",
    ),
    Wrong(
        name="added above only",
        answer=_answer(_above_only),
        sentence="what smooths was added to each pair and not to their sum: V pairs got more, so the row has V times "
        "that much to divide by.",
    ),
    Wrong(
        name="columns",
        answer=_answer(_columns),
        sentence="your columns sum to 1, and the rows should: p(b | a) shares out what follows a, not what led to b.",
    ),
    Wrong(
        name="whole table",
        answer=_answer(_whole),
        sentence="your whole table sums to 1: that is how common a pair is. What is asked is p(b | a), where a has "
        "happened already: each row by itself.",
    ),
    Wrong(
        name="across documents",
        answer=_answer(_joined),
        sentence="you counted pairs that no document holds: the end of one and the beginning of the next are no "
        "neighbours.",
    ),
    Wrong(
        name="read round",
        answer=_answer(_round),
        sentence="you counted pairs that no document holds: after the end of all of them you went on at the beginning.",
    ),
    Wrong(
        name="less than 1",
        answer=_answer(_less_than_one),
        sentence="the row of a token from which no pair goes does not sum to 1: nothing is known of what comes there, "
        "and chance alone decides.",
        applies=lambda v: v.mix > 0,
    ),
    Wrong(
        name="turned",
        answer=_answer(_turned),
        sentence="every number is there, on the wrong side of the diagonal: row a is what follows a.",
    ),
    Wrong(
        name="one too few",
        answer=_answer(_too_few),
        sentence="the last pair of each document is missing, and it is the one that says how documents end.",
    ),
    Wrong(
        name="logarithms",
        answer=_answer(_logs),
        sentence="these are logarithms of probabilities. The table holds the probabilities, nats takes the logarithm.",
    ),
    Wrong(
        name="bare counts",
        answer=_answer(_bare),
        sentence="these are counts: divide each row, so that it says how likely and no longer how often.",
    ),
    Wrong(
        name="other pairs",
        answer=_answer(_other_way),
        sentence="you counted other pairs than the text of the exercise names: read once more from which token to "
        "which one.",
    ),
    Wrong(
        name="each pair once",
        answer=_answer(_once),
        sentence="a pair that was seen five times counts as one that was seen once: add 1 for every time.",
    ),
    Wrong(
        name="base 2",
        answer=_answer(measure=lambda v, table, documents: nats(v, table, documents) / math.log(2)),
        sentence="these are bits: log2 of 8 is 3, ln of 8 is 2.08. This project counts in nats, so exp undoes it.",
    ),
    Wrong(
        name="mean of means",
        answer=_answer(measure=_mean_of_means),
        sentence="you averaged each document and then the averages, so that a pair in a short document weighs more. "
        "Ten pairs at 1 nat and two at 5 are 20 nats over 12 pairs, 1.667; the mean of the two means says 3.",
    ),
    Wrong(
        name="perplexity",
        answer=_answer(measure=lambda v, table, documents: math.exp(nats(v, table, documents))),
        sentence="that is the perplexity, exp of the nats: V where nothing is known, and nats are ln V there.",
    ),
    Wrong(
        name="sum",
        answer=_answer(measure=lambda v, table, documents: nats(v, table, documents) * len(list(v.pairs(documents)))),
        sentence="that is the sum: it grows with the text. Divide by how many pairs there are.",
    ),
    Wrong(
        name="sign",
        answer=_answer(measure=lambda v, table, documents: -nats(v, table, documents)),
        sentence="surprise is positive: ln of a probability is 0 or less, and a minus stands before it.",
    ),
    Wrong(
        name="divided by tokens",
        answer=_answer(measure=_by_tokens),
        sentence="you divided by the number of tokens; what is averaged are pairs, and a document has fewer of them.",
    ),
)
