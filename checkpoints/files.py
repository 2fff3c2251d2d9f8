"""Write a file whole or not at all, and say in one sentence why it could not be written or read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, WriteError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the operating system says against writing `path` into a WriteError."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"cannot write {path}: {_reason(error)}; free space or choose another --out") from error


def make_directory(path: Path) -> None:
    """Create the folder and its parents; it may exist already."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def write_text(path: Path, text: str) -> None:
    """Atomically replace `path` by UTF-8 text, line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Atomically replace `path`: temporary file beside it, fsync, rename. Raises WriteError."""
    make_directory(path.parent)
    with writing(path):
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # not tempfile's: its files are for the owner alone
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:  # Ctrl-C, too, leaves no draft behind; it is raised on
            with suppress(OSError):
                draft.unlink()
            raise


def write_json(path: Path, content: Any) -> None:
    """Atomically write JSON that reads well and is the same bytes for the same content. Raises on nan and inf."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file that this project wrote. Raises CheckpointError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: is this a folder that nanochat wrote?") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): restore it from a copy") from error


def sync_directory(path: Path) -> None:
    """Make a rename inside `path` survive a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_constant(word: str) -> None:
    """Python reads NaN and Infinity, which are no JSON and which we never write."""
    raise ValueError(f"{word} is not a JSON number")


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
