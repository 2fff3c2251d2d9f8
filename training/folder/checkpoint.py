"""A run's checkpoint: everything that it needs to go on, bit for bit, written to a folder and read back.

step-00000500/{model.safetensors, optimizer.safetensors, state.json, config.json, tokenizer.json, MANIFEST.json}

There is no time and no path in it, so that the checkpoints of two runs can be compared byte by byte.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...checkpoints.directory import save_directory
from ...checkpoints.formats.arrays import FORMATS, read_arrays, write_arrays
from ...checkpoints.names import CONFIG, MANIFEST, STATE, TOKENIZER
from ...checkpoints.weights import load_snapshot, save_snapshot, structure_problems
from ...data.dataset import Dataset
from ...errors import CheckpointError
from ...storage.atomic import Written, read_json, write_chunks, write_json
from ...storage.reading import reading
from ...storage.strict_json import finite_or_null
from ...validation import read_dataclass
from ..evaluate import Evaluation
from ..prepare import Session
from ..trainer import StepMetrics

FORMAT, VERSION = "nanochat-state", 1
LAST_N = 50
"""Steps in `recent_losses`."""
_PIECE = 1 << 22
_HASHED_AT_ONCE = 1 << 20


@dataclass(kw_only=True)
class Progress:
    """How far a run has come, however many sessions it took: what state.json holds."""

    step: int = 0
    tokens: int = 0
    """Targets trained on."""
    data_position: int = 0
    """Number of the next micro-batch."""
    data_sha256: str = ""
    """Of the ids of both sides of the data."""
    streams: Mapping[str, Any] = field(default_factory=dict)
    """State of each random stream from which a run draws as it goes on; as it was saved last."""
    optimizer_steps: int = 0
    """Likewise."""
    recent_losses: list[float] = field(default_factory=list)
    evaluations: dict[int, Evaluation] = field(default_factory=dict)
    """The validations by their step."""
    lr: float | None = None
    """Of the last step."""
    max_grad_norm: float = 0.0
    """To which gradients are clipped."""
    n_clipped: int = 0
    """Steps in which they were."""

    def add_step(self, metrics: StepMetrics, *, micro_batches: int, max_grad_norm: float) -> None:
        """A step is done."""
        self.step, self.lr = metrics.step, metrics.lr
        self.tokens += metrics.n_tokens
        self.data_position += micro_batches
        self.n_clipped += metrics.grad_norm > max_grad_norm > 0
        self.recent_losses = [*self.recent_losses, metrics.loss][-LAST_N:]

    def best(self, among: Collection[int] | None = None) -> int | None:
        """The step with the least validation loss, the earlier of two; of those steps only, if some are given."""
        steps = [step for step in self.evaluations if among is None or step in among]
        return min(steps, key=lambda step: self.evaluations[step].loss, default=None)


def write_state(path: Path, progress: Progress) -> None:
    """Write state.json. A validation of this very step is left to whoever goes on. Raises WriteError."""
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    content |= {f.name: getattr(progress, f.name) for f in fields(Progress)}
    earlier = {step: found for step, found in progress.evaluations.items() if step < progress.step}
    best, lr = progress.best(among=earlier), content.pop("lr")
    content["evaluations"] = [_row(step, found) for step, found in earlier.items()]
    content["best"] = None if best is None else {"step": best, "val_loss": earlier[best].loss}
    content["lr"] = lr
    content["clipping"] = {name: content.pop(name) for name in ("max_grad_norm", "n_clipped")}
    write_json(path, content)


def read_state(path: Path) -> Progress:
    """The inverse. Raises CheckpointError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no state of a run: expected a JSON object with format={FORMAT!r}")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {content.get('version')!r}, this program reads {VERSION}: update nanochat"
        )
    try:
        content |= content.pop("clipping")
        found = [dict(row) for row in content["evaluations"]]
        for row in found:
            row["bits_per_byte"] = math.nan if row["bits_per_byte"] is None else row["bits_per_byte"]
        content["evaluations"] = {str(row.pop("step")): row for row in found}
        del content["format"], content["version"], content["best"]  # which follows from the others
        if missing := {f.name for f in fields(Progress)} - content.keys():
            raise KeyError(", ".join(sorted(missing)))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): restore it from a copy") from error
    progress = read_dataclass(Progress, content, str(path), CheckpointError)
    if min(progress.step, progress.tokens, progress.data_position, progress.optimizer_steps) < 0:
        raise CheckpointError(f"{path} is damaged (a count in it is negative): restore it from a copy")
    return progress


def write_checkpoint(parent: Path, session: Session, progress: Progress) -> Path:
    """parent/step-N, whole or not at all. Raises WriteError."""
    config = session.config
    ending = f".{config.training.checkpoint_format}"
    origin = {"step": progress.step, "preset": config.preset, "data": config.data.source, "seed": config.seed}
    origin["layout"] = session.dataset.corpus.layout

    def write_files(draft: Path) -> dict[str, Written]:
        snapshot = replace(session.language_model.snapshot(), origin=origin)
        written = {f"model{ending}": save_snapshot(draft / f"model{ending}", snapshot)}
        del snapshot  # copies of all weights, which need not lie beside those of the optimizer's memory
        memory = session.optimizer.state_dict()
        arrays = {
            name: np.reshape(memory[slot][parameter], shape)
            for name, (slot, parameter, shape) in _slots(session).items()
        }
        written[f"optimizer{ending}"] = write_arrays(draft / f"optimizer{ending}", arrays)
        progress.streams = {"dropout": session.dropout_rng.bit_generator.state}
        progress.optimizer_steps = memory["n_steps"]
        progress.max_grad_norm = config.training.max_grad_norm
        write_state(draft / STATE, progress)
        write_json(draft / CONFIG, asdict(config))
        write_json(draft / TOKENIZER, session.dataset.tokenizer.to_dict())
        return written

    return save_directory(parent, progress.step, write_files)


def restore(session: Session, folder: Path, progress: Progress) -> None:
    """Weights, then the optimizer's memory, then the random streams, from a checkpoint that was verified.

    The streams come last, so that nothing before could have drawn from them; the arrays read are let go of one file
    after the other, so that going on takes no more memory than starting did. Raises CheckpointError.
    """
    try:
        _restore_weights(session, folder)
        _restore_memory(session, folder, progress)
        _restore_streams(session, progress)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise CheckpointError(f"{folder} does not fit this run: {error}") from error


def copy_checkpoint(folder: Path, parent: Path, step: int) -> None:
    """The same checkpoint under another parent, with a manifest of its own: a branch begins. Raises WriteError."""

    def write_files(draft: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.name != MANIFEST:
                write_chunks(draft / path.name, _pieces(path))

    save_directory(parent, step, write_files)


def _pieces(path: Path) -> Iterator[memoryview]:
    with reading(path) as source:
        while source.left:
            yield source.read(min(_PIECE, source.left))


def fingerprint(dataset: Dataset) -> str:
    """sha256 of the ids of both sides: another text, split or tokenizer gives another one."""
    digest = hashlib.sha256()
    for side in (dataset.train.ids, dataset.val.ids):
        digest.update(f"{len(side)}:".encode())
        for start in range(0, len(side), _HASHED_AT_ONCE):
            digest.update(side[start : start + _HASHED_AT_ONCE].astype("<i4").tobytes())
    return digest.hexdigest()


def _restore_weights(session: Session, folder: Path) -> None:
    weights = load_snapshot(_file(folder, "model")).weights
    expected = {name: parameter.shape for name, parameter in session.config.model.parameters().items()}
    _check(structure_problems(expected, weights), folder)
    session.model.load_state_dict(weights)


def _restore_memory(session: Session, folder: Path, progress: Progress) -> None:
    slots = _slots(session)
    arrays, _ = read_arrays(_file(folder, "optimizer"))
    _check(structure_problems({name: shape for name, (_, _, shape) in slots.items()}, arrays), folder)
    memory: dict[str, Any] = {"n_steps": progress.optimizer_steps}
    for name, (slot, parameter, _) in slots.items():
        if slot == "v" and (arrays[name] < 0).any():
            raise CheckpointError(f"{folder} does not fit this run: {name}, a mean of squares, holds negative numbers")
        memory.setdefault(slot, {})[parameter] = arrays[name].ravel()
    session.optimizer.load_state_dict(memory)


def _restore_streams(session: Session, progress: Progress) -> None:
    session.dropout_rng.bit_generator.state = dict(progress.streams["dropout"])


def _slots(session: Session) -> dict[str, tuple[str, str, tuple[int, ...]]]:
    """What the optimizer remembers: "m/wte.weight" -> (slot, parameter, shape)."""
    table = session.config.model.parameters()
    return {
        f"{slot}/{name}": (slot, name, parameter.shape)
        for slot in session.optimizer.slots
        for name, parameter in table.items()
    }


def _file(folder: Path, stem: str) -> Path:
    """The file of that name in whichever format it was written. Raises CheckpointError."""
    for ending in FORMATS:
        if (folder / f"{stem}{ending}").is_file():
            return folder / f"{stem}{ending}"
    raise CheckpointError(
        f"{folder} has no {stem}{FORMATS[0]}: it holds a model to sample from, not a run to go on with; "
        "choose a checkpoint that `nanochat train` wrote"
    )


def _check(problems: list[str], folder: Path) -> None:
    if problems:
        raise CheckpointError(f"{folder} does not fit this run: {'; '.join(problems)}")


def _row(step: int, found: Evaluation) -> dict[str, Any]:
    """null where no token has text: JSON has no nan."""
    return {"step": step} | asdict(found) | {"bits_per_byte": finite_or_null(found.bits_per_byte)}
