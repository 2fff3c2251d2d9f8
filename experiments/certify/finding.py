"""One row of a certificate: what was compared, how far the spellings and the slopes are apart, whether that passes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ENGINES_TOLERANCE = 1e-10
"""Loss and gradients, scalar against tensor."""
TORCH_LOSS_TOLERANCE = 1e-12
"""Loss, PyTorch against tensor; its gradients have ENGINES_TOLERANCE."""
SLOPE_TOLERANCE = 1e-6
"""Gradients against central finite differences."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the certificate; errors by name of parameter."""

    kind: str
    """op, layer, model or edge."""
    name: str
    remark: str
    """Sizes, and what was reduced."""
    n_numbers: int
    """Numbers that were moved: parameters, and inputs of ops and layers."""
    loss: float
    """On the scalar path."""
    loss_error: float
    """Tensor against scalar, as are gradient_errors."""
    gradient_errors: Mapping[str, float]
    slope_errors: Mapping[str, float]
    """The tensor path's gradients against finite differences of its loss."""
    scalar_slope_errors: Mapping[str, float]
    """The same on the scalar path; empty for whole models, whose scalar gradients equal those above. Both are empty for
    edges, where nothing has a slope."""
    compiled_error: float
    """The worst of loss and gradients of the scalar path, replayed against the engine."""
    raised: str = ""
    """What the comparison ended in, where it did: then there are no numbers."""
    torch_errors: Mapping[str, float] = field(default_factory=dict)
    """PyTorch against tensor: "loss", and gradients by name; {} where it was not asked, or has no such row."""

    @property
    def engines_error(self) -> float:
        """The worst of loss and gradients, scalar against tensor."""
        return worst([self.loss_error, *self.gradient_errors.values()])

    @property
    def slope_error(self) -> float:
        """The worst against finite differences, on either path."""
        return worst([*self.slope_errors.values(), *self.scalar_slope_errors.values()])

    @property
    def passed(self) -> bool:
        """Within both tolerances; nan is not, and neither is what ended in an error."""
        engines = worst([self.engines_error, self.compiled_error])
        return engines <= ENGINES_TOLERANCE and self.slope_error <= SLOPE_TOLERANCE and self.torch_agrees

    @property
    def torch_error(self) -> float:
        """The worst of loss and gradients, PyTorch against tensor."""
        return worst(self.torch_errors.values())

    @property
    def torch_agrees(self) -> bool:
        """Where it was asked."""
        return self.torch_error <= ENGINES_TOLERANCE and self.torch_errors.get("loss", 0.0) <= TORCH_LOSS_TOLERANCE


def worst(errors: Iterable[float]) -> float:
    """The largest; nan if one is nan."""
    found = list(errors)
    return math.nan if any(map(math.isnan, found)) else max(found, default=0.0)
