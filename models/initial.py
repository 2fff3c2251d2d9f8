"""The first weights of a run: drawn once, in float64, and loaded by whichever spelling of the model trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .parameters import Parameter


def draw_weights(table: Mapping[str, Parameter], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A state_dict of float64 arrays, drawn in the order of the table."""
    return {name: _draw(parameter, rng) for name, parameter in table.items()}


def _draw(parameter: Parameter, rng: np.random.Generator) -> np.ndarray:
    if parameter.draw == "normal":
        return rng.normal(0.0, parameter.scale, parameter.shape)
    if parameter.draw in ("uniform", "positive"):
        low = -parameter.scale if parameter.draw == "uniform" else 0.0
        return rng.uniform(low, parameter.scale, parameter.shape)
    return np.full(parameter.shape, parameter.scale)
