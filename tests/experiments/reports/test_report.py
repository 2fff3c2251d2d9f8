import csv
import json
import math
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanochat.cli.app import parse
from nanochat.errors import CheckpointError
from nanochat.experiments.ablation.budget import share_budget
from nanochat.experiments.ablation.study import Study, read_study
from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.experiments.ablation.tables import to_rows
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.numbers import signed
from nanochat.experiments.reports.run import environment, write_run_report
from nanochat.experiments.reports.study.report import study_report, write_study_report
from nanochat.experiments.statistics.crossed import crossed_interval
from nanochat.experiments.statistics.intervals import mean, t_interval
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

LINK = re.compile(r"\]\(([^)]+)\)")


@pytest.fixture(scope="module")
def study_folder(swept, tmp_path_factory):
    folder = shutil.copytree(swept, tmp_path_factory.mktemp("report") / "study")
    report_on(folder)
    return folder


@pytest.fixture
def run_folder(tiny_run, tmp_path):
    run_training(tiny_run, out=tmp_path / "tiny")
    return tmp_path / "tiny"


def report_on(folder):
    write_study_report(analyse(read_study(folder)), folder)


def text_of(folder):
    return (folder / "report.md").read_text(encoding="utf-8")


def tables(text):
    """Each Markdown table as rows of cells."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()] for block in blocks]


def test_question_and_answer_are_the_first_lines(study_folder):
    lines = [line for line in text_of(study_folder).splitlines() if line]
    assert lines[0] == "# Ablation: tied head × input norm"
    assert lines[1].startswith("**Question.** Which of 4 variants")
    assert re.fullmatch(r"\*\*Answer\.\*\* \w+ head \+ (no )?input norm ends lowest, but .*", lines[2])
    assert lines[2].endswith("but **too few seeds** to say more: the exact test needs 6 seeds.")


def test_variants_that_are_spelled_out_are_not_said_to_be_crossed(study_folder):
    analysis = analyse(read_study(study_folder))
    explicit = {"fast": {"training.lr": 2.0}, "slow": {"training.lr": 0.1}}
    spelled = replace(analysis.study, config=replace(analysis.study.config, explicit=explicit))
    assert study_report(replace(analysis, study=spelled)).startswith("# Ablation: tied head × input norm, fast, slow\n")


def test_the_table_is_that_of_the_csv_sorted_by_validation_loss(study_folder):
    with (study_folder / "ablation.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    expected, results = [], read_study(study_folder).results
    for name in dict.fromkeys(row["variant"] for row in rows):
        loss = mean([float(row["text_loss"]) for row in rows if row["variant"] == name])
        interval = crossed_interval(np.array([one.text.blocks for one in results if one.cell.variant == name]))
        expected.append((loss, f"`{name}`", f"{loss:.4f} ± {interval.half_width:.4f}"))
    shown = [tuple(row[:2]) for row in tables(text_of(study_folder))[0][2:]]
    assert shown == [row[1:] for row in sorted(expected)]


def test_every_table_has_a_rule_and_rows_of_one_width(study_folder, run_folder):
    write_run_report(run_folder)
    for table in tables(text_of(study_folder)) + tables(text_of(run_folder)):
        assert {len(row) for row in table} == {len(table[0])}
        assert all(re.fullmatch(r":--|--:", cell) for cell in table[1])


def test_links_lead_to_files_and_figures_have_alternative_text(study_folder, run_folder):
    write_run_report(run_folder)
    for folder in (study_folder, run_folder):
        text = text_of(folder)
        assert len(LINK.findall(text)) >= 3
        assert [link for link in LINK.findall(text) if not (folder / link).is_file()] == []
        assert all(len(words) > 30 for words in re.findall(r"!\[([^\]]*)\]", text))


@pytest.mark.figures
def test_a_report_is_the_same_when_it_is_written_again(study_folder):
    before = {path.name: path.read_bytes() for path in study_folder.iterdir() if path.is_file()}
    report_on(study_folder)
    assert {path.name: path.read_bytes() for path in study_folder.iterdir() if path.is_file()} == before


def test_a_diverged_variant_is_named_and_stands_last(diverging_study, tmp_path):
    run_ablation(diverging_study, tmp_path)
    report_on(tmp_path)
    text = text_of(tmp_path)
    assert re.search(r"\*\*Diverged:\*\* `lr=1e\+300`, seeds? 5(, 6; with seed 5)?: the ", text)  # a tensor each
    assert tables(text)[0][-1][:4] == ["`lr=1e+300`", "2 of 2 diverged", "-", "-"]
    assert tables(text)[0][-1][4].startswith("too few seeds (needs 6 seeds; 0 of 2 pairs; 2 of 2 diverged")
    assert "All variants use the same learning rate" not in text


def test_an_unfinished_study_says_what_is_missing(tiny_study, tmp_path):
    done = iter(range(100))
    run_ablation(tiny_study, tmp_path, should_stop=lambda: next(done) > 6)
    report_on(tmp_path)
    assert "**Not finished:** 7 of 8 cells have no result yet" in text_of(tmp_path)
    assert tables(text_of(tmp_path))[0][-1][1] == "not run"


def test_the_verdicts_of_the_table_are_those_of_the_comparisons(study_folder):
    found = {f"`{one.variant}`": one for one in analyse(read_study(study_folder)).comparisons}
    result, tests, effects, interactions, costs = tables(text_of(study_folder))[:5]  # no course: two seeds
    assert costs[0][:4] == ["variant", "parameters", "operations per token", "tokens/s"]  # nothing else differs
    for row in result[2:]:
        one = found.get(row[0])
        assert row[4] == (one.verdict if one else "baseline")
        assert row[2] == (signed(one.interval.mean) if one else "-")
    assert {row[0]: row[-1] for row in tests[2:]} == {name: one.verdict for name, one in found.items()}
    assert [row[0] for row in effects[2:]]
    assert [row[0] for row in interactions[2:]] == ["`untied × input_rmsnorm`"]
    assert len(costs) == 6


def test_a_variant_that_lost_a_seed_shows_the_figures_of_the_others(study_of, tmp_path):
    text = study_report(analyse(study_of((2.0, 2.1, 2.2), (1.0, math.nan, 1.2))))
    assert tables(text)[0][-1] == [
        "`lr=2.0`",
        f"1.1000 (seeds ± {t_interval([1.0, 1.2]).half_width:.4f})",
        "-1.0000",
        "-",
        "too few seeds (needs 6 seeds; 2 of 3 pairs; 1 of 3 diverged; by signed ranks)",
        tables(text)[0][2][5],
        "2 of 3",
    ]
    assert "- **Diverged:** `lr=2.0`, seed 6: its validation loss is not a number." in text
    assert "Where a run diverged, signed ranks decide" in text


def test_what_variants_did_not_get_the_same_of_is_in_the_table_of_costs(tiny_run, tmp_path):
    axes = {"training.steps": (2, 4), "training.batch_size": (1, 3)}
    study = run_ablation(AblationConfig(base=tiny_run, axes=axes, seeds=2), tmp_path)
    text = study_report(analyse(study))
    costs = next(table for table in tables(text) if "operations per token" in table[0])
    assert costs[0][3:5] == ["steps", "tokens"]
    tokens = {f"`{r.cell.variant}`": (str(r.record.steps), str(r.measured.tokens)) for r in study.results}
    assert {row[0]: tuple(row[3:5]) for row in costs[2:]} == tokens
    few, many = min(r.measured.tokens for r in study.results), max(r.measured.tokens for r in study.results)
    assert f"2 to 4 steps saw {few} to {many} tokens, " in text
    assert re.search(
        r"did not get the same number of steps \([\d,]+ to [\d,]+\) or of tokens \(.*\) or of operations \(", text
    )
    assert "best? Varied" in text  # after no number of steps that would be true of all


def test_a_budget_is_reported_with_what_was_really_spent(tiny_run, tmp_path):
    base = replace(tiny_run, training=replace(tiny_run.training, steps=4))
    config = AblationConfig(base=base, axes={"training.batch_size": (2, 3)}, seeds=2, budget="tokens")
    study = run_ablation(share_budget(config), tmp_path)
    text = study_report(analyse(study))
    spent = {result.cell.variant: result.measured.tokens for result in study.results}
    low, high = spent["batch_size=2"], spent["batch_size=3"]  # 4 steps of 2 rows, 3 steps of 3: the nearest there is
    more = 100 * (high / low - 1)
    assert more > 10
    assert f"the variants spent {low:,} to {high:,}, +0.0 % to {more:+.1f} % from the baseline." in text
    assert tables(text)[2][0][3:5] == ["steps", "tokens"]


def test_epochs_and_patience_are_not_called_steps(tiny_run, study_of):
    study = study_of((2.0, 2.1), (1.0, 1.2))
    for changes, words in (
        ({"epochs": 0.5}, "best after 0.5 epochs?"),
        ({"patience": 2}, "best after at most 6 steps ("),
    ):
        base = replace(tiny_run, training=replace(tiny_run.training, **changes))
        assert words in study_report(analyse(replace(study, config=replace(study.config, base=base))))


def test_the_command_of_a_report_gives_the_same_cells_again(tiny_run, tmp_path):
    """Whatever is varied, budgeted or drawn: read by the command line's own parser."""
    axes = {"model.input_rmsnorm": (False, True), "model.tie_lm_head": (True, False), "training.lr": (0.1, 0.3)}
    config = AblationConfig(base=tiny_run, axes=axes, seeds=2, max_cells=8, budget="tokens", margin=0.02)
    text = study_report(analyse(Study(config, (), (), {})))
    words = shlex.split(re.search(r"```sh\nnanochat (.*)\n```", text).group(1))
    work = parse([*words, "--out", str(tmp_path)])
    assert work.keywords["study"] == config


@pytest.mark.parametrize("table", sorted(Path(__file__).parents[3].glob("results/reference/*/ablation.jsonl")))
def test_a_published_study_can_be_reported_from_its_data(table):
    """Its cells lie under the names by which they are looked for, and hold the losses that the table has."""
    study, names = read_study(table.parent), ("variant", "seed", "steps", "tokens", "val_loss", "bits_per_byte")
    published = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    assert study.missing == ()
    assert [[row[name] for name in names] for row in to_rows(study)] == [
        [row[name] for name in names] for row in published
    ]


def test_what_was_left_out_is_listed_with_the_reason(tiny_text, tmp_path):
    settings = {"steps": 1, "eval_every": 0, "eval_tokens": 16}
    base = resolve({"preset": "mini-gpt", "mode": "tensor", "data": {"source": str(tiny_text)}, "training": settings})
    axes = {"model.tie_lm_head": (False, True), "model.head_bias": (False, True)}
    run_ablation(AblationConfig(base=base, axes=axes, seeds=1), tmp_path)
    report_on(tmp_path)
    assert "## Left out\n\n- `tied_head_bias`: head_bias=true needs an untied head" in text_of(tmp_path)
    assert "One seed" in text_of(tmp_path)


@pytest.mark.figures
def test_a_run_report_shows_what_was_trained_what_came_of_it_and_how_to_repeat_it(run_folder):
    path = write_run_report(run_folder, samples=["emma", "a ``` fence | and more"])
    text = path.read_text(encoding="utf-8")
    assert path == run_folder / "report.md"
    assert "bigram model with 50 parameters in scalar mode" in text
    assert "```\nemma\n```" in text
    assert "````\na ``` fence | and more\n````" in text
    assert "nanochat train --preset bigram --data " in text
    assert "## Caveats\n\n- One run with one seed" in text
    assert (run_folder / "loss.png").stat().st_size > 5000


def test_a_killed_run_is_reported_as_not_finished(run_folder):
    (run_folder / "record.json").unlink()
    write_run_report(run_folder)
    assert "**Not finished:** the run has no record; its metrics end at step 6." in text_of(run_folder)


def test_a_diverged_run_says_why(tiny_run, tmp_path):
    run_training(replace(tiny_run, training=replace(tiny_run.training, lr=1e300)), out=tmp_path / "run")
    write_run_report(tmp_path / "run")
    assert re.search(r"\*\*Diverged:\*\* the \w+ .* (at|after) step \d", text_of(tmp_path / "run"))


def test_a_run_of_no_steps_has_a_report(tiny_run, tmp_path):
    run_training(replace(tiny_run, training=replace(tiny_run.training, steps=0)), out=tmp_path / "run")
    write_run_report(tmp_path / "run")
    assert "before any step" in text_of(tmp_path / "run")


@pytest.mark.parametrize("write", [write_run_report, report_on])
def test_a_folder_without_results_is_refused(tmp_path, write):
    with pytest.raises(CheckpointError):
        write(tmp_path)


def test_what_an_environment_says_of_itself_is_text_and_no_markup():
    text = environment({"blas": "<b>|$x$"}, [{"blas": "<b>|$x$", "`a`<i>": 1}, {"blas": "other", "`a`<i>": 2}])
    assert "<b>" not in text
    assert "$x$" not in text
    assert "`` `a`<i> `` (1; 2)" in text


def test_a_study_in_a_notebook_is_a_table_of_its_variants(study_folder):
    study = read_study(study_folder)
    shown = study._repr_markdown_()
    assert f"{len(study.results)} of {len(study.results) + len(study.missing)} cells" in shown
    assert shown.count("\n|") == 2 + len({result.cell.variant for result in study.results})
