"""Milestone 2 from end to end, small: the study first, the change in its own cells alone, results that stay theirs."""

import pytest

from nanochat.course import sweeping
from nanochat.course.sweeping import NAME, Plan, keep, read_plan
from nanochat.errors import ConfigError, GuardError, NanochatError
from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.study import read_study

CHANGE = """
import numpy as np
from nanochat.engine.scalar import functional as F
def scalar(xs):
    return F.gelu(xs)
def tensor(x):
    print("said by a student's file")
    y = np.tanh(x)
    return y, lambda g: g * (1 - y * y)
"""
ASKED = {"question": "does it?", "expect": "no"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two seeds of four steps, with the plan and what was told of the cells. The file prints, which is none of that."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "change.py").write_text(CHANGE, encoding="utf-8")
    told, plan = [], Plan(**ASKED, seeds=2, steps=4)
    sweeping.sweep(folder / "change.py", "activation", plan, folder / "out", lambda *said: told.append(said))
    return folder / "out", plan, told


def test_every_cell_is_run_and_told_of(swept):
    out, plan, told = swept
    assert [number for number, _, _ in told] == [1, 2, 3, 4]
    assert {result.cell.variant for result in read_study(out).results} == {"baseline", plan.name}
    assert not read_study(out).missing


def test_the_change_is_in_the_cells_of_its_variant_alone(swept):
    """The baseline's are those of an ordinary run, to the bit; the variant's are not."""
    for result in read_study(swept[0]).results:
        ordinary = run_cell(result.cell)
        assert (result.losses == ordinary.losses) == (result.cell.variant == "baseline")


def test_without_the_change_the_mark_changes_nothing_but_rounding(swept):
    baseline, marked = [cell for cell in swept[1].study().cells() if cell.config.seed == 1337]
    assert baseline.key != marked.key
    assert run_cell(marked).losses == pytest.approx(run_cell(baseline).losses, abs=1e-5)


def test_a_sweep_goes_on_where_it_was(swept):
    out, plan, _ = swept
    told = []
    sweeping.sweep(out.parent / "change.py", "activation", plan, out, lambda *said: told.append(said[2]))
    assert all(words.endswith("from before") for words in told)


def test_an_error_of_the_study_comes_back_as_it_is(swept, tmp_path):
    (tmp_path / "cells").write_text("in the way", encoding="utf-8")
    with pytest.raises(NanochatError, match="cells"):
        sweeping.sweep(swept[0].parent / "change.py", "activation", swept[1], tmp_path, lambda *said: None)


def test_a_file_that_leaves_python_is_told_of(swept, tmp_path):
    (tmp_path / "change.py").write_text("import os\nos._exit(3)\n", encoding="utf-8")
    with pytest.raises(NanochatError, match="ended the process"):
        sweeping.sweep(tmp_path / "change.py", "activation", swept[1], tmp_path / "out", lambda *said: None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (sweeping.TEMPLATE, "question in study.toml is empty"),
        ('question = "q"', "expect in study.toml is empty"),
        ('question = "q"\nexpect = "e"\nname = "baseline"', "other side"),
        ('question = "q"\nexpect = "e"\nname = "two words"', "no good name"),
        ('question = "q"\nexpect = "e"\nseeds = 0', "seeds=0"),
        ('question = "q"\nexpect = "e"\nmargin = -1', "margin"),
        ('question = "q"\nexpect = "e"\nsteps = 0', "steps=0"),
        ('question = "q"\nexpect = "e"\nstep = 5', "did you mean 'steps'"),
        ("question = ", "TOML"),
    ],
)
def test_a_study_that_is_none_is_refused(tmp_path, text, sentence):
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        read_plan(tmp_path / NAME)


def test_study_and_change_cannot_be_altered_once_there_are_results(tmp_path):
    study, change, out = tmp_path / NAME, tmp_path / "change.py", tmp_path / "out"
    for path in (study, change):
        path.write_text("first", encoding="utf-8")
    keep(study, change, out)
    keep(study, change, out)
    for path in (study, change):
        path.write_text("second", encoding="utf-8")
        with pytest.raises(GuardError, match="changed after its first results"):
            keep(study, change, out)
        path.write_text("first", encoding="utf-8")
    (tmp_path / "other" / "cells").mkdir(parents=True)
    with pytest.raises(GuardError, match="holds results without"):
        keep(study, change, tmp_path / "other")


def test_the_page_says_what_the_settings_do_not(swept):
    from nanochat.experiments.analysis.findings import analyse
    from nanochat.experiments.reports.study.report import study_report

    out, plan, _ = swept
    sweeping.write_remark(plan, "activation", "0" * 64, out)
    text = (out / "remark.md").read_text(encoding="utf-8")
    page = study_report(analyse(read_study(out)), text)
    assert "in place of the project's own activation" in page
    assert "does it?" in page.split("## Result")[0]
