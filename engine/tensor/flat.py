"""The parameters of a model laid out in one vector, and their gradients in another.

An optimizer's step, the global norm and zero_grad are then a few operations on vectors, however many parameters
there are. A parameter's `data` and `grad` become views, so a model does not notice. Matrices come first, so that
weight decay is one slice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .tensor import Tensor


class Flat:
    """`data` and `grad`, vectors [parameters of two or more dimensions | the rest]; `parameters` by name, views."""

    def __init__(self, named_parameters: Iterable[tuple[str, Tensor]]) -> None:
        self.parameters = dict(named_parameters)
        kinds = list({parameter.dtype for parameter in self.parameters.values()})
        if len(kinds) != 1:
            raise ValueError(f"the parameters have types {sorted(map(str, kinds))}: an optimizer needs exactly one")
        layout = sorted(self.parameters.items(), key=lambda item: item[1].ndim < 2)  # stable: order of names else
        size = sum(parameter.size for parameter in self.parameters.values())
        self.n_decayed = sum(parameter.size for parameter in self.parameters.values() if parameter.ndim >= 2)
        self.data, self.grad = np.empty(size, kinds[0]), np.zeros(size, kinds[0])
        self._places: dict[str, slice] = {}
        start = 0
        for name, parameter in layout:
            place = self._places[name] = slice(start, start + parameter.size)
            start = place.stop
            grad = self.grad[place].reshape(parameter.shape)
            data = self.data[place].reshape(parameter.shape)
            data[...] = parameter.data
            if parameter.grad is not None:
                grad[...] = parameter.grad
            parameter.data, parameter.grad = data, grad

    def __reduce__(self) -> tuple[Any, ...]:
        """Raises TypeError: the parameters of a copy would be no views of its vectors, and no step would move them."""
        raise TypeError(
            "an optimizer cannot be copied or pickled: copy the model, make an optimizer of its named_parameters(), "
            "and load the state_dict() of the first"
        )

    def views(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """A vector of this layout by name, each in its parameter's shape."""
        return {name: vector[self._places[name]].reshape(p.shape) for name, p in self.parameters.items()}

    def place(self, name: str) -> slice:
        """Where a parameter lies in the vectors."""
        return self._places[name]

    def grad_norm(self) -> float:
        """The L2 norm of all gradients: one product."""
        return math.sqrt(float(np.dot(self.grad, self.grad)))
