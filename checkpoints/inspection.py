"""What a path holds, as plain values: a run, a checkpoint, a file of weights or a folder of GPT-2, and its figures.

Everything that is described is read, so that damage is found here and not when somebody needs the weights. Builds no
model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import CheckpointError, TokenizerError
from ..plain import shown_path
from ..storage.atomic import read_json
from ..storage.lock import held
from ..tokenizers.files import tokenizer_from_dict
from .directory import list_checkpoints, newest_that
from .formats.arrays import FORMATS, read_arrays
from .formats.packing import Stored, packed_bytes
from .gpt2.folder import has_tokenizer, is_huggingface, load_gpt2, read_gpt2
from .manifest import read_manifest, verify
from .names import CHECKPOINTS, MANIFEST, STATE
from .weights import FORMAT, Snapshot, load_snapshot

Kind = Literal["run", "checkpoint", "gpt2", "file"]
_OF_STATE = ("tokens", "data_position", "optimizer_steps", "lr", "best", "clipping")
"""What is worth showing of state.json, beside counts of the rest."""


@dataclass(frozen=True)
class Tensor:
    """One array of a file. What is not finite is nan or inf here, too."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """As it is computed with, or the smaller type that it is stored in: `int4 / 64` has a scale to 64 columns."""
    min: float
    max: float
    norm: float
    """sqrt of the sum of squares"""
    n_bytes: int
    """In the file, scales included."""


@dataclass(frozen=True)
class Description:
    """A path in words and figures."""

    facts: Mapping[str, Any]
    """Plain values by name; what there is depends on the kind, which is the first of them."""
    tensors: tuple[Tensor, ...]
    """Of the model, or of a file that is none."""


@dataclass(frozen=True)
class Finding:
    """What reading one checkpoint or file to its end found."""

    path: Path
    kind: Kind
    damage: str
    """Empty where it is whole."""


def kind_of(path: Path) -> Kind:
    """Raises CheckpointError for a folder that is none of ours nor of GPT-2."""
    if (path / CHECKPOINTS).is_dir():
        return "run"
    if (path / MANIFEST).is_file():
        return "checkpoint"
    if is_huggingface(path):
        return "gpt2"
    if path.is_dir():
        raise CheckpointError(
            f"{path} holds no run, no checkpoint and no GPT-2: name a folder that `nanochat train` wrote"
        )
    return "file"


def examine(path: Path) -> Iterator[Finding]:
    """Read each checkpoint of a run, oldest first, or the one thing that `path` is, to its end.

    Raises CheckpointError where there is nothing to read: a run without checkpoints, a folder of something else.
    """
    kind = kind_of(path)
    if kind != "run":
        yield _examine_one(path, kind)
        return
    folders = list_checkpoints(path / CHECKPOINTS)
    if not folders:
        raise CheckpointError(
            f"{path} holds no checkpoint: the run was stopped before its first one, train it again with --force"
        )
    for folder in folders:
        with held(folder) as is_there:
            finding = _examine_one(folder, "checkpoint")
            if not finding.damage or is_there():  # else a training that goes on has removed it meanwhile
                yield finding


def describe(path: Path) -> Description:
    """All there is to know of `path`; of a run, its newest whole checkpoint. Raises CheckpointError."""
    kind = kind_of(path)
    facts: dict[str, Any] = {"kind": kind, "path": shown_path(path)}
    if kind == "run":
        facts["checkpoints"] = [folder.name for folder in list_checkpoints(path / CHECKPOINTS)]
        facts["described"], of_folder, model, weights = newest_that(path / CHECKPOINTS, _describe_checkpoint)
        facts |= of_folder
    elif kind == "checkpoint":
        with held(path):
            _, of_folder, model, weights = _describe_checkpoint(path)
        facts |= of_folder
    elif kind == "gpt2":
        model, weights = _describe_gpt2(path)
    else:
        model, weights = _describe_file(path)
    storage = model.pop("storage", {})  # said of each tensor
    tensors = tuple(_describe_tensor(name, array, storage.get(name)) for name, array in weights.items())
    facts |= {"model": model} if model else {}
    facts |= {"parameters": sum(array.size for array in weights.values()), "bytes": sum(t.n_bytes for t in tensors)}
    return Description(facts, tensors)


def _describe_checkpoint(path: Path) -> tuple[str, dict[str, Any], dict[str, Any], Mapping[str, np.ndarray]]:
    """Its name, what it holds beside the model, and what `_describe_file` says of that."""
    return path.name, _describe_folder(path), *_describe_file(_named(path, "model"))


def _describe_folder(path: Path) -> dict[str, Any]:
    """What a checkpoint holds beside the model. Raises CheckpointError where it differs from its manifest."""
    verify(path)
    manifest = read_manifest(path)
    facts: dict[str, Any] = {name: manifest[name] for name in ("format", "version", "step", "versions", "blas")}
    facts["files"] = {name: entry["bytes"] for name, entry in manifest["files"].items()}
    if any((path / f"optimizer{ending}").is_file() for ending in FORMATS):
        facts["optimizer"] = _describe_optimizer(_named(path, "optimizer"))
    if (path / STATE).is_file():
        facts["state"] = _describe_state(path / STATE)
    return facts


def _describe_file(path: Path) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
    """Header and arrays; of a model, what its header means."""
    arrays, header = read_arrays(path)
    if header.get("format") != FORMAT:
        return header, arrays
    snapshot = load_snapshot(path)
    return {"format": FORMAT, "version": header.get("version")} | _describe_model(snapshot, path), dict(
        snapshot.weights
    )


def _describe_gpt2(path: Path) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
    if has_tokenizer(path):
        snapshot = load_gpt2(path)
        return {"format": "gpt2"} | _describe_model(snapshot, path), snapshot.weights
    config, weights = read_gpt2(path)
    return {"format": "gpt2", "model_kind": "gpt", "config": asdict(config)}, weights


def _describe_model(snapshot: Snapshot, path: Path) -> dict[str, Any]:
    try:
        tokenizer = tokenizer_from_dict(dict(snapshot.tokenizer))
    except TokenizerError as error:
        raise CheckpointError(f"{path} is damaged ({error})") from error
    kind = snapshot.tokenizer["kind"]
    return {
        "model_kind": snapshot.model_kind,
        "mode": snapshot.mode,
        "dtype": snapshot.dtype,
        "config": dict(snapshot.model),
        "tokenizer": {"kind": kind, "vocab_size": tokenizer.vocab_size, "bos_id": tokenizer.bos_id},
        "stops_at_bos": snapshot.stops_at_bos,
        **({"end_ids": list(snapshot.end_ids)} if snapshot.end_ids else {}),
        "origin": dict(snapshot.origin),
        "storage": snapshot.storage,
    }


def _describe_optimizer(path: Path) -> dict[str, Any]:
    """Each slot (m and v of Adam) with its size and norm."""
    slots: dict[str, list[np.ndarray]] = {}
    for name, array in read_arrays(path)[0].items():
        slots.setdefault(name.partition("/")[0], []).append(array)
    return {
        slot: {
            "tensors": len(arrays),
            "numbers": sum(array.size for array in arrays),
            "norm": float(np.linalg.norm([_norm(array) for array in arrays])),
        }
        for slot, arrays in slots.items()
    }


def _describe_state(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is damaged (it is no JSON object): restore it from a copy")
    counted = {name: len(content[name]) for name in ("recent_losses", "evaluations") if name in content}
    return {name: content[name] for name in _OF_STATE if name in content} | counted


def _describe_tensor(name: str, array: np.ndarray, stored: Stored | None) -> Tensor:
    """Its figures; those of no numbers at all are 0."""
    least, most = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    dtype, n_bytes = str(array.dtype), array.nbytes
    if stored is not None:
        dtype, n_bytes = stored.words, packed_bytes(array.shape, stored)
    return Tensor(name, array.shape, dtype, least, most, _norm(array), n_bytes)


def _norm(array: np.ndarray) -> float:
    with np.errstate(over="ignore"):  # of the largest numbers there are it is inf
        return float(np.linalg.norm(array.astype(np.float64)))


def _examine_one(path: Path, kind: Kind) -> Finding:
    try:
        if kind == "checkpoint":
            verify(path)
        elif kind == "gpt2":
            _describe_gpt2(path)
        else:
            _describe_file(path)
    except CheckpointError as error:
        return Finding(path, kind, str(error))
    return Finding(path, kind, "")


def _named(folder: Path, stem: str) -> Path:
    """The file of that name in whichever format it was written. Raises CheckpointError."""
    for ending in FORMATS:
        if (folder / f"{stem}{ending}").is_file():
            return folder / f"{stem}{ending}"
    raise CheckpointError(f"{folder} has no {stem}{FORMATS[0]}: restore it from a copy")
