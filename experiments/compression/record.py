"""compression.json: what was made of which model, and what it costs; enough for a report, without the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...checkpoints.names import COMPRESSION
from ...errors import CheckpointError, ConfigError
from ...storage.atomic import read_json, write_json
from ...storage.strict_json import finite_or_null
from ...validation import read_dataclass
from .measure import Measured, Speed

FORMAT, VERSION = "nanochat-compression", 1
KEYS = {"method", "rows", "source"}
"""What proves that a compression.json is ours."""
Role = Literal["source", "result", "control"]
Kind = Literal["quantize", "prune", "distill"]


@dataclass(frozen=True)
class Row:
    """A model of a comparison."""

    name: str
    role: Role
    parameters: int
    n_bytes: int
    """Of its weights in a file, scales included."""
    measured: Measured
    steps: int = 0
    """That it was trained for here, beside what its source was."""
    cpu_s: float = 0.0
    """That these took."""
    exact: float | None = None
    """Share of questions about the built-in world that were answered as expected; None where none was asked."""


@dataclass(frozen=True)
class Weight:
    """What became of one weight."""

    name: str
    stored: str
    error: float
    """||after - before|| / ||before||; of other shapes, 1 - the share of numbers that is left."""


@dataclass(frozen=True)
class Source:
    """The model that another was made of, by content, not by path alone; None for what nobody knows."""

    path: str
    weights_sha256: str
    seed: int | None = None
    step: int | None = None
    preset: str | None = None


@dataclass(frozen=True)
class Text:
    """The text that all were measured on: the validation side of it."""

    source: str
    sha256: str | None
    n_tokens: int


@dataclass(frozen=True)
class Compression:
    """One command's outcome."""

    kind: Kind
    method: str
    """In words that are the same for the same settings, whatever the model."""
    command: str
    source: Source
    text: Text
    rows: tuple[Row, ...]
    """The source first."""
    speed: Speed | None = None
    samples: tuple[tuple[str, str], ...] = ()
    """Greedy texts of the source and of the result, from the same prompts."""
    weights: tuple[Weight, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader has to know, in sentences."""
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def result(self) -> Row:
        """The model that was written."""
        return next(row for row in self.rows if row.role == "result")

    @property
    def before(self) -> Row:
        """The model that it was made of."""
        return self.rows[0]


def write_compression(found: Compression, folder: Path) -> None:
    """Write compression.json. Raises WriteError."""
    write_json(folder / COMPRESSION, finite_or_null({"format": FORMAT, "version": VERSION, **asdict(found)}))


def write_begun(folder: Path) -> None:
    """Write a compression.json without an outcome: from now on no training takes the folder for a run of its own.

    Raises WriteError.
    """
    write_json(folder / COMPRESSION, {"format": FORMAT, "version": VERSION, "method": "", "rows": [], "source": {}})


def read_compression(folder: Path) -> Compression:
    """Raises CheckpointError where none lies there, a damaged one, or that of a command that did not end."""
    path = folder / COMPRESSION
    content = read_json(path)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is no outcome of `nanochat compress`: restore it from a copy")
    if content.pop("version", None) != VERSION:
        raise CheckpointError(f"{path} has another format version, this program reads {VERSION}: update nanochat")
    if content.get("rows") == []:
        raise CheckpointError(f"{path} is of a command that did not end: give it again with --force")
    try:
        found = read_dataclass(Compression, content, str(path), CheckpointError)
    except ConfigError as error:
        raise CheckpointError(f"{path} is damaged ({error}): restore it from a copy") from error
    roles = [row.role for row in found.rows]
    if roles[:1] != ["source"] or roles.count("source") != 1 or roles.count("result") != 1:
        raise CheckpointError(f"{path} is damaged (it has no source and result in its rows): restore it from a copy")
    if len({len(row.measured.blocks) for row in found.rows}) != 1 or not found.before.measured.blocks:
        raise CheckpointError(f"{path} is damaged (its rows have other numbers of blocks): restore it from a copy")
    return found


def folders_of(folder: Path) -> list[Path]:
    """Those directly below that hold an outcome, by name."""
    return sorted(path.parent for path in folder.glob(f"*/{COMPRESSION}"))
