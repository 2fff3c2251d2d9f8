"""Named arrays in one file, with a header that says what they are: binary, readable, or readable and packed.

.safetensors   anyone's reader gets the arrays under their names; the header is one metadata key
.json          for eyes and diffs
.json.gz       the same, smaller
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError
from ...storage.atomic import Written, write_chunks
from ...storage.reading import reading
from .binary import NAMES, binary_chunks, read_binary
from .readable import json_chunks, packed, read_packed, read_readable

FORMATS = (".safetensors", ".json", ".json.gz")
_READERS = {".safetensors": read_binary, ".json": read_readable, ".json.gz": read_packed}


def array_format(path: Path) -> str:
    """Which of FORMATS the name of `path` ends in. Raises ConfigError."""
    for ending in FORMATS:
        if path.name.endswith(ending):
            return ending
    raise ConfigError(f"the format of {path} is unknown: give a name that ends in {' or '.join(FORMATS)}")


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any] | None = None, *, new: bool = False
) -> Written:
    """Atomically write float32 and float64 arrays, to .safetensors also the smaller types of `packing.pack`.

    The same bytes for the same content.

    Returns what a manifest keeps of the file. new: as for `write_bytes`. Raises WriteError, and ConfigError on what a
    format cannot hold.
    """
    kind = array_format(path)
    # Not np.ascontiguousarray, which makes an array of one number out of a number.
    ready = {name: np.asarray(_storable(name, array, kind), order="C") for name, array in arrays.items()}
    if kind == ".safetensors":
        return write_chunks(path, binary_chunks(ready, header or {}), new=new)
    text = json_chunks(ready, header or {})
    return write_chunks(path, packed(text) if kind == ".json.gz" else text, new=new)


def read_arrays(
    path: Path, *, sha256: str | None = None, follow: bool = True
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header ({} if there is none) of a file that `write_arrays` or a safetensors library wrote.

    sha256: of the whole file, checked while it is read. follow: whether `path` may be a link.
    Raises CheckpointError for every damage, ConfigError for a name with another ending.
    """
    reader = _READERS[array_format(path)]
    with reading(path, sha256=sha256, follow=follow) as source:
        return reader(source)


def _storable(name: str, array: np.ndarray, kind: str) -> np.ndarray:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigError(f"an array is named {name!r}, which is no text: name it otherwise") from error
    if name == "__metadata__":
        raise ConfigError("an array is named '__metadata__', which safetensors keeps for itself: name it otherwise")
    dtype = array.dtype.newbyteorder("=")
    if dtype not in NAMES or (dtype.itemsize < 4 and kind != ".safetensors"):
        raise ConfigError(f"{name} has dtype {dtype}, and float32 and float64 are written: convert it")
    return array.astype(dtype, copy=False)
