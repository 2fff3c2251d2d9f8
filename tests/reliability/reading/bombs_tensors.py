"""Headers of safetensors that lie: about their length, shapes, places and types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bombs import Bomb, lay_file
from samples import remake_manifest, save_checkpoint, save_small_gpt2

from nanochat.checkpoints.gpt2.folder import load_gpt2
from nanochat.inference.language_model import load


def tensor_bombs() -> Iterator[Bomb]:
    """Each as a bare model; some in a checkpoint whose manifest agrees with it, and in a folder of GPT-2."""
    headers = lying_headers()
    for name, content in headers.items():
        yield Bomb(name, lay_file("m.safetensors", content), lambda folder: load(folder / "m.safetensors"))
    for name in ("a header of a million empty tensors", "a terabyte in 16 bytes", "a hole between tensors", "0 x 2^62"):
        yield Bomb(f"{name}, in a checkpoint", _in_checkpoint(headers[name]), load)
        yield Bomb(f"{name}, in GPT-2's folder", _in_gpt2(headers[name]), load_gpt2)


def tensors(header: Any, body: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file with this header (JSON or bytes), whatever it says."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(head) if length is None else length).to_bytes(8, "little") + head + body


def tensor(shape: Any, start: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    """One line of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def lying_headers() -> dict[str, bytes]:
    """Files that end in .safetensors."""
    deep = b'{"a":' * 200_000 + b"1" + b"}" * 200_000
    many = b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(1_000_000))
    some = {f"t{i}": tensor([0], 0, 0) for i in range(100_000)}
    return {
        "a header of 2^63 bytes": tensors({}, length=1 << 63),
        "a header of 2^64 - 1 bytes": tensors({}, length=(1 << 64) - 1),
        "a header of 99 MB in a short file": tensors({}, length=99_000_000),
        "a header of a million empty tensors": tensors(b"{" + many + b"}"),
        "100,000 tensors": tensors(some),
        "a shape that overflows": tensors({"w": tensor([1 << 32, 1 << 32], 0, 0)}),
        "a shape that overflows to 4": tensors({"w": tensor([(1 << 62) + 1, 4], 0, 16)}, bytes(16)),
        "0 x 2^62": tensors({"w": tensor([0, 1 << 62], 0, 0)}),
        "2^62 numbers in no byte": tensors({"w": tensor([1 << 62], 0, 0)}),
        "a terabyte in 16 bytes": tensors({"w": tensor([1 << 38], 0, 1 << 40)}, bytes(16)),
        "100,000 dimensions": tensors({"w": tensor([1] * 100_000, 0, 4)}, bytes(4)),
        "tensors that overlap": tensors({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, bytes(12)),
        "a hole between tensors": tensors({"a": tensor([1], 0, 4), "b": tensor([1], 8, 12)}, bytes(12)),
        "bytes after the last tensor": tensors({"a": tensor([1], 0, 4)}, bytes(40)),
        "a tensor that starts late": tensors({"a": tensor([1], 4, 8)}, bytes(8)),
        "offsets the wrong way round": tensors({"a": tensor([1], 4, 0)}, bytes(4)),
        "a negative offset": tensors({"a": tensor([1], -4, 0)}, bytes(4)),
        "offsets that are no whole numbers": tensors({"a": tensor([1], 0.0, 4.0)}, bytes(4)),
        "a negative size": tensors({"a": tensor([-1, -1], 0, 4)}, bytes(4)),
        "a size of true": tensors({"a": tensor([True], 0, 4)}, bytes(4)),
        "a key twice": tensors(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],'
            b'"data_offsets":[0,4]}}',
            bytes(4),
        ),
        "metadata that are no text": tensors({"__metadata__": {"nanochat": {"a": 1}}}),
        "metadata nested 200,000 deep": tensors({"__metadata__": {"nanochat": deep.decode()}}),
        "a header nested 200,000 deep": tensors(deep),
        "an unknown dtype": tensors({"a": tensor([1], 0, 4, "F33")}, bytes(4)),
        "a dtype of objects": tensors({"a": tensor([1], 0, 8, "O")}, bytes(8)),
        "a name that is no text": tensors(b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
        "a header that is a list": tensors([1, 2, 3]),
        "a header that is no UTF-8": tensors(b'{"\xff": 1}'),
        "a header of NaN": tensors(b'{"a": NaN}'),
        "no bytes": b"",
        "eight bytes": bytes(8),
    }


def _in_checkpoint(content: bytes) -> Any:
    def lay(folder: Path) -> None:
        saved = save_checkpoint(folder, ".safetensors")
        (saved / "model.safetensors").write_bytes(content)
        remake_manifest(saved)

    return lay


def _in_gpt2(content: bytes) -> Any:
    def lay(folder: Path) -> None:
        save_small_gpt2(folder)
        (folder / "model.safetensors").write_bytes(content)

    return lay
