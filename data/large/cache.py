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
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import CheckpointError, GuardError, NanochatWarning, WriteError
from ...storage.atomic import read_json, replace_file
from ...storage.drafts import new_folder, remove
from ...storage.reading import file_sha256, mapped
from ..tokens import TokenArray

_INDEX = "index.json"
_VERSION = 1
_DIGITS = 20
_NAME = f"[0-9a-f]{{{_DIGITS}}}"
"""Of a folder of tokens, as a pattern."""


_TYPES = {"ids": ("<u2", "<i4"), "marks": ("<i8",), "counted": ("|b1",)}
"""What each array may be of."""


class Parts(NamedTuple):
    """A TokenArray that is not there yet: its ids come in pieces, which are written as they come."""

    ids: Iterable[np.ndarray]
    dtype: np.dtype
    marks: np.ndarray = np.empty(0, dtype=np.int64)
    counted: np.ndarray | None = None


def cached_tokens(folder: Path, key: Mapping[str, str], make: Callable[[], Parts], *, vocab_size: int) -> TokenArray:
    """The stream that `key` names, mapped from its files in `folder`; what `make` gives is written there first.

    Every byte is compared with its checksum before it is used, and every id with the vocabulary: about a second a GB.
    Warns if the files are damaged, and writes them anew. Raises WriteError if that is impossible, GuardError where
    something lies among them that is not ours.
    """
    where = folder / digest(json.dumps(dict(key), sort_keys=True).encode())[:_DIGITS]
    if where.exists():
        try:
            return _read(where, key, vocab_size)
        except (CheckpointError, OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as failure:
            _check_ours(where)
            reason = str(failure.__cause__ or failure) or type(failure).__name__
            warnings.warn(f"{where} is damaged ({reason}): it is made anew", NanochatWarning, stacklevel=2)
            remove(where)
    try:
        _write(where, key, make())
        return _read(where, key, vocab_size)
    except (OSError, CheckpointError) as failure:  # the second: what was just written cannot be read again
        reason = getattr(failure, "strerror", None) or str(failure)
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


def _check_ours(where: Path) -> None:
    """Raises GuardError for what would be removed and is none of our files."""
    names = {_INDEX, *(f"{name}.bin" for name in _TYPES)}
    for path in where.iterdir() if where.is_dir() else ():
        if path.name not in names:
            raise GuardError(f"{path} is in the way, and not known to be written by nanochat: move it away")


def _read(where: Path, key: Mapping[str, str], vocab_size: int) -> TokenArray:
    """Raises ValueError, or what Python raises at such a file, where anything differs from what was written."""
    index = read_json(where / _INDEX)
    if not isinstance(index, dict) or index.pop("sha256", "") != _digest_of(index):
        raise ValueError(f"{_INDEX} differs from its checksum")
    if index["version"] != _VERSION or index["key"] != dict(key):
        raise ValueError(f"{_INDEX} is of another text or another version")
    arrays = {name: _read_array(where / f"{name}.bin", entry, _TYPES[name]) for name, entry in index["arrays"].items()}
    stream = TokenArray(arrays["ids"], arrays["marks"], arrays.get("counted"))
    _check_stream(stream, vocab_size)
    return stream


def _check_stream(stream: TokenArray, vocab_size: int) -> None:
    """Raises ValueError where a checksum that fits stands over what no tokens are."""
    ids, marks, counted = stream.ids, stream.marks, stream.counted
    if len(ids) and not (ids.min() >= 0 and ids.max() < vocab_size):
        raise ValueError(f"ids from {ids.min()} to {ids.max()} are not all among the {vocab_size} of the vocabulary")
    if len(marks) and not (marks[0] == 0 and marks[-1] == len(ids) - 1 and (np.diff(marks) > 0).all()):
        raise ValueError("marks are not the ends of the documents")
    if counted is not None and len(counted) != len(ids):
        raise ValueError(f"counted has {len(counted)} entries for {len(ids)} ids")


def _read_array(path: Path, entry: Mapping[str, Any], types: Collection[str]) -> np.ndarray:
    if entry["dtype"] not in types:
        raise ValueError(f"{path.name} has the dtype {entry['dtype']!r}, not {' or '.join(types)}")
    dtype = np.dtype(entry["dtype"])
    if file_sha256(path, follow=True) != entry["sha256"]:
        raise ValueError(f"{path.name} differs from its checksum")
    if type(entry["count"]) is not int or entry["count"] * dtype.itemsize != path.stat().st_size:
        raise ValueError(f"{path.name} has not the {entry['count']} entries of {_INDEX}")
    if not entry["count"]:  # nothing cannot be mapped
        return np.empty(0, dtype)
    return mapped(path, dtype, entry["count"])
