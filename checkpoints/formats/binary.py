"""The safetensors layout: 8 bytes with the length of a JSON header, the header, the numbers one after the other.

    {"__metadata__": {...}, "wte.weight": {"dtype": "F32", "shape": [27, 16], "data_offsets": [0, 1728]}, ...}

Written by hand, byte for byte what the safetensors library writes: its save_file would have to be read again for a
checksum, its serialize copies everything first. Read by hand, because every claim of the header has to be checked
before a byte of it is believed, and then nothing is left to do for a library. Read, not mapped into memory: a mapped
file that somebody cuts ends the process, and Windows replaces no file that is mapped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CheckpointError
from ...storage.reading import Source
from ...storage.strict_json import check_header, strict_json

KEY = "nanochat"
"""The only metadata key: several of them come out of some readers in another order each time."""
LIMIT_HEADER, LIMIT_TENSORS = 64 << 20, 1 << 15
"""Bytes, and tensors: the largest file in use has a few hundred tensors."""
_PIECE = 1 << 20
_DTYPES: dict[str, np.dtype[Any]] = {  # of weights, and of what packing.py makes of them
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
}
_BITS = {  # of one number, for every type of the format, so that a file is known to be whole whatever it holds
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
NAMES = {
    np.dtype(np.float64): "F64",
    np.dtype(np.float32): "F32",
    np.dtype(np.float16): "F16",
    np.dtype(np.uint16): "BF16",
    np.dtype(np.int8): "I8",
    np.dtype(np.uint8): "U8",
}
"""What is written of an array of each type; NumPy has no bfloat16, whose bits come as uint16."""
_LARGEST = 1 << 59
"""Numbers in one tensor, sizes of 0 aside: more than 2^63 bytes overflow NumPy's count."""


@dataclass(frozen=True)
class _Entry:
    """What the header says of one tensor, its place in bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def binary_chunks(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> list[bytes | memoryview]:
    """The file in pieces, the arrays (C-contiguous, of a type in NAMES) themselves among them, not copies."""
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0].encode("utf-8")))  # as the library
    text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    entries: dict[str, Any] = {"__metadata__": {KEY: text}} if header else {}
    at = 0
    for name, array in ordered:
        place = [at, at + array.nbytes]
        entries[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": place}
        at += array.nbytes
    head = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    head += b" " * (-len(head) % 8)
    return [len(head).to_bytes(8, "little") + head, *(_bytes_of(array) for _, array in ordered if array.size)]


def read_binary(
    source: Source, leave_out: Callable[[str], bool] = lambda name: False
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays, float16 and bfloat16 as float32, whole numbers as they are, and what stands under KEY.

    Raises CheckpointError.

    leave_out: names of arrays that are not wanted, of whatever type. The arrays are views of one buffer, which lives
    as long as any of them.
    """
    entries, header = _read_header(source)
    entries = {name: entry for name, entry in entries.items() if not leave_out(name)}
    for name, entry in entries.items():
        if entry.dtype not in _DTYPES:
            raise CheckpointError(
                f"{source.path} holds {name[:80]!r} as {entry.dtype}, which is not read: "
                f"save it as {', '.join(name for name in _DTYPES if 'F' in name)}"
            )
    numbers = np.frombuffer(source.read(source.left), np.uint8)
    return {name: _array(numbers, entry) for name, entry in entries.items()}, header


def checked_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple, if an array can have it. Raises ValueError."""
    if not isinstance(shape, list) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"shape {str(shape)[:80]} is no list of up to 32 sizes")
    if math.prod(n for n in shape if n) > _LARGEST:
        raise ValueError(f"shape {shape} is too large")
    return tuple(shape)


def _read_header(source: Source) -> tuple[dict[str, _Entry], dict[str, Any]]:
    content = strict_json(_header_bytes(source), source.path)
    if not isinstance(content, dict):
        raise _damaged(source.path, "its header is no JSON object")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(source.path, "its metadata are not texts by name")
    entries = {name: _entry(name, value, source.path) for name, value in content.items()}
    at = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != at:
            raise _damaged(source.path, f"{name[:80]!r} starts at byte {entry.start}, not at {at}")
        at = entry.end
    if at != source.left:
        raise _damaged(source.path, f"its tensors take {at:,} bytes, and {source.left:,} are there")
    header = strict_json(metadata[KEY].encode("utf-8", "replace"), source.path) if KEY in metadata else {}
    return entries, check_header(header, source.path)


def _header_bytes(source: Source) -> bytes:
    """The header, refused while it is read where it holds more tensors than any model."""
    if source.size < 8:
        raise _damaged(source.path, f"{source.size} bytes are no safetensors file")
    n_bytes = int.from_bytes(source.read(8), "little")
    if n_bytes > source.left or n_bytes > LIMIT_HEADER:
        raise _damaged(source.path, f"it announces a header of {n_bytes:,} bytes and has {source.left:,} left")
    pieces: list[bytes] = []
    n_braces = 0
    for start in range(0, n_bytes, _PIECE):
        pieces.append(bytes(source.read(min(_PIECE, n_bytes - start))))
        n_braces += pieces[-1].count(b"{")
        if n_braces > LIMIT_TENSORS:
            raise _damaged(source.path, f"its header lists more than {LIMIT_TENSORS:,} tensors")
    return b"".join(pieces)


def _entry(name: str, value: Any, path: Path) -> _Entry:
    """One line of the header, with types, sizes and offsets that agree. Raises CheckpointError."""
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise _damaged(path, f"{name[:80]!r} is not described by dtype, shape and data_offsets alone")
    dtype, offsets = value["dtype"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _damaged(path, f"{name[:80]!r} has dtype {str(dtype)[:20]!r}, and the format has {', '.join(_BITS)}")
    try:
        shape = checked_shape(value["shape"])
        name.encode("utf-8")
    except ValueError as error:
        raise _damaged(path, f"{name[:80]!r}: {error}") from error
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int and n >= 0 for n in offsets):
        raise _damaged(path, f"{name[:80]!r} has offsets {str(offsets)[:80]}")
    if 8 * (offsets[1] - offsets[0]) != math.prod(shape) * _BITS[dtype]:
        raise _damaged(path, f"{name[:80]!r} of shape {shape} does not take bytes {offsets[0]} to {offsets[1]}")
    return _Entry(dtype, shape, *offsets)


def _array(numbers: np.ndarray, entry: _Entry) -> np.ndarray:
    """A view of the bytes `numbers`, or a copy where they are stored otherwise than we compute with them."""
    dtype = _DTYPES[entry.dtype]
    array = numbers[entry.start : entry.end].view(dtype).reshape(entry.shape)
    if dtype.itemsize == 1:
        return array
    if dtype.kind == "u":  # bfloat16: the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    native = np.float64 if dtype.itemsize == 8 else np.float32
    return np.require(array.astype(native, copy=False), requirements="A")


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged or no safetensors file ({what}): restore it from a copy")
