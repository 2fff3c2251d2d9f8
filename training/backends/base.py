"""What a run asks of the engine that computes it: what it can do, its model, its steps, and the memory they take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np

from ...errors import ConfigError
from ...machine import processes
from ...models.base import DType, Model, ModelConfig
from ...models.bigram.config import BigramConfig
from ...models.gpt.config import GPTConfig
from ...models.parameters import count_parameters
from ..hyperparameters import TrainingConfig
from ..trainer import Accumulate, Optimizer

_MANY = 48
"""Layers that are counted one by one; what repeats itself every 2, 3, 4, 6, 8 or 12 does so in as many."""
_SLOTS = {"sgd": 0, "adam": 2, "adamw": 2, "muon": 2, "nanochat": 2, "nanochat-2026-02": 2}


@dataclass(frozen=True)
class Place:
    """Where arrays are computed, and how exactly."""

    backend: str = "numpy"
    device: str = "auto"
    dtype: str = "float32"
    deterministic: bool = False

    def check_is_plain(self) -> None:
        """Raises ConfigError for what PyTorch alone does."""
        elsewhere = self.device not in ("auto", "cpu")
        asked = {"backend": self.backend != "numpy", "device": elsewhere, "deterministic": self.deterministic}
        for name, wanted in {**asked, "dtype": self.dtype == "bfloat16"}.items():
            value = getattr(self, name)
            if wanted:
                raise ConfigError(
                    f"{name}={value} is for arrays in PyTorch: use --mode tensor and --backend torch, or leave it out",
                    settings=((name, value),),
                )


class Backend(Protocol):
    """One engine. `settings` are those of a run, `model` what it trains."""

    name: str
    """As the line of figures has it."""
    device: str
    """Likewise: cpu, cuda or mps."""
    eval_rows: int
    """Rows of a validation batch."""

    def settled(self, device: str, settings: TrainingConfig) -> tuple[str, TrainingConfig]:
        """Both as the run has them from here on, where they leave something to the machine.

        Raises ConfigError for a device that is not there.
        """

    def replicas(self, settings: TrainingConfig, block_size: int) -> int:
        """The parts that a batch is split into. They decide the bits; how many threads there are for them does not."""

    def precision(self, dtype: str) -> DType:
        """Of the numbers, where the config says `dtype`."""

    def check(self, model: ModelConfig, settings: TrainingConfig) -> None:
        """Raises ConfigError for what this engine cannot do."""

    def trained(self, model: Model) -> Model:
        """What is trained in the place of a model that was just built: itself, or what computes it faster."""

    def optimizer(self, model: Model, settings: TrainingConfig) -> Optimizer:
        """The one that the settings name."""

    def accumulate(self, model: Model, settings: TrainingConfig) -> Accumulate:
        """How the gradient of a step is found."""

    def session(self) -> AbstractContextManager[None]:
        """What holds in the process while it trains."""

    def joined(self, signs: Iterable[str]) -> AbstractContextManager[None]:
        """Inside, the processes of the run act together, if several; `signs`, name=value, are what all have."""

    def any_says(self, flag: bool) -> bool:
        """Whether it is so in one of the processes."""

    def map(self, function: Callable[[Any], np.ndarray], items: Iterable[Any]) -> Iterator[np.ndarray]:
        """`function` of each item, in order: each of the processes computes a share."""

    def surroundings(self) -> dict[str, str]:
        """What else decides a figure, beside what machine.py describes."""

    def paused(self) -> AbstractContextManager[None]:
        """Inside, between two steps, memory that only steps need is given back; after it, what was needed inside."""

    def kept_bytes(self) -> int:
        """Memory of the process that grows on purpose, up to a bound: no leak, for who looks for one."""

    def peak_bytes(self, model: ModelConfig, settings: TrainingConfig, dtype: DType, T: int) -> int:
        """The most memory that model, optimizer and graphs of rows of T tokens take at once, within about a fifth."""


class OneProcess:
    """What backends of a single process on this machine's processor have in common."""

    device = "cpu"

    def settled(self, device: str, settings: TrainingConfig) -> tuple[str, TrainingConfig]:
        """Raises ConfigError where torchrun started several."""
        if (n := processes().size) > 1:
            raise ConfigError(
                f"{n} processes share one run in PyTorch alone: use --mode tensor and --backend torch, or start it "
                "without torchrun"
            )
        return device, settings

    def joined(self, signs: Iterable[str]) -> AbstractContextManager[None]:
        return nullcontext()

    def any_says(self, flag: bool) -> bool:
        return flag

    def surroundings(self) -> dict[str, str]:
        return {}

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def map(self, function: Callable[[Any], np.ndarray], items: Iterable[Any]) -> Iterator[np.ndarray]:
        return map(function, items)


def build_optimizer(rules: Mapping[str, Any], model: Model, settings: TrainingConfig, **options: Any) -> Optimizer:
    """The optimizer that the settings name, of those that an engine has. Raises ConfigError for another."""
    if settings.optimizer not in rules:
        raise ConfigError(
            f"optimizer={settings.optimizer} is not spelled for this engine: choose one of {', '.join(rules)}",
            settings=(("optimizer", settings.optimizer),),
        )
    options |= {"weight_decay": settings.weight_decay, "max_grad_norm": settings.max_grad_norm}
    if settings.optimizer in ("sgd", "muon"):
        options["momentum"] = settings.momentum
    if settings.optimizer != "sgd":
        options |= {"betas": (settings.beta1, settings.beta2), "eps": settings.eps}
    return cast("Optimizer", rules[settings.optimizer](model.named_parameters(), **options))


def n_slots(settings: TrainingConfig) -> int:
    """Numbers that the optimizer remembers for each parameter."""
    return _SLOTS[settings.optimizer] or int(settings.momentum > 0)


def attended_pairs(model: GPTConfig, T: int) -> int:
    """(query, key) pairs that attend, all layers together: half a square, or a band as wide as the window."""

    def count(model: GPTConfig) -> int:
        reaches = (min(model.window_of(layer) or T, T) for layer in range(model.n_layer))
        return sum(reach * T - reach * reach // 2 for reach in reaches)

    return at_depth(model, count)


def n_parameters(model: ModelConfig) -> int:
    """How many numbers are learned."""
    return at_depth(model, lambda model: count_parameters(model.parameters()))


def at_depth(model: ModelConfig, count: Callable[[Any], int]) -> int:
    """`count` of the model, known to grow about linearly with its layers: in no time, however many there are."""
    if isinstance(model, BigramConfig) or model.n_layer <= _MANY:
        return count(model)
    some, twice = (count(replace(model, n_layer=n)) for n in (_MANY, 2 * _MANY))
    return some + (model.n_layer - _MANY) * (twice - some) // _MANY
