"""The tour in the README: its commands run as they stand, its Python says what it says."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
@pytest.mark.figures
def test_the_tour_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    tour = README.read_text(encoding="utf-8").split("## A tour")[1].split("\n## ")[0]
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", tour, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks].count("sh") >= 3
    names: dict[str, object] = {}
    for language, text in blocks:
        if language == "sh":
            for line in text.strip().splitlines():
                run(line, tmp_path)
        else:
            example = doctest.DocTestParser().get_doctest(text, names, "README.md", str(README), 0)
            assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0, capsys.readouterr().out
            names |= example.globs
    assert {path.name for path in (tmp_path / "results").iterdir()} >= {"graph.svg", "compare.png", "runs", "ablations"}


def run(line: str, folder: Path) -> None:
    """One command line of the tour, as a process of its own."""
    program, *arguments = shlex.split(line)
    assert program == "nanochat"
    command = [sys.executable, "-P", "-m", "nanochat", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"{line}\n{done.stderr}"
