"""`nanochat parity` as a person uses it: what cannot be asked is one sentence, and stands in the JSON as skipped."""

import json
import shutil
import subprocess
import sys

import pytest

from nanochat.experiments.parity import compare, score
from nanochat.experiments.parity.case import Case
from nanochat.experiments.parity.theirs import open_checkout, schedule_module

SCRIPT = """
parser = argparse.ArgumentParser()
parser.add_argument("--unembedding-lr", type=float, default=0.008)
parser.add_argument("--embedding-lr", type=float, default=0.3)
parser.add_argument("--scalar-lr", type=float, default=0.5)
parser.add_argument("--matrix-lr", type=float, default=0.02)
parser.add_argument("--weight-decay", type=float, default=0.28)
parser.add_argument("--final-lr-frac", type=float, default=0.05)
parser.add_argument("--eval-tokens", type=int, default=80*524288)


def get_lr_multiplier(it):
    return 1.0 if it else args.final_lr_frac


def get_muon_momentum(it):
    return 0.9


def get_weight_decay(it):
    return weight_decay_scaled / (1 + it)
"""


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like nanochat's: files of ours, with the names that are looked for."""
    root = tmp_path / "theirs"
    for name in ("nanochat/gpt.py", "nanochat/optim.py", "nanochat/loss_eval.py", "scripts/base_train.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("smear = 1\n", encoding="utf-8")
    (root / "scripts/base_train.py").write_text(SCRIPT, encoding="utf-8")
    return root


def python_that(tmp_path, *lines):
    """A program in the place of Python."""
    path = tmp_path / "python"
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def assert_skipped(done, tmp_path, part):
    done.assert_refused(3, part)
    document = json.loads((tmp_path / "results/parity/parity.json").read_text(encoding="utf-8"))
    assert document["verdict"] == "skipped"
    assert document["reason"] in done.complaints[0]
    assert "**skipped**" in (tmp_path / "results/parity/parity.md").read_text(encoding="utf-8")


def test_without_a_checkout_it_compares_with_what_was_recorded(nanochat, tmp_path):
    done = nanochat("parity", "--json")
    assert done.code == 0
    document = json.loads(done.out)
    assert document == json.loads((tmp_path / "results/parity/parity.json").read_text(encoding="utf-8"))
    assert document["verdict"] == "passed"
    assert [line["verdict"] for line in document["lines"]] == ["PASS"] * 7 + ["SKIPPED"] * 2
    report = (tmp_path / "results/parity/parity.md").read_text(encoding="utf-8")
    assert "| 7 | curve |" in report
    assert "![Training loss of both sides](curve.svg)" in report
    assert (tmp_path / "results/parity/curve.svg").is_file()
    assert nanochat("parity").code == 0, "its own folder is written to again"


def test_a_line_that_does_not_hold_ends_with_9_after_everything_is_written(nanochat, tmp_path, monkeypatch):
    monkeypatch.setattr(score, "LOGITS", -1.0)
    done = nanochat("parity", "--revision", "pin")
    done.assert_refused(9, "1 of 9 lines do not hold against what karpathy/nanochat answered at 2f09686")
    assert " 3 logits " in done.out
    document = json.loads((tmp_path / "results/parity/parity.json").read_text(encoding="utf-8"))
    assert (document["verdict"], document["lines"][2]["verdict"]) == ("failed", "FAIL")


def test_a_checkout_that_is_none_is_refused(nanochat, tmp_path):
    assert_skipped(nanochat("parity", "--upstream", "nowhere"), tmp_path, "is no checkout of karpathy/nanochat")


def test_a_script_without_the_schedules_is_refused(nanochat, tmp_path, checkout):
    (checkout / "scripts/base_train.py").write_text(SCRIPT.replace("get_muon_momentum", "muon"), encoding="utf-8")
    done = nanochat("parity", "--upstream", checkout)
    assert_skipped(done, tmp_path, "base_train.py has no get_muon_momentum: compare a commit from 2f09686 to 92d63d4")


def test_a_text_that_is_missing_is_refused(nanochat, tmp_path, checkout):
    done = nanochat("parity", "--upstream", checkout, "--data", "nofile")
    assert_skipped(done, tmp_path, "nofile is missing: give a text with --data")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_checkout_with_changes_has_no_name_and_is_refused(nanochat, tmp_path, checkout):
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    assert len(open_checkout(checkout).commit) == 40
    (checkout / "nanochat/gpt.py").write_text("smear = 2\n", encoding="utf-8")
    assert_skipped(nanochat("parity", "--upstream", checkout), tmp_path, "in nanochat/gpt.py: what is compared has to")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script in the place of Python")
@pytest.mark.parametrize(
    ("line", "timeout", "part"),
    [
        ("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1", 600, "has not what nanochat needs"),
        ("echo 'TypeError: no argument' >&2; exit 1", 600, "could not be asked (TypeError: no argument)"),
        ("exec sleep 600", 0.5, "did not answer within --timeout 0.5 seconds"),
    ],
)
def test_what_goes_wrong_over_there_is_one_sentence(nanochat, tmp_path, checkout, line, timeout, part):
    python = python_that(tmp_path, line)
    done = nanochat("parity", "--upstream", checkout, "--python", python, "--timeout", timeout)
    assert_skipped(done, tmp_path, part)


def test_a_python_that_is_not_there_is_refused(nanochat, tmp_path, checkout):
    done = nanochat("parity", "--upstream", checkout, "--python", tmp_path / "none")
    assert_skipped(done, tmp_path, "none cannot be run")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script in the place of Python")
def test_a_checkout_that_is_newer_names_the_parameter_that_is_not_known(nanochat, tmp_path, checkout):
    answer = {"describe": {"parameters": {"xyz": [3]}, "flops": 1, "windows": [], "torch": "2"}}
    python = python_that(tmp_path, "cat > /dev/null", f"echo '{json.dumps(answer)}'")
    done = nanochat("parity", "--upstream", checkout, "--python", python, "--depth", 2)
    assert_skipped(done, tmp_path, "has a parameter `xyz` that upstream-d2 does not know: this checkout is newer than")


def test_the_command_that_is_run_is_shown_and_nothing_is_run(nanochat, tmp_path, checkout):
    done = nanochat("parity", "--upstream", checkout, "--print-command", "--python", "python9")
    assert done.code == 0
    assert done.out.startswith(f"PYTHONPATH={checkout}")
    assert "python9 -P " in done.out
    assert "driver.py < JOB.json > ANSWER.json" in done.out
    nanochat("parity", "--upstream", "nowhere", "--print-command").assert_refused(3, "is no checkout")
    assert not (tmp_path / "results").exists()


def test_a_text_that_is_missing_or_short_is_refused(nanochat, tmp_path, checkout):
    asked = ("parity", "--upstream", checkout, "--data")
    assert_skipped(nanochat(*asked, "none.txt"), tmp_path, "none.txt is missing: give a text with --data")
    (tmp_path / "short.txt").write_text("abc", encoding="utf-8")
    assert_skipped(nanochat(*asked, "short.txt"), tmp_path, "short.txt has 3 characters: give a text")


def test_a_script_that_is_no_python_is_refused(nanochat, tmp_path, checkout):
    (checkout / "scripts/base_train.py").write_text("def (", encoding="utf-8")
    assert_skipped(nanochat("parity", "--upstream", checkout), tmp_path, "base_train.py is no Python (invalid syntax")


def test_flags_that_make_no_sense_are_refused(nanochat, checkout):
    nanochat("parity", "--what", "model,weather").assert_refused(2, "--what 'weather' is unknown: choose of model")
    nanochat("parity", "--steps", 0).assert_refused(2, "--steps 0 is too small")
    nanochat("parity", "--timeout", "nan").assert_refused(2, "--timeout nan")
    nanochat("parity", "--gate-speed", 2).assert_refused(2, "--what are about a checkout: give --upstream DIR")
    nanochat("parity", "--print-command").assert_refused(2, "are about a checkout: give --upstream DIR")


def test_the_schedules_are_the_functions_of_the_script_over_our_numbers(checkout):
    found = open_checkout(checkout)
    assert found.flags["unembedding-lr"] == 0.008
    text = schedule_module(found, Case(steps=7, weight_decay=0.5))
    assert "num_iterations, weight_decay_scaled = 7, 0.5" in text
    assert all(f"def {name}(it):" in text for name in ("get_lr_multiplier", "get_muon_momentum", "get_weight_decay"))


def test_equal_means_over_seeds_pass_and_different_ones_fail_beside_the_noise_floor():
    equal = score.over_seeds([2.0, 2.1, 1.9], [2.01, 2.08, 1.92], [2.05, 2.1, 1.9])
    assert equal.verdict == "PASS"
    assert equal.numbers["floor"] == pytest.approx(0.04)
    assert score.over_seeds([2.3, 2.4, 2.2], [2.0, 2.1, 1.9], [2.0, 2.1, 1.9]).verdict == "FAIL"
    assert score.over_seeds([1.5, 2.5, 2.0], [2.0, 2.1, 1.9], [2.0, 2.1, 1.9]).verdict == "FAIL", "too few to tell"


def test_speed_decides_nothing_without_a_gate():
    ours, theirs = [1.0, 1.1, 0.9] * 5, [2.0, 2.2, 1.8] * 5
    assert score.speed(ours, theirs).verdict == "INFO"
    assert [score.speed(ours, theirs, gate).verdict for gate in (1.5, 3.0)] == ["PASS", "FAIL"]
    assert compare.Scorecard(against="", commit="", case=Case(), lines=(score.speed(ours, theirs),)).verdict != "passed"
