"""The law along rising axes of a study: how its loss falls with training and size, and what should come next."""

from __future__ import annotations

from ....plain import code_span
from ...analysis.findings import Analysis
from ...analysis.rungs import Ladder, Surface
from ...statistics.ladder import Prediction
from ..markdown import table
from ..numbers import digits, rough

_NOTE = "By least squares, intervals by profile. The law is of these rungs; nothing here says that it goes on."


def law_section(analysis: Analysis) -> list[str]:
    """How the loss falls along an axis of rising numbers, or along two, and what the next rung should give."""
    if analysis.ladder is not None:
        return _along_one(analysis.ladder)
    return [] if analysis.surface is None else _along_two(analysis.surface)


def _along_one(found: Ladder) -> list[str]:
    law, ahead = found.law, found.next_rung
    floor = (
        _floor(law.floor, law.floor_interval) if law.has_floor else "0 (fewer than 4 rungs or 3 seeds tell no floor)"
    )
    rows = [
        ("floor E, nats", floor),
        ("exponent a", _exponent(law.exponent, law.exponent_interval, is_told=law.is_told)),
    ]
    if law.has_floor:
        rows.append((f"foretold at {ahead.x:,.0f} {found.measure}", _foretold(ahead)))
    ends = f"{found.x[0]:,.0f} to {found.x[-1]:,.0f} {found.measure}"
    return [
        f"Along {code_span(found.axis)}, {len(found.x)} rungs of {found.n_seeds} seeds, {ends}: loss = E + A x^-a.",
        table(("", "value and 95 % interval"), rows, right={1}),
        _NOTE,
    ]


def _along_two(found: Surface) -> list[str]:
    law, told = found.law, found.law.is_told
    rows = [
        ("floor E, nats", _floor(law.floor, law.floor_interval)),
        (f"exponent a of {found.measures[0]}", _exponent(law.exponent_x, law.interval_x, is_told=told[0])),
        (f"exponent b of {found.measures[1]}", _exponent(law.exponent_y, law.interval_y, is_told=told[1])),
    ]
    ahead = " and ".join(f"{at:,.0f} {what}" for at, what in zip(found.ahead, found.measures, strict=True))
    rows.append((f"foretold at {ahead}", _foretold(found.foretold)))
    axes = " and ".join(map(code_span, found.axes))
    about = (
        f"Along {axes}, {len(found.x)} x {len(found.y)} rungs of {found.n_seeds} seeds: loss = E + A x^-a + B y^-b, "
        f"x in {found.measures[0]}, y in {found.measures[1]}."
    )
    return [about, table(("", "value and 95 % interval"), rows, right={1}), _NOTE]


def _floor(value: float, ends: tuple[float, float]) -> str:
    return f"{digits(value)} ({digits(ends[0])} to {digits(ends[1])})"


def _exponent(value: float, ends: tuple[float, float], *, is_told: bool) -> str:
    return f"{rough(value)} ({rough(ends[0])} to {rough(ends[1])})" if is_told else "not told by these rungs"


def _foretold(ahead: Prediction) -> str:
    return f"{digits(ahead.mean)} ({digits(ahead.low)} to {digits(ahead.high)})"
