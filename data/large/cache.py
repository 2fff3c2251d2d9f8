"""Tokenised texts on disk, mapped into memory instead of read: as large as the disk, and there at once the next time.

    <folder>/<name>/   index.json   ids.bin   marks.bin   counted.bin

The name is a digest of all that the tokens depend on (text, tokenizer, ...): another text or another tokenizer is
another folder, and nothing is ever out of date. A folder appears whole or not at all, and whatever is not as it was
written is made anew. Nothing here is precious: remove it whenever you like.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import CheckpointError, NanochatWarning, WriteError
from ...storage.atomic import read_json, replace_file
from ...storage.drafts import new_folder, remove
from ...storage.reading import file_sha256, mapped
from ..tokens import TokenArray

_INDEX = "index.json"
_VERSION = 1
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
        except (CheckpointError, OSError, ValueError, KeyError, TypeError, AttributeError) as failure:
            reason = str(failure.__cause__ or failure) or type(failure).__name__
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
    """All files under a temporary name, then one rename: another process sees them whole or not at all."""
    with new_folder(where, _NAME) as draft:
        arrays = {
            "ids": _write_array(draft / "ids.bin", parts.ids, parts.dtype),
            "marks": _write_array(draft / "marks.bin", [parts.marks], np.dtype(np.int64)),
        }
        if parts.counted is not None:
            arrays["counted"] = _write_array(draft / "counted.bin", [parts.counted], np.dtype(np.bool_))
        index = {"format": "nanochat-tokens", "version": _VERSION, "key": dict(key), "arrays": arrays}
        index["sha256"] = _digest_of(index)
        replace_file(draft / _INDEX, [(json.dumps(index, indent=2) + "\n").encode()])


def _digest_of(index: Mapping[str, Any]) -> str:
    """A changed type or count would give other tokens from the same bytes."""
    return digest(json.dumps(index, sort_keys=True).encode())


def _write_array(path: Path, pieces: Iterable[np.ndarray], dtype: np.dtype) -> dict[str, Any]:
    """Raw little-endian numbers; what `_read_array` needs to know of them."""
    stored = dtype.newbyteorder("<")
    written = replace_file(path, (np.ascontiguousarray(piece, dtype=stored).tobytes() for piece in pieces))
    return {"dtype": stored.str, "count": written["bytes"] // stored.itemsize, "sha256": written["sha256"]}


def _read(where: Path, key: Mapping[str, str]) -> TokenArray:
    """Raises ValueError, or what Python raises at such a file, where anything differs from what was written."""
    index = read_json(where / _INDEX)
    if not isinstance(index, dict) or index.pop("sha256", "") != _digest_of(index):
        raise ValueError(f"{_INDEX} differs from its checksum")
    if index["version"] != _VERSION or index["key"] != dict(key):
        raise ValueError(f"{_INDEX} is of another text or another version")
    arrays = {name: _read_array(where / f"{name}.bin", entry) for name, entry in index["arrays"].items()}
    return TokenArray(arrays["ids"], arrays["marks"], arrays.get("counted"))


def _read_array(path: Path, entry: Mapping[str, Any]) -> np.ndarray:
    dtype = np.dtype(entry["dtype"])
    if file_sha256(path, follow=True) != entry["sha256"]:
        raise ValueError(f"{path.name} differs from its checksum")
    if not entry["count"]:  # nothing cannot be mapped
        return np.empty(0, dtype)
    return mapped(path, dtype, entry["count"])
