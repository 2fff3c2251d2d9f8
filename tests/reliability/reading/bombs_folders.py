"""Manifests that point elsewhere, links, and paths that are no files: pipes, devices, folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bombs import Bomb
from samples import save_checkpoint

from nanochat.checkpoints.directory import verify
from nanochat.checkpoints.manifest import write_manifest
from nanochat.cli.options import read_toml
from nanochat.data.files.formats import read_rows
from nanochat.data.load import load_corpus
from nanochat.experiments.ablation.named import read_recipe
from nanochat.inference.language_model import load
from nanochat.tokenizers import load_tokenizer

_EVIL = b"evil"
_ENTRY = {"bytes": len(_EVIL), "sha256": hashlib.sha256(_EVIL).hexdigest()}
_NAMES = ("../outside.json", "/dev/zero", "MANIFEST.json", ".", "..", "a/b.json", "", "\0", "C:\\x", "x" * 10_000)
_OPENED: dict[str, Callable[[Path], object]] = {
    "m.safetensors": load,
    "m.json": load,
    "m.json.gz": load,
    "tokenizer.json": load_tokenizer,
    "c.toml": read_toml,
    "s.toml": read_recipe,
    "d.txt": lambda path: load_corpus(str(path)),
    "d.jsonl": read_rows,
}


def folder_bombs() -> Iterator[Bomb]:
    """Manifests first, then paths."""
    manifests: dict[str, Any] = {f"a manifest that names {name[:20]!r}": {name: _ENTRY} for name in _NAMES}
    manifests["a manifest of 100,000 names"] = {f"f{i}": _ENTRY for i in range(100_000)}
    manifests["a manifest with a size of 2^63"] = {"model.json": _ENTRY | {"bytes": 1 << 63}}
    manifests["a manifest whose sha256 is a list"] = {"model.json": _ENTRY | {"sha256": []}}
    for name, files in manifests.items():
        yield Bomb(name, partial(_lay_manifest, files), _verify_the_only_one)
    if os.name == "nt":  # links and pipes ask for rights that few have there
        return
    for goal in ("/dev/zero", "../outside.json", "MANIFEST.json"):
        yield Bomb(f"a file of a checkpoint that is a link to {goal}", partial(_lay_link, goal), _verify_the_only_one)
    yield Bomb("a pipe in a checkpoint", _lay_pipe_in_checkpoint, load)
    for name in _OPENED:
        yield Bomb(f"a folder called {name}", lambda folder, name=name: (folder / name).mkdir(), partial(_open, name))
        yield Bomb(f"a pipe called {name}", lambda folder, name=name: os.mkfifo(folder / name), partial(_open, name))
        lay = lambda folder, name=name: (folder / name).symlink_to("/dev/zero")  # noqa: E731
        yield Bomb(f"/dev/zero as {name}", lay, partial(_open, name))


def _open(name: str, folder: Path) -> object:
    return _OPENED[name](folder / name)


def _verify_the_only_one(folder: Path) -> None:
    verify(folder / "checkpoints" / "step-00000001")


def _lay_manifest(files: dict[str, Any], folder: Path) -> None:
    """A checkpoint of its manifest alone, and beside it a file that the manifest may reach for."""
    saved = save_checkpoint(folder, ".safetensors")
    for path in saved.iterdir():
        path.unlink()
    (saved.parent / "outside.json").write_bytes(_EVIL)
    write_manifest(saved, 1, files)


def _lay_link(goal: str, folder: Path) -> None:
    """The weights of a checkpoint lie elsewhere, with the size and sha256 that the manifest says."""
    saved = save_checkpoint(folder, ".safetensors")
    (saved / "model.safetensors").rename(saved.parent / "outside.json")
    (saved / "model.safetensors").symlink_to(goal)


def _lay_pipe_in_checkpoint(folder: Path) -> None:
    saved = save_checkpoint(folder, ".safetensors")
    (saved / "model.safetensors").unlink()
    os.mkfifo(saved / "model.safetensors")
