"""C12: what the schedule counts."""

from __future__ import annotations

from ....training.hyperparameters import TrainingConfig
from ....training.schedule import _shape as right
from ..specimen import Specimen, at


def shape(step: int, config: TrainingConfig) -> float:
    """The share of the base rate at a step"""
    return right(min(step * config.micro_batches, config.steps - 1), config)


SPECIMEN = Specimen(
    id="C12",
    name="schedule-counts-micro-batches",
    title="the schedule counts micro-batches, and ends too early",
    case="huggingface/accelerate#963; Lightning-AI/pytorch-lightning#1476",
    symptom="The validation loss is worse by 0.2 nats, with 4 micro-batches a step.",
    fault=shape,
    into=at("training.schedule:_shape"),
    training={"grad_accum": 4},
    found_by=("schedule",),
    blind=("first step", "accumulation", "clipping", "update"),
)
