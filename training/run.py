"""One run from config to record: steps, validation, checkpoints, samples, and a clean end whatever happens."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import numpy as np

from ..checkpoints.weights import Snapshot
from ..errors import ConfigError, DataError, DivergedError, GuardError, TokenizerError
from ..inference.counts import count_pairs, pairs_of
from ..machine import is_first, resident_bytes
from ..models.bigram.config import BigramConfig
from ..storage.lock import folder_locked, held
from .config import RunConfig
from .evaluate import evaluate
from .events import Ended, Evaluated, Event, Prepared, Sampled, Saved
from .folder.checkpoint import Progress, fingerprint
from .folder.log import LOGGER, RunLog, log_span, span
from .folder.record import RunRecord, record_of
from .folder.resume import ResumePlan, plan_resume
from .folder.writer import RunWriter, check_folder
from .guards import MemoryDriftGuard, check_loss, check_weights
from .prepare import Session, prepare
from .streams import stream_seed
from .trainer import BatchAt, StepMetrics, train_steps

__all__ = ["Ended", "Evaluated", "Event", "Prepared", "Sampled", "Saved", "run_training"]

_MEMORY_EVERY = 16
_SAMPLE_TOKENS = 60


def run_training(
    config: RunConfig | None = None,
    *,
    out: Path | None = None,
    observe: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    resume: Path | ResumePlan | None = None,
    stop_at: int | None = None,
    start: Snapshot | None = None,
    adapt: Callable[[Session], Session] = lambda session: session,
    locked: bool = False,
) -> RunRecord:
    """Train and return the record; write everything under `out` if it is given.

    A run that diverges or that `should_stop` ends between two steps is returned, too: `status` says so, and its files
    are written. Results of an earlier run in `out` are replaced, once the data turn out to be good; what lies there and
    is not known to be a run's is never touched, but refused. One run at a time is at work in a folder.

    resume    A run's folder, or one of its checkpoints: go on from there, in that folder or on a branch in `out`, with
              the run's own config (a `config` that differs is refused). What follows is, bit for bit on the same
              machine and versions, what would have followed without a break: weights, optimizer, random streams, data,
              metrics.jsonl. A finished run gives its record at once. For changed settings or data, and to drop later
              checkpoints, pass what `plan_resume` returns.
    stop_at   End after this step, saved, with status `stopped`; the schedule stays that of all `steps`.
    start     The model that `config.start_from` names, where it was read already.
    adapt     Changes the session before its first step: another loss, another optimizer.
    locked    The caller holds the lock of the folder (storage/lock.py).

        run_training(config, out=Path("results/runs/a"), stop_at=200)
        record = run_training(resume=Path("results/runs/a"))

    Raises ConfigError, DataError, CheckpointError, GuardError, WriteError.
    """
    plan = resume if isinstance(resume, ResumePlan) or resume is None else plan_resume(resume, config=config, out=out)
    if plan is not None and plan.finished is not None:
        return plan.finished
    if plan is not None:
        config, out = plan.config, plan.out
    if config is None:
        raise ConfigError("there is no config to train with: give one, or a run to resume")
    if not is_first():  # of the processes of a run one writes and speaks
        out, observe = None, lambda event: None
    first_step = plan.state.step if plan else 0
    if stop_at is not None and stop_at < first_step:
        raise ConfigError(f"stop_at={stop_at} lies before step {first_step}, where the run begins")
    with nullcontext() if locked or out is None else folder_locked(out, "run"):
        return _train_in(out, config, plan, start, adapt, observe, should_stop, stop_at)


def _train_in(
    out: Path | None,
    config: RunConfig,
    plan: ResumePlan | None,
    start: Snapshot | None,
    adapt: Callable[[Session], Session],
    observe: Callable[[Event], None],
    should_stop: Callable[[], bool],
    stop_at: int | None,
) -> RunRecord:
    """The run, in a folder that is ours until it ends."""
    log = RunLog(out / "log.txt" if out else None, append=plan is not None and plan.in_place)
    begin = time.perf_counter()
    with ExitStack() as until_it_is_read:
        if plan is not None:
            until_it_is_read.enter_context(held(plan.checkpoint))
        if plan is not None and out is not None:
            plan.check_place()
        if out is not None:
            check_folder(out, goes_on=plan is not None and plan.in_place)
        session = adapt(_resumed(plan) if plan else prepare(config, start=start))
        data_s = time.perf_counter() - begin  # logged below: until it is known to be ours, nothing is written there
        writer = RunWriter(out, session, plan)
        # Only now: what restoring took for a moment has gone back to the system, which a backend's session may end.
        engine = session.config.engine
        with (
            engine.joined(_signs(session, plan)),
            writer.opened() as progress,
            log,
            np.errstate(all="ignore"),
            engine.session(),
        ):
            until_it_is_read.close()
            log_span("data", data_s, source=config.data.source)
            record = _Loop(session, writer, progress, observe, should_stop, stop_at).train()
    writer.finish(record)
    return record


def _signs(session: Session, plan: ResumePlan | None) -> Iterator[str]:
    """What all processes of a run have in common, asked for only where there are several."""
    yield f"settings={session.config}"
    yield f"checkpoint={plan.state.step if plan else None}"
    yield f"text or tokenizer={fingerprint(session.dataset)} {session.dataset.tokenizer.to_dict()}"


def _resumed(plan: ResumePlan) -> Session:
    """As it was at the plan's checkpoint. Raises what prepare does, DataError where the data changed."""
    try:
        session = prepare(plan.config, plan.tokenizer)
    except TokenizerError as error:
        raise DataError(f"the text is no longer the one that {plan.checkpoint} was trained on: {error}") from error
    plan.restore(session)
    return session


class _Loop:
    """A session while it lasts: steps, and what happens between them."""

    def __init__(
        self,
        session: Session,
        writer: RunWriter,
        progress: Progress,
        observe: Callable[[Event], None],
        should_stop: Callable[[], bool],
        stop_at: int | None,
    ) -> None:
        self.session, self.config, self.writer = session, session.config, writer
        self.observe, self.should_stop = observe, should_stop
        n_steps, growth = self.config.training.steps, self.config.training.max_memory_growth
        self.last_step = n_steps if stop_at is None else min(stop_at, n_steps)
        self.progress, self.first_step, self.first_tokens = progress, progress.step, progress.tokens
        self.guard = (
            MemoryDriftGuard(max_growth=max(1.0, growth / 2), max_total_growth=max(1.0, growth)) if growth else None
        )
        self.training_s = 0.0
        self.weights_are_good = True
        """No validation is under way, or has found these weights bad."""
        self.status, self.reason = "ok", ""

    def train(self) -> RunRecord:
        """All steps, and what happens between them."""
        session, config, progress = self.session, self.config, self.progress
        begin = (config.preset, config.mode, config.seed, progress.step)
        LOGGER.info("event=start preset=%s mode=%s seed=%d step=%d", *begin)
        self._emit(self._prepared())
        steps = train_steps(
            session.model, session.optimizer, session.accumulate, self._batch_at(), config.training, start=progress.step
        )
        try:
            check_weights(session.model, progress.step, config.training.max_weight)
            self._between_steps()
            while progress.step < self.last_step and not self._has_stalled():
                if self.config.engine.any_says(self.should_stop()):
                    self.status, self.reason = "interrupted", f"stopped after step {progress.step}"
                    self._save()
                    break
                self._step(steps)
                self._between_steps()
                self._check_memory()
            else:
                self._note_early_end()
        except (DivergedError, OverflowError) as error:  # sums of floats near the largest there is overflow in Python
            self._note_divergence(error)
        except GuardError:
            self._save()
            raise
        if self.status == "ok":
            self._emit(Ended(session))
        LOGGER.info("event=end status=%s steps=%d training_s=%.3f", self.status, progress.step, self.training_s)
        return self._record()

    def _has_stalled(self) -> bool:
        """As many validations as patience has went by since the best."""
        patience, best = self.config.training.patience, self.progress.best()
        if not patience or best is None:
            return False
        return sum(step > best for step in self.progress.evaluations) >= patience

    def _note_early_end(self) -> None:
        """Say why a run ended well before its last step."""
        step = self.progress.step
        if step == self.config.training.steps:
            return
        if self._has_stalled():
            self.reason = f"stopped early after step {step}: no validation was better than that of step "
            self.reason += str(self.progress.best())
        else:
            self.status, self.reason = "stopped", f"stopped after step {step}, as asked"

    def _batch_at(self) -> BatchAt:
        """The batches from here on, also where micro-batches were counted otherwise until now."""
        shift = self.progress.data_position - self.progress.step * self.config.training.micro_batches
        return lambda position: self.session.batches.batch(position + shift)

    def _step(self, steps: Iterator[StepMetrics]) -> None:
        start = time.perf_counter()
        with span("step", logging.DEBUG, step=self.progress.step + 1):
            metrics = next(steps)
        self.training_s += time.perf_counter() - start
        settings = self.config.training
        self.progress.add_step(metrics, micro_batches=settings.micro_batches, max_grad_norm=settings.max_grad_norm)
        self._emit(metrics)

    def _between_steps(self) -> None:
        """The checkpoint comes first: an evaluation that fails must not cost the weights."""
        step, settings = self.progress.step, self.config.training
        last = step == settings.steps
        evaluates = last or step == 0 or _due(step, settings.eval_every)
        if last or step == self.last_step or _due(step, settings.checkpoint_every) or (evaluates and step > 0):
            self._save()
        if evaluates:
            self._evaluate()
        if last:
            self.writer.tidy(self.progress)  # only now is it known whether the last is the best
        if _due(step, settings.sample_every):
            self._sample()

    def _check_memory(self) -> None:
        if self.guard and self.progress.step % _MEMORY_EVERY == 1:
            n_bytes = resident_bytes()
            if n_bytes is not None:
                self.guard.observe(max(0, n_bytes - self.config.engine.kept_bytes()))

    def _save(self) -> None:
        with self.config.engine.paused():
            path = self.writer.save(self.progress)
        if path is not None:
            self._emit(Saved(self.progress.step, path))

    def _evaluate(self) -> None:
        step = self.progress.step
        self.weights_are_good = False
        with span("evaluation", step=step), self.config.engine.paused():
            token_bytes = self.session.dataset.tokenizer.token_bytes()
            evaluation = evaluate(self.session.model, self.session.validation(), token_bytes, self.config.engine.map)
        self.progress.evaluations[step] = evaluation
        self._emit(Evaluated(step, evaluation))
        check_loss(evaluation.loss, self.session.model, step, self.config.training.max_loss, what="validation loss")
        self.weights_are_good = True

    def _sample(self) -> None:
        rng = np.random.default_rng([self.progress.step, *stream_seed(self.config.seed, "sample").generate_state(2)])
        with span("sampling", step=self.progress.step):
            text = self.session.language_model.generate(max_new_tokens=_SAMPLE_TOKENS, seed=rng)
        self._emit(Sampled(self.progress.step, text))

    def _note_divergence(self, error: Exception) -> None:
        """Say what went wrong, and which checkpoint is from before."""
        step = self.progress.step
        self.status, self.reason = "diverged", str(error)
        if isinstance(error, OverflowError):
            self.reason = f"numbers grew too large ({error}) at step {step + 1}: try a lower --lr"
        good = self.writer.last_before(step + 1 if self.weights_are_good else step)
        if good:
            self.reason += f"; the last good checkpoint is {good}"
        LOGGER.error("event=diverged step=%d reason=%r", step, self.reason)

    def _emit(self, event: Event) -> None:
        self.writer.note(event)
        self.observe(event)

    def _prepared(self) -> Prepared:
        dataset = self.session.dataset
        counts_loss = None
        if isinstance(self.config.model, BigramConfig):
            counts_loss = count_pairs(dataset).loss(pairs_of(dataset.val.ids))
        return Prepared(
            self.config,
            self.session.model.n_parameters(),
            dataset.n_train_tokens,
            val_is_train=dataset.val_is_train,
            counts_loss=counts_loss,
            first_step=self.first_step,
            transferred=self.session.transferred,
        )

    def _record(self) -> RunRecord:
        n_steps, n_tokens = self.progress.step - self.first_step, self.progress.tokens - self.first_tokens
        return record_of(
            self.session,
            self.progress,
            steps_per_sec=n_steps / self.training_s if n_steps else math.nan,
            tokens_per_sec=n_tokens / self.training_s if n_steps else math.nan,
            status=self.status,
            reason=self.reason,
        )


def _due(step: int, every: int) -> bool:
    return step > 0 and every > 0 and step % every == 0
