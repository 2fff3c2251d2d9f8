"""`ablate`: the summary, the files, going on where it stopped, and cells that fail."""

import csv
import json
import os
from dataclasses import asdict

import pytest

from nanochat.cli.app import parse
from nanochat.cli.folders import find_results
from nanochat.cli.options import ABLATIONS, RUNS
from nanochat.experiments.ablation.budget import share_budget
from nanochat.experiments.ablation.grid import ablation_to_dict
from nanochat.storage.atomic import write_json
from nanochat.training.resolve import resolve

FOURTEEN = (
    "variant tie_lm_head input_rmsnorm style parameter_count steps seed final_loss mean_loss_last_n last_n "
    "steps_per_sec tokens_per_sec vocab_size train_tokens"
).split()
VARIANTS = ["tied_no_input_rmsnorm", "tied_input_rmsnorm", "untied_no_input_rmsnorm", "untied_input_rmsnorm"]
TINY = "ablate --jobs 1 --steps 2 --eval-every 0 --batch-size 1 --set eval_tokens=16 --out study".split()


@pytest.fixture
def ablate(nanochat, abab):
    return lambda *words: nanochat(*TINY, "--data", abab, *words)


def test_a_sweep_ends_with_nine_columns_and_where_everything_is(ablate, tmp_path):
    done = ablate("--seeds", 2)
    assert done.code == 0
    *table, last = done.out.splitlines()
    assert len(table) == 5
    nine = "variant tie rms style params final loss mean loss last n steps/s tok/s"
    assert " ".join(table[0].split()) == f"{nine} seeds val loss val loss ci95"
    assert [line.split()[0] for line in table[1:]] == VARIANTS
    assert table[1].split()[1:5] == ["true", "false", "classic", "9"]
    assert last.startswith("mode=scalar ablate variants=4 csv=")
    files = dict(pair.split("=", 1) for pair in last.split()[2:])
    assert list(files) == ["variants", "csv", "jsonl", "report"]
    assert all((tmp_path / files[name]).is_file() for name in ("csv", "jsonl", "report"))
    assert done.err.count("  cell ") == 8
    assert "\x1b" not in done.out + done.err


def test_the_tables_hold_a_row_for_each_cell(ablate, tmp_path):
    ablate("--seeds", 2)
    with (tmp_path / "study" / "ablation.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:14] == FOURTEEN
    assert [row[0] for row in rows[1:]] == [name for name in VARIANTS for _ in range(2)]
    lines = (tmp_path / "study" / "ablation.jsonl").read_text(encoding="utf-8").splitlines()
    assert [list(json.loads(line)) for line in lines] == [rows[0]] * 8


def test_json_is_one_document(ablate):
    content = json.loads(ablate("--seeds", 1, "--json").out)
    assert [row["variant"] for row in content["rows"]] == VARIANTS
    nine = "variant tie rms style params final_loss mean_loss_last_n steps/s tok/s".split()
    assert list(content["rows"][0]) == [*nine, "seeds", "val_loss", "val_loss_ci95", "ended"]


def test_a_dry_run_lists_the_cells_and_writes_nothing(ablate, tmp_path):
    done = ablate("--seeds", 2, "--dry-run")
    assert [line.split()[:2] for line in done.out.splitlines()[1:3]] == [[VARIANTS[0], "1337"], [VARIANTS[0], "1338"]]
    plan = json.loads(ablate("--seeds", 2, "--dry-run", "--json").out)
    assert [cell["parameters"] for cell in plan["cells"]] == [9] * 4 + [18] * 4
    assert all(cell["memory_bytes"] > 1e6 and cell["predicted_s"] > 0 for cell in plan["cells"])
    assert plan["predicted_s"] > 0
    assert plan["start_s"] == 0, "one job runs here"
    heading, first = done.out.splitlines()[:2]
    assert heading.split() == ["variant", "seed", "steps", "parameters", "memory", "time", "key"]
    assert first.split()[5] == "MiB"
    assert [path.name for path in tmp_path.iterdir()] == ["abab.txt"]


def test_started_again_it_runs_what_is_missing(ablate, tmp_path):
    first = ablate("--seeds", 1)
    lost = min((tmp_path / "study" / "cells").iterdir())
    before = (tmp_path / "study" / "ablation.jsonl").read_text(encoding="utf-8")
    lost.unlink()
    done = ablate("--seeds", 1)
    assert (first.code, done.code) == (0, 0)
    assert done.err.count("(there already)") == 3
    after = (tmp_path / "study" / "ablation.jsonl").read_text(encoding="utf-8")
    losses = [[json.loads(line)["val_loss"] for line in text.splitlines()] for text in (before, after)]
    assert losses[0] == losses[1]


def test_another_study_in_the_same_folder_needs_force(ablate, tmp_path):
    ablate("--seeds", 1)
    ablate("--seeds", 1, "--lr", 0.5).assert_refused(5, "holds other results already")
    ablate("--seeds", 2, "--force", "--data", "missing.txt").assert_refused(3, "missing.txt")
    assert len(list((tmp_path / "study" / "cells").iterdir())) == 4
    done = ablate("--seeds", 1, "--force")
    assert done.code == 0
    assert "(there already)" not in done.err


def test_a_study_grows_by_seeds_and_does_not_shrink(ablate, tmp_path):
    ablate("--seeds", 1)
    done = ablate("--seeds", 2)
    assert (done.code, done.err.count("(there already)"), done.err.count("  cell ")) == (0, 4, 8)
    assert "note: study holds 1 seed of this study: it goes on to 2\n" in done.err
    assert json.loads((tmp_path / "study" / "config.json").read_text(encoding="utf-8"))["seeds"] == 2
    ablate("--seeds", 1).assert_refused(5, "holds other results already")
    ablate("--seeds", 3, "--margin", 0.5).assert_refused(5, "holds other results already")


@pytest.mark.parametrize("words", ["--max-cells 8", "--budget tokens"])
def test_a_part_and_a_budget_of_tokens_do_not_grow_since_seeds_decide_them(ablate, abab, tmp_path, words):
    words = ("--axis", "lr=0.1,0.2,0.3", *words.split())
    study = parse([*TINY, "--data", str(abab), "--seeds", "1", *words]).keywords["study"]
    write_json(tmp_path / "study" / "config.json", ablation_to_dict(share_budget(study)))
    ablate("--seeds", 2, *words).assert_refused(5, "holds other results already")


def test_a_study_that_grew_without_a_plan_says_so(ablate, tmp_path):
    for seeds in (1, 2, 3):
        ablate("--seeds", seeds)
    assert json.loads((tmp_path / "study" / "config.json").read_text(encoding="utf-8"))["grown"] == [1, 2]
    ablate("--seeds", 3)
    assert "reported with 1 and 2 seeds before it grew" in (tmp_path / "study" / "report.md").read_text(
        encoding="utf-8"
    )


def test_studies_are_laid_side_by_side(ablate, nanochat, tmp_path):
    ablate("--seeds", 2)
    ablate("--seeds", 2, "--lr", 0.5, "--out", "other")
    done = nanochat("runs", "compare", "study", "other")
    assert done.code == 0
    assert done.out.splitlines()[1].split() == ["training.lr", "0.0300", "0.5000"]
    found = json.loads(nanochat("runs", "compare", "study", "other", "--json").out)
    assert [row["variant"] for row in found["variants"]] == VARIANTS
    nanochat("runs", "compare", "study", "study").assert_refused(2, "names one ablation twice")


def test_a_report_becomes_a_page_and_a_table(ablate, nanochat, tmp_path):
    ablate("--seeds", 1)
    done = nanochat("report", "study", "--html", "--latex")
    assert [line.rpartition("/")[2] for line in done.out.split()] == ["report.md", "report.tex", "report.html"]
    (tmp_path / "study" / "report.tex").write_text("mine", encoding="utf-8")
    nanochat("report", "study", "--latex").assert_refused(5, "was not written by nanochat report")


def test_alpha_that_is_spent_cannot_be_planned_anew(ablate):
    plan = ("--until", "decided", "--looks")
    ablate(*plan, "2,3")
    ablate(*plan, "2,3,4").assert_refused(5, "was looked at with 2, 3 seeds")
    ablate("--seeds", 5).assert_refused(5, "its alpha of 0.05 is spent")


@pytest.mark.parametrize("content", ["{", "{}"])
def test_a_damaged_configuration_is_called_that(ablate, tmp_path, content):
    (tmp_path / "study" / "cells").mkdir(parents=True)
    (tmp_path / "study" / "config.json").write_text(content, encoding="utf-8")
    ablate("--seeds", 1).assert_refused(4, "the study in study is damaged")


def test_a_run_in_the_folder_is_other_results(ablate, tmp_path):
    write_json(tmp_path / "study" / "config.json", asdict(resolve({"preset": "bigram"})))
    ablate("--seeds", 1).assert_refused(5, "holds other results already")


def test_a_folder_in_the_place_of_a_cell_is_one_sentence(ablate, tmp_path):
    plan = json.loads(ablate("--seeds", 1, "--dry-run", "--json").out)
    (tmp_path / "study" / "cells" / f"{plan['cells'][1]['key']}.json").mkdir(parents=True)
    done = ablate("--seeds", 1)
    done.assert_refused(8, "is a folder, and the result of a cell belongs there")
    assert "run again" not in done.err


def test_a_flag_for_an_axis_is_said_to_have_no_effect(ablate):
    assert "tie_lm_head is an axis of this study" in ablate("--tie-lm-head", "--dry-run").err
    assert "note" not in ablate("--dry-run").err


def test_diverged_cells_are_named_and_the_others_kept(ablate, tmp_path):
    words = "--optimizer sgd --lr 1e300 --max-grad-norm 0 --seeds 1".split()
    done = ablate(*words)
    done.assert_refused(7, "4 of 4 cells diverged: tied_no_input_rmsnorm with seed 1337")
    assert "Warning" not in done.err
    assert "diverged" in (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    assert "none" not in done.out.splitlines()[-1]


def test_how_the_cells_of_a_variant_ended_is_in_its_row(ablate):
    words = "--optimizer sgd --max-grad-norm 0 --seeds 1 --axis lr=0.1,1e300".split()
    done = ablate(*words)
    assert done.code == 7
    assert done.out.splitlines()[0].split()[-1] == "ended"
    assert [line.rstrip().endswith("1 of 1 diverged") for line in done.out.splitlines()[1:3]] == [False, True]
    assert [row["ended"] for row in json.loads(ablate(*words, "--json").out)["rows"]] == ["", "1 of 1 diverged"]


def test_exit_code_7_is_in_the_help(nanochat):
    text = " ".join(nanochat("ablate", "--help").out.split())
    assert "Exit code 7 says that a cell diverged, failed or was refused" in text
    assert "0 takes all" in text


def test_a_report_of_a_study_and_its_tables_are_written_anew_and_damage_is_told(ablate, nanochat, tmp_path):
    ablate("--seeds", 1)
    tables = [tmp_path / "study" / name for name in ("ablation.csv", "ablation.jsonl")]
    before = [table.read_bytes() for table in tables]
    tables[0].unlink()
    (tmp_path / "study" / "report.md").unlink()
    tables[1].write_text("", encoding="utf-8")
    assert nanochat("report", "study").err == ""
    assert (tmp_path / "study" / "report.md").is_file()
    assert [table.read_bytes() for table in tables] == before
    damaged = min((tmp_path / "study" / "cells").iterdir())
    damaged.write_text("{", encoding="utf-8")
    done = nanochat("report", "study")
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert f"{damaged.name} is no whole JSON document; its cell is left out" in done.err
    assert len(tables[1].read_text(encoding="utf-8").splitlines()) == 3


def test_the_latest_report_is_of_the_newer_of_run_and_ablation(nanochat, tmp_path):
    nanochat("report").assert_refused(4, "neither a run in")
    for time, root in enumerate((ABLATIONS, RUNS, ABLATIONS, RUNS), start=1):
        config = tmp_path / root / str(time) / "config.json"
        write_json(config, {})
        os.utime(config, (time, time))
        assert find_results("latest") == root / str(time)


def test_a_sweep_of_no_steps_is_json_without_nan(ablate):
    done = ablate("--steps", 0, "--seeds", 1, "--jobs", 1, "--json")
    assert done.code == 0
    assert all(row["final_loss"] is None for row in json.loads(done.out)["rows"])


@pytest.mark.parametrize("margin", ["nan", "0", "-1", "inf"])
def test_a_margin_that_is_no_width_is_wrong_usage(ablate, margin):
    done = ablate("--margin", margin)
    assert done.code == 2
    assert "--margin" in done.err


def test_too_few_seeds_for_any_verdict_are_said_beforehand(ablate):
    said = ablate("--seeds", 3).err
    assert "3 seeds cannot show a difference, since the exact test needs 6, however many" in said


def test_a_first_look_that_can_decide_nothing_is_said_beforehand(ablate):
    plan = ("--dry-run", "--until", "decided", "--seeds")
    assert "6 seeds cannot show a difference" in (said := ablate(*plan, "6..18").err)
    assert "begin at 7, --seeds 7..18" in said
    assert "cannot show a difference" not in ablate(*plan, "7..18").err
    assert "look once, at all" in ablate(*plan, "5..6").err
    assert "none of the looks can show" in ablate(*plan, "6..8", "--alpha", "0.001").err
