"""Clipping and accumulation of exercise 9a, and known wrong answers to all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ...exercise import Answer, Wrong
from .rules import Rule, Spelling

Tensors = list[list[float]]
Part = tuple[int, float, list[float]]
"""Tokens, mean loss, gradient of the mean loss."""
Clipped = tuple[Tensors, float]
Gathered = tuple[float, list[float]]

_RIGHT = Spelling()


def clipped(gradients: Tensors, max_norm: float) -> Clipped:
    """All tensors times one factor, where their common norm is too large."""
    norm = math.sqrt(math.fsum(x * x for row in gradients for x in row))
    factor = max_norm / norm if norm > max_norm else 1.0
    return [[x * factor for x in row] for row in gradients], norm


def gathered(parts: Sequence[Part]) -> Gathered:
    """Each part weighs as many tokens as it has."""
    n = sum(tokens for tokens, _, _ in parts)
    loss = sum(tokens * loss for tokens, loss, _ in parts) / n
    columns = zip(*([tokens * x for x in gradient] for tokens, _, gradient in parts), strict=True)
    return loss, [sum(column) / n for column in columns]


def answer_with(
    v: Rule,
    update: Callable[..., Any] | None = None,
    clip: Callable[[Tensors, float], Any] = clipped,
    accumulate: Callable[[Sequence[Part]], Any] = gathered,
) -> Answer:
    """A right answer but for what is given."""
    return {"update": update or _RIGHT(v), "clip": clip, "accumulate": accumulate}


def _with(**changed: Any) -> Callable[[Rule], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: answer_with(v, spelled(v))


def _as(**changed: Any) -> Callable[[Rule], Answer]:
    """The right spelling of another rule."""
    return lambda v: answer_with(v, _RIGHT(replace(v, **changed)))


def _clipping(clip: Callable[[Tensors, float], Any]) -> Callable[[Rule], Answer]:
    return lambda v: answer_with(v, clip=clip)


def _by(size: Callable[[list[float]], float]) -> Callable[[Rule], Answer]:
    """Clipped by another size of all numbers."""

    def clip(gradients: Tensors, max_norm: float) -> Clipped:
        found = size([x for row in gradients for x in row])
        factor = max_norm / found if found > max_norm else 1.0
        return [[x * factor for x in row] for row in gradients], found

    return _clipping(clip)


def _always(gradients: Tensors, max_norm: float) -> Clipped:
    norm = clipped(gradients, math.inf)[1]
    return [[x * (max_norm / norm) for x in row] for row in gradients], norm


def _after(gradients: Tensors, max_norm: float) -> Clipped:
    rows, norm = clipped(gradients, max_norm)
    return rows, min(norm, max_norm)


def _longest(gradients: Tensors, max_norm: float) -> Clipped:
    norm = max(math.hypot(*row) for row in gradients)
    factor = max_norm / norm if norm > max_norm else 1.0
    return [[x * factor for x in row] for row in gradients], norm


def _gathering(
    weigh: Callable[[Part, Sequence[Part]], float], losses: Callable[[Part, Sequence[Part]], float] | None = None
) -> Callable[[Rule], Answer]:
    """Each part weighed by weigh(part, parts)."""

    def accumulate(parts: Sequence[Part]) -> Gathered:
        loss = sum((losses or weigh)(one, parts) * one[1] for one in parts)
        columns = zip(*([weigh(one, parts) * x for x in one[2]] for one in parts), strict=True)
        return loss, [sum(column) for column in columns]

    return lambda v: answer_with(v, accumulate=accumulate)


def _share(part: Part, parts: Sequence[Part]) -> float:
    return part[0] / sum(one[0] for one in parts)


_UPDATES = (
    Wrong(
        name="no correction",
        answer=_with(corrects="never"),
        sentence="m and v begin as 0 and are not corrected for it: the first steps have another size than lr, by a "
        "factor that follows from b1 and b2.",
    ),
    Wrong(
        name="no correction, not ahead",
        answer=lambda v: answer_with(v, Spelling(corrects="never")(replace(v, nesterov=False))),
        sentence="m is neither corrected for its beginning at 0 nor taken one step ahead: two lines are missing.",
        applies=lambda v: v.nesterov,
    ),
    Wrong(
        name="correction multiplied",
        answer=_with(corrects="multiplies"),
        sentence="m and v are multiplied by 1 - b^t where they are divided by it: that makes small moments smaller.",
    ),
    Wrong(
        name="one step late",
        answer=_with(corrects="late"),
        sentence="the correction is that of the next step: t is 1 in the first one already.",
    ),
    Wrong(
        name="uphill",
        answer=_with(sign=1.0),
        sentence="the number moves along its gradient: a step goes against it.",
    ),
    Wrong(
        name="not squared",
        answer=_with(squares=False),
        sentence="v holds sizes, not squares: under the root it then measures something else than the size of g.",
        applies=lambda v: v.second != "max",
    ),
    Wrong(
        name="no root",
        answer=_with(roots=False),
        sentence="the root is missing: a step would shrink as 1 / g, and depend on the loss's unit.",
        applies=lambda v: v.second != "max",
    ),
    Wrong(
        name="swapped",
        answer=_with(swapped=True),
        sentence="b1 and b2 have changed places: m is the quick one (0.9), v the slow one (0.99).",
    ),
    Wrong(
        name="corrected kept",
        answer=_with(keeps_corrected=True),
        sentence="m_hat and v_hat came back in place of m and v: the correction is for this step's move alone.",
    ),
    Wrong(
        name="forgets",
        answer=_with(forgets=True),
        sentence="m and v begin anew in each step: they are given, and hold what was before.",
    ),
    Wrong(
        name="gradient for m",
        answer=_with(uses_g=True),
        sentence="g moves the number where its running mean m should.",
    ),
    Wrong(
        name="no decay",
        answer=_with(decays="never"),
        sentence="decay is missing.",
    ),
    Wrong(
        name="the other decay",
        answer=lambda v: answer_with(v, _RIGHT(replace(v, decoupled=not v.decoupled))),
        sentence="decay goes the other way round: added to g it is divided by g's size; decoupled it acts on p alone. "
        "Which one does the formula have?",
    ),
    Wrong(
        name="decay without lr",
        answer=_with(decays="without lr"),
        sentence="decay is not multiplied by lr: as lr falls, so does the decay of the formula.",
        applies=lambda v: v.decoupled,
    ),
    Wrong(
        name="not ahead",
        answer=_as(nesterov=False),
        sentence="m is not taken one step ahead: m_bar has the gradient of now once more.",
        applies=lambda v: v.nesterov,
    ),
    Wrong(
        name="squares of g",
        answer=_as(second="square"),
        sentence="v remembers g^2, as Adam's does; this rule remembers something else.",
        applies=lambda v: v.second != "square",
    ),
    Wrong(
        name="before m moved",
        answer=_with(old_m=True),
        sentence="v was measured from the m of the step before: m takes g in first, and v asks how far g is from that.",
        applies=lambda v: v.second == "belief",
    ),
    Wrong(
        name="eps elsewhere",
        answer=lambda v: answer_with(v, _RIGHT(replace(v, eps_inside=not v.eps_inside))),
        sentence="eps stands on the other side of the root: 1e-8 under it is 1e-4 outside.",
        applies=lambda v: v.second != "max",
    ),
)
_CLIPS = (
    Wrong(
        name="tensor by tensor",
        answer=_clipping(
            lambda gradients, most: ([clipped([row], most)[0][0] for row in gradients], clipped(gradients, most)[1])
        ),
        sentence="each tensor was clipped by its own norm: one factor for all keeps the direction.",
    ),
    Wrong(
        name="always",
        answer=_clipping(_always),
        sentence="a small gradient was blown up to max_norm: below it nothing is to be done.",
    ),
    Wrong(
        name="entry by entry",
        answer=_clipping(
            lambda gradients, most: (
                [[max(-most, min(most, x)) for x in row] for row in gradients],
                clipped(gradients, most)[1],
            )
        ),
        sentence="each number was cut to +-max_norm: that turns the direction; one factor for all keeps it.",
    ),
    Wrong(
        name="by the largest",
        answer=_by(lambda numbers: max(map(abs, numbers))),
        sentence="the largest number was taken for the norm: that is the root of the sum of all squares.",
    ),
    Wrong(
        name="by the longest",
        answer=_clipping(_longest),
        sentence="the longest tensor's norm was taken for all: the norm is that of all numbers together.",
    ),
    Wrong(
        name="by the sum",
        answer=_by(lambda numbers: sum(map(abs, numbers))),
        sentence="sizes were added up: the norm is the root of the sum of squares.",
    ),
    Wrong(
        name="norm without its root",
        answer=_by(lambda numbers: sum(x * x for x in numbers)),
        sentence="the root is missing: of (3, 4) the norm is 5, not 25.",
    ),
    Wrong(
        name="norm after",
        answer=_clipping(_after),
        sentence="the norm after clipping came back: the one before tells whether something is going wrong.",
    ),
)
_GATHERINGS = (
    Wrong(
        name="mean of means",
        answer=_gathering(lambda part, parts: 1 / len(parts)),
        sentence="every part weighs the same: of 3 tokens at 2 nats and 1 at 6 the mean is 3, not 4.",
    ),
    Wrong(
        name="loss as a mean of means",
        answer=_gathering(_share, lambda part, parts: 1 / len(parts)),
        sentence="the gradient is right, and the loss is a mean of means: it weighs tokens, too.",
    ),
    Wrong(
        name="gradient as a mean of means",
        answer=_gathering(lambda part, parts: 1 / len(parts), _share),
        sentence="the loss is right, and the gradient is a mean of means: no loss curve shows it, and a token of a "
        "short text counts more.",
    ),
    Wrong(
        name="sum",
        answer=_gathering(lambda part, parts: 1.0),
        sentence="the parts were added up: the mean over all tokens is asked for, whatever they were cut into.",
    ),
    Wrong(
        name="sum over tokens",
        answer=_gathering(lambda part, parts: float(part[0])),
        sentence="that is the sum over all tokens: divide by how many there are.",
    ),
    Wrong(
        name="last part",
        answer=_gathering(lambda part, parts: float(part is parts[-1])),
        sentence="the last part alone came back: the gradients of parts add.",
    ),
)
MISTAKES = (*_UPDATES, *_CLIPS, *_GATHERINGS)
