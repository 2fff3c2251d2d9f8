"""Everything that a run writes: what is known before the first step, lines, checkpoints and which of them stay, record.

results/runs/NAME/{config.json, env.json, tokenizer.json, metrics.jsonl, samples.jsonl, log.txt, checkpoints/,
                   record.json, report.md}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...checkpoints.directory import list_checkpoints, prune
from ...checkpoints.names import (
    CHECKPOINTS,
    CONFIG,
    ENVIRONMENT,
    LOG,
    LOSS,
    METRICS,
    RECORD,
    REPORT,
    SAMPLES,
    TOKENIZER,
    step_of,
)
from ...checkpoints.ownership import RUN, STUDY, is_ours, remove_steps
from ...checkpoints.ownership import check_folder as check_owner
from ...errors import CheckpointError
from ...storage.atomic import make_directory, read_json, remove_files, write_bytes, write_json
from ...storage.reading import is_there
from ..config import RunConfig
from ..events import Evaluated, Event, Sampled
from ..prepare import Session
from ..trainer import StepMetrics
from .checkpoint import Progress, copy_checkpoint, fingerprint, write_checkpoint
from .log import span
from .metrics import MetricsFile, metrics_until, open_metrics
from .record import RunRecord, describe_environment, to_row
from .resume import ResumePlan
from .samples import add_sample, samples_until

_RESULTS = (RECORD, REPORT, LOSS)
"""Of a run that has ended."""
_FILES = (CONFIG, ENVIRONMENT, TOKENIZER, METRICS, SAMPLES, LOG, *_RESULTS)
"""Of a run's folder, beside its checkpoints."""


class RunWriter:
    """Writes a session, that goes on with `plan` or begins, to `folder`; without one nothing."""

    def __init__(self, folder: Path | None, session: Session, plan: ResumePlan | None = None) -> None:
        self.folder, self.session, self.plan = folder, session, plan
        self.checkpoints = folder / CHECKPOINTS if folder else None
        self.metrics: MetricsFile | None = None
        self.saved_step = plan.state.step if plan else -1

    @contextmanager
    def opened(self) -> Iterator[Progress]:
        """The folder as it is before the next step: new, cut back to a checkpoint, or a branch. Raises WriteError."""
        plan = self.plan
        progress = deepcopy(plan.state) if plan else Progress()
        if self.folder is None:
            yield progress
            return
        if plan is None or plan.override:  # otherwise they were compared, or we would not have come this far
            progress.data_sha256 = fingerprint(self.session.dataset)
        if plan is not None and plan.in_place:
            _cut_back(self.folder, self.session, plan.state.step)
        else:
            _begin(self.folder, self.session, plan)
        with open_metrics(self.folder / METRICS, append=plan is not None) as self.metrics:
            yield progress

    def note(self, event: Event) -> None:
        """A line of metrics, where the event has figures, or of samples."""
        if self.folder is None or self.metrics is None:
            return
        if isinstance(event, StepMetrics):
            self.metrics.write(**asdict(event))
        elif isinstance(event, Evaluated):
            found = event.evaluation
            self.metrics.write(
                step=event.step, val_loss=found.loss, bits_per_byte=found.bits_per_byte, n_val_tokens=found.n_tokens
            )
        elif isinstance(event, Sampled):
            add_sample(self.folder / SAMPLES, event.step, event.text)

    def save(self, progress: Progress) -> Path | None:
        """The checkpoint of this step, on disk and verified before older ones go; None where it is there already."""
        if self.checkpoints is None or self.metrics is None or progress.step == self.saved_step:
            return None
        with span("checkpoint", step=progress.step):
            self.metrics.sync()
            path = write_checkpoint(self.checkpoints, self.session, progress)
            self.tidy(progress)
        self.saved_step = progress.step
        return path

    def tidy(self, progress: Progress) -> None:
        """Remove the checkpoints that are neither among the last nor the best."""
        keep_last = self.session.config.training.keep_last
        if self.checkpoints is None or not keep_last:
            return
        best = progress.best(among={step_of(folder) for folder in list_checkpoints(self.checkpoints)})
        prune(self.checkpoints, keep_last=keep_last, keep=() if best is None else (best,))

    def last_before(self, step: int) -> Path | None:
        """The newest checkpoint of an earlier step."""
        if self.checkpoints is None:
            return None
        earlier = [folder for folder in list_checkpoints(self.checkpoints) if step_of(folder) < step]
        return earlier[-1] if earlier else None

    def finish(self, record: RunRecord) -> None:
        """The end. Raises WriteError."""
        if self.folder is not None:
            write_record(self.folder, record)


def write_record(folder: Path, record: RunRecord) -> None:
    """Write record.json. Raises WriteError."""
    write_json(folder / RECORD, to_row(record))


def check_folder(folder: Path, *, goes_on: bool = False) -> None:
    """Raises GuardError, naming it, for what a run would replace here and did not write, and for a link.

    goes_on: it is the run of this folder, which wrote what is there.
    """
    proven = goes_on or is_ours(folder / CONFIG, RUN, STUDY)
    check_owner(folder, _FILES, proven=proven, inside=CHECKPOINTS, other="" if goes_on else "recipe.json")


def clear_folder(folder: Path) -> None:
    """Remove what a run wrote here, config.json, which proves that it did, last. Raises GuardError, WriteError."""
    check_folder(folder)
    remove_steps(folder / CHECKPOINTS)
    remove_files(folder, reversed(_FILES))


def _begin(folder: Path, session: Session, plan: ResumePlan | None) -> None:
    """Write what is known before the first step, of a branch also what was; results of an earlier run go."""
    metrics = plan.metrics() if plan else b""
    samples = samples_until(plan.source / SAMPLES, plan.state.step) if plan and plan.source else b""
    make_directory(folder)
    clear_folder(folder)
    write_json(folder / CONFIG, asdict(session.config))
    write_json(folder / ENVIRONMENT, describe_environment(session.config))
    write_json(folder / TOKENIZER, session.dataset.tokenizer.to_dict())
    if metrics:
        write_bytes(folder / METRICS, metrics)
    if samples:
        write_bytes(folder / SAMPLES, samples)
    if plan is not None:
        copy_checkpoint(plan.checkpoint, folder / CHECKPOINTS, plan.state.step)


def _cut_back(folder: Path, session: Session, step: int) -> None:
    """Make the folder what it was after `step`, checkpoints first: a crash in between leaves a run to go on with."""
    config = session.config
    check_folder(folder, goes_on=True)
    remove_steps(folder / CHECKPOINTS, after=step)
    write_bytes(folder / METRICS, metrics_until(folder / METRICS, step))
    if is_there(folder / SAMPLES):
        write_bytes(folder / SAMPLES, samples_until(folder / SAMPLES, step))
    remove_files(folder, _RESULTS)
    if not _holds(folder / CONFIG, config):
        write_json(folder / CONFIG, asdict(config))
    write_json(folder / ENVIRONMENT, _environment(folder / ENVIRONMENT, config))
    write_json(folder / TOKENIZER, session.dataset.tokenizer.to_dict())


def _environment(path: Path, config: RunConfig) -> dict[str, Any]:
    """That of now, and under `earlier` every other one in which steps of the run were computed."""
    now = describe_environment(config)
    with suppress(CheckpointError):
        former = read_json(path)
        if isinstance(former, dict):
            earlier = former.pop("earlier", [])
            others = [*(earlier if isinstance(earlier, list) else []), former]
            others = [known for i, known in enumerate(others) if known != now and known not in others[:i]]
            return now | ({"earlier": others} if others else {})
    return now


def _holds(path: Path, config: RunConfig) -> bool:
    """config.json says the same already: its time, by which runs are listed, is when the run began."""
    with suppress(CheckpointError):
        return bool(read_json(path) == json.loads(json.dumps(asdict(config))))
    return False
