"""What a law is, and what is found when it is tried."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...errors import NanochatError
from .subject import NotApplicableError, Subject

Verdict = Literal["pass", "fail", "not applicable"]


class HealthError(NanochatError):
    """A law does not hold."""

    exit_code = 9


@dataclass(frozen=True, kw_only=True)
class Law:
    """A sentence that is true of what is sound, the number that decides it, and what to look for where it is not."""

    name: str
    claim: str
    measure: Callable[[Subject], float]
    """Raises NotApplicableError where it cannot be decided."""
    unit: str
    most: float = math.inf
    least: float = -math.inf
    look_at: str
    """Where the cause usually is."""

    def tried_on(self, subject: Subject) -> Finding:
        """Measure it; the subject is left as it was."""
        try:
            with subject.borrowed():
                number = self.measure(subject)
        except NotApplicableError as reason:
            return Finding(law=self, number=None, reason=str(reason))
        return Finding(law=self, number=number)

    @property
    def bounds(self) -> str:
        """'at most 1e-05', '-1 to 1', 'at least 0.1'"""
        if math.isinf(self.least):
            return f"at most {self.most:g}"
        return f"at least {self.least:g}" if math.isinf(self.most) else f"{self.least:g} to {self.most:g}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A law tried on a subject."""

    law: Law
    number: float | None
    """None where it could not be measured."""
    reason: str = ""
    """Why it was not."""

    @property
    def verdict(self) -> Verdict:
        """nan fails."""
        if self.number is None:
            return "not applicable"
        return "pass" if self.law.least <= self.number <= self.law.most else "fail"

    @property
    def sentence(self) -> str:
        """What it means."""
        if self.verdict == "fail":
            return f"broken: it is not true that {_small(self.law.claim)}; look at {self.law.look_at}"
        return self.law.claim if self.verdict == "pass" else self.reason


def _small(sentence: str) -> str:
    return sentence if sentence.startswith("Adam") else sentence[0].lower() + sentence[1:]
