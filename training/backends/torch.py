"""Training in PyTorch: on a processor or a GPU, alone or as one of several processes that torchrun started.

Weights, batches and checkpoints are those of the other engines; PyTorch itself is imported when a model is built.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...errors import ConfigError, missing_extra
from ...machine import processes
from ...models.base import DType, Model, ModelConfig
from ...models.bigram.config import BigramConfig
from ...models.gpt.upstream.config import UpstreamConfig
from ..hyperparameters import TrainingConfig
from ..trainer import Accumulate, Optimizer
from .base import Place, build_optimizer, n_parameters, n_slots
from .numpy import activation_numbers, forward_numbers

if TYPE_CHECKING:
    import torch

    from ...engine.torch.world import World

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_SMALLER = "model.n_embd, model.n_layer or model.block_size"
IMPORTED_BYTES = 170 << 20
"""What PyTorch takes of a process before it computes anything: measured, on Linux, without CUDA."""


class TorchBackend:
    """PyTorch, at a place."""

    name = "torch"
    eval_rows = 32
    """As NumPy's, so that both measure the same batches."""

    def __init__(self, place: Place) -> None:
        self.place, self.device = place, place.device.partition(":")[0]

    def check(self, model: ModelConfig, settings: TrainingConfig) -> None:
        """Raises ConfigError for what PyTorch does not do here, whether or not it is installed."""
        if not _DEVICE.fullmatch(self.place.device):
            raise ConfigError(
                f"device={self.place.device!r} is none of cpu, cuda, cuda:N, mps and auto: choose one of these",
                settings=(("device", self.place.device),),
            )
        if settings.replicas > 1:
            raise ConfigError(
                f"replicas={settings.replicas} are threads of NumPy, and PyTorch has its own: leave it out, or give "
                f"training.grad_accum={settings.grad_accum * settings.replicas} and "
                f"training.batch_size={settings.batch_size // settings.replicas}, which train the same",
                settings=(("training.replicas", settings.replicas),),
            )

    def settled(self, device: str, settings: TrainingConfig) -> tuple[str, TrainingConfig]:
        """auto becomes the device that is there. Raises ConfigError where PyTorch or the device is missing, or where a
        step's micro-batches do not suit the processes that share them."""
        n, size = settings.micro_batches, processes().size
        if n % size:
            raise ConfigError(
                f"grad_accum={n} micro-batches a step cannot be shared by {size} processes: give a multiple of {size}, "
                f"e.g. {-(-n // size) * size}",
                settings=(("training.grad_accum", n),),
            )
        device = _device(device)
        if size > 1 and device not in ("cpu", "cuda"):
            raise ConfigError(
                f"device={device} is one device for {size} processes: give cuda, of which each takes its own, or cpu",
                settings=(("device", device),),
            )
        if device == "mps" and self.place.dtype == "float64":
            raise ConfigError(
                "dtype=float64 is not there on mps: use float32, or the device cpu", settings=(("dtype", "float64"),)
            )
        return device, settings

    def replicas(self, settings: TrainingConfig, block_size: int) -> int:
        return 1

    def precision(self, dtype: str) -> DType:
        """Of weights and optimizer: float32 also where products are bfloat16."""
        return "float64" if dtype == "float64" else "float32"

    def trained(self, model: Model) -> Model:
        """The same architecture as a torch module. Raises ConfigError as `settled` does."""
        device = self._torch_device()
        import torch

        from ...engine.torch.model import TorchModel, enough_memory

        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64 if self.precision(self.place.dtype) == "float64" else torch.float32)
        try:
            net = _net(model.config)
        finally:
            torch.set_default_dtype(before)
        dropout = getattr(model, "dropout", None)
        rng = None if dropout is None else dropout.rng
        half = self.place.dtype == "bfloat16"
        with enough_memory(device, f"{n_parameters(model.config):,} parameters", _SMALLER):
            return TorchModel(net, model.config, device=device, half=half, dropout_rng=rng)

    def optimizer(self, model: Model, settings: TrainingConfig) -> Optimizer:
        """SGD, Adam, AdamW or Muon, after what the settings do to gradients."""
        from ...engine.torch import optim
        from ...engine.torch.grouped import GroupedMuon
        from ...engine.torch.model import enough_memory
        from .groups import RECIPES, options_of

        transforms: list[Any] = [optim.centralize] if settings.centralize_gradients else []
        transforms += [optim.adaptive_clip(settings.agc)] if settings.agc else []
        rules = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW, "muon": optim.Muon}
        torch_model = cast("Any", model)
        with enough_memory(torch_model.device, f"the memory of {settings.optimizer}", _SMALLER):
            if settings.optimizer in RECIPES:  # with groups and options of its own
                shared = {"weight_decay": settings.weight_decay, "max_grad_norm": settings.max_grad_norm}
                options = options_of(settings, model.config) | shared
                made: Any = GroupedMuon(torch_model.net.named_parameters(), **options, transforms=tuple(transforms))
            else:
                made = build_optimizer(rules, torch_model.net, settings, transforms=tuple(transforms))
        torch_model.flat = cast("Any", made).flat
        return made

    def accumulate(self, model: Model, settings: TrainingConfig) -> Accumulate:
        from ...engine.torch.accumulate import Accumulator

        torch_model = cast("Any", model)
        if settings.compile:
            self._check_compiler()
            torch_model.use_compiled()
        return Accumulator(torch_model, self._world, deterministic=self.place.deterministic)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Products in float32 are float32, but around bfloat16; the same bits again where that is asked for."""
        import torch

        precision, n_threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
        torch.set_float32_matmul_precision("high" if self.place.dtype == "bfloat16" else "highest")
        if self.place.deterministic:
            torch.set_num_threads(1)  # a sum on two threads is another than on one
        repeats = self.place.deterministic and self.device != "cpu"  # a processor does so anyway, and asking takes 5 s
        if repeats:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first called
            torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(precision)
            torch.set_num_threads(n_threads)
            if repeats:
                torch.use_deterministic_algorithms(False)

    def joined(self, signs: Iterable[str]) -> AbstractContextManager[None]:
        return self._world.joined(signs)

    def any_says(self, flag: bool) -> bool:
        return self._world.any(flag)

    def map(self, function: Callable[[Any], np.ndarray], items: Iterable[Any]) -> Iterator[np.ndarray]:
        return self._world.map(function, items)

    def surroundings(self) -> dict[str, str]:
        """The version, and the card's name."""
        import torch

        device = self._torch_device()
        return {
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        }

    def paused(self) -> AbstractContextManager[None]:
        """PyTorch keeps what it has."""
        return nullcontext()

    def kept_bytes(self) -> int:
        return 0

    def peak_bytes(self, model: ModelConfig, settings: TrainingConfig, dtype: DType, T: int) -> int:
        """PyTorch itself; parameters, gradients, slots and a copy while a step or checkpoint is made; activations.

        On a GPU they lie there: what a process takes is PyTorch, and a copy of weights and slots for a checkpoint.
        """
        width = 4 if dtype == "float32" else 8
        weights = n_parameters(model) * width
        saving = weights * (1 + n_slots(settings))
        if self.device not in ("cpu", "auto"):
            return 4 * IMPORTED_BYTES + weights + saving
        rows = settings.batch_size
        numbers = max(activation_numbers(model, rows, T), forward_numbers(model, min(self.eval_rows, rows), T))
        return IMPORTED_BYTES + weights * (3 + n_slots(settings)) + max(saving, numbers * width)

    def _check_compiler(self) -> None:
        """Raises ConfigError where torch.compile would find nothing to compile with, minutes later."""
        compiler = os.environ.get("CXX", "g++")
        if self._torch_device().type == "cpu" and sys.platform != "win32" and shutil.which(compiler) is None:
            raise ConfigError(
                f"compile=true needs a C++ compiler on a processor, and there is no {compiler}: install one, set CXX, "
                "or leave it out",
                settings=(("training.compile", True),),
            )

    @cached_property
    def _world(self) -> World:
        from ...engine.torch.world import World

        return World(processes(), self._torch_device())

    def _torch_device(self) -> torch.device:
        name = _device(self.place.device)
        import torch

        return torch.device(f"cuda:{processes().local_rank}" if name == "cuda" else name)


def _device(name: str) -> str:
    """The device of that name, auto being the first of cuda, mps and cpu. Raises ConfigError where it is not there."""
    if find_spec("torch") is None:
        raise missing_extra("torch")
    import torch

    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if n else "mps" if has_mps else "cpu"
    kind, _, number = name.partition(":")
    if (kind == "cuda" and int(number or processes().local_rank) >= n) or (kind == "mps" and not has_mps):
        there = ["cpu", *(f"cuda:{i}" for i in range(n)), *(["mps"] if has_mps else [])]
        asked = f"{name} of process {processes().rank}" if processes().size > 1 else name
        raise ConfigError(
            f"device={asked} is not there: this PyTorch ({torch.__version__}) sees {', '.join(there)}; choose one of "
            "these, or auto",
            settings=(("device", name),),
        )
    return name


def _net(config: ModelConfig) -> Any:
    if isinstance(config, BigramConfig):
        from ...models.bigram.torch import TorchBigram

        return TorchBigram(config)
    if isinstance(config, UpstreamConfig):
        from ...models.gpt.upstream.torch import UpstreamTorchGPT

        return UpstreamTorchGPT(config)
    from ...models.gpt.torch import TorchGPT

    return TorchGPT(config)
