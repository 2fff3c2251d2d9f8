"""A health report: rows and sentences for people, the document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import __version__
from ...machine import describe
from ...storage.strict_json import finite_or_null
from .law import Finding, HealthError
from .subject import Subject


def summary(findings: Sequence[Finding]) -> str:
    """'24 laws hold, 3 do not apply, broken: none'"""
    n = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in ("pass", "fail")}
    broken = ", ".join(finding.law.name for finding in findings if finding.verdict == "fail") or "none"
    return f"{n['pass']} laws hold, {len(findings) - sum(n.values())} do not apply, broken: {broken}"


def check(findings: Sequence[Finding], name: str) -> None:
    """Raises HealthError, exit code 9, naming what is broken."""
    broken = [finding for finding in findings if finding.verdict == "fail"]
    if broken:
        first = broken[0]
        names = ", ".join(finding.law.name for finding in broken)
        raise HealthError(
            f"{name} breaks {len(broken)} of {len(findings)} laws ({names}): look first at {first.law.look_at}"
        )


def rows(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """One a law, for a table."""
    return [
        {
            "law": finding.law.name,
            "verdict": finding.verdict,
            "number": "" if finding.number is None else f"{finding.number:.3g}",
            "allowed": finding.law.bounds,
        }
        for finding in findings
    ]


def sentences(findings: Sequence[Finding]) -> list[str]:
    """'cache: ...', of what its number is and what it means."""
    return [
        f"{finding.law.name} ({finding.law.unit}): {finding.sentence}"
        if finding.number is not None
        else f"{finding.law.name}: {finding.sentence}"
        for finding in findings
    ]


def to_document(findings: Sequence[Finding], subject: Subject) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "subject": subject.name,
        "passed": all(finding.verdict != "fail" for finding in findings),
        "summary": summary(findings),
        "environment": {"nanochat": __version__} | describe(),
        "findings": [
            finite_or_null(
                {
                    "law": finding.law.name,
                    "verdict": finding.verdict,
                    "number": finding.number,
                    "unit": finding.law.unit,
                    "allowed": finding.law.bounds,
                    "sentence": finding.sentence,
                }
            )
            for finding in findings
        ],
    }
