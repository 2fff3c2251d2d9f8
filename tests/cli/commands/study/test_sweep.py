"""`ablate` with axes, named studies, files and processes, and what stops it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

TINY = "ablate --eval-every 0 --set eval_tokens=16 --out study".split()
PROC = Path("/proc")


@pytest.fixture
def ablate(nanochat, abab):
    return lambda *words: nanochat(*TINY, "--steps", 2, "--jobs", 1, "--data", abab, *words)


def test_axes_from_flags_make_the_variants(ablate, tmp_path):
    done = ablate("--model-kind", "mini-gpt", "--mode", "tensor", "--axis", "norm=layer,none", "--axis", "lr=0.01,0.1",
                  "--seeds", 1)  # fmt: skip
    assert done.code == 0
    lines = (tmp_path / "study" / "ablation.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(row["norm"], row["lr"]) for row in rows] == [
        ("layer", 0.01),
        ("layer", 0.1),
        ("none", 0.01),
        ("none", 0.1),
    ]
    assert "norm=none_lr=0.1" in done.out


def test_a_command_in_a_report_does_the_study_again(ablate, nanochat, tmp_path):
    ablate("--axis", "lr=0.01,0.1", "--seeds", 2, "--design", "one-at-a-time", "--margin", 0.5)
    text = (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("nanochat ablate"))
    assert nanochat(*line.split()[1:], "--out", "again", "--jobs", 1).code == 0
    configs = [(tmp_path / name / "config.json").read_text(encoding="utf-8") for name in ("study", "again")]
    assert configs[0] == configs[1]


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["--axis", "nrom=rms"], 3, "did you mean 'norm'"),
        (["--axis", "norm=rms,layer"], 3, "no effect on a bigram"),
        (["--model-kind", "mini-gpt", "--axis", "norm=rms,lyaer"], 3, "did you mean 'layer'"),
        (["--model-kind", "mini-gpt", "--axis", "head_bias=true"], 3, "has one value, true, and nothing to compare"),
        (["--axis", "lr=0.1,0.10"], 3, "repeats a value"),
        (["--axis", "lr=0.1,0.2", "--axis", "training.lr=0.3,0.4"], 3, "given twice"),
        (["--axis", "keep_last=1,2"], 3, "training.keep_last is no axis: it changes what a run shows or keeps"),
        (["--axis", "batch_size=1,2", "--patience", "1", "--budget", "tokens"], 3, "--patience 0"),
        (["--study", "norm"], 3, "did you mean 'norms'"),
        (["--study", "none.toml"], 3, "does not exist"),
        (["--axis", "lr=0.1,0.2", "--seeds", "1000000"], 3, "--max-cells"),
        (["--jobs", "0"], 2, "--jobs '0'"),
        (["--seeds", "0"], 2, "--seeds 0 is too small"),
        (["--noise", "4"], 2, "--noise 4 is a question before a study: add --dry-run"),
        (["--noise", "1", "--dry-run"], 2, "--noise 1 is too small"),
        (["--reuse", "nowhere"], 4, "nowhere"),
        (["--seeds", "8..24"], 2, "--seeds 8..24 is a plan of looks: add --until decided"),
        (["--looks", "8,12"], 2, "--looks 8,12 is a plan of looks: add --until decided"),
        (["--until", "decided"], 2, "--until decided needs a plan"),
        (["--until", "decided", "--seeds", "8..x"], 2, "--seeds 'x' is no number of seeds"),
        (["--until", "decided", "--seeds", "24..8"], 2, "--seeds 24..8 is no range"),
        (["--until", "decided", "--looks", "8,12,10"], 3, "looks=8,12,10 do not rise"),
        (["--until", "decided", "--looks", "8,12", "--seeds", "8..16"], 2, "is not what --looks 8,12 says"),
        (["--until", "decided", "--seeds", "8..12", "--alpha", "2"], 3, "alpha=2.0 is no chance"),
        (["--tune", "optimizer=1,2"], 3, "is no number, so it has no grid"),
        (["--axis", "lr=0.1,0.2", "--tune", "lr=0.1,0.2"], 3, "is varied by the study, so it cannot be tuned"),
        (["--variant", "a: lrr=3"], 3, "did you mean 'lr'"),
        (["--variant", "a: lr=3", "--variant", "a: lr=4"], 3, "variant a is given twice"),
        (["--eval-blocks", "5000"], 3, "eval_blocks=5,000 are more than"),
        (["--max-cells", "-1"], 2, "--max-cells -1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(ablate, tmp_path, words, code, part):
    ablate(*words).assert_refused(code, part)
    assert not (tmp_path / "study").exists()


def test_what_is_left_out_is_said(ablate):
    done = ablate("--study", "optimizers", "--mode", "scalar", "--dry-run", "--seeds", 1)
    assert "note: optimizer=muon is left out: optimizer=muon is for arrays" in done.err


def test_another_baseline_than_the_one_meant_is_said(ablate):
    words = ("--model-kind", "mini-gpt", "--mode", "tensor", "--axis", "n_head=3,4,2", "--seeds", 1, "--dry-run")
    assert "note: n_head=4 is the baseline, not n_head=3" in ablate(*words).err


def test_a_study_of_layers_takes_a_model_that_has_some_where_nobody_names_one(ablate):
    done = ablate("--study", "norms", "--seeds", 1, "--dry-run")
    assert "note: the study norms takes preset mini-gpt and mode tensor, since a bigram has none" in done.err
    assert "mode scalar" in ablate("--study", "norms", "--mode", "scalar", "--seeds", 1, "--dry-run").err
    named = ablate("--study", "norms", "--model-kind", "mini-gpt", "--seeds", 1, "--dry-run")
    assert (named.code, "the study norms takes" in named.err) == (0, False)
    ablate("--study", "norms", "--preset", "bigram").assert_refused(3, "no effect on a bigram")


def test_a_random_part_says_of_how_many_cells_it_is(ablate):
    words = ("--axis", "lr=0.1,0.2,0.3", "--axis", "beta1=0.1,0.2,0.3", "--seeds", 2, "--max-cells", 9, "--dry-run")
    said = "8 of 18 cells, drawn with seed 1337"
    done = ablate(*words, "--json")
    assert json.loads(done.out)["drawn"] == said
    assert f"note: {said}" in done.err
    assert "drawn" not in ablate(*words, "--max-cells", 0).err


def test_a_budget_that_whole_steps_miss_by_more_than_a_hundredth_is_said(ablate):
    words = ("--axis", "batch_size=2,3", "--budget", "tokens", "--seeds", 1, "--dry-run")
    said = "in whole steps batch_size=3 gets 25.0% less than the budget of"
    assert said in ablate(*words).err
    assert said not in ablate(*words, "--steps", 300).err
    assert said in ablate(*words[:-1]).err, "beforehand, not only in a dry run"


def test_what_single_seeds_miss_of_a_budget_is_said_where_documents_differ(nanochat, tmp_path):
    rows = "\n".join("ab" * (1 + i % 15) for i in range(100))
    (tmp_path / "rows.txt").write_text(rows, encoding="utf-8")
    words = "--layout documents --model-kind mini-gpt --mode tensor --budget tokens --steps 60 --jobs 1 --dry-run"
    words = (*TINY, "--data", "rows.txt", *words.split(), "--axis", "batch_size=1,2", "--seeds")
    said = "is kept on average over the seeds, since documents differ in length: a single seed misses it by up to"
    assert said in nanochat(*words, 4).err
    assert "single seed" not in nanochat(*words, 1).err


def test_many_variants_that_are_left_out_are_counted(ablate):
    values = ",".join(f"0.{i}" for i in range(11, 23))
    done = ablate("--axis", "optimizer=adamw,sgd", "--axis", f"beta1={values}", "--seeds", 1, "--dry-run")
    assert done.err.count(" is left out: ") == 8
    assert "note: 3 more variants are left out" in done.err


def test_a_cluster_that_cannot_be_is_refused_before_a_folder_is_made_or_cleared(ablate, tmp_path):
    ablate("--seeds", 1)
    before = sorted(tmp_path.rglob("*"))
    ablate("--seeds", 1, "--force", "--cluster", "nonsense").assert_refused(3, "--cluster")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_cell_is_said_once_and_run_again(ablate, tmp_path):
    ablate("--seeds", 1)
    damaged = min((tmp_path / "study" / "cells").iterdir())
    damaged.write_text("{", encoding="utf-8")
    done = ablate("--seeds", 1)
    assert f"{damaged.name} is no whole JSON document; its cell is run again\n" in done.err
    assert (done.code, done.err.count("(there already)")) == (0, 3)


def test_a_study_file_sets_axes_and_base_below_the_flags(ablate, tmp_path):
    (tmp_path / "rates.toml").write_text('seeds = 1\n[axes]\nlr = [0.01, 0.1]\n[base]\npreset = "mini-gpt"\nseed = 7\n')
    done = ablate("--study", "rates.toml", "--dry-run", "--json", "--seed", 3)
    plan = json.loads(done.out)
    assert [(cell["variant"], cell["seed"]) for cell in plan["cells"]] == [("lr=0.01", 3), ("lr=0.1", 3)]
    assert plan["predicted_s"] > 0


def test_a_dry_run_says_how_long_it_will_take(ablate, tmp_path):
    last = ablate("--seeds", 2, "--dry-run").out.splitlines()[-1]
    assert last.startswith("4 variants x 2 seeds = 8 cells, about ")
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
@pytest.mark.skipif(not PROC.is_dir(), reason="finds the worker in /proc")
def test_a_worker_that_the_system_kills_is_a_failed_cell_and_exit_7(start, nanochat, abab, tmp_path):
    words = (*TINY, "--data", abab, "--steps", 3000, "--seeds", 1, "--axis", "lr=0.1,0.2,0.3")
    process = start(*words, "--jobs", 2)
    os.kill(_worker(process.pid), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    assert "1 of 3 cells failed" in err
    assert "ended by the system" in (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    again = nanochat(*words)
    assert (again.code, again.err.count("(there already)")) == (0, 2), again


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_ctrl_c_stops_a_sweep_in_processes_and_a_second_one_is_refused_meanwhile(start, nanochat, abab, tmp_path):
    words = (*TINY, "--data", abab, "--steps", 100_000, "--seeds", 1, "--jobs", 2)
    process = start(*words)
    _wait_for(tmp_path / "study" / "config.json")
    second = nanochat(*words)
    assert (second.code, f"process {process.pid}" in second.err) == (5, True), second
    assert nanochat(*words, "--force").code == 5
    time.sleep(1)  # the workers have begun, or begin
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "4 cells are still to be run" in err
    assert "Traceback" not in err


def _worker(parent: int) -> int:
    """A process that `parent` has spawned to work in, once it is busy."""
    for _ in range(200):
        time.sleep(0.1)
        for path in PROC.glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_text().split("\0")
                ppid, cpu = (int((path / "stat").read_text().rpartition(")")[2].split()[i]) for i in (1, 11))
            except (OSError, ValueError):
                continue
            if ppid == parent and "spawn_main" in " ".join(words) and cpu > 60:  # hundredths: past its imports
                return int(path.name)
    raise AssertionError("no worker")


def _wait_for(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"no {path}")
