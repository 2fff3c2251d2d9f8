"""A5: a result without parents."""

from __future__ import annotations

import math
from typing import Any

from ....engine.scalar.value import Value
from ..specimen import Specimen, at


def tanh(self: Any) -> Value:
    """tanh x"""
    return Value(math.tanh(self.data))


SPECIMEN = Specimen(
    id="A5",
    name="not-tracked",
    title="tanh returns a number that does not know where it comes from",
    case="harvard-edge/cs249r_book#1341",
    symptom="The loss moves when a weight is moved by hand, and its gradient is 0.",
    fault=tanh,
    into=at("engine.scalar.value:Value.tanh"),
    found_by=("op tanh",),
    blind=("op exp", "op gelu", "overfits"),
)
