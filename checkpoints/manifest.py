"""MANIFEST.json: what a checkpoint consists of, so that anything missing, added or changed is found.

    {"format": "nanochat-checkpoint", "version": 2, "step": 500, "files": {name: {"bytes": ..., "sha256": ...}},
     "versions": {"python": ..., ...}, "blas": ..., "sha256": ...}      the last one is that of the manifest itself

Version 1 had version, step and files alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import CheckpointError, WriteError, unreadable
from ..machine import arithmetic, blas
from ..storage.atomic import Written, read_json, write_json
from ..storage.reading import file_sha256
from .names import MANIFEST, step_of

FORMAT, VERSION = "nanochat-checkpoint", 2
_LIMIT = 1 << 20
_KEYS = {"format", "version", "step", "files", "versions", "blas", "sha256"}


class NewerVersionError(CheckpointError):
    """Nothing is wrong with it but that this program is too old."""


def describe(folder: Path, known: Mapping[str, Written]) -> dict[str, Written]:
    """Size and sha256 of every file in `folder`: as `known`, or else as read. Raises WriteError where one is short."""
    files: dict[str, Written] = {}
    for path in sorted(folder.iterdir()):
        size = path.stat().st_size
        try:
            files[path.name] = known.get(path.name) or {"bytes": size, "sha256": file_sha256(path)}
        except CheckpointError as error:  # it was written a moment ago
            raise WriteError(f"{path} was written and cannot be read again: {error}") from error
        if files[path.name]["bytes"] != size:
            raise WriteError(f"{path} has {size:,} bytes of {files[path.name]['bytes']:,} written: is the disk full?")
    return files


def write_manifest(folder: Path, step: int, files: Mapping[str, Written]) -> None:
    """Write MANIFEST.json, which makes `folder` a checkpoint. Raises WriteError."""
    content = {"format": FORMAT, "version": VERSION, "step": step, "files": dict(files)} | surroundings()
    write_json(folder / MANIFEST, content | {"sha256": _sha256(content)})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, sound in itself; that of version 1 as version 2 would have it. Raises CheckpointError."""
    path = folder / MANIFEST
    manifest = read_json(path, limit=_LIMIT, follow=False)
    damaged = CheckpointError(f"{path} is damaged: restore it from a copy or use an older checkpoint")
    if not isinstance(manifest, dict) or type(manifest.get("version")) is not int:
        raise damaged
    if manifest["version"] > VERSION:
        raise NewerVersionError(
            f"{path} has format version {manifest['version']}, this program reads up to {VERSION}: update nanochat"
        )
    if manifest["version"] == 1 and manifest.keys() == {"version", "step", "files"}:
        manifest |= {"format": FORMAT, "versions": {}, "blas": "unknown"}
    elif manifest["version"] != VERSION or manifest.keys() != _KEYS or manifest.pop("sha256") != _sha256(manifest):
        raise damaged
    if manifest["format"] != FORMAT or type(manifest["step"]) is not int or not _are_files(manifest["files"]):
        raise damaged
    if step_of(folder, as_written=False) not in (-1, manifest["step"]):
        raise CheckpointError(f"{folder} was saved as step {manifest['step']}: give it that name again")
    return manifest


def inventory(folder: Path) -> dict[str, Any]:
    """The manifest, if the files that it lists are there, with their sizes, and no others. Raises CheckpointError."""
    manifest = read_manifest(folder)
    try:
        found = {path.name: path.lstat() for path in folder.iterdir() if path.name != MANIFEST}
    except OSError as error:
        raise CheckpointError(unreadable(error, folder)) from error
    sizes = {name: info.st_size if stat.S_ISREG(info.st_mode) else None for name, info in found.items()}
    listed = {name: facts["bytes"] for name, facts in manifest["files"].items()}
    if sizes != listed:
        wrong = sorted(name for name in sizes.keys() | listed.keys() if sizes.get(name, -1) != listed.get(name, -1))
        raise differs(folder, ", ".join(wrong))
    return manifest


def verify(folder: Path) -> None:
    """Raises CheckpointError unless the manifest's files are there, all with their size and sha256, and no others."""
    for name, facts in inventory(folder)["files"].items():
        if file_sha256(folder / name) != facts["sha256"]:
            raise differs(folder, name)


def differs(folder: Path, names: str) -> CheckpointError:
    """What to raise where files are not those that were written."""
    return CheckpointError(
        f"{folder} differs from its manifest in {names}: restore it from a copy or use an older checkpoint"
    )


def _are_files(files: Any) -> bool:
    """Plain names of this folder, nothing that leads out of it, each with size and sha256."""
    return isinstance(files, dict) and all(
        re.fullmatch(r"[^/\\:\0]+", name)
        and name not in (".", "..", MANIFEST)
        and isinstance(facts, dict)
        and facts.keys() == {"bytes", "sha256"}
        and type(facts["bytes"]) is int
        and isinstance(facts["sha256"], str)
        and re.fullmatch(r"[0-9a-f]{64}", facts["sha256"])
        for name, facts in files.items()
    )


def _sha256(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def surroundings() -> dict[str, Any]:
    """What else decides the last bits: who resumes elsewhere may want to know."""
    return {"versions": arithmetic() | {"nanochat": __version__}, "blas": blas()}
