"""A model in one file: what it is, how it spells text, where it comes from, and its weights, every float exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import CheckpointError, DivergedError
from ..models.base import Mode, ModelKind
from ..storage.atomic import Written
from ..validation import read_dataclass
from .formats.arrays import array_format, read_arrays, write_arrays
from .formats.migrations import migrate
from .formats.packing import SCALE, Stored, describe, pack, unpack

FORMAT, VERSION, PLAIN = "nanochat-model", 3, 2
"""Written as version 3 where weights are stored in fewer bits, else as version 2, which earlier programs read."""
_QUANTIZATION = "quantization"
"""In a header of version 3: how each such weight is stored."""


_ARRAYS = ("weights", "storage")
"""Fields of a snapshot that stand in no header as they are."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that a model needs to work elsewhere."""

    model_kind: ModelKind
    mode: Mode
    dtype: Literal["float32", "float64"]
    """Precision of the weights; float64 in scalar mode."""
    model: Mapping[str, Any]
    """Fields of its configuration."""
    tokenizer: Mapping[str, Any]
    stops_at_bos: bool
    """Trained on documents that BOS ends; otherwise BOS is never drawn."""
    weights: Mapping[str, Any]
    """Arrays by name; nested lists, too, when saving."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Where the weights come from, e.g. {"step": 500, "preset": "microgpt", "data": "builtin:names", "seed": 1337}."""
    end_ids: tuple[int, ...] = ()
    """What ends a text aside of BOS and of tokens with a usual name for it, in a model from elsewhere."""
    storage: Mapping[str, Any] = field(default_factory=dict)
    """`Stored` by name: how weights lie in a .safetensors file that are stored in fewer bits; here they are floats."""


def save_snapshot(path: Path, snapshot: Snapshot, *, new: bool = False) -> Written:
    """Atomically write the model in the format that `path` ends in; returns what a manifest keeps of the file.

    new: as for `write_bytes`. What is stored in fewer bits is so in .safetensors alone: JSON gets floats. Raises
    WriteError, ConfigError on another ending, and DivergedError on a weight that is not finite.
    """
    weights = {name: np.asarray(weight) for name, weight in snapshot.weights.items()}
    name = not_finite(weights)
    if name is not None:
        raise DivergedError(f"{name} is not finite, so {path} was not written: go back to an earlier checkpoint")
    storage = snapshot.storage if array_format(path) == ".safetensors" else {}
    header: dict[str, Any] = {"format": FORMAT, "version": VERSION if storage else PLAIN}
    header |= {key.name: getattr(snapshot, key.name) for key in fields(Snapshot) if key.name not in _ARRAYS}
    if not snapshot.end_ids:  # as it was before there were any
        del header["end_ids"]
    if storage:
        header[_QUANTIZATION] = {name: describe(weights[name], stored) for name, stored in storage.items()}
        for name, stored in storage.items():
            weights |= pack(name, weights[name], stored)
    return write_arrays(path, weights, header, new=new)


def load_snapshot(path: Path, *, sha256: str | None = None, follow: bool = True) -> Snapshot:
    """Read what save_snapshot wrote, today or in an earlier version; the options are those of `read_arrays`.

    Types and finiteness are checked, not yet that the weights fit the model (structure.py). Raises CheckpointError.
    """
    arrays, header = read_arrays(path, sha256=sha256, follow=follow)
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a nanochat model: expected a header with format={FORMAT!r}")
    version = header.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise CheckpointError(
            f"{path} has format version {version!r}, this program reads 1 to {VERSION}: update nanochat"
        )
    arrays, header = migrate((arrays, header), version, path)
    entries = header.get(_QUANTIZATION, {}) if version == VERSION else {}
    content = {key: value for key, value in header.items() if key not in ("format", "version")}
    if version == VERSION:
        content.pop(_QUANTIZATION, None)
    snapshot = read_dataclass(Snapshot, content | {"weights": {}, "storage": {}}, str(path), CheckpointError)
    name = not_finite(arrays)
    if name is not None:
        raise CheckpointError(f"{path} is damaged ({name} holds a number that is not finite): restore it from a copy")
    arrays, storage = _unpacked(arrays, entries, snapshot.dtype, path)
    return replace(snapshot, weights=arrays, storage=storage)


def _unpacked(
    arrays: Mapping[str, np.ndarray], entries: Any, dtype: str, path: Path
) -> tuple[dict[str, np.ndarray], dict[str, Stored]]:
    """Weights as the model computes with them, and how those were stored that `entries` names."""
    weights, storage = dict(arrays), dict[str, Stored]()
    try:
        if not isinstance(entries, dict):
            raise ValueError(f"{_QUANTIZATION} is no table")
        for name, entry in entries.items():
            weight, storage[name] = unpack(name, arrays, entry)
            if storage[name].scale is not None:
                del weights[name + SCALE]
            weights[name] = weight.astype(dtype, copy=False)
    except (ValueError, KeyError, OverflowError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): restore it from a copy") from error
    return weights, storage


def not_finite(arrays: Mapping[str, np.ndarray]) -> str | None:
    """The name of the first array that holds nan or inf. A sum is the cheapest look, and only a finite one is sure."""
    with np.errstate(all="ignore"):
        for name, array in arrays.items():
            if not math.isfinite(array.sum()) and not np.isfinite(array).all():
                return name
    return None


def structure_problems(
    expected: Mapping[str, tuple[int, ...]], weights: Mapping[str, np.ndarray], *, dtype: str | None = None
) -> list[str]:
    """A line for every missing, unexpected, mis-shaped and mis-typed tensor, in that order; [] if `weights` fit.

    dtype: what each has to have; without it any floating-point one will do.
    """
    missing = [f"{name} {shape} is missing" for name, shape in expected.items() if name not in weights]
    extra = [f"{name} {np.shape(weights[name])} is unexpected" for name in weights if name not in expected]
    both = [(name, np.shape(weights[name]), shape) for name, shape in expected.items() if name in weights]
    shapes = [f"{name} has shape {found}, the model has {shape}" for name, found, shape in both if found != shape]
    types = []
    for name, _, _ in both:
        found = np.asarray(weights[name]).dtype
        if found.kind != "f" or (dtype and found != dtype):
            types.append(f"{name} is {found}, the model {dtype or 'floating point'}")
    return missing + extra + shapes + types
