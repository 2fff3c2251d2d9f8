"""Training in arrays: a batch at a time, or replicas of the model side by side with a part of it each."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...errors import ConfigError
from ...machine import cores, one_blas_thread, threads
from ...models.base import DType, Model, ModelConfig
from ...models.bigram.config import BigramConfig
from ..hyperparameters import TrainingConfig
from ..trainer import Accumulate, Optimizer
from .base import OneProcess, attended_pairs, build_optimizer, n_parameters, n_slots

if TYPE_CHECKING:
    from ...engine.tensor.replicas import Accumulator

_ARCHITECTURES = f"{__name__.partition('.')[0]}.models."
"""Models that are written there depend on nothing but weights, batch and streams; others may do anything."""
_TOKENS_WORTH_A_THREAD = 256
"""A batch smaller than this is done before a second thread has woken up (docs/log.md)."""


class NumpyBackend(OneProcess):
    """The engine of Tensors."""

    name = "numpy"

    eval_rows = 32
    """Arrays waste time on few rows."""

    def __init__(self) -> None:
        self._own = threading.local()
        """Of runs, which stay in their thread: the accumulators that were `made` for runs to come; of the run at work,
        which may be inside another's, `accumulator`, and the `threads` that it had before BLAS was held to one."""

    def precision(self, dtype: str) -> DType:
        return "float64" if dtype == "float64" else "float32"

    def check(self, model: ModelConfig, settings: TrainingConfig) -> None:
        """Raises ConfigError for what only single numbers do."""
        if settings.compile:
            raise ConfigError(
                "compile=true is for single numbers, whose steps it replays as arrays, and for PyTorch: use --mode "
                "scalar, or --backend torch"
            )

    def replicas(self, settings: TrainingConfig, block_size: int) -> int:
        """0 becomes one a core where each is enough work to be worth a thread.

        The cells of a sweep share the cores, and a run may go on with fewer: that changes who computes a part alone.
        """
        rows = settings.batch_size
        if settings.replicas or rows * block_size < _TOKENS_WORTH_A_THREAD:
            return settings.replicas or 1
        return max(k for k in range(1, min(rows, cores()) + 1) if rows % k == 0)

    def trained(self, model: Model) -> Model:
        return model

    def optimizer(self, model: Model, settings: TrainingConfig) -> Optimizer:
        """SGD, Adam, AdamW, Muon or nanochat's, after what the settings do to gradients."""
        from ...engine.tensor import optim
        from ...engine.tensor.grouped import GroupedMuon
        from ...engine.tensor.muon import Muon
        from ...engine.tensor.replicas.forked import share
        from ...engine.tensor.transforms import AdaptiveClip, Centralize
        from .groups import RECIPES, options_of

        transforms: list[Any] = [Centralize()] if settings.centralize_gradients else []
        transforms += [AdaptiveClip(threshold=settings.agc)] if settings.agc else []
        if settings.optimizer in RECIPES:  # with groups and options of its own
            shared: dict[str, Any] = {"weight_decay": settings.weight_decay, "max_grad_norm": settings.max_grad_norm}
            options = options_of(settings, model.config)
            made: Any = GroupedMuon(model.named_parameters(), **options, **shared, transforms=tuple(transforms))
        else:
            rules = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW, "muon": Muon}
            made = build_optimizer(rules, model, settings, transforms=tuple(transforms))
        if _n_workers(settings) > 1:
            share(made)
        return cast("Optimizer", made)

    def accumulate(self, model: Model, settings: TrainingConfig) -> Accumulate:
        """Several micro-batches at a time, on the cores that the process may have now."""
        from ...engine.tensor.replicas import Accumulator

        repeats = type(model).__module__.startswith(_ARCHITECTURES)
        accumulator = Accumulator(model, _n_workers(settings), repeats=repeats)
        self._own.made = [*self._made(), weakref.ref(accumulator)]
        return accumulator.backward

    @contextmanager
    def session(self) -> Iterator[None]:
        """Freed pages are kept, for good: what is to go back to the system is given back before."""
        from ...engine.tensor.allocator import keep_freed_pages

        keep_freed_pages()
        former = self._accumulator, self._threads
        *self._own.made, accumulator = [_nobody, *self._made()]  # of the run that begins, the last that was made
        self._own.accumulator, self._own.threads = accumulator, threads()
        try:
            with one_blas_thread():
                yield
        finally:
            if (ended := self._accumulator()) is not None:
                ended.close()
            self._own.accumulator, self._own.threads = former

    def map(self, function: Callable[[Any], np.ndarray], items: Iterable[Any]) -> Iterator[np.ndarray]:
        """On as many threads as the session was given."""
        n = self._threads
        return _on_threads(one_blas_thread()(function), items, n) if n > 1 else map(function, items)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A step's memory is the replay's, an evaluation's is the C library's: one at a time."""
        from ...engine.tensor.allocator import give_back_freed_pages

        if (accumulator := self._accumulator()) is not None:
            accumulator.rest()
        try:
            yield
        finally:
            give_back_freed_pages()

    def _made(self) -> list[Callable[[], Accumulator | None]]:
        """The accumulators that are there and whose run has not begun, by weak references."""
        return [one for one in getattr(self._own, "made", []) if one() is not None]

    @property
    def _accumulator(self) -> Callable[[], Accumulator | None]:
        return cast("Callable[[], Accumulator | None]", getattr(self._own, "accumulator", _nobody))

    @property
    def _threads(self) -> int:
        return cast("int", getattr(self._own, "threads", 1))

    def kept_bytes(self) -> int:
        return 0

    def peak_bytes(self, model: ModelConfig, settings: TrainingConfig, dtype: DType, T: int) -> int:
        """Parameters, gradients, slots, a gradient buffer a replica; then the largest of what comes and goes.

        P b (2 + slots + replicas) + activations of the batch, or P b (1 + slots) of copies while a checkpoint is
        written.     P parameters of b bytes
        """
        width = 4 if dtype == "float32" else 8
        weights = n_parameters(model) * width
        held = weights * (2 + n_slots(settings) + max(1, settings.replicas))
        evaluated = min(self.eval_rows, -(-(settings.eval_tokens or self.eval_rows * T) // T))
        forward = forward_numbers(model, evaluated, T) * threads()
        numbers = max(activation_numbers(model, settings.batch_size, T), forward)
        activations = numbers * width
        # of freed activations, about half can be used again
        saving = weights * (1 + n_slots(settings)) + activations // 2
        return held + max(activations, saving)


def _nobody() -> None:
    """As a weak reference to what is gone."""


def _n_workers(settings: TrainingConfig) -> int:
    return min(settings.replicas, threads())


def _on_threads(function: Callable[[Any], np.ndarray], items: Iterable[Any], n: int) -> Iterator[np.ndarray]:
    """function of each item, in order, n at a time and no more than that ahead."""
    pool = ThreadPoolExecutor(n, "evaluation")
    waiting: deque[Future[np.ndarray]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > n:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def activation_numbers(model: ModelConfig, B: int, T: int) -> int:
    """Numbers that a batch leaves for backward, and backward's own: L (8.6 C + 3.6 F) + 3.2 F + 5 V a token

    F is the output of the MLP's first layer; besides 1.1 L H for each pair of tokens that attend.
    """
    if isinstance(model, BigramConfig):
        return 8 * B * T * model.vocab_size
    wide = model.hidden * (2 if model.activation == "swiglu" else 1)
    a_token = (
        model.n_layer * (8.6 * max(model.n_embd, model.attn_width) + 3.6 * wide) + 3.2 * wide + 5 * model.vocab_size
    )
    return int(B * (T * a_token + 1.1 * model.n_head * attended_pairs(model, T)))


def forward_numbers(model: ModelConfig, B: int, T: int) -> int:
    """Numbers of one layer at work without a graph, and of logits in float64."""
    if isinstance(model, BigramConfig):
        return 6 * B * T * model.vocab_size
    wide = model.hidden * (2 if model.activation == "swiglu" else 1)
    a_token = 4 * max(model.n_embd, model.attn_width) + 3 * wide + 5 * model.vocab_size
    return int(B * (T * a_token + 1.1 * model.n_head * attended_pairs(model, T) / model.n_layer))
