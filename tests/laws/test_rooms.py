"""Where files lie: no folder is crowded, no file repeats its room, none is long, and both lists of them are true."""

import re
import subprocess
import tomllib
from collections import Counter
from itertools import takewhile
from pathlib import Path

import pytest
from sources import FOLDERS, ROOT, SOURCES, n_lines

LONGEST = 500
MOST_FILES = 15
"""In one folder, beside __init__.py: what one look takes in."""

OURS = [*SOURCES.values(), *(path for name in ("tests", "benchmarks") for path in (ROOT / name).rglob("*.py"))]


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_long():
    assert {where(path): n for path in OURS if (n := n_lines(path)) > LONGEST} == {}


def test_no_folder_is_crowded():
    counts = Counter(where(path.parent) for path in OURS if path.name != "__init__.py")
    assert {folder: n for folder, n in counts.items() if n > MOST_FILES} == {}


def test_no_file_carries_its_room_in_its_name():
    """`experiments/study_tables.py` is `experiments/study/tables.py`; a name of one word may be the room's own."""
    wrong = []
    for path in OURS:
        words = path.stem.removeprefix("test_").split("_")
        rooms = {one for part in path.relative_to(ROOT).parts[:-1] for one in (part, part.removesuffix("s"))}
        if len(words) > 1 and rooms & {one for word in words for one in (word, word.removesuffix("s"))}:
            wrong.append(where(path))
    assert wrong == []


def test_files_of_one_kind_are_a_folder():
    """Three files `run_*.py` side by side are a room without a door."""
    prefixes = Counter((where(p.parent), p.stem.split("_")[0]) for p in SOURCES.values() if "_" in p.stem.strip("_"))
    assert {at: n for at, n in prefixes.items() if n > 2} == {}


def test_the_packages_list_equals_the_folders():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {ROOT}
    for name in FOLDERS:
        files = [path for path in (ROOT / name).rglob("*") if path.is_file()]
        folders |= {path.parent for path in files if not re.search(r"/[._]\w+/", f"/{where(path)}")}
    assert sorted(listed) == sorted(".".join(["nanochat", *folder.relative_to(ROOT).parts]) for folder in folders)
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_extra_has_its_lock():
    """errors.missing_extra sends people there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, packages in project["optional-dependencies"].items():
        lock = (ROOT / "requirements" / f"{extra}.txt").read_text(encoding="utf-8")
        missing = [one for one in packages if not re.search(rf"^{re.split(r'[<>=]', one)[0]}==", lock, re.MULTILINE)]
        assert missing == [], f"requirements/{extra}.txt: run `make lock`"


def test_the_file_map_in_the_readme_is_true():
    listed = _file_map()
    assert [path for path in listed if not list(ROOT.glob(path))] == [], "listed, but not there"
    # What git tracks or would: in a fresh clone they are the same, and in a work tree a stray file is caught early.
    git = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    there = [line for line in done.stdout.splitlines() if (ROOT / line).exists() and not line.endswith("/__init__.py")]
    leaves = [path for path in listed if not any(other != path and other.startswith(f"{path}/") for other in listed)]
    covered = {where(found) for path in leaves for found in ROOT.glob(path)}
    missing = [line for line in there if not any(str(p) in covered for p in (Path(line), *Path(line).parents))]
    assert missing == [], "there, but not in the file map"


def _file_map() -> list[str]:
    """Paths of the README's map: a line names files or folders, then their job; indented ones lie in a folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^## File map\n.*?^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block, "README.md has no fenced block under a heading `## File map`"
    paths: list[str] = []
    folders: list[tuple[int, str]] = []  # (indentation, path) of the folders around the line
    for line in block[1].splitlines():
        indentation = len(line) - len(line.lstrip())
        folders = [folder for folder in folders if folder[0] < indentation]
        inside = folders[-1][1] + "/" if folders else ""
        names = list(takewhile(_is_path, line.split()))
        paths += [inside + name.rstrip("/") for name in names]
        if len(names) == 1 and names[0].endswith("/"):
            folders.append((indentation, inside + names[0].rstrip("/")))
    return paths


def _is_path(word: str) -> bool:
    return bool(re.fullmatch(r"[\w.*-]+/|[\w.*-]*\.[\w]+|Makefile|LICENSE", word))
