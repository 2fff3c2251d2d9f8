"""C14: whose weights an optimizer moves."""

from __future__ import annotations

from typing import Any

from ....engine.tensor.flat import Flat
from ..specimen import Specimen, at

right = Flat.__init__


def init(self: Any, named_parameters: Any) -> None:
    """All parameters in one vector; the model's weights become views of it."""
    right(self, named_parameters)
    self.data = self.data.copy()


SPECIMEN = Specimen(
    id="C14",
    name="optimizer-of-a-copy",
    title="the optimizer moves a copy of the weights, made before the model's were replaced",
    case="microsoft/nni#4521; NVIDIA/Megatron-LM#174",
    symptom="The loss stays where it began; gradients are as they should be.",
    fault=init,
    into=at("engine.tensor.flat:Flat.__init__"),
    found_by=("update", "overfits", "every weight learns", "first step"),
    blind=("clipping", "accumulation", "causality", "first loss"),
)
