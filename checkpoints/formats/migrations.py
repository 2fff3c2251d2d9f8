"""Models written by earlier versions of this program, brought up to date one version at a time.

Version 1: one JSON object, the fields of a snapshot beside `weights` as nested lists of numbers.
Version 2: arrays under their dtypes in any of three formats, and a header that holds the other fields and `origin`.
Version 3: `quantization` in the header says which weights are stored in fewer bits, and how (packing.py).

tests/checkpoints/golden/ keeps a file of each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CheckpointError

Content = tuple[dict[str, np.ndarray], dict[str, Any]]
"""Arrays by name, and the header."""


def migrate(content: Content, version: int, path: Path) -> Content:
    """`content` of format version `version`, as the newest version would have written it. Raises CheckpointError."""
    for step in sorted(number for number in MIGRATIONS if number >= version):
        content = MIGRATIONS[step](content, path)
    return content


def is_first_layout(content: Any) -> bool:
    """Whether a JSON document is a model of version 1, which had its own layout in the file."""
    return isinstance(content, dict) and content.get("format") == "nanochat-model"


def from_first_layout(content: dict[str, Any], path: Path) -> Content:
    """Arrays and header of a JSON document of version 1. Raises CheckpointError."""
    header = {key: value for key, value in content.items() if key != "weights"}
    weights = content.get("weights")
    if type(header.get("version")) is int and header["version"] != 1:
        return {}, header  # of another version, as whoever reads the header will say
    if not isinstance(weights, dict):
        raise CheckpointError(f"{path} is damaged (it has no weights by name): restore it from a copy")
    return {name: _array(weight, name, path) for name, weight in weights.items()}, header


def _from_1(content: Content, path: Path) -> Content:
    """Version 1 kept no origin, and every number as float64, whatever the model's precision."""
    arrays, header = content
    if header.get("dtype") == "float32":
        for name, array in arrays.items():
            if np.abs(array).max(initial=0) > np.finfo(np.float32).max:
                raise CheckpointError(f"{path} is damaged ({name} holds a number that float32 cannot): restore it")
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    return arrays, {"origin": {}} | header


def _from_2(content: Content, path: Path) -> Content:
    """Version 2 stored floats alone, as a model of version 3 may."""
    return content


MIGRATIONS: dict[int, Callable[[Content, Path], Content]] = {1: _from_1, 2: _from_2}
"""From version n to version n + 1."""


def _array(weight: Any, name: str, path: Path) -> np.ndarray:
    """The numbers as float64. Raises CheckpointError on anything else than a block of finite numbers."""
    try:
        array = np.array(weight)
    except (ValueError, OverflowError) as error:
        raise CheckpointError(f"{path} is damaged ({name} is no array: {error}): restore it from a copy") from error
    if array.dtype.kind not in "fi" or not np.isfinite(array).all():
        raise CheckpointError(f"{path} is damaged ({name} holds something that is no number): restore it from a copy")
    return array.astype(np.float64)
