"""Archives that swell, JSON that is deep or claims large shapes, TOML likewise."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from bombs import Bomb, lay_file

from nanochat.checkpoints.formats.arrays import read_arrays
from nanochat.cli.options import read_toml
from nanochat.data.files.formats import read_rows
from nanochat.experiments.ablation.named import read_study_file
from nanochat.inference.language_model import load
from nanochat.tokenizers import load_tokenizer

_DEEP = b"[" * 200_000
_DEEP_FILES: dict[str, Callable[[Path], object]] = {
    "model.json": load,
    "tokenizer.json": load_tokenizer,
    "rows.json": read_rows,
    "rows.jsonl": read_rows,
    "c.toml": read_toml,
    "s.toml": read_study_file,
}
_SHAPES = (b"[4294967296,4294967296]", b"[0,4611686018427387904]", b"[-1]", b"[1e9]", b"[" * 5000, b"9" * 5000)


def text_bombs() -> Iterator[Bomb]:
    """In gzip, in JSON, in TOML."""
    for name, content in _archives().items():
        yield Bomb(f"gzip: {name}", lay_file("m.json.gz", content), lambda folder: load(folder / "m.json.gz"))
    head = b'{"format":"nanochat-arrays","version":1,"header":{},"arrays":{"w":{"dtype":"float32","shape":'
    for shape in _SHAPES:
        lay = lay_file("m.json", head + shape + b',"values":[]}}}')
        yield Bomb(f"JSON: a shape of {shape[:25].decode()}", lay, lambda folder: read_arrays(folder / "m.json"))
    for name, read in _DEEP_FILES.items():
        content = b"a = " + _DEEP if name.endswith(".toml") else _DEEP
        walk = lambda folder, read=read, name=name: read(folder / name)  # noqa: E731
        yield Bomb(f"{name}, nested 200,000 deep", lay_file(name, content), walk)


def _archives() -> dict[str, bytes]:
    """Names and contents of files that end in .json.gz."""
    plain = gzip.compress(b"{}")
    return {
        "a gigabyte of zeros": _swelling(b"\0", 1 << 10),
        "64 million brackets": _swelling(b"[", 64),
        "a length of 100 for 32 million": _swelling(b"\0", 32)[:-4] + (100).to_bytes(4, "little"),
        "two members": plain * 2,
        "half a file": gzip.compress(bytes(range(256)) * 4)[:200],
        "rubbish after the end": plain + b"rubbish",
        "nothing in it": gzip.compress(b""),
    }


def _swelling(character: bytes, megabytes: int) -> bytes:
    """One megabyte packed once: after a full flush it may stand any number of times."""
    packer, megabyte, sum_of_all = zlib.compressobj(9, zlib.DEFLATED, -15), character * (1 << 20), 0
    packed = packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(megabytes):
        sum_of_all = zlib.crc32(megabyte, sum_of_all)
    trailer = sum_of_all.to_bytes(4, "little") + (megabytes << 20).to_bytes(4, "little")
    return gzip.compress(b"")[:10] + packed * megabytes + packer.flush() + trailer
