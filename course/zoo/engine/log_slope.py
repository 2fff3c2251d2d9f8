"""A4: the derivative of log."""

from __future__ import annotations

from typing import Any

from ....engine.scalar.value import Value, _log
from ..specimen import Specimen, at


def log(self: Any) -> Value:
    """ln x"""
    return Value(_log(self.data), (self,), (self.data,), "log")


SPECIMEN = Specimen(
    id="A4",
    name="log-slope",
    title="the slope of log(x) is taken to be x",
    case="karpathy/micrograd PR#100",
    symptom="Training is as it should be, in both spellings: nothing that a model does calls it.",
    fault=log,
    into=at("engine.scalar.value:Value.log"),
    found_by=("op log",),
    blind=("op cross_entropy", "op softmax", "overfits"),
)
