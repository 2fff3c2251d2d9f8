"""What a student hands in: one zip of answers, progress.json and a receipt. The same files give the same bytes.

A receipt is re-run, never believed: it says what was checked with which graders, so that a difference can be found.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DataError
from ..storage.atomic import write_bytes
from ..storage.reading import read_bytes
from .lessons import LESSONS
from .progress import NAME
from .workspace import SETTINGS, Workspace

_LARGEST = 1 << 20
_KEY = "12c"
_STUDY = ("study.toml", "sweep/study.toml", "sweep/change.py", "sweep/report.md", "sweep/ablation.csv")
"""What belongs to milestone 2 beside its file, where its sweep lies in its own place."""
_THEN = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the zip, so that it is the same bytes at every time."""


def submit(space: Workspace, goal: Path, *, new: bool) -> list[str]:
    """Write the zip and give the names in it. Raises DataError where nothing was begun, WriteError."""
    if space.is_new:
        raise DataError(f"{space.folder} holds no {NAME}, so nothing was begun here: go to your course's folder")
    content = dict(_files(space))
    content["receipt.json"] = (json.dumps(_receipt(space, content), indent=2) + "\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(content):
            archive.writestr(zipfile.ZipInfo(name, _THEN), content[name], zipfile.ZIP_DEFLATED)
    write_bytes(goal, buffer.getvalue(), new=new)
    return sorted(content)


def _files(space: Workspace) -> Iterator[tuple[str, bytes]]:
    for name in (NAME, SETTINGS):
        if (space.folder / name).exists():
            yield name, read_bytes(space.folder / name, limit=_LARGEST)
    for lesson in LESSONS:
        for key in lesson.keys:
            path = space.path(key)
            study = [path.parent / name for name in _STUDY] if key == _KEY else []
            for one in (path, *study):
                if one.exists():
                    yield one.relative_to(space.folder).as_posix(), read_bytes(one, limit=_LARGEST)


def _receipt(space: Workspace, content: dict[str, bytes]) -> dict[str, Any]:
    """Who, with which variants, versions and graders; the sha256 of every file."""
    begun = space.progress().lessons
    return {
        "student": space.settings.student,
        "course": space.settings.course,
        "seed": space.seed,
        "nanochat": __version__,
        "graders": {lesson.word: lesson.graders() for lesson in LESSONS},
        "exercises": {key: {"status": one.status, "variant": one.variant} for key, one in begun.items()},
        "sha256": {name: sha256(raw).hexdigest() for name, raw in sorted(content.items())},
    }
