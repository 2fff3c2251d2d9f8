"""D7: draws that repeat, rightly."""

from __future__ import annotations

from ..specimen import Specimen

SPECIMEN = Specimen(
    id="D7",
    name="sound",
    title="nothing is wrong: a seed is given, and the same seed draws the same text",
    case="common question: why does sampling give the same text again",
    symptom="Two calls of sample with the same seed give the same texts, at temperature 1.",
    found_by=(),
    blind=("draws", "top-k", "repeats", "cache"),
)
