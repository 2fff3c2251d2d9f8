"""Weights in fewer bits than they are computed with: as arrays of a file, and back.

    float16, bfloat16   F16, BF16, rounded to nearest
    int8                NAME I8 (out, in), -127 to 127, and NAME.scale F16 (out, groups)
    int4                NAME U8 (out, ceil(in / 2)), -7 to 7 with 8 added, the even column in the low half of a byte;
                        NAME.scale as above
    weight = value scale in float32; `group` columns of a row share a scale, 0: all of them

What is read is float32 or float64 again: NumPy has no fast product of anything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from .binary import checked_shape

StoredType = Literal["float16", "bfloat16", "int8", "int4"]
LARGEST: Mapping[str, int] = {"int8": 127, "int4": 7}
"""The largest value of each type; the smallest is its negative, so that 0 is one of them and scales are positive."""
SCALE = ".scale"
_KEYS = {"int8": {"dtype", "group"}, "int4": {"dtype", "group", "shape"}}


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Stored:
    """How one weight lies in a file."""

    dtype: StoredType
    group: int = 0
    """Columns that share a scale; 0: all of a row."""
    scale: np.ndarray | None = None
    """(out, groups) float32, each a float16; None where there is none."""

    @property
    def words(self) -> str:
        """`int4 / 64`: the type, and the columns to a scale where those are not all."""
        return f"{self.dtype} / {self.group}" if self.group else self.dtype


def pack(name: str, weight: np.ndarray, stored: Stored) -> dict[str, np.ndarray]:
    """The arrays of a file that hold this weight; bfloat16 as uint16, its bits.

    Raises ValueError where the weight is none that this storage can hold, as after a step of training.
    """
    if stored.scale is None:
        half = to_half(weight, stored.dtype)
        if not np.array_equal(from_half(half), weight):
            raise ValueError(f"{name} holds numbers that are no {stored.dtype}: round it first")
        return {name: half}
    values = np.rint(weight / np.maximum(spread(stored, weight.shape), np.finfo(np.float32).tiny)).astype(np.int8)
    if not np.array_equal(values * spread(stored, weight.shape), weight):
        raise ValueError(f"{name} holds numbers that are no {stored.dtype} times its scale: round it first")
    packed = values if stored.dtype == "int8" else pack_pairs(values)
    return {name: packed, name + SCALE: stored.scale.astype(np.float16)}


def unpack(name: str, arrays: Mapping[str, np.ndarray], entry: Any) -> tuple[np.ndarray, Stored]:
    """The weight in float32, and how it was stored, of arrays as they were read. Raises ValueError, naming the damage.

    entry: what `describe` said of it.
    """
    if not isinstance(entry, dict) or entry.get("dtype") not in get_args(StoredType):
        raise ValueError(f"{name} is said to be stored as {str(entry)[:80]}")
    dtype: StoredType = entry["dtype"]
    if entry.keys() != _KEYS.get(dtype, {"dtype"}):
        raise ValueError(f"{name} is described by {', '.join(map(str, entry))}")
    if name not in arrays:
        raise ValueError(f"{name} is missing")
    if dtype not in LARGEST:
        weight = arrays[name]
        if weight.dtype != np.float32 or not np.array_equal(from_half(to_half(weight, dtype)), weight):
            raise ValueError(f"{name} holds numbers that are no {dtype}")
        return weight, Stored(dtype)
    values = _values(name, arrays[name], entry)
    group = entry["group"]
    if type(group) is not int or not 0 <= group <= values.shape[1]:
        raise ValueError(f"{name} has {str(group)[:40]!r} columns to a scale")
    scale = arrays.get(name + SCALE, np.empty(0))
    stored = Stored(dtype, group, scale)
    wanted = (values.shape[0], n_groups(stored, values.shape[1]))
    if scale.dtype != np.float32 or scale.shape != wanted or not _are_scales(scale):
        raise ValueError(f"{name + SCALE} is no {wanted} of scales")
    return values * spread(stored, values.shape), stored


def describe(weight: np.ndarray, stored: Stored) -> dict[str, Any]:
    """What a file says of a weight that it holds."""
    entry: dict[str, Any] = {"dtype": stored.dtype}
    if stored.dtype in LARGEST:
        entry["group"] = stored.group
    if stored.dtype == "int4":  # a byte too many where the columns are odd
        entry["shape"] = list(weight.shape)
    return entry


def packed_bytes(shape: tuple[int, ...], stored: Stored) -> int:
    """What a weight of this shape takes in a file, scales included."""
    if stored.dtype not in LARGEST:
        return 2 * math.prod(shape)
    n_out, n_in = shape
    return n_out * (n_in if stored.dtype == "int8" else -(-n_in // 2)) + 2 * n_out * n_groups(stored, n_in)


def n_groups(stored: Stored, n_in: int) -> int:
    """Scales of a row of so many columns."""
    return -(-n_in // stored.group) if stored.group and n_in else 1


def spread(stored: Stored, shape: tuple[int, ...]) -> np.ndarray:
    """The scale of each column, to be multiplied with.       (out, groups) -> (out, in) or (out, 1)"""
    assert stored.scale is not None, "a type with values has scales"
    if not stored.group:
        return stored.scale
    return np.repeat(stored.scale, stored.group, axis=1)[:, : shape[1]]


def to_half(weight: np.ndarray, dtype: StoredType) -> np.ndarray:
    """Rounded to nearest, ties to even: float16, or the bits of a bfloat16 as uint16. What is too large becomes inf."""
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return weight.astype(np.float16)
    bits = np.ascontiguousarray(weight, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_half(half: np.ndarray) -> np.ndarray:
    """float32 of what `to_half` gives."""
    if half.dtype == np.float16:
        return half.astype(np.float32)
    return (half.astype(np.uint32) << 16).view(np.float32)


def pack_pairs(values: np.ndarray) -> np.ndarray:
    """Two values of -7 to 7 a byte, the even column low       (out, in) int8 -> (out, ceil(in / 2)) uint8"""
    raised = (values + 8).astype(np.uint8)
    if raised.shape[1] % 2:
        raised = np.concatenate((raised, np.full((len(raised), 1), 8, np.uint8)), axis=1)
    return raised[:, ::2] | raised[:, 1::2] << 4


def unpack_pairs(packed: np.ndarray, n_in: int) -> np.ndarray:
    """The inverse       (out, ceil(in / 2)) uint8 -> (out, in) int8"""
    values = np.stack((packed & 15, packed >> 4), axis=-1).reshape(len(packed), 2 * packed.shape[1])
    return values[:, :n_in].astype(np.int8) - np.int8(8)


def _are_scales(scale: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        half = scale.astype(np.float16)
    return bool((np.isfinite(half) & (scale >= 0)).all() and np.array_equal(half.astype(np.float32), scale))


def _values(name: str, array: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    """The whole numbers (out, in). Raises ValueError for what `pack` never writes."""
    if entry["dtype"] == "int8":
        if array.dtype != np.int8 or array.ndim != 2:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not the matrix of int8 that it is said to be")
        values = array
    else:
        shape = checked_shape(entry["shape"])
        if len(shape) != 2 or array.dtype != np.uint8 or array.shape != (shape[0], -(-shape[1] // 2)):
            raise ValueError(f"{name} is {array.dtype} {array.shape}, which holds no {shape} of int4")
        values = unpack_pairs(array, shape[1])
        if shape[1] % 2 and (array[:, -1] >> 4 != 8).any():
            raise ValueError(f"{name} holds something behind its last column")
    most = LARGEST[entry["dtype"]]
    if values.size and int(values.min()) < -most:
        raise ValueError(f"{name} holds {int(values.min())}, and {entry['dtype']} begins at {-most}")
    return values
