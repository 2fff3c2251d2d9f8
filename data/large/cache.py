"""Tokenised texts on disk, mapped into memory instead of read: as large as the disk, and there at once the next time.

    <folder>/<name>/   index.json   ids.bin   marks.bin   counted.bin

The name is a digest of all that the tokens depend on (text, tokenizer, ...): another text or another tokenizer is
another folder, and nothing is ever out of date. A folder appears whole or not at all, and whatever is not as it was
written is made anew. Nothing here is precious: remove it whenever you like.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import NanochatWarning, WriteError
from ...storage.drafts import draft_name, remove, remove_stale
from ..tokens import TokenArray

_INDEX = "index.json"
_VERSION = 1
_READ_BYTES = 1 << 20
_DIGITS = 20
_NAME = f"[0-9a-f]{{{_DIGITS}}}"
"""Of a folder of tokens, as a pattern."""


class Parts(NamedTuple):
    """A TokenArray that is not there yet: its ids come in pieces, which are written as they come."""

    ids: Iterable[np.ndarray]
    dtype: np.dtype
    marks: np.ndarray = np.empty(0, dtype=np.int64)
    counted: np.ndarray | None = None


def cached_tokens(folder: Path, key: Mapping[str, str], make: Callable[[], Parts]) -> TokenArray:
    """The stream that `key` names, mapped from its files in `folder`; what `make` gives is written there first.

    Every byte is compared with its checksum before it is used: about a second a GB. Warns if the files are damaged,
    and writes them anew. Raises WriteError if that is impossible.
    """
    where = folder / digest(json.dumps(dict(key), sort_keys=True).encode())[:_DIGITS]
    if where.exists():
        try:
            return _read(where, key)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
            reason = str(failure) or type(failure).__name__
            warnings.warn(f"{where} is damaged ({reason}): it is made anew", NanochatWarning, stacklevel=2)
            remove(where)
    try:
        _write(where, key, make())
        return _read(where, key)
    except OSError as failure:
        reason = failure.strerror or str(failure)
        raise WriteError(
            f"the token cache {where} cannot be written ({reason}): choose another folder or free the disk"
        ) from None


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _write(where: Path, key: Mapping[str, str], parts: Parts) -> None:
    """All files under a temporary name, then one rename: another process sees them whole or not at all.

    What killed processes left of any text goes first. Where another process was faster, its tokens stay.
    """
    where.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(where.parent, _NAME)
    temporary = draft_name(where, "tmp")
    temporary.mkdir()
    try:
        arrays = {
            "ids": _write_array(temporary / "ids.bin", parts.ids, parts.dtype),
            "marks": _write_array(temporary / "marks.bin", [parts.marks], np.dtype(np.int64)),
        }
        if parts.counted is not None:
            arrays["counted"] = _write_array(temporary / "counted.bin", [parts.counted], np.dtype(np.bool_))
        index = {"format": "nanochat-tokens", "version": _VERSION, "key": dict(key), "arrays": arrays}
        index["sha256"] = _digest_of(index)
        (temporary / _INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8", newline="\n")
        try:
            os.replace(temporary, where)
        except OSError:
            if not where.is_dir():
                raise
    finally:
        remove(temporary)


def _digest_of(index: Mapping[str, Any]) -> str:
    """A changed type or count would give other tokens from the same bytes."""
    return digest(json.dumps(index, sort_keys=True).encode())


def _write_array(path: Path, pieces: Iterable[np.ndarray], dtype: np.dtype) -> dict[str, Any]:
    """Raw little-endian numbers; what `_read_array` needs to know of them."""
    stored, count, sha256 = dtype.newbyteorder("<"), 0, hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            data = np.ascontiguousarray(piece, dtype=stored).tobytes()
            file.write(data)
            sha256.update(data)
            count += len(piece)
    return {"dtype": stored.str, "count": count, "sha256": sha256.hexdigest()}


def _read(where: Path, key: Mapping[str, str]) -> TokenArray:
    """Raises ValueError, or what Python raises at such a file, where anything differs from what was written."""
    index = json.loads((where / _INDEX).read_text(encoding="utf-8"))
    if not isinstance(index, dict) or index.pop("sha256", "") != _digest_of(index):
        raise ValueError(f"{_INDEX} differs from its checksum")
    if index["version"] != _VERSION or index["key"] != dict(key):
        raise ValueError(f"{_INDEX} is of another text or another version")
    arrays = {name: _read_array(where / f"{name}.bin", entry) for name, entry in index["arrays"].items()}
    return TokenArray(arrays["ids"], arrays["marks"], arrays.get("counted"))


def _read_array(path: Path, entry: Mapping[str, Any]) -> np.ndarray:
    dtype, sha256 = np.dtype(entry["dtype"]), hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            sha256.update(data)
    if sha256.hexdigest() != entry["sha256"]:
        raise ValueError(f"{path.name} differs from its checksum")
    if not entry["count"]:  # nothing cannot be mapped
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(entry["count"],)))
