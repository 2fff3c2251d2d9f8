"""Are the files of this program those that were installed? Asked before a failure is called a bug of ours.

A wheel brings a list of its files with their digests (RECORD); a checkout has git to ask.
"""

from __future__ import annotations

import base64
import subprocess
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from ...storage.reading import file_sha256

PACKAGE = Path(__file__).parents[2]
_MOST_NAMED = 3
"""Changed files, in a message."""


def what_changed() -> str | None:
    """Why a failure may be nobody's bug, to end a sentence; "" where nothing changed, None where nobody knows."""
    changed = changed_files()
    if not changed:
        return None if changed is None else ""
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    return f"since it was installed, {', '.join(changed[:_MOST_NAMED])}{more} changed"


def changed_files() -> list[str] | None:
    """Python files of the package that are not as installed, or as committed; None where nobody knows."""
    try:
        listed = _changed_since_the_wheel(distribution("nanochat"), PACKAGE)
    except PackageNotFoundError:
        listed = None
    return _changed_since_the_commit(PACKAGE) if listed is None else listed


def _changed_since_the_wheel(wheel: Distribution, package: Path) -> list[str] | None:
    """By the digests of RECORD; None where it lists no module of ours, as after `pip install -e`."""
    changed: list[str] = []
    n_known = 0
    for file in wheel.files or ():
        path = Path(str(wheel.locate_file(file)))
        if file.parts[0] != package.name or file.suffix != ".py" or file.hash is None or package not in path.parents:
            continue
        n_known += 1
        digest = bytes.fromhex(file_sha256(path)) if path.is_file() else b""
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            changed.append(path.relative_to(package).as_posix())
    return changed if n_known else None


def _changed_since_the_commit(package: Path) -> list[str] | None:
    """What git calls changed or new; None where there is no git or no checkout."""
    words = ["git", "-C", str(package), "-c", "status.renames=false", "status", "-s", "-z", "--", "*.py"]
    try:
        done = subprocess.run(words, capture_output=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    names = [line[3:] for line in done.stdout.decode("utf-8", "replace").split("\0") if line]
    return [name for name in names if not name.startswith(("tests/", "benchmarks/"))]
