"""One run from config to record: steps, validation, checkpoints, samples, and a clean end whatever happens."""

from __future__ import annotations

import gc
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checkpoints.directory import save_directory
from ..checkpoints.weights import save_snapshot
from ..errors import DivergedError, GuardError
from ..inference.counts import count_pairs, pairs_of
from ..models.bigram.config import BigramConfig
from .config import RunConfig
from .evaluate import Evaluation, evaluate
from .guards import MemoryDriftGuard, check_weights_finite, resident_bytes
from .log import LOGGER, RunLog, log_span, span
from .prepare import Workshop, prepare
from .record import MetricsFile, RunFolder, RunRecord
from .streams import stream_seed
from .trainer import StepMetrics, train_steps

LAST_N = 50
"""Steps in `mean_loss_last_n`."""
_MEMORY_EVERY = 16
_SAMPLE_TOKENS = 60


@dataclass(frozen=True)
class Prepared:
    """Data and model are there; training starts now."""

    config: RunConfig
    n_parameters: int
    n_train_tokens: int
    val_is_train: bool
    """The text was too short to split: the validation loss is a training loss."""
    counts_loss: float | None
    """Bigram runs: validation loss of the counts, which training approaches."""


@dataclass(frozen=True)
class Evaluated:
    """A validation."""

    step: int
    evaluation: Evaluation


@dataclass(frozen=True)
class Sampled:
    """A sample drawn while training."""

    step: int
    text: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk."""

    step: int
    path: Path


Event = Prepared | StepMetrics | Evaluated | Sampled | Saved


def run_training(
    config: RunConfig,
    *,
    out: Path | None = None,
    observe: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Train and return the record; write everything under `out` if it is given.

    A run that diverges or that `should_stop` ends after a step is returned, too: `status` says so, and its files
    are written. Results of an earlier run in `out` are replaced, once the data turn out to be good.
    Raises ConfigError, DataError, GuardError, WriteError.
    """
    folder, log = RunFolder(out) if out else None, RunLog(out / "log.txt" if out else None)
    start = time.perf_counter()
    workshop = prepare(config)
    data_s = time.perf_counter() - start  # logged below: until here there may be no folder for a log
    if folder:
        folder.start(workshop.config, workshop.dataset.tokenizer.to_dict())
    with log, folder.metrics() if folder else nullcontext() as metrics, np.errstate(all="ignore"):
        log_span("data", data_s, source=config.data.source)
        run = _Run(workshop, folder, metrics, observe, should_stop)
        record = run.train()
    if folder:
        folder.finish(record)
    return record


class _Run:
    """The state of one run while it lasts."""

    def __init__(
        self,
        workshop: Workshop,
        folder: RunFolder | None,
        metrics: MetricsFile | None,
        observe: Callable[[Event], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.workshop, self.config = workshop, workshop.config
        self.folder, self.metrics = folder, metrics
        self.observe, self.should_stop = observe, should_stop
        self.recent: deque[float] = deque(maxlen=LAST_N)
        self.evaluations: list[Evaluation] = []
        self.steps_done = self.tokens_done = 0
        self.saved_step = -1
        growth = self.config.training.max_memory_growth
        self.guard = (
            MemoryDriftGuard(max_growth=max(1.0, growth / 2), max_total_growth=max(1.0, growth)) if growth else None
        )
        self.training_s = 0.0
        self.status, self.reason = "ok", ""

    def train(self) -> RunRecord:
        """All steps, and what happens between them."""
        workshop, settings = self.workshop, self.config.training
        LOGGER.info("event=start preset=%s mode=%s seed=%d", self.config.preset, self.config.mode, self.config.seed)
        self._emit(self._prepared())
        steps = train_steps(workshop.model, workshop.optimizer, workshop.accumulate, workshop.batches.batch, settings)
        try:
            with paused_collector() if self.config.mode == "scalar" else nullcontext():
                check_weights_finite(workshop.model, 0)
                if settings.steps == 0:
                    self._save()
                self._evaluate()
                while self._step(steps):
                    self._between_steps()
                    if self.should_stop() and self.steps_done < settings.steps:
                        self.status, self.reason = "interrupted", f"stopped after step {self.steps_done}"
                        self._save()
                        break
                    self._check_memory()
        except (DivergedError, OverflowError) as error:  # sums of floats near the largest there is overflow in Python
            self.status, self.reason = "diverged", str(error)
            if isinstance(error, OverflowError):
                self.reason = f"numbers grew too large ({error}) at step {self.steps_done + 1}: try a lower --lr"
            LOGGER.error("event=diverged step=%d reason=%r", self.steps_done, self.reason)
        except GuardError:
            self._save()
            raise
        LOGGER.info("event=end status=%s steps=%d training_s=%.3f", self.status, self.steps_done, self.training_s)
        return self._record()

    def _step(self, steps: Iterator[StepMetrics]) -> bool:
        start = time.perf_counter()
        with span("step", logging.DEBUG, step=self.steps_done + 1):
            metrics = next(steps, None)
        self.training_s += time.perf_counter() - start
        if metrics is None:
            return False
        self.steps_done = metrics.step
        self.tokens_done += metrics.n_tokens
        self.recent.append(metrics.loss)
        self._emit(metrics)
        return True

    def _between_steps(self) -> None:
        """The checkpoint comes first: an evaluation that fails must not cost the weights."""
        step, settings = self.steps_done, self.config.training
        last = step == settings.steps
        if last or _due(step, settings.checkpoint_every):
            self._save()
        if last or _due(step, settings.eval_every):
            self._evaluate()
        if _due(step, settings.sample_every):
            self._sample()

    def _check_memory(self) -> None:
        if self.guard and self.steps_done % _MEMORY_EVERY == 1:
            n_bytes = resident_bytes()
            if n_bytes is not None:
                self.guard.observe(n_bytes)

    def _save(self) -> None:
        if self.folder is None or self.steps_done == self.saved_step:
            return
        with span("checkpoint", step=self.steps_done):
            snapshot = self.workshop.language_model.snapshot()
            path = save_directory(
                self.folder.checkpoints, self.steps_done, lambda draft: save_snapshot(draft / "model.json", snapshot)
            )
        self.saved_step = self.steps_done
        self._emit(Saved(self.steps_done, path))

    def _evaluate(self) -> None:
        with span("evaluation", step=self.steps_done):
            token_bytes = self.workshop.dataset.tokenizer.token_bytes()
            evaluation = evaluate(self.workshop.model, self.workshop.validation(), token_bytes)
        self.evaluations.append(evaluation)
        self._emit(Evaluated(self.steps_done, evaluation))
        if not math.isfinite(evaluation.loss):
            raise DivergedError(
                f"the validation loss is {evaluation.loss} after step {self.steps_done}, "
                "though every weight is finite: try a lower --lr"
            )

    def _sample(self) -> None:
        rng = np.random.default_rng([self.steps_done, *stream_seed(self.config.seed, "sample").generate_state(2)])
        with span("sampling", step=self.steps_done):
            text = self.workshop.language_model.generate(max_new_tokens=_SAMPLE_TOKENS, seed=rng)
        self._emit(Sampled(self.steps_done, text))

    def _emit(self, event: Event) -> None:
        if self.metrics:
            if isinstance(event, StepMetrics):
                self.metrics.write(
                    step=event.step, loss=event.loss, lr=event.lr, grad_norm=event.grad_norm, n_tokens=event.n_tokens
                )
            elif isinstance(event, Evaluated):
                self.metrics.write(
                    step=event.step,
                    val_loss=event.evaluation.loss,
                    bits_per_byte=event.evaluation.bits_per_byte,
                    n_val_tokens=event.evaluation.n_tokens,
                )
        self.observe(event)

    def _prepared(self) -> Prepared:
        dataset = self.workshop.dataset
        counts_loss = None
        if isinstance(self.config.model, BigramConfig):
            counts_loss = count_pairs(dataset).loss(pairs_of(dataset.val.ids))
        return Prepared(
            self.config,
            self.workshop.model.n_parameters(),
            dataset.n_train_tokens,
            val_is_train=dataset.val_is_train,
            counts_loss=counts_loss,
        )

    def _record(self) -> RunRecord:
        config, seconds = self.config, self.training_s
        losses = [evaluation.loss for evaluation in self.evaluations]
        finished = self.status == "ok"
        last = self.evaluations[-1] if self.evaluations else Evaluation(math.nan, math.nan, 0)
        return RunRecord(
            tie_lm_head=config.model.tie_lm_head,
            input_rmsnorm=config.model.input_rmsnorm,
            style=config.data.style,
            parameter_count=self.workshop.model.n_parameters(),
            steps=self.steps_done,
            seed=config.seed,
            final_loss=self.recent[-1] if self.recent else math.nan,
            mean_loss_last_n=sum(self.recent) / len(self.recent) if self.recent else math.nan,
            last_n=len(self.recent),
            steps_per_sec=self.steps_done / seconds if self.steps_done else math.nan,
            tokens_per_sec=self.tokens_done / seconds if self.steps_done else math.nan,
            vocab_size=config.model.vocab_size,
            train_tokens=self.workshop.dataset.n_train_tokens,
            mode=config.mode,
            model_kind=config.model_kind,
            preset=config.preset,
            norm=getattr(config.model, "norm", "none"),
            norm_position=getattr(config.model, "norm_position", "none"),
            optimizer=config.training.optimizer,
            initial_loss=losses[0] if losses else math.nan,
            val_loss=last.loss if finished else math.nan,
            best_val_loss=min((loss for loss in losses if math.isfinite(loss)), default=math.nan),
            perplexity=last.perplexity if finished else math.nan,
            bits_per_byte=last.bits_per_byte if finished else math.nan,
            val_is_train=self.workshop.dataset.val_is_train,
            status=self.status,
            reason=self.reason,
        )


@contextmanager
def paused_collector() -> Iterator[None]:
    """No cyclic garbage collection inside: graphs of Values have no cycles, and looking for some costs up to 3x."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
