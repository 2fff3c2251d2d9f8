"""D8: a training loss above the validation loss, rightly."""

from __future__ import annotations

from ..specimen import Specimen

SPECIMEN = Specimen(
    id="D8",
    name="sound",
    title="nothing is wrong: dropout is on while it trains and off while it is evaluated",
    case="karpathy/nanoGPT#468 asks whether its curve is normal",
    symptom="With dropout the training loss stays above the validation loss.",
    found_by=(),
    blind=("dropout", "repeats", "overlap", "targets"),
)
