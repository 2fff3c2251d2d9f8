"""The nine lines: what was found, what is allowed, and whether it holds. Knows no process and no file."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

import numpy as np

from ...models.flops import flops_per_token
from ...models.parameters import count_parameters
from ..statistics.intervals import t_interval
from .case import Case
from .names import PADDED, SCALARS

LOGITS, MATRICES, SCALAR_GRADIENTS, SCALAR_UPDATES = 1e-4, 1e-4, 1e-3, 1e-2
BITS, STEPS, END, END_IN_BFLOAT16 = 1e-5, 1e-6, 2e-3, 5e-3
SCHEDULES = 1e-9
FIRST_STEPS = 20
"""Losses that are held to STEPS: later ones are chaotic, as a system of so many feedbacks is."""
EQUIVALENT = 0.05
"""Share of the loss within which two means over seeds are called equal."""
_SHARE = 1e-4
"""Of the largest of all: below it a gradient or change is compared with that, since its own is rounding."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One of the nine."""

    number: int
    name: str
    figure: str = ""
    limit: str = ""
    verdict: Literal["PASS", "FAIL", "INFO", "SKIPPED"]
    reason: str = ""
    """Why it was skipped."""
    numbers: Mapping[str, float] = field(default_factory=dict)


NAMES = (
    "parameters", "FLOPs a token", "logits", "gradients", "first update", "bits per byte", "curve", "curve over seeds",
    "speed",
)  # fmt: skip


def skipped(number: int, reason: str) -> Line:
    """A line that was not tried."""
    return Line(number=number, name=NAMES[number - 1], verdict="SKIPPED", reason=reason)


def _line(number: int, holds: bool, figure: str, limit: str = "equal", **numbers: float) -> Line:
    return Line(
        number=number,
        name=NAMES[number - 1],
        figure=figure,
        limit=limit,
        verdict="PASS" if holds else "FAIL",
        numbers={name: value for name, value in numbers.items() if math.isfinite(value)},
    )


def parameters(case: Case, describe: Mapping[str, Any]) -> Line:
    """Numbers that are learned; theirs without the rows that fill the vocabulary up."""
    ours = count_parameters(case.model.parameters())
    theirs = sum(math.prod(shape) for shape in describe["parameters"].values())
    tables = [name for name in describe["parameters"] if name == "lm_head.weight" or "wte" in name or "embeds" in name]
    rows = -case.vocab_size % PADDED
    padding = sum(rows * describe["parameters"][name][-1] for name in tables)
    figure = f"{ours:,} = {theirs:,} without {padding:,} of padding"
    return _line(1, ours == theirs - padding, figure, ours=ours, theirs=theirs)


def operations(case: Case, describe: Mapping[str, Any]) -> Line:
    """Theirs without the head's padding, and with the token itself in a window, whom they leave out."""
    ours, model = flops_per_token(case.model), case.model
    padding = 6 * (-case.vocab_size % PADDED) * case.n_embd
    short = sum(window < case.block_size for window in describe["windows"])
    theirs = describe["flops"] - padding + 12 * model.attn_width * short
    figure = f"{ours:,} = {describe['flops']:,} without padding, each window with its own token"
    return _line(2, ours == theirs, figure, ours=ours, theirs=describe["flops"])


def logits(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Line:
    """Of the same weights and tokens."""
    error = _worst(np.abs(ours["logits"] - theirs["logits"]))
    return _line(3, error <= LOGITS, f"max |d| {error:.1e}", f"<= {LOGITS:g}", error=error)


def gradients(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Line:
    """Of the same loss."""
    return _by_kind(4, ours["gradients"], theirs["gradients"], SCALAR_GRADIENTS)


def first_update(ours: Mapping[str, Any], theirs: Mapping[str, Any], remark: str = "") -> Line:
    """What one step moves the shaken weights by."""
    return _by_kind(5, ours, theirs, SCALAR_UPDATES, remark)


def _by_kind(number: int, ours: Mapping[str, Any], theirs: Mapping[str, Any], scalars: float, remark: str = "") -> Line:
    largest = max(float(np.abs(found["numbers"]).max()) for found in theirs.values())
    errors = {name: _error(ours.get(name), found, largest) for name, found in theirs.items()}
    worst = {
        kind: max((error, name) for name, error in errors.items() if (name in SCALARS) == kind)
        for kind in (False, True)
    }
    figure = f"worst {worst[False][0]:.1e} (matrices), {worst[True][0]:.1e} (scalars: {worst[True][1]}){remark}"
    return _line(
        number,
        worst[False][0] <= MATRICES and worst[True][0] <= scalars and ours.keys() == theirs.keys(),
        figure,
        f"<= {MATRICES:g}, {scalars:g}",
        matrices=worst[False][0],
        scalars=worst[True][0],
    )


def _error(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any], largest: float) -> float:
    """max |a - b| over max |b|, and the same of the norms, which see all numbers"""
    if ours is None or ours["numbers"].shape != theirs["numbers"].shape:
        return math.inf
    size = max(float(np.abs(theirs["numbers"]).max()), _SHARE * largest)
    norm = abs(ours["norm"] - theirs["norm"]) / max(theirs["norm"], _SHARE * largest)
    return max(_worst(np.abs(ours["numbers"] - theirs["numbers"])) / size, norm)


def bits_per_byte(ours: float, theirs: float) -> Line:
    """Of the same weights on the same rows, each side's own evaluation."""
    error = abs(ours - theirs)
    return _line(6, error <= BITS, f"{ours:.7f} = {theirs:.7f}", f"<= {BITS:g}", error=error)


def curve(ours: Mapping[str, Any], theirs: Mapping[str, Any], schedules: np.ndarray, *, exact: bool) -> Line:
    """Losses of a training run on the same batches, and the validation loss at its end.

    schedules: how far apart rates, momenta and decays of a long run are: a short one does not come to the fall of the
    momentum. exact: in float64. Otherwise theirs is as published, float32 with a Muon in bfloat16.
    """
    apart = np.abs(np.subtract(ours["losses"], theirs["losses"]))
    first, end = _worst(apart[:FIRST_STEPS]), abs(ours["val_loss"] - theirs["val_loss"])
    plan = _worst(np.abs(schedules))
    near, far = (STEPS, END) if exact else (END_IN_BFLOAT16, END_IN_BFLOAT16)
    how = "float64" if exact else "float32, their Muon in bfloat16 as published"
    figure = (
        f"{how}: {min(FIRST_STEPS, len(apart))} steps {first:.1e}; end of {len(apart)} {ours['val_loss']:.5f} against "
        f"{theirs['val_loss']:.5f} nats; schedules {plan:.1e}"
    )
    holds = first <= near and end <= far and plan <= SCHEDULES
    limit = f"<= {near:g}; <= {far:g}; <= {SCHEDULES:g}"
    return _line(7, holds, figure, limit, first=first, end=end, schedules=plan)


def over_seeds(ours: Sequence[float], theirs: Sequence[float], twins: Sequence[float]) -> Line:
    """Final losses in float32: is the mean difference within EQUIVALENT of the loss, with 90 % confidence (two tests of
    5 %)? Beside it the noise floor: how far upstream is from itself with the rows of each batch in another order.
    Schuirmann 1987, "A comparison of the two one-sided tests procedure"."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    floor = max(abs(a - b) for a, b in zip(theirs, twins, strict=True))
    interval, allowed = t_interval(differences, 0.90), EQUIVALENT * sum(theirs) / len(theirs)
    low, high = interval.mean - interval.half_width, interval.mean + interval.half_width
    figure = (
        f"float32, {len(ours)} seeds: {interval.mean:+.4f} nats [{low:+.4f}, {high:+.4f}]; upstream against itself "
        f"up to {floor:.4f}"
    )
    holds = -allowed <= low and high <= allowed
    limit = f"within +-{allowed:.3f} ({EQUIVALENT:.0%})"
    return _line(8, holds, figure, limit, mean=interval.mean, half_width=interval.half_width, floor=floor)


def speed(ours: Sequence[float], theirs: Sequence[float], gate: float = 0.0) -> Line:
    """Median seconds of a step, theirs over ours, with a bootstrap interval; decides nothing without a gate."""
    ratio, draw = median(theirs) / median(ours), random.Random(0)
    drawn = sorted(
        median(draw.choices(theirs, k=len(theirs))) / median(draw.choices(ours, k=len(ours))) for _ in range(500)
    )
    low, high = drawn[12], drawn[-13]
    figure = f"{ratio:.2f} x their eager step, one thread each [{low:.2f}, {high:.2f}]"
    line = _line(9, not gate or low >= gate, figure, f">= {gate:g}" if gate else "", ratio=ratio, low=low, high=high)
    return line if gate else Line(**vars(line) | {"verdict": "INFO"})


def _worst(errors: np.ndarray) -> float:
    """The largest; inf where one is nan."""
    found = float(errors.max(initial=0.0))
    return found if math.isfinite(found) else math.inf
