"""The scalar side once more, compiled: traced at other numbers, replayed at those of the case (engine/compiled)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ...engine.compiled.program import Program, flat
from ...engine.scalar import Value
from .case import Side, flatten, gradient_of, to_values

Outcome = list[np.ndarray] | str
"""The result and one gradient for each input; or the name of the exception that refused them."""


def replay(side: Side, rng: np.random.Generator) -> tuple[float, dict[str, np.ndarray]]:
    """The loss of a side, and the gradient of each parameter, by a program that was traced at numbers of `rng`."""
    parameters = {name: p if isinstance(p, list) else [p] for name, p in side.parameters.items()}
    leaves = flat(list(parameters.values()))
    numbers = [leaf.data for leaf in leaves]
    for leaf in leaves:
        leaf.data = float(rng.standard_normal())
    program = Program([side.loss()], parameters.items())
    for leaf, number in zip(leaves, numbers, strict=True):
        leaf.data = number
    for weight, parameter in zip(program.weights, parameters.values(), strict=True):
        weight[...] = np.reshape([leaf.data for leaf in flat(parameter)], weight.shape)
    with np.errstate(all="ignore"):
        loss = float(program.forward()[0, 0])
        gradients = program.backward([[1.0]])
    return loss, {
        name: gradient.reshape(gradient_of(parameter).shape)
        for (name, parameter), gradient in zip(side.parameters.items(), gradients, strict=True)
    }


class Replayed:
    """A function of lists of Values, compiled once for each shape of its inputs; outputs are weighted by cosines."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.programs: dict[Hashable, Program | str] = {}

    def __call__(self, *arrays: np.ndarray) -> Outcome:
        """The outputs, and the gradient for each array."""
        key = tuple(array.shape for array in arrays)
        if key not in self.programs:
            self.programs[key] = self._trace(*arrays)
        program = self.programs[key]
        if isinstance(program, str):
            return program
        for weight, array in zip(program.weights, arrays, strict=True):
            weight[...] = array
        outputs = program.forward()[0].copy()
        gradients = program.backward([np.cos(np.arange(len(outputs)))])
        return [outputs, *(gradient.copy() for gradient in gradients)]

    def _trace(self, *arrays: np.ndarray) -> Program | str:
        """At 0.7, whatever the arrays hold."""
        values = [to_values(np.full(array.shape, 0.7)) for array in arrays]
        try:
            outputs: list[Value] = flatten(self.function(*values))
        except (ValueError, IndexError) as error:
            return type(error).__name__
        return Program(outputs, [(str(i), value) for i, value in enumerate(values)])
