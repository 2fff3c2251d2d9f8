"""The ways to cut a distribution of exercise 10a, and known wrong answers, beside the right spelling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...exercise import Answer, Wrong

Kind = Literal["top k", "top p", "min p", "epsilon", "typical", "all"]
Numbers = list[float]
Draw = Callable[[Numbers, float], Any]


@dataclass(frozen=True)
class Cut:
    """Which tokens may be drawn, and whether that is decided before the temperature or after it."""

    kind: Kind
    early: bool = False

    def keep(self, p: Sequence[float], amount: float) -> set[int]:
        """Ids that stay."""
        likeliest = sorted(range(len(p)), key=lambda i: (-p[i], i))
        if self.kind == "top k":
            return set(likeliest[: int(amount)])
        if self.kind == "top p":
            return run_of(likeliest, p, amount)
        if self.kind == "min p":
            return {i for i in likeliest if p[i] >= amount * p[likeliest[0]]}
        if self.kind == "epsilon":
            return {i for i in likeliest if p[i] >= amount} or {likeliest[0]}
        if self.kind == "typical":
            entropy = -sum(x * math.log(x) for x in p if x > 0)
            return run_of(sorted(likeliest, key=lambda i: abs(-_log(p[i]) - entropy)), p, amount)
        return set(likeliest)


def run_of(order: Sequence[int], p: Sequence[float], amount: float, *, crossing: bool = True) -> set[int]:
    """The shortest run of `order` whose probabilities sum to `amount`, the one that crosses it included."""
    kept: set[int] = set()
    total = 0.0
    for i in order:
        if total >= amount:
            break
        total += p[i]
        if crossing or total <= amount or not kept:
            kept.add(i)
    return kept


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


@dataclass(frozen=True)
class _Spelling:
    """The right one; each field is a place where a mistake goes in."""

    heat: Literal["divides", "multiplies", "never", "late"] = "divides"
    keep: Callable[[Cut, Sequence[float], float], set[int]] = Cut.keep
    cut_logit: float = -math.inf
    normalises: bool = True
    greedy: bool = True
    last: bool = False
    """Of equal logits at temperature 0."""
    safe: bool = True

    def __call__(self, v: Cut) -> Callable[..., Numbers]:
        def probabilities(logits: Sequence[float], temperature: float, amount: float) -> Numbers:
            if not temperature and self.greedy:
                best = max(range(len(logits)), key=lambda i: (logits[i], i if self.last else -i))
                return [float(i == best) for i in range(len(logits))]
            hot = self._heated(logits, temperature)
            kept = self.keep(v, self._softmax(list(logits) if v.early else hot), amount)
            if not self.normalises:
                p = self._softmax(hot)
                return [x if i in kept else 0.0 for i, x in enumerate(p)]
            p = self._softmax([z if i in kept else self.cut_logit for i, z in enumerate(hot)])
            if self.heat == "late":
                p = [x / temperature for x in p]
                p = [x / math.fsum(p) for x in p]
            return p

        return probabilities

    def _heated(self, logits: Sequence[float], temperature: float) -> Numbers:
        if self.heat in ("never", "late"):
            return list(logits)
        return [z * temperature if self.heat == "multiplies" else z / temperature for z in logits]

    def _softmax(self, z: Numbers) -> Numbers:
        exps = [math.exp(x - max(z)) if self.safe else math.exp(x) for x in z]
        total = math.fsum(exps)
        return [e / total for e in exps]


def drawn(p: Numbers, u: float) -> int:
    """The first id whose sum with those before it is above u; where rounding leaves none, the last one possible."""
    total = 0.0
    for i, x in enumerate(p):
        total += x
        if u < total:
            return i
    return max(i for i, x in enumerate(p) if x > 0)


_RIGHT = _Spelling()


def answer_with(v: Cut, probabilities: Callable[..., Any] | None = None, draw: Draw = drawn) -> Answer:
    """A right answer but for what is given."""
    return {"probabilities": probabilities or _RIGHT(v), "draw": draw}


def _with(**changed: Any) -> Callable[[Cut], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: answer_with(v, spelled(v))


def _keeping(keep: Callable[[Sequence[float], float], set[int]]) -> Callable[[Cut], Answer]:
    return _with(keep=lambda v, p, amount: keep(p, amount))


def _drawing(draw: Draw) -> Callable[[Cut], Answer]:
    return lambda v: answer_with(v, draw=draw)


def _likeliest(p: Sequence[float]) -> list[int]:
    return sorted(range(len(p)), key=lambda i: (-p[i], i))


def _or_less(p: Numbers, u: float) -> int:
    total = 0.0
    for i, x in enumerate(p):
        total += x
        if u <= total:
            return i
    return max(i for i, x in enumerate(p) if x > 0)


def _falls_off(p: Numbers, u: float) -> int | None:
    total = 0.0
    for i, x in enumerate(p):
        total += x
        if u < total:
            return i
    return None


def _is(*kinds: Kind) -> Callable[[Cut], bool]:
    return lambda v: v.kind in kinds


MISTAKES = (
    Wrong(
        name="temperature on probabilities",
        answer=_with(heat="late"),
        sentence="the temperature changes nothing in yours. If you divided probabilities by it: dividing all by one "
        "number and normalising again is doing nothing. It is the logits that are divided.",
    ),
    Wrong(
        name="multiplied",
        answer=_with(heat="multiplies"),
        sentence="the logits are multiplied by the temperature: a high one then sharpens where it should flatten.",
    ),
    Wrong(
        name="cold is an error",
        answer=_with(greedy=False),
        sentence="temperature 0 divides by 0: it means the largest logit alone, and is treated apart.",
    ),
    Wrong(
        name="the last of equals",
        answer=_with(last=True),
        sentence="at temperature 0 the last of equal logits was taken: the one with the lowest id is meant.",
    ),
    Wrong(
        name="equals from behind",
        answer=_with(keep=lambda v, p, amount: {len(p) - 1 - i for i in v.keep(p[::-1], amount)}),
        sentence="of equal logits those with the highest ids stay in yours: the lowest come first.",
        applies=_is("top k", "top p", "typical", "epsilon"),
    ),
    Wrong(
        name="cut to 0",
        answer=_with(cut_logit=0.0),
        sentence="the logits that were cut became 0, and 0 is a logit like any other: exp(0) is 1. Those tokens are "
        "still drawn.",
    ),
    Wrong(
        name="not normalised",
        answer=_with(normalises=False),
        sentence="what is left after the cut does not sum to 1: divide by its sum.",
    ),
    Wrong(
        name="overflow",
        answer=_with(safe=False),
        sentence="exp of a large logit is larger than any float: take the largest from all of them first (lesson 3).",
    ),
    Wrong(
        name="nothing cut",
        answer=_with(keep=lambda v, p, amount: set(range(len(p)))),
        sentence="nothing is cut: every token may be drawn.",
    ),
    Wrong(
        name="the other order",
        answer=lambda v: answer_with(v, _RIGHT(replace(v, early=not v.early))),
        sentence="the cut and the temperature came in the other order: a temperature changes which tokens pass.",
        applies=_is("top p", "min p", "epsilon", "typical"),
    ),
    Wrong(
        name="one more",
        answer=_keeping(lambda p, amount: set(_likeliest(p)[: int(amount) + 1])),
        sentence="one token too many is kept: k of them.",
        applies=_is("top k"),
    ),
    Wrong(
        name="the least likely",
        answer=_keeping(lambda p, amount: set(_likeliest(p)[::-1][: int(amount)])),
        sentence="the least likely tokens are kept: sort the other way round.",
        applies=_is("top k"),
    ),
    Wrong(
        name="the first",
        answer=_keeping(lambda p, amount: set(range(int(amount)))),
        sentence="the first tokens by their id are kept: the likeliest are meant.",
        applies=_is("top k"),
    ),
    Wrong(
        name="without the crossing one",
        answer=_with(keep=lambda v, p, amount: run_of(_order(v, p), p, amount, crossing=False)),
        sentence="the token that crosses the amount is left out: the run is the shortest that has it or more.",
        applies=_is("top p", "typical"),
    ),
    Wrong(
        name="from the least likely",
        answer=_keeping(lambda p, amount: run_of(_likeliest(p)[::-1], p, amount)),
        sentence="the run begins with the least likely token: it begins at the other end.",
        applies=_is("top p"),
    ),
    Wrong(
        name="by their ids",
        answer=_keeping(lambda p, amount: run_of(range(len(p)), p, amount)),
        sentence="the run goes by ids: it goes from the likeliest token on.",
        applies=_is("top p", "typical"),
    ),
    Wrong(
        name="by their probability",
        answer=_keeping(lambda p, amount: run_of(_likeliest(p), p, amount)),
        sentence="the run goes from the likeliest on: here it begins with the token whose surprise, -ln p, is nearest "
        "to the mean surprise.",
        applies=_is("typical"),
    ),
    Wrong(
        name="a threshold",
        answer=_with(keep=lambda v, p, amount: replace(v, kind="epsilon").keep(p, amount)),
        sentence="single probabilities were compared with the amount: that is another cut.",
        applies=_is("top p", "min p"),
    ),
    Wrong(
        name="a share of the largest",
        answer=_with(keep=lambda v, p, amount: replace(v, kind="min p").keep(p, amount)),
        sentence="probabilities were compared with a share of the largest one; the amount itself is the limit.",
        applies=_is("epsilon"),
    ),
    Wrong(
        name="nothing left",
        answer=_keeping(lambda p, amount: {i for i, x in enumerate(p) if x >= amount}),
        sentence="where no token reaches the amount, none is left to draw: the likeliest one always stays.",
        applies=_is("epsilon"),
    ),
    Wrong(
        name="always the likeliest",
        answer=_drawing(lambda p, u: _likeliest(p)[0]),
        sentence="draw gives the likeliest token whatever u is: that is not drawing.",
    ),
    Wrong(
        name="all alike",
        answer=_drawing(lambda p, u: int(u * len(p))),
        sentence="draw gives every token equally often: a token has the share p of all u.",
    ),
    Wrong(
        name="not summed",
        answer=_drawing(lambda p, u: next((i for i, x in enumerate(p) if u < x), len(p) - 1)),
        sentence="u is compared with each probability by itself: with their running sum, and each has its own piece.",
    ),
    Wrong(
        name="or less",
        answer=_drawing(_or_less),
        sentence="a u of 0 draws the first token even if its probability is 0: u is below 1 and may be 0, so a piece "
        "begins at its lower end and stops short of its upper one.",
    ),
    Wrong(
        name="falls off",
        answer=_drawing(_falls_off),
        sentence="floats that should sum to 1 may sum to a little less, and a u just below 1 then finds no token.",
    ),
    Wrong(
        name="the last id",
        answer=_drawing(lambda p, u: len(p) - 1 if (i := _falls_off(p, u)) is None else i),
        sentence="where rounding leaves a u just below 1 no token, yours takes the last id, even if that has no "
        "probability.",
    ),
    Wrong(
        name="the next one",
        answer=_drawing(lambda p, u: (drawn(p, u) + 1) % len(p)),
        sentence="draw gives the token after the one in whose piece u lies.",
    ),
)


def _order(v: Cut, p: Sequence[float]) -> list[int]:
    """The order in which a run goes."""
    if v.kind == "top p":
        return _likeliest(p)
    entropy = -sum(x * math.log(x) for x in p if x > 0)
    return sorted(_likeliest(p), key=lambda i: abs(-_log(p[i]) - entropy))
