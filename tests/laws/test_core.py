"""Three evenings: each is short enough, needs nothing but itself, the earlier ones and the ground, and is in README."""

import pytest
from evenings import CORE, GROUND, MOST_LINES, written
from sources import ROOT, SOURCES, at, imports_of, n_lines

NAMES = {path.relative_to(ROOT).as_posix(): name for name, path in SOURCES.items()}


@pytest.mark.parametrize("evening", CORE, ids=lambda evening: evening.title)
def test_an_evening_is_short_enough(evening):
    assert sum(n_lines(ROOT / path) for path in evening.files) <= MOST_LINES


def test_no_file_is_read_twice():
    files = [path for evening in CORE for path in evening.files]
    assert len(files) == len(set(files))


@pytest.mark.parametrize("number", range(len(CORE)), ids=lambda number: CORE[number].title)
def test_an_evening_needs_nothing_that_comes_later_or_never(number):
    """The lobby of a folder, its __init__.py, counts where it is named: a type comes from the file that defines it."""
    known = {NAMES[path] for path in [*GROUND, *(path for evening in CORE[: number + 1] for path in evening.files)]}
    wrong = [
        f"{at(name, line)} imports {target}"
        for name in [NAMES[path] for path in CORE[number].files]
        for kind, target, line in imports_of(name)
        if kind == "inside" and target not in known
    ]
    assert not wrong, f"evening {number + 1} leaks:\n" + "\n".join(wrong)


def test_the_readme_is_read_in_minutes():
    assert n_lines(ROOT / "README.md") <= 250


def test_the_readme_lists_the_evenings_as_they_are():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == written(readme), "run: python tests/laws/evenings.py --write README.md"
