"""Two models side by side: settings that differ, weights that only one has, how far apart the others are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .weights import Snapshot

Shape = tuple[int, ...]


@dataclass(frozen=True)
class WeightDifference:
    """One weight that both models have in the same shape."""

    name: str
    size: int
    """How many numbers."""
    n_equal: int
    """How many of them have the same bits; 0.0 and -0.0 have not."""
    max_abs: float
    """max |a - b|"""
    relative: float
    """||a - b|| / ||a||, 0 where a = b, inf where only a is 0"""


@dataclass(frozen=True)
class Difference:
    """All that is not the same in two models, and all weights that both have."""

    fields: Mapping[str, tuple[Any, Any]]
    """Settings by dotted name, such as model.n_layer; None where a model has no such setting."""
    unmatched: Mapping[str, tuple[Shape | None, Shape | None]]
    """Weights that only one has, or each in another shape; None where there is none."""
    weights: tuple[WeightDifference, ...]

    @property
    def identical(self) -> bool:
        """Every setting is equal and every weight bit for bit."""
        return not (self.fields or self.unmatched or any(weight.n_equal < weight.size for weight in self.weights))


def compare(first: Snapshot, second: Snapshot) -> Difference:
    """What distinguishes `second` from `first`. float32 models are compared in float32, whatever the file."""
    dtype = np.float32 if is_single(first) and is_single(second) else np.float64
    a, b = ({name: np.asarray(w, dtype) for name, w in snapshot.weights.items()} for snapshot in (first, second))
    shapes = {name: tuple(s[name].shape if name in s else None for s in (a, b)) for name in dict.fromkeys([*a, *b])}
    return Difference(
        fields=dict(_differing(_settings(first), _settings(second))),
        unmatched={name: (one, other) for name, (one, other) in shapes.items() if one != other},
        weights=tuple(_compare(name, a[name], b[name]) for name, (one, other) in shapes.items() if one == other),
    )


def is_single(snapshot: Snapshot) -> bool:
    """Its numbers are float32: arrays may be, Python's floats are not."""
    return snapshot.mode == "tensor" and snapshot.dtype == "float32"


def _compare(name: str, a: np.ndarray, b: np.ndarray) -> WeightDifference:
    bits = np.uint32 if a.dtype == np.float32 else np.uint64
    n_equal = int(np.count_nonzero(np.ascontiguousarray(a).view(bits) == np.ascontiguousarray(b).view(bits)))
    with np.errstate(over="ignore"):  # the distance of the largest numbers there are is inf
        gap = a.astype(np.float64) - b
        distance, norm = float(np.linalg.norm(gap)), float(np.linalg.norm(a.astype(np.float64)))
    relative = distance / norm if norm else (math.inf if distance else 0.0)
    return WeightDifference(name, a.size, n_equal, float(np.abs(gap).max(initial=0.0)), relative)


def _settings(snapshot: Snapshot) -> dict[str, Any]:
    """Everything but the weights, by dotted names."""
    settings = {name: value for name, value in vars(snapshot).items() if name not in ("weights", "storage")}
    stored = {name: stored.words for name, stored in snapshot.storage.items()}
    return dict(_flat(settings | ({"stored": stored} if stored else {})))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, list(value) if isinstance(value, tuple) else value


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name in dict.fromkeys([*first, *second]):
        if name not in first or name not in second or first[name] != second[name]:
            yield name, (first.get(name), second.get(name))
