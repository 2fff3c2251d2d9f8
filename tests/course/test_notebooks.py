"""Notebooks from the same Markdown: an example a cell, no results inside, and every cell runs."""

import ast
import builtins
import json
import subprocess
import sys

import pytest

from nanochat.course.lessons import LESSONS
from nanochat.course.notebooks import pieces, to_notebook, write_notebook
from nanochat.errors import ConfigError

EACH = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.word for lesson in LESSONS])
SHOWS_AN_ERROR = "softmax([0.0, 1000.0])"
"""Cells that end in one on purpose."""


def cells(lesson, kind):
    pytest.importorskip("nbformat", reason="the extra `learn` is not installed")
    return [cell for cell in json.loads(to_notebook(lesson))["cells"] if cell["cell_type"] == kind]


@EACH
def test_a_notebook_runs_from_top_to_bottom(lesson, tmp_path):
    """Each cell as Jupyter runs it, one after another in one process; the last expression is shown, nothing else."""
    sources = [text for kind, text in pieces(lesson.text()) if kind == "code" and SHOWS_AN_ERROR not in text]
    script = tmp_path / "cells.py"
    script.write_text("\n".join(sources) + "\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-P", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@EACH
def test_a_notebook_has_no_prompt_and_no_result(lesson):
    for cell in cells(lesson, "code"):
        assert cell["outputs"] == []
        assert ">>>" not in cell["source"]
        ast.parse(cell["source"])


@EACH
def test_pictures_are_inside(lesson):
    attached = [name for cell in cells(lesson, "markdown") for name in cell.get("attachments", {})]
    assert set(attached) == set(lesson.figures())
    assert not [cell for cell in cells(lesson, "markdown") if ".svg)" in cell["source"] and "attachments" not in cell]


@EACH
def test_a_notebook_is_the_same_text_each_time(lesson):
    pytest.importorskip("nbformat", reason="the extra `learn` is not installed")
    assert to_notebook(lesson) == to_notebook(lesson)


def test_without_the_extra_a_sentence_says_where_it_is_pinned(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "nbformat":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"`learn notebook` needs nbformat.*requirements/learn.txt"):
        write_notebook(LESSONS[0], tmp_path / "a.ipynb", new=True)
