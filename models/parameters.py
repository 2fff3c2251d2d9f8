"""What a model's parameters are, before any model exists: names, shapes, and how each is drawn at first.

One table serves the first weights of both spellings, parameter counts without building anything, memory
estimates, and the check of a checkpoint. Imports the standard library only.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Parameter:
    """shape, and how first values are drawn: `scale` is a deviation, a half-width, a largest or a constant."""

    shape: tuple[int, ...]
    draw: Literal["normal", "uniform", "positive", "constant"] = "constant"
    scale: float = 0.0

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def count_parameters(table: Mapping[str, Parameter]) -> int:
    """How many numbers the table describes."""
    return sum(parameter.size for parameter in table.values())


def draw_lists(table: Mapping[str, Parameter], rng: random.Random) -> dict[str, Any]:
    """First weights as nested lists: for a scalar model that is built alone, without NumPy."""
    return {name: _draw(parameter, parameter.shape, rng) for name, parameter in table.items()}


def _draw(parameter: Parameter, shape: tuple[int, ...], rng: random.Random) -> Any:
    if shape:
        return [_draw(parameter, shape[1:], rng) for _ in range(shape[0])]
    if parameter.draw == "normal":
        return rng.gauss(0.0, parameter.scale)
    if parameter.draw in ("uniform", "positive"):
        return rng.uniform(-parameter.scale if parameter.draw == "uniform" else 0.0, parameter.scale)
    return parameter.scale
