"""Arrays as JSON that a person can read: a row of numbers a line, each in the fewest digits that mean it exactly.

    {"format": "nanochat-arrays", "version": 1, "header": {...},
     "arrays": {"wte.weight": {"dtype": "float32", "shape": [2, 3], "values": [
    0.1, 0.2, 0.3,
    0.4, 0.5, 0.6]}}}

`repr` of a float64 gives the shortest digits that read back as the same number. A float32 needs half as many: `_short`
finds the float64 whose digits these are. For a small model; ten million numbers take seconds.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CheckpointError, ConfigError, TooLargeError
from ...storage.reading import Source
from ...storage.strict_json import check_header, check_writable, decode, parse_json
from .binary import checked_shape
from .migrations import from_first_layout, is_first_layout

FORMAT, VERSION = "nanochat-arrays", 1
_KEYS = {"dtype", "shape", "values"}
_BLOCK = 1 << 16
"""Numbers turned into text at once, which bounds the memory that it takes."""
_GZIP = 31
"""zlib's word for a gzip file: time stamp 0, one member."""
_UNPACKED, _TIMES = 16 << 20, 32
"""A .gz may hold 16 MiB and 32 times its size. Huffman coding alone, as we write it, stays under 9 times."""


def json_chunks(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> Iterator[bytes]:
    """The file piece by piece. Raises ConfigError on a number that is not finite: JSON has no word for it."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ConfigError(f"{name} holds a number that is not finite, which JSON cannot: save it as .safetensors")
    head = json.dumps(header, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    yield f'{{\n"format": "{FORMAT}",\n"version": {VERSION},\n"header": {head},\n"arrays": {{'.encode()
    separator = ""
    for name in sorted(arrays):
        array = arrays[name]
        shape, title = list(array.shape), json.dumps(name, ensure_ascii=False)
        yield f'{separator}\n{title}: {{"dtype": "{array.dtype.name}", "shape": {shape}, "values": ['.encode()
        yield from _rows(array)
        yield b"]}"
        separator = ","
    yield b"\n}\n}\n"


def _rows(array: np.ndarray) -> Iterator[bytes]:
    flat = array.reshape(-1)
    width = min(array.shape[-1] if array.ndim and array.shape[-1] else 1, _BLOCK)
    step = _BLOCK // width * width
    for start in range(0, flat.size, step):
        numbers = _short(flat[start : start + step]).tolist()
        rows = (json.dumps(numbers[i : i + width])[1:-1] for i in range(0, len(numbers), width))
        yield ((",\n" if start else "\n") + ",\n".join(rows)).encode()


def _short(numbers: np.ndarray) -> np.ndarray:
    """Float64s that round to the given float32s and have the fewest decimal digits, 6 to 9; float64s as they are.

    y = round(x s) / s, s a power of 10; where no y rounds to x, as among the smallest numbers, x itself.
    """
    exact = numbers.astype(np.float64)
    if numbers.dtype == np.float64:
        return exact
    short, open_ = exact.copy(), np.flatnonzero(exact)
    with np.errstate(all="ignore"):
        for digits in (6, 7, 8, 9):
            x = exact[open_]
            scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(x))))
            y = np.rint(x * scale) / scale
            fits = y.astype(np.float32) == x
            short[open_[fits]] = y[fits]
            open_ = open_[~fits]
    return short


def read_readable(source: Source) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of a JSON file, of version 1 of a model, too. Raises CheckpointError."""
    return _parse(decode(source.read(source.size), source.path), source.path)


def read_packed(source: Source) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The same from a gzip file. Raises CheckpointError, and unpacks nothing that would take over 32 times its size."""
    raw = source.read(source.size)
    limit = _UNPACKED + _TIMES * len(raw)
    claimed = int.from_bytes(raw[-4:], "little")  # modulo 2^32, so that a file can be larger, not smaller
    if claimed > limit:
        raise CheckpointError(
            f"{source.path} says that it unpacks to {claimed:,} bytes, over {limit:,}: it is cut short, or not ours; "
            "restore it from a copy"
        )
    unpacker = zlib.decompressobj(_GZIP)
    try:
        text = unpacker.decompress(raw, claimed + 1)
    except MemoryError as error:
        raise TooLargeError(f"{source.path} needs {claimed:,} bytes of memory: there are fewer") from error
    except zlib.error as error:
        raise CheckpointError(f"{source.path} is no whole gzip file ({error}): restore it from a copy") from error
    if not unpacker.eof or unpacker.unused_data or len(text) != claimed:
        raise CheckpointError(f"{source.path} is no whole gzip file of one member: restore it from a copy")
    return _parse(decode(text, source.path), source.path)


def packed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks as a gzip file; the same bytes for the same content.

    Huffman only: digits of weights hold no repetitions worth the search (15 % smaller files, ten times slower), and
    nothing shrinks more than 8 times, so that a reader can tell a file of ours from a bomb.
    """
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP, 9, zlib.Z_HUFFMAN_ONLY)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def _parse(text: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    content = parse_json(text, path, _numbers_as_array)
    if is_first_layout(content):
        arrays, header = from_first_layout(content, path)
        return arrays, check_header(header, path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no nanochat model or arrays: expected a JSON object with format={FORMAT!r}")
    version = content.get("version")
    if type(version) is int and version > VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, this program reads up to {VERSION}: update nanochat"
        )
    if content.keys() != {"format", "version", "header", "arrays"} or type(version) is not int or version != VERSION:
        raise CheckpointError(f"{path} is damaged (format, version, header or arrays): restore it from a copy")
    if not isinstance(content["arrays"], dict):
        raise CheckpointError(f"{path} is damaged (it has no arrays by name): restore it from a copy")
    header = check_header(content["header"], path)
    check_writable(list(content["arrays"]), path)
    return {name: _array(name, value, path) for name, value in content["arrays"].items()}, header


def _numbers_as_array(content: dict[str, Any]) -> dict[str, Any]:
    """A described array with its values as float64, a quarter of what a list of them takes, before the next is read."""
    values = content.get("values")
    if content.keys() == _KEYS and isinstance(values, list) and set(map(type, values)) <= {float, int}:
        with suppress(OverflowError):
            content["values"] = np.array(values, np.float64)
    return content


def _array(name: str, value: Any, path: Path) -> np.ndarray:
    """Raises CheckpointError unless `value` is finite numbers as many as its shape says, that its dtype can hold."""
    try:
        if not isinstance(value, dict) or value.keys() != _KEYS:
            raise ValueError("it is not described by dtype, shape and values alone")
        if value["dtype"] not in ("float32", "float64"):
            raise ValueError(f"dtype {str(value['dtype'])[:20]!r} is neither float32 nor float64")
        if not isinstance(value["values"], np.ndarray):
            raise ValueError("its values are no list of numbers that float64 can hold")
        with np.errstate(over="ignore"):
            array = value["values"].astype(value["dtype"], copy=False).reshape(checked_shape(value["shape"]))
        if not np.isfinite(array).all():
            raise ValueError(f"it holds a number that {value['dtype']} cannot")
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({name[:80]!r}: {error}): restore it from a copy") from error
    return array
