"""docs/reliability.md says what docs/reliability.json says, and that says what is promised."""

import json
from pathlib import Path

import pytest
from document import FORMAT, VERSION, render
from sections import SECTIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.json"
LEAST = {
    "kills": 1000,
    "resumes": 240,
    "mutations": 200_000,
    "bombs": 80,
    "texts": 50_000,
    "pairs": 300,
    "beside": 200,
    "links": 300,
    "places": 1000,
    "remarks": 60,
    "signals": 300,
    "configs": 0,  # none where torch is not installed
}
ALL = 600_000


@pytest.fixture(scope="module")
def content():
    if not DOCUMENT.exists():
        pytest.skip("`make reliability` has not been run yet")
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_figures(content):
    assert DOCUMENT.with_suffix(".md").read_text(encoding="utf-8") == render(content)


def test_the_figures_are_of_all_parts_at_full_counts(content):
    assert (content["format"], content["version"]) == (FORMAT, VERSION)
    assert [section["name"] for section in content["sections"]] == list(SECTIONS)
    assert "--quick" not in content["command"]
    for section in content["sections"]:
        assert sum(line["n"] for line in section["lines"]) >= LEAST.get(section["name"], 1), section["name"]
    assert sum(line["n"] for section in content["sections"] for line in section["lines"]) >= ALL


def test_nothing_failed(content):
    lines = [line for section in content["sections"] for line in section["lines"]]
    assert [(line["name"], line["failures"]) for line in lines if line["n_failed"]] == []
