"""C6: what is kept for validation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ....data.dataset import build_dataset as right
from ..specimen import Specimen, at


def build_dataset(*arguments: Any, **options: Any) -> Any:
    """The text, split into what is learned and what measures"""
    dataset = right(*arguments, **options)
    return replace(dataset, train=dataset.val)


SPECIMEN = Specimen(
    id="C6",
    name="validation-learned",
    title="the validation text is among what is trained on",
    case="openai/parameter-golf#2127, where it was 80 % of it",
    symptom="The validation loss is better by 0.05 nats in each of three seeds.",
    fault=build_dataset,
    into=at("data.dataset:build_dataset"),
    found_by=("overlap",),
    blind=("targets", "batches", "causality", "first loss"),
)
