"""The parameters of a torch module laid out in one vector, and their gradients in another: as engine/tensor/flat.py.

An optimizer's step is a few kernels however many parameters there are, and what processes exchange is one vector.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch


class Flat:
    """`data` and `grad`, vectors [parameters of two or more dimensions | the rest]; `parameters` by name, views."""

    def __init__(self, named_parameters: Iterable[tuple[str, torch.nn.Parameter]]) -> None:
        self.parameters = dict(named_parameters)
        layout = sorted(self.parameters.items(), key=lambda item: item[1].dim() < 2)  # stable: order of names else
        example = layout[0][1]
        size = sum(parameter.numel() for _, parameter in layout)
        self.n_decayed = sum(parameter.numel() for _, parameter in layout if parameter.dim() >= 2)
        self.data, self.grad = example.new_empty(size).detach(), example.new_zeros(size)
        self._places: dict[str, slice] = {}
        start = 0
        for name, parameter in layout:
            place = self._places[name] = slice(start, start + parameter.numel())
            start = place.stop
            self.data[place] = parameter.detach().reshape(-1)
            parameter.data = self.data[place].view(parameter.shape)
            parameter.grad = self.grad[place].view(parameter.shape)

    def views(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        """A vector of this layout by name, each in its parameter's shape."""
        return {name: vector[self._places[name]].view(p.shape) for name, p in self.parameters.items()}

    def place(self, name: str) -> slice:
        """Where a parameter lies in the vectors."""
        return self._places[name]

    def grad_norm(self) -> float:
        """The L2 norm of all gradients."""
        return float(torch.linalg.vector_norm(self.grad))


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """A copy of a tensor, wherever it lies."""
    return np.array(tensor.detach().cpu().numpy())
