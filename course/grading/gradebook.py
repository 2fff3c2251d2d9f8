"""Marks as rows: points of each exercise, their sum, and what a teacher should know of a submission."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .marking import Marks, most


def asked(marks: Sequence[Marks], keys: Sequence[str]) -> list[str]:
    """Those of `keys` that somebody wrote: what was not given out yet is not counted against anybody."""
    return [key for key in keys if any(key in one.marks and one.marks[key].finding != "empty" for one in marks)]


def begun(marks: Sequence[Marks]) -> Iterator[tuple[str, str, str, str]]:
    """(who, exercise, variant, source) of every answer that is more than `learn start` wrote: those are all alike."""
    for one in marks:
        for key, mark in one.marks.items():
            if mark.finding != "empty":
                yield one.student or one.name, key, mark.variant, mark.source


def to_rows(marks: Sequence[Marks], keys: Sequence[str]) -> list[dict[str, object]]:
    """A row a submission. An exercise that is not there has an empty cell, and 0 points in the sum."""
    total = sum(map(most, keys))
    return [
        {
            "student": one.student,
            "submission": one.name,
            "points": sum(one.marks[key].points for key in keys if key in one.marks),
            "of": total,
            "findings": ", ".join(one.findings) or "ok",
            **{f"{key} of {most(key)}": one.marks[key].points if key in one.marks else "" for key in keys},
            "notes": " / ".join(one.notes),
        }
        for one in marks
    ]
