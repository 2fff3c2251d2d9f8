"""Exercise 10b: a cache of keys and values, one token at a time, that is the same attention."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits

Row = list[float]


@dataclass(frozen=True)
class Reach:
    """How far back a token looks, and whether the first token stays in sight."""

    window: int = 0
    """Itself and the window - 1 before; 0 is all."""
    keeps_first: bool = False

    def seen(self, t: int) -> list[int]:
        """Which tokens token t attends to."""
        first = max(0, t + 1 - self.window) if self.window else 0
        return [*([0] if self.keeps_first and first > 0 else []), *range(first, t + 1)]

    @property
    def words(self) -> str:
        """For a starter."""
        if not self.window:
            return "every token so far, itself included"
        more = ", and always to the very first one" if self.keeps_first else ""
        return f"itself and the {self.window - 1} before{more}"


@dataclass(frozen=True)
class Steps:
    """Queries, keys and values of a text, a row a token."""

    rows: tuple[tuple[Row, Row, Row], ...]

    def __str__(self) -> str:
        return f"{len(self.rows)} calls of step"


def _starter(v: Reach) -> str:
    n = "the number of tokens so far" if not v.window else f"at most {v.window + v.keeps_first}"
    return f'''"""Exercise 10b: a cache. Text comes a token at a time, and what was read is not read again.

A token attends to {v.words}:

    p[s] = softmax over those s of q . k[s] / sqrt(D),    y = sum over s of p[s] v[s]

Keys and values that no later token can see are given up, so len(cache) is {n}.
Check it with:  nanochat learn check 10b
"""

import math


class Cache:
    def __init__(self):
        ...

    def step(self, q, k, v):
        """The next token's query, key and value, each D numbers -> its y, D numbers"""
        ...

    def __len__(self):
        """How many keys are kept"""
        ...
'''


def _cases(rng: random.Random, v: Reach) -> list[Steps]:
    """Scores 0 and ln 3 with values 4 and 8: by hand. Then longer than the window."""
    q = [2.0, 0.0, 0.0, 0.0]
    by_hand = [(q, [0.0] * 4, [4.0, 0, 0, 0]), (q, [math.log(3), 0.0, 0, 0], [8.0, 0, 0, 0])]

    def row(d: int) -> Row:
        return [rng.choice((-1, 1)) * rng.randint(3, 20) / 10 for _ in range(d)]

    drawn = [Steps(tuple((row(d), row(d), row(d)) for _ in range(n))) for n, d in ((4, 2), (6, 3))]
    return [Steps(tuple(by_hand)), *drawn]


def _expected(v: Reach, case: Steps, t: int) -> Row:
    q, seen = case.rows[t][0], v.seen(t)
    scores = [sum(a * b for a, b in zip(q, case.rows[s][1], strict=True)) / math.sqrt(len(q)) for s in seen]
    exps = [math.exp(x - max(scores)) for x in scores]
    values = [case.rows[s][2] for s in seen]
    return [sum(e * x for e, x in zip(exps, column, strict=True)) / sum(exps) for column in zip(*values, strict=True)]


def _run(answer: Answer, case: Steps) -> tuple[Any, list[Row]]:
    cache = answer["Cache"]()
    return cache, [list(cache.step(*(list(row) for row in three))) for three in case.rows]


def _first(got: list[Row], v: Reach, case: Steps, call: str) -> Broken | None:
    for t, row in enumerate(got):
        expected = _expected(v, case, t)
        if len(row) != len(expected):
            return Broken(call=f"{call}: y of token {t}", expected=f"{len(expected)} numbers", got=f"{len(row)}")
        for i, (x, y) in enumerate(zip(row, expected, strict=True)):
            if not math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12):
                return Broken(call=f"{call}: y[{i}] of token {t}", expected=digits(y), got=digits(x))
    return None


# **** laws


def _apart(answer: Answer, case: Steps, v: Reach) -> Broken | None:
    """The first token of a second cache sees itself alone, after the first one has read two."""
    one, other = answer["Cache"](), answer["Cache"]()
    for three in case.rows[:2]:
        one.step(*(list(row) for row in three))
    return _own_value(other, case, "y of a first token, in a second cache")


def _begins(answer: Answer, case: Steps, v: Reach) -> Broken | None:
    return _own_value(answer["Cache"](), case, "y of a first token")


def _own_value(cache: Any, case: Steps, call: str) -> Broken | None:
    q, k, value = (list(row) for row in case.rows[0])
    got = cache.step(q, k, value)
    if isinstance(got, (list, tuple)) and len(got) == len(value):
        if all(math.isclose(x, y, rel_tol=1e-9) for x, y in zip(got, value, strict=True)):
            return None
        got = f"[{', '.join(map(digits, got))}]"
    return Broken(call=call, expected=f"its own value, [{', '.join(map(digits, value))}]", got=digits(got))


def _value(answer: Answer, case: Steps, v: Reach) -> Broken | None:
    return _first(_run(answer, case)[1], v, case, str(case))


def _kept(answer: Answer, case: Steps, v: Reach) -> Broken | None:
    """Whoever calls writes over the lists that were given."""
    cache, got = answer["Cache"](), []
    q, k, value = ([0.0] * len(case.rows[0][0]) for _ in range(3))
    for three in case.rows:
        for mine, theirs in zip((q, k, value), three, strict=True):
            mine[:] = theirs
        got.append(list(cache.step(q, k, value)))
    return _first(got, v, case, f"{case}, the same lists filled anew each time")


def _size(answer: Answer, case: Steps, v: Reach) -> Broken | None:
    cache = answer["Cache"]()
    for t, three in enumerate(case.rows):
        cache.step(*(list(row) for row in three))
        expected = len(v.seen(t))
        got = len(cache)
        if got != expected:
            return Broken(call=f"len(cache) after {t + 1} tokens", expected=str(expected), got=str(got))
    return None


def _observe(answer: Answer, case: Steps, v: Reach) -> Observation:
    fresh = answer["Cache"]()
    if not len(fresh):
        fresh.step(*(list(row) for row in case.rows[0]))
    if len(answer["Cache"]()):
        return {"two caches": "share what they keep"}
    cache, rows = _run(answer, case)
    found: dict[str, Any] = {f"y[{t}][{i}]": x for t, row in enumerate(rows) for i, x in enumerate(row)}
    return found | {"lists filled anew": "wrong" if _kept(answer, case, v) else "right", "len": len(cache)}


# **** right and wrong


def _made(
    *,
    shared: bool = False,
    late: bool = False,
    first_lost: bool = False,
    keeps: bool = True,
    copies: bool = True,
    scale: bool = True,
    more: int = 0,
    forgets_first: bool = False,
    only_last: bool = False,
) -> Callable[[Reach], Answer]:
    """A cache with lists; each argument is a place where a mistake goes in."""

    def answer(v: Reach) -> Answer:
        class Cache:
            keys: list[Row] = []  # noqa: RUF012 (shared where that is the mistake)
            values: list[Row] = []  # noqa: RUF012

            def __init__(self) -> None:
                self.n = 0
                if not shared:
                    self.keys, self.values = [], []

            def step(self, q: Row, k: Row, value: Row) -> Row:
                fresh = (list(k), list(value)) if copies else (k, value)
                if late and self.n:
                    y = self._attend(q)
                    self._append(*fresh)
                else:
                    self._append(*fresh)
                    y = self._attend(q)
                if first_lost and self.n == 1:
                    self.keys[0], self.values[0] = [0.0] * len(k), [0.0] * len(k)
                return y

            def _append(self, k: Row, value: Row) -> None:
                self.n += 1
                self.keys.append(k)
                self.values.append(value)
                first = v.keeps_first and not forgets_first
                most = v.window + more + first
                if keeps and v.window and len(self.keys) > most:
                    del self.keys[int(first)], self.values[int(first)]

            def _attend(self, q: Row) -> Row:
                seen = self._seen()
                keys, values = [self.keys[s] for s in seen], [self.values[s] for s in seen]
                c = math.sqrt(len(q)) if scale else 1.0
                scores = [sum(a * b for a, b in zip(q, k, strict=True)) / c for k in keys]
                exps = [math.exp(x - max(scores)) for x in scores]
                return [
                    sum(e * x for e, x in zip(exps, column, strict=True)) / sum(exps)
                    for column in zip(*values, strict=True)
                ]

            def _seen(self) -> list[int]:
                n = len(self.keys)
                if only_last:
                    return [n - 1]
                return list(range(n)) if keeps or not v.window else v.seen(n - 1)

            def __len__(self) -> int:
                return len(self.keys)

        return {"Cache": Cache}

    return answer


def _by_sums(v: Reach) -> Answer:
    """All rows in one dictionary by the token's place; weights without their largest taken out."""

    class Cache:
        def __init__(self) -> None:
            self.rows: dict[int, tuple[Row, Row]] = {}
            self.t = -1

        def step(self, q: Row, k: Row, value: Row) -> Row:
            self.t += 1
            self.rows[self.t] = (list(k), list(value))
            self.rows = {s: self.rows[s] for s in v.seen(self.t)}
            weights = {s: math.exp(math.fsum(map(_times, q, k)) / len(q) ** 0.5) for s, (k, _) in self.rows.items()}
            total = math.fsum(weights.values())
            return [
                math.fsum(weights[s] * row[1][i] / total for s, row in self.rows.items()) for i in range(len(value))
            ]

        def __len__(self) -> int:
            return len(self.rows)

    return {"Cache": Cache}


def _times(a: float, b: float) -> float:
    return a * b


EXERCISE = Exercise(
    title="a cache",
    file="remember.py",
    asks=("Cache",),
    starter=_starter,
    variants={"all": Reach(), "a window": Reach(window=3), "a window and the first": Reach(window=2, keeps_first=True)},
    cases=_cases,
    call=str,
    laws=(
        Law(
            name="begins",
            sentence="the first token's y is its own value",
            holds=_begins,
            cases=lambda rng, v: _cases(rng, v)[:1],
        ),
        Law(name="apart", sentence="... in a second cache as well", holds=_apart, points=2, needs=("begins",)),
        Law(
            name="value",
            sentence="every token's y is that of attention over the whole text",
            holds=_value,
            points=3,
            needs=("apart",),
        ),
        Law(
            name="kept",
            sentence="lists that were given may be filled anew by whoever gave them",
            holds=_kept,
            needs=("value",),
        ),
        Law(name="size", sentence="what no later token can see is given up", holds=_size, points=2, needs=("apart",)),
    ),
    observe=_observe,
    right=(_made(), _by_sums),
    wrong=(
        Wrong(
            name="shared",
            answer=_made(shared=True),
            sentence="all caches share one list: a list in the class belongs to the class; make it in __init__.",
        ),
        Wrong(
            name="not itself",
            answer=_made(late=True),
            sentence="a token attends before its own key is there: put it in first, then attend.",
        ),
        Wrong(
            name="first lost",
            answer=_made(first_lost=True),
            sentence="key and value of the first token are gone: nothing looks wrong in the samples, and every later "
            "token reads zeros there.",
        ),
        Wrong(
            name="kept by reference",
            answer=_made(copies=False),
            sentence="the cache holds the caller's own lists, which change under it: keep copies.",
        ),
        Wrong(
            name="no scale",
            answer=_made(scale=False),
            sentence="the scores are not divided by sqrt(D).",
        ),
        Wrong(
            name="the last alone",
            answer=_made(only_last=True),
            sentence="each token sees itself alone: the keys before are there to be looked at.",
        ),
        Wrong(
            name="never forgets",
            answer=_made(keeps=False),
            sentence="every y is right, and nothing is ever given up: the memory grows with the text, for which the "
            "window was to be the cure.",
            applies=lambda v: v.window > 0,
        ),
        Wrong(
            name="a window of one more",
            answer=_made(more=1),
            sentence="the window has one key too many: the token's own counts as one of them.",
            applies=lambda v: v.window > 0,
        ),
        Wrong(
            name="no window",
            answer=lambda v: _made()(Reach()),
            sentence="a token sees all of the past; it is to see a window of it.",
            applies=lambda v: v.window > 0,
        ),
        Wrong(
            name="first forgotten",
            answer=_made(forgets_first=True),
            sentence="the very first token went out of the window like any other: it is to stay.",
            applies=lambda v: v.keeps_first,
        ),
    ),
    hints=(
        "Two lists, made in __init__: keys and values. step appends to both, and then attends.",
        "list(k) is a copy. Which key can no later token see any more?",
        "Check yourself: after each step, compare with attention over all rows so far, from lesson 7.",
    ),
    project="nanochat.models.gpt.cache:KVCache",
)
