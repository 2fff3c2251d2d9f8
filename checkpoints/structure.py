"""Whether weights are those of a model: all that does not fit, at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def structure_problems(
    expected: Mapping[str, tuple[int, ...]], weights: Mapping[str, np.ndarray], *, dtype: str | None = None
) -> list[str]:
    """A line for every missing, unexpected, mis-shaped and mis-typed tensor, in that order; [] if `weights` fit.

    dtype: what each has to have; without it any floating-point one will do.
    """
    missing = [f"{name} {shape} is missing" for name, shape in expected.items() if name not in weights]
    extra = [f"{name} {np.shape(weights[name])} is unexpected" for name in weights if name not in expected]
    both = [(name, np.shape(weights[name]), shape) for name, shape in expected.items() if name in weights]
    shapes = [f"{name} has shape {found}, the model has {shape}" for name, found, shape in both if found != shape]
    types = []
    for name, _, _ in both:
        found = np.asarray(weights[name]).dtype
        if found.kind != "f" or (dtype and found != dtype):
            types.append(f"{name} is {found}, the model {dtype or 'floating point'}")
    return missing + extra + shapes + types
