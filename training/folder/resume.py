"""What a wish to go on with a run means: from which checkpoint, with which settings, in which folder.

Decides and refuses; writes no file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...checkpoints.directory import MANIFEST, list_checkpoints, newest_checkpoint, read_manifest, verify
from ...checkpoints.manifest import NewerVersionError, surroundings
from ...checkpoints.names import COMPRESSION, step_of
from ...errors import CheckpointError, ConfigError, DataError, GuardError, NanochatWarning
from ...machine import arithmetic
from ...storage.atomic import read_json
from ...storage.reading import is_there
from ...tokenizers.base import Tokenizer
from ...tokenizers.files import tokenizer_from_dict
from ..config import RunConfig
from ..prepare import Session
from ..resolve import Settings, config_from_dict, merge
from .checkpoint import Progress, fingerprint, read_state, restore
from .metrics import metrics_until
from .record import RunRecord, from_row

_FIXED = ("preset", "model_kind", "mode", "training.optimizer", "training.compile")
"""Settings that decide what the arrays of a checkpoint mean."""
_FREE = ("backend", "device", "deterministic")
"""Settings that decide where the next step is computed: weights and memory are taken over exactly."""


@dataclass(frozen=True, kw_only=True)
class ResumePlan:
    """A run about to go on."""

    checkpoint: Path
    source: Path | None
    """Folder of the run that the checkpoint is of; None for one that lies alone."""
    out: Path
    """Folder in which the run goes on."""
    config: RunConfig
    tokenizer: Tokenizer
    state: Progress
    """As it was saved; whoever goes on counts in a copy."""
    override: bool
    """Changed data are welcome."""
    force: bool
    """Later checkpoints, or results in another folder, are to go."""
    finished: RunRecord | None
    """The record of a run that has nothing left to do."""

    @property
    def in_place(self) -> bool:
        """The run goes on in its own folder, not on a branch."""
        return self.source is not None and self.out.resolve() == self.source.resolve()

    def metrics(self) -> bytes:
        """The lines of metrics.jsonl until the checkpoint."""
        return metrics_until(self.source / "metrics.jsonl", self.state.step) if self.source else b""

    def check_place(self) -> None:
        """Raises GuardError where going on would cost what is there: asked again by whoever holds the folder's lock."""
        if self.in_place:
            _check_later(self)
        elif (self.out / "config.json").exists() and not self.force:
            raise GuardError(f"{self.out} holds results already: choose another --out, or pass --force to replace them")
        if not self.checkpoint.is_dir():
            raise GuardError(f"{self.checkpoint} was removed by the run that it is of, which goes on: try again")

    def check_steps(self, config: RunConfig) -> None:
        """Raises ConfigError where the config, whose epochs may be steps by now, ends before the checkpoint."""
        if config.training.steps < self.state.step:
            raise ConfigError(
                f"steps={config.training.steps} lies before step {self.state.step} of {self.checkpoint}: give more"
            )

    def restore(self, session: Session) -> None:
        """Put the session where it was. Raises ConfigError, DataError, CheckpointError where it is another run's."""
        self.check_steps(session.config)
        before, now = self.state.data_sha256, fingerprint(session.dataset)
        if now != before:
            found = (
                f"{self.config.data.source} gives other tokens (sha256 {now[:12]}) than those that "
                f"{self.checkpoint} was trained on ({before[:12]})"
            )
            if not self.override:
                raise DataError(f"{found}: restore the text, or pass --override to go on with this one")
            text = f"{found}: what was trained on may be in the validation text now"
            warnings.warn(NanochatWarning(text), stacklevel=2)
        restore(session, self.checkpoint, self.state)


def plan_resume(
    path: Path,
    *,
    config: RunConfig | Settings | None = None,
    out: Path | None = None,
    override: bool = False,
    force: bool = False,
) -> ResumePlan:
    """How to go on with `path`: a run's folder (its newest whole checkpoint), or one checkpoint.

    config    None: the run's own. Settings are laid over those; a RunConfig is taken whole. A field that differs needs
              `override`.
    out       None: the run's own folder. Another one: a branch, which begins with a copy of the checkpoint and of the
              metrics until then; the folder must hold no results, unless `force` replaces them.
    force     An older checkpoint goes on in the run's own folder, and the later ones are dropped.

    Raises ConfigError, CheckpointError, GuardError. Warns of damaged checkpoints that were passed over, and of another
    NumPy or BLAS, whose last bits may differ.
    """
    checkpoint, source = _locate(path)
    if source is not None and (source / COMPRESSION).is_file():
        raise ConfigError(
            f"{source} was written by `nanochat compress`, and training does not go on with that: give the command "
            f"again, or begin a run with these weights by `nanochat train --from {source}`"
        )
    folder = out or source
    if folder is None:
        raise ConfigError(f"{checkpoint} lies outside of a run: say with --out where to go on")
    saved = _saved_config(checkpoint, source if path != checkpoint else None)
    known = _elsewhere(saved, config) if isinstance(config, Mapping) else saved
    wanted = _settle(_wanted(config, known), known)
    changes = [change for change in _changes(known, wanted) if not _is_free(change[0], known, wanted)]
    _check_changes(changes, checkpoint, override=override)
    state = read_state(checkpoint / "state.json")
    plan = ResumePlan(
        checkpoint=checkpoint,
        source=source,
        out=folder,
        config=wanted,
        tokenizer=_tokenizer(checkpoint),
        state=state,
        override=override,
        force=force,
        finished=None,
    )
    plan.check_steps(wanted)
    plan.check_place()
    if plan.in_place:
        plan = replace(plan, finished=None if changes else _finished(plan))
    _warn_of_versions(checkpoint)
    if not plan.finished:
        _warn_of_another_engine(saved, wanted)
    return plan


def _locate(path: Path) -> tuple[Path, Path | None]:
    """(checkpoint, folder of its run)"""
    if not is_there(path):
        raise ConfigError(f"there is no {path} to go on with: give the folder of a run, or one of its checkpoints")
    if os.path.lexists(path / "checkpoints"):
        return newest_checkpoint(path / "checkpoints"), path
    if (path / MANIFEST).is_file():
        verify(path)
        if path.resolve().parent.name != "checkpoints":
            return path, None
        return path, (path if path.parent.name == "checkpoints" else path.resolve()).parent.parent
    if (path / "metrics.jsonl").is_file():
        raise CheckpointError(f"the run at {path} ended before its first checkpoint: start it again with --force")
    raise CheckpointError(f"{path} is neither a run with checkpoints nor a checkpoint: see `nanochat runs list`")


def _saved_config(checkpoint: Path, source: Path | None) -> RunConfig:
    """The run's, which a resumption may have changed since the checkpoint; the checkpoint's own where that is lost."""
    if not (checkpoint / "config.json").is_file():
        raise CheckpointError(
            f"{checkpoint} has no config.json: it holds a model to sample from, not a run to go on with; "
            "choose a checkpoint that `nanochat train` wrote"
        )
    places = [checkpoint / "config.json"] if source is None else [source / "config.json", checkpoint / "config.json"]
    for place in places:
        try:
            return config_from_dict(read_json(place))
        except (CheckpointError, ValueError, AttributeError) as error:
            failure = CheckpointError(f"{place} holds settings that this program cannot read: {error}")
            if place != places[-1]:
                warnings.warn(f"{failure}; taking those of {places[-1]}", NanochatWarning, stacklevel=4)
    raise failure


def _wanted(config: RunConfig | Settings | None, saved: RunConfig) -> RunConfig:
    if isinstance(config, RunConfig):
        return config
    return config_from_dict(merge(asdict(saved), config)) if config else saved


def _elsewhere(saved: RunConfig, config: Settings) -> RunConfig:
    """The run's config as one that the backend in `config` can have: the same micro-batches in the same order."""
    training, backend = saved.training, config.get("backend", saved.backend)
    if backend == saved.backend:
        return saved
    if backend == "torch":  # K replicas of a batch are K-fold accumulation of K-th parts of it
        rows, n = training.micro_batch_size, training.micro_batches
        return replace(saved, training=replace(training, batch_size=rows, grad_accum=n, replicas=1))
    return saved.on_numpy()


def _is_free(name: str, saved: RunConfig, wanted: RunConfig) -> bool:
    """A change of where, not of what: weights and the optimizer's memory mean the same."""
    if name == "dtype":
        return saved.engine.precision(saved.dtype) == wanted.engine.precision(wanted.dtype)
    return name in _FREE or (name == "training.compile" and "torch" in (saved.backend, wanted.backend))


def _warn_of_another_engine(saved: RunConfig, wanted: RunConfig) -> None:
    before, now = (
        f"{config.engine.name} on {config.engine.device}".removesuffix(" on auto") for config in (saved, wanted)
    )
    if (saved.backend, saved.device, saved.dtype) != (wanted.backend, wanted.device, wanted.dtype):
        text = f"{saved.dtype}, {before}, becomes {wanted.dtype}, {now}: weights and the optimizer's memory are taken "
        warnings.warn(NanochatWarning(f"{text}over exactly, and what follows agrees to rounding"), stacklevel=3)


def _settle(wanted: RunConfig, saved: RunConfig) -> RunConfig:
    """What a run finds out by itself (prepare.py) as it was found out when it began."""
    layout = saved.data.layout if wanted.data.layout == "auto" else wanted.data.layout
    training = replace(wanted.training, replicas=wanted.training.replicas or saved.training.replicas)
    if training.epochs:
        training = replace(training, steps=saved.training.steps)
    return replace(
        wanted,
        model=replace(wanted.model, vocab_size=saved.model.vocab_size),
        data=replace(wanted.data, layout=layout),
        training=training,
    )


def _changes(saved: RunConfig, wanted: RunConfig) -> Iterator[tuple[str, Any, Any]]:
    """(dotted field, value there, value here) of every setting that differs."""
    before, now = asdict(saved), asdict(wanted)
    for section, value in before.items():
        if not isinstance(value, Mapping):
            if value != now[section]:
                yield section, value, now[section]
            continue
        for name in {**value, **now[section]}:
            if value.get(name) != now[section].get(name):
                yield f"{section}.{name}", value.get(name), now[section].get(name)


def _check_changes(changes: list[tuple[str, Any, Any]], checkpoint: Path, *, override: bool) -> None:
    """Raises ConfigError where a change is not wanted for certain, or cannot be."""
    fixed = [change for change in changes if change[0] in _FIXED]
    if not changes or (override and not fixed):
        return
    words = ", ".join(f"{name} was {before!r} and is now {now!r}" for name, before, now in fixed or changes)
    if fixed:
        raise ConfigError(
            f"{checkpoint} cannot go on so: {words}; leave these out, or start a new run in another --out"
        )
    raise ConfigError(
        f"{checkpoint} was trained otherwise: {words}; leave these out, or pass --override to go on with them"
    )


def _finished(plan: ResumePlan) -> RunRecord | None:
    """The record of the run if it ended well, at its last step or, for want of progress, before."""
    assert plan.source is not None, "a run in place has a folder"
    if not (plan.source / "record.json").is_file():
        return None
    try:
        record = from_row(read_json(plan.source / "record.json"))
    except (CheckpointError, ValueError, AttributeError):
        return None  # damaged: the last validation is made again, and the record written anew
    return record if record.status == "ok" and record.steps == plan.state.step else None


def _check_later(plan: ResumePlan) -> None:
    """Raises GuardError where going on from here would write over later checkpoints that are whole."""
    later = [folder for folder in list_checkpoints(plan.checkpoint.parent) if step_of(folder) > plan.state.step]
    if plan.force or not any(map(_is_whole, later)):
        return
    raise GuardError(
        f"{plan.source} holds checkpoints later than {plan.checkpoint.name}, up to {later[-1].name}: pass --out OTHER "
        "to go on there, or --force to drop them"
    )


def _is_whole(folder: Path) -> bool:
    try:
        verify(folder)
    except NewerVersionError:
        return True  # whole for whoever can read it
    except CheckpointError:
        return False
    return True


def _tokenizer(checkpoint: Path) -> Tokenizer:
    path = checkpoint / "tokenizer.json"
    try:
        return tokenizer_from_dict(read_json(path))
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} describes no tokenizer: {error}") from error


def _warn_of_versions(checkpoint: Path) -> None:
    """The same bits are promised for the same arithmetic only."""
    manifest, here = read_manifest(checkpoint), surroundings()
    before = {"numpy": None} | manifest["versions"] | {"BLAS": manifest["blas"]}
    now = here["versions"] | {"BLAS": here["blas"]}
    differing = [
        f"{name} {before[name]} (here {now[name]})"
        for name in (*arithmetic(), "BLAS")
        if name in before and name in now and before[name] != now[name]  # earlier versions noted fewer
    ]
    if differing:
        warnings.warn(
            f"{checkpoint} was written with {' and '.join(differing)}: the last bits of what follows may differ",
            NanochatWarning,
            stacklevel=3,
        )
