"""How far a run has come, and the state.json of a checkpoint that says so.

It holds no time and no path, so that the checkpoints of two runs can be compared byte by byte. Knows no weights: they
and the optimizer's memory are arrays, which saving.py writes.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...data.dataset import Dataset
from ...errors import CheckpointError
from ...storage.atomic import read_json, write_json
from ...storage.strict_json import finite_or_null
from ...validation import read_dataclass
from ..evaluate import Evaluation
from ..trainer import StepMetrics

FORMAT, VERSION = "nanochat-state", 1
LAST_N = 50
"""Steps in `mean_loss_last_n`."""
_HASHED_AT_ONCE = 1 << 20


class Progress:
    """The counts and losses of a run so far, however many sessions it took."""

    def __init__(self) -> None:
        self.step = self.tokens = self.data_position = self.n_clipped = 0
        self.lr: float | None = None
        self.recent: deque[float] = deque(maxlen=LAST_N)
        self.evaluations: dict[int, Evaluation] = {}

    def add_step(self, metrics: StepMetrics, *, micro_batches: int, max_grad_norm: float) -> None:
        """A step is done."""
        self.step, self.lr = metrics.step, metrics.lr
        self.tokens += metrics.n_tokens
        self.data_position += micro_batches
        self.n_clipped += metrics.grad_norm > max_grad_norm > 0
        self.recent.append(metrics.loss)

    def best(self, among: Collection[int] | None = None) -> int | None:
        """The step with the least validation loss, the earlier of two; of those steps only, if some are given."""
        steps = [step for step in self.evaluations if among is None or step in among]
        return min(steps, key=lambda step: self.evaluations[step].loss, default=None)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """One of the validations so far."""

    step: int
    loss: float
    bits_per_byte: float | None
    """None where no token has text."""
    n_tokens: int


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best of them."""

    step: int
    val_loss: float


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """To which norm gradients were clipped, and how often."""

    max_grad_norm: float
    n_clipped: int


@dataclass(frozen=True, kw_only=True)
class State:
    """state.json: a run after `step`, before the validation of that step."""

    step: int
    tokens: int
    """Targets trained on."""
    data_position: int
    """Number of the next micro-batch."""
    data_sha256: str
    """Of the ids of both sides of the data."""
    streams: Mapping[str, Any]
    """State of each random stream from which a run draws as it goes on."""
    optimizer_steps: int
    recent_losses: tuple[float, ...]
    evaluations: tuple[Validation, ...]
    best: Best | None
    lr: float | None
    """Of the last step."""
    clipping: Clipping

    def progress(self) -> Progress:
        """As a run continues it."""
        progress = Progress()
        progress.step, progress.tokens, progress.data_position = self.step, self.tokens, self.data_position
        progress.lr, progress.n_clipped = self.lr, self.clipping.n_clipped
        progress.recent.extend(self.recent_losses)
        for found in self.evaluations:
            bits = math.nan if found.bits_per_byte is None else found.bits_per_byte
            progress.evaluations[found.step] = Evaluation(found.loss, bits, found.n_tokens)
        return progress


def state_of(
    progress: Progress, *, data_sha256: str, streams: Mapping[str, Any], optimizer_steps: int, max_grad_norm: float
) -> State:
    """The state to write at this point: a validation of this very step, if one was made, is made again later."""
    earlier = [step for step in progress.evaluations if step < progress.step]
    best = progress.best(among=earlier)
    return State(
        step=progress.step,
        tokens=progress.tokens,
        data_position=progress.data_position,
        data_sha256=data_sha256,
        streams=streams,
        optimizer_steps=optimizer_steps,
        recent_losses=tuple(progress.recent),
        evaluations=tuple(_validation(step, progress.evaluations[step]) for step in earlier),
        best=None if best is None else Best(step=best, val_loss=progress.evaluations[best].loss),
        lr=progress.lr,
        clipping=Clipping(max_grad_norm=max_grad_norm, n_clipped=progress.n_clipped),
    )


def _validation(step: int, found: Evaluation) -> Validation:
    bits = finite_or_null(found.bits_per_byte)
    return Validation(step=step, loss=found.loss, bits_per_byte=bits, n_tokens=found.n_tokens)


def write_state(path: Path, state: State) -> None:
    """Write state.json. Raises WriteError."""
    write_json(path, {"format": FORMAT, "version": VERSION, **asdict(state)})


def read_state(path: Path) -> State:
    """The inverse. Raises CheckpointError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no state of a run: expected a JSON object with format={FORMAT!r}")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {content.get('version')!r}, this program reads {VERSION}: update nanochat"
        )
    fields = {name: value for name, value in content.items() if name not in ("format", "version")}
    state = read_dataclass(State, fields, str(path), CheckpointError)
    if min(state.step, state.tokens, state.data_position, state.optimizer_steps) < 0:
        raise CheckpointError(f"{path} is damaged (a count in it is negative): restore it from a copy")
    return state


def fingerprint(dataset: Dataset) -> str:
    """sha256 of the ids of both sides: another text, split or tokenizer gives another one."""
    digest = hashlib.sha256()
    for side in (dataset.train.ids, dataset.val.ids):
        digest.update(f"{len(side)}:".encode())
        for start in range(0, len(side), _HASHED_AT_ONCE):
            digest.update(side[start : start + _HASHED_AT_ONCE].astype("<i4").tobytes())
    return digest.hexdigest()
