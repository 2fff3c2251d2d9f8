"""What is missing is named with its packages and its lock, and never with a name that belongs to others."""

import re
import tomllib
from pathlib import Path

import pytest

from nanochat import errors

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_OURS = {".git", ".venv", "build", "dist", "__pycache__", "node_modules"}


def texts() -> list[Path]:
    """Every text file of the repository."""
    kinds = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".json", ".cfg", ".sh", ".html", ".js", ""}
    return [
        path
        for path in ROOT.rglob("*")
        if path.suffix in kinds and not NOT_OURS & set(path.relative_to(ROOT).parts) and path.is_file()
        if not any(part.startswith(".") and part.endswith("_cache") for part in path.parts)
    ]


def by_name(name: str) -> re.Pattern[str]:
    """Words that tell an installer to fetch the project `name`, alone or with extras, from an index."""
    return re.compile(
        r"\b(?:pip3?|pipx|uvx?|poetry|conda|mamba|rye|pdm)\b[^\n`;&|]{0,60}?\b(?:install|add|run|tool)\b[^\n`;&|]{0,80}?"
        rf"(?<![\w./-]){name}(?:\[[\w,-]*\])?(?=$|[\s'\"`=<>~!;,)])",
        re.IGNORECASE,
    )


def test_nobody_is_told_to_fetch_this_project_from_an_index():
    words = by_name(PROJECT["name"])
    found = [
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path in texts()
        for hit in [words.search(path.read_text(encoding="utf-8", errors="replace"))]
        if hit
    ]
    assert not found, "the index has another project of this name"


@pytest.mark.parametrize("form", ["{}", "'{}[cluster]'", "-U {}", '--user "{}"', "{}==0.1", "numpy {}"])
def test_every_way_to_say_it_is_found(form):
    assert by_name("example").search("run pip install " + form.format("example"))
    assert not by_name("example").search("pip install -r requirements/example.txt; example --help")


@pytest.mark.parametrize("name", PROJECT["optional-dependencies"])
def test_each_extra_is_named_with_its_packages_and_its_lock(name):
    packages = [re.match(r"[\w-]+", one)[0] for one in PROJECT["optional-dependencies"][name]]
    sentence = str(errors.missing_extra(name))
    assert all(package in sentence for package in packages)
    assert f"requirements/{name}.txt" in sentence
    lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert all(re.search(rf"^{package}==", lock, re.MULTILINE) for package in packages)
    assert lock.count("--hash=sha256:") > lock.count("==")
    assert not re.search(r"#|://|--index|--find", lock)


def test_the_locks_agree_where_they_name_the_same_package():
    pins: dict[str, set[str]] = {}
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in re.findall(r"^[\w.-]+==[^ \\]+(?: ;[^\\]*)?", path.read_text(encoding="utf-8"), re.MULTILINE):
            name, _, rest = line.partition("==")
            version, _, marker = rest.partition(" ; ")
            pins.setdefault(f"{name} {marker.strip()}", set()).add(version.strip())
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}
