"""Weights rounded to a few bits: symmetric, to nearest, a scale for each row or for each group of its columns."""

from __future__ import annotations

import numpy as np

from ..checkpoints.formats.packing import LARGEST, Stored, StoredType, from_half, spread, to_half


def round_to_nearest(weight: np.ndarray, dtype: StoredType, group: int = 0) -> tuple[np.ndarray, Stored]:
    """The nearest weight that can be stored so, in float32, and how it is stored.       (out, in) -> (out, in)

        value = round(weight / scale),  scale = max |weight| / 127 (7 of int4) of the group, as float16

    No number moves by more than half a scale. group: columns that share one; 0, or more than there are: all.
    """
    weight = np.asarray(weight, np.float32)
    if dtype not in LARGEST:
        return from_half(to_half(weight, dtype)), Stored(dtype)
    group = group if group < weight.shape[1] else 0
    stored = Stored(dtype, group, scales(weight, dtype, group))
    return nearest(weight, spread(stored, weight.shape), dtype), stored


def scales(weight: np.ndarray, dtype: StoredType, group: int) -> np.ndarray:
    """Of each group of columns, the least float16 with which no value is clipped       (out, in) -> (out, groups)"""
    starts = np.arange(0, weight.shape[1], group or weight.shape[1])
    largest = np.maximum.reduceat(np.abs(weight), starts, axis=1)
    with np.errstate(over="ignore"):  # whoever quantises says so
        half = (largest / LARGEST[dtype]).astype(np.float16)
    short = half.astype(np.float32) * LARGEST[dtype] < largest
    return np.where(short, np.nextafter(half, np.float16(np.inf)), half).astype(np.float32)


def nearest(weight: np.ndarray, scale: np.ndarray, dtype: StoredType) -> np.ndarray:
    """value * scale, value the nearest whole number that the type has; 0 where the scale is 0."""
    safe = np.where(scale > 0, scale, 1)
    values = np.clip(np.rint(weight / safe), -LARGEST[dtype], LARGEST[dtype]).astype(np.int8)
    return np.asarray(values * scale, np.float32)
