"""A13: a gradient that is 0, rightly."""

from __future__ import annotations

from ..specimen import Specimen

SPECIMEN = Specimen(
    id="A13",
    name="sound",
    title="nothing is wrong: the sum over a normalised row is constant",
    case="pytorch/pytorch#63541",
    symptom="The gradient of sum(layer_norm(x)) with respect to x is 0, exactly.",
    found_by=(),
    blind=("op layer_norm", "op sum", "every weight learns"),
)
