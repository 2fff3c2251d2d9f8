"""Exercise 7b: many heads side by side: split the channels, attend in each, put them together again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ..arrays.spelling import Array, first_difference, seen, words


@dataclass(frozen=True)
class Layout:
    """How q, k and v of all heads lie in a row of channels."""

    by_head: bool = False
    """q, k, v of head 0, then those of head 1; else all q, then all k, then all v."""
    share: int = 1
    """Query heads that use one key and value head."""

    def split(self, qkv: Array, n_head: int) -> tuple[Array, Array, Array]:
        """(B, T, (H + 2 H / share) D) -> q, k, v, each (B, H, T, D)"""
        b, t, channels = qkv.shape
        n_kv = n_head // self.share
        d = channels // (n_head + 2 * n_kv)
        heads = qkv.reshape(b, t, -1, d).transpose(0, 2, 1, 3)  # (B, H + 2 Hkv, T, D)
        if self.by_head:
            return heads[:, 0::3], heads[:, 1::3], heads[:, 2::3]
        q, k, v = np.split(heads, [n_head, n_head + n_kv], axis=1)
        return q, k.repeat(self.share, 1), v.repeat(self.share, 1)


@dataclass(frozen=True)
class Batch:
    """What heads is tried on."""

    qkv: Array
    n_head: int

    def __str__(self) -> str:
        return f"heads({words(self.qkv)}, {self.n_head})"


_LAYOUTS = {"q, k, v": Layout(), "head by head": Layout(by_head=True), "two share": Layout(share=2)}


def _starter(v: Layout) -> str:
    order = "q of every head, then k of every head, then v of every head"
    if v.by_head:
        order = "q, k, v of head 0, then q, k, v of head 1, and so on"
    if v.share > 1:
        order = "q of H heads, then k of H/2 heads, then v of H/2 heads; query heads 0 and 1 use key head 0, 2 and 3 "
        order += "use 1, ..."
    channels = "3HD" if v.share == 1 else "2HD"
    return f'''"""Exercise 7b: heads. Each has D channels of its own, and knows nothing of the others.

The channels of a token are {order}.
Each head is plain causal attention, with scores q . k / sqrt(D); its results stand side by side in y.

Check it with:  nanochat learn check 7b
"""

import numpy as np


def heads(qkv, n_head):
    """qkv (B, T, {channels}) -> y (B, T, HD)"""
    ...
'''


def _cases(rng: random.Random, v: Layout) -> list[Batch]:
    sizes = ((1, 2, 2, 1), (1, 3, 2, 2), (2, 3, 4, 2))  # B, T, H, D
    cases = []
    for b, t, h, d in sizes:
        shape = (b, t, (h + 2 * h // v.share) * d)
        numbers = [rng.choice((-1, 1)) * rng.randint(3, 20) / 10 for _ in range(math.prod(shape))]
        cases.append(Batch(np.array(numbers).reshape(shape), h))
    return cases


def _y(answer: Answer, case: Batch) -> Array:
    return np.asarray(answer["heads"](case.qkv.copy(), case.n_head))


def _shape(answer: Answer, case: Batch, v: Layout) -> Broken | None:
    expected, got = _RIGHT(v)["heads"](case.qkv, case.n_head).shape, np.shape(_y(answer, case))
    if got == expected:
        return None
    return Broken(call=str(case), expected=f"an array of shape {expected}", got=f"shape {got}")


def _value(answer: Answer, case: Batch, v: Layout) -> Broken | None:
    expected = _looped(v)["heads"](case.qkv, case.n_head)
    return first_difference(_y(answer, case), expected, "y", str(case), close=1e-9)


def _future(answer: Answer, case: Batch, v: Layout) -> Broken | None:
    changed = replace(case, qkv=case.qkv.copy())
    changed.qkv[:, -1] += 2.0
    before, after = _y(answer, case)[:, :-1], _y(answer, changed)[:, :-1]
    return first_difference(after, before, "y", f"{case}, the last token changed", close=1e-12, why=", as before")


def _apart(answer: Answer, case: Batch, v: Layout) -> Broken | None:
    """The first query head gets other queries: only its own channels of y may move."""
    d = _y(answer, case).shape[-1] // case.n_head
    changed = replace(case, qkv=case.qkv.copy())
    changed.qkv[..., :d] *= -1.5
    before, after = _y(answer, case)[..., d:], _y(answer, changed)[..., d:]
    call = f"{case}, queries of head 0 changed"
    return first_difference(after, before, f"y of the other heads (from channel {d})", call, close=1e-12)


def _observe(answer: Answer, case: Batch, v: Layout) -> Observation:
    shape = (*case.qkv.shape[:2], case.qkv.shape[2] // (v.share + 2) * v.share)
    return seen({"y": _y(answer, case)}, {"y": shape})


# **** right and wrong


def _attended(q: Array, k: Array, v: Array, scale: float, mask: Array) -> Array:
    scores = np.where(mask, q @ k.swapaxes(-1, -2) * scale, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    y: Array = e / e.sum(-1, keepdims=True) @ v
    return y


def _merged(y: Array) -> Array:
    return y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)


def _answer(
    split: Callable[[Layout, Array, int], tuple[Array, Array, Array]] = Layout.split,
    merge: Callable[[Array], Array] = _merged,
    *,
    width: bool = False,
    causal: bool = True,
) -> Callable[[Layout], Answer]:
    def answer(v: Layout) -> Answer:
        def heads(qkv: Array, n_head: int) -> Array:
            q, k, values = split(v, qkv, n_head)
            n, d = q.shape[-2:]
            scale = 1 / math.sqrt(d * n_head if width else d)
            return merge(_attended(q, k, values, scale, np.tri(n, dtype=bool) if causal else np.ones((n, n), bool)))

        return {"heads": heads}

    return answer


_RIGHT = _answer()


def _looped(v: Layout) -> Answer:
    """Row by row, head by head, from slices of the channels."""

    def heads(qkv: Array, n_head: int) -> Array:
        n_kv = n_head // v.share
        d = qkv.shape[2] // (n_head + 2 * n_kv)
        rows = []
        for row in qkv:  # (T, channels)
            parts = []
            for h in range(n_head):
                first = (3 * h, 3 * h + 1, 3 * h + 2)
                if not v.by_head:
                    first = (h, n_head + h // v.share, n_head + n_kv + h // v.share)
                q, k, values = (row[:, i * d : (i + 1) * d] for i in first)
                parts.append(_attended(q, k, values, 1 / math.sqrt(d), np.tri(len(row), dtype=bool)))
            rows.append(np.concatenate(parts, axis=1))
        return np.array(rows)

    return {"heads": heads}


def _viewed(v: Layout, qkv: Array, n_head: int) -> tuple[Array, Array, Array]:
    """Each of q, k, v cut out rightly, then reshaped to (B, H, T, D) without a transpose."""
    found = []
    for part in v.split(qkv, n_head):
        b, h, t, d = part.shape
        found.append(part.transpose(0, 2, 1, 3).reshape(b, h, t, d))
    return found[0], found[1], found[2]


EXERCISE = Exercise(
    title="heads side by side",
    file="heads.py",
    asks=("heads",),
    starter=_starter,
    variants=_LAYOUTS,
    cases=_cases,
    call=str,
    laws=(
        Law(name="shape", sentence="y has HD channels for every token", holds=_shape),
        Law(name="future", sentence="a later token changes no earlier y", holds=_future, points=2, needs=("shape",)),
        Law(name="apart", sentence="queries of one head move its own channels only", holds=_apart, needs=("shape",)),
        Law(name="value", sentence="y is that of each head by itself", holds=_value, points=3, needs=("shape",)),
    ),
    observe=_observe,
    right=(_RIGHT, _looped),
    wrong=(
        Wrong(
            name="split by reshape",
            answer=_answer(split=_viewed),
            sentence="reshape to (B, H, T, D) reads across tokens: part of another token's channels got into a head. "
            "Reshape to (B, T, H, D) first, then transpose.",
        ),
        Wrong(
            name="merged by reshape",
            answer=_answer(merge=lambda y: y.reshape(y.shape[0], y.shape[2], -1)),
            sentence="the heads were merged without a transpose: tokens changed places with heads.",
        ),
        Wrong(
            name="split and merged by reshape",
            answer=_answer(split=_viewed, merge=lambda y: y.reshape(y.shape[0], y.shape[2], -1)),
            sentence="split and merged without a transpose, both: the shapes fit, and no head has a token of its own.",
        ),
        Wrong(
            name="scale by the width",
            answer=_answer(width=True),
            sentence="the scores are divided by the root of all channels: a score sums over the D of one head.",
        ),
        Wrong(
            name="future",
            answer=_answer(causal=False),
            sentence="a token sees those after it: every head needs the mask.",
        ),
        Wrong(
            name="the other order",
            answer=lambda v: _answer(split=lambda v, x, h: replace(v, by_head=not v.by_head).split(x, h))(v),
            sentence="q, k and v were cut out in the other order: read again how the channels lie.",
            applies=lambda v: v.share == 1,
        ),
        Wrong(
            name="heads in turn",
            answer=_answer(split=lambda v, x, h: _in_turn(v, x, h)),
            sentence="query heads took the key heads in turn (0, 1, 0, 1); neighbours share one (0, 0, 1, 1).",
            applies=lambda v: v.share > 1,
        ),
        Wrong(
            name="k and v swapped",
            answer=_answer(split=lambda v, x, h: (v.split(x, h)[0], v.split(x, h)[2], v.split(x, h)[1])),
            sentence="keys and values have changed places: the scores are taken with k, and v is what is gathered.",
        ),
    ),
    hints=(
        "First (B, T, H, D): the D channels of a head lie together, so this reshape moves nothing.",
        "Then bring H before T, so that q @ k.swapaxes(-1, -2) works head by head. Merge in the opposite order.",
        "Check yourself with H = 1: it has to be plain attention.",
    ),
    project="nanochat.models.gpt.tensor:Attention",
    allowed=("numpy",),
)


def _in_turn(v: Layout, qkv: Array, n_head: int) -> tuple[Array, Array, Array]:
    q, k, values = v.split(qkv, n_head)
    order = [h % (n_head // v.share) * v.share for h in range(n_head)]
    return q, k[:, order], values[:, order]
