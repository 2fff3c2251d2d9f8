"""`train --resume`, `--stop-at`, `--keep-last`: what a person sees and types, signals included."""

import json
import os
import re
import shlex
import signal
import time

import pytest

from nanochat.checkpoints.directory import list_checkpoints, newest_checkpoint
from nanochat.cli.app import parse
from nanochat.errors import GuardError
from nanochat.storage.lock import folder_locked
from nanochat.training.folder.record import read_metrics, read_run
from nanochat.training.folder.resume import plan_resume
from nanochat.training.run import run_training

TINY = "train --preset bigram --eval-every 0 --set eval_tokens=32 --batch-size 2 --steps 6".split()
PATIENCE_S = 60
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def stopped(trained):
    """The folder of a run of six steps that was stopped after the third."""
    return trained(*TINY[1:], "--stop-at", 3)


def steps_of(run) -> list[int]:
    return [row["step"] for row in read_metrics(run / "metrics.jsonl") if "loss" in row]


def test_a_stop_ends_early_with_0_and_says_how_to_go_on(nanochat, abab, tmp_path):
    done = nanochat(*TINY, "--data", abab, "--stop-at", 3, "--out", "a run")
    assert done.code == 0
    assert "steps=3 " in done.out
    assert "val_loss=none " in done.out
    assert "go on with `nanochat train --resume 'a run'`\n" in done.err
    assert read_run(tmp_path / "a run").record.status == "stopped"
    assert "**Stopped:** stopped after step 3" in (tmp_path / "a run" / "report.md").read_text(encoding="utf-8")


def test_the_command_that_the_end_names_goes_on(nanochat, stopped):
    done = nanochat("train", "--resume", "run")
    assert done.code == 0
    assert "going on from run/checkpoints/step-00000003" in done.err.replace("\\", "/")
    assert "going on after step 3 of 6\n" in done.err
    assert "steps=6 " in done.out
    assert steps_of(stopped) == [1, 2, 3, 4, 5, 6]


def test_a_finished_run_says_so_and_shows_its_figures_again(nanochat, stopped):
    first = nanochat("train", "--resume", "run")
    before = {path: path.stat().st_mtime_ns for path in stopped.rglob("*")}
    for words in (["run"], ["auto", "--out", "run"], ["run/checkpoints/step-00000006"]):
        again = nanochat("train", "--resume", *words)
        assert again == (0, first.out, again.err)
        assert "run is finished after 6 steps" in again.err
    assert {path: path.stat().st_mtime_ns for path in stopped.rglob("*")} == before


def test_more_steps_are_meant_and_then_taken(nanochat, stopped):
    nanochat("train", "--resume", "run")
    words = ["train", "--resume", "run", "--steps", 9]
    nanochat(*words).assert_refused(3, "training.steps was 6 and is now 9; leave these out, or pass --override")
    assert nanochat(*words, "--override").code == 0
    assert steps_of(stopped) == list(range(1, 10))


@pytest.mark.parametrize("how", ["flag", "set", "file", "environment"])
def test_a_setting_that_differs_is_named_wherever_it_comes_from(nanochat, stopped, tmp_path, monkeypatch, how):
    (tmp_path / "lr.toml").write_text("[training]\nlr = 0.5\n", encoding="utf-8")
    words = {"flag": ["--lr", 0.5], "set": ["--set", "lr=0.5"], "file": ["--config", "lr.toml"], "environment": []}[how]
    if how == "environment":
        monkeypatch.setenv("NANOCHAT_LR", "0.5")
    nanochat("train", "--resume", "run", *words).assert_refused(3, "training.lr was 0.03 and is now 0.5")


def test_the_command_that_started_a_run_may_be_given_again(nanochat, abab, tmp_path):
    assert nanochat(*TINY, "--data", abab, "--stop-at", 3, "--out", "run").code == 0
    assert nanochat(*TINY, "--data", abab, "--resume", "auto", "--out", "run").code == 0
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4, 5, 6]


def test_auto_starts_where_there_is_nothing_to_go_on_with(nanochat, abab, tmp_path):
    for words in (["--out", "new"], []):
        done = nanochat(*TINY, "--data", abab, "--resume", "auto", *words)
        assert done.code == 0
        assert "there is nothing to go on with: starting a run" in done.err
    assert read_run(tmp_path / "new").record.status == "ok"
    assert read_run(tmp_path / "results" / "runs" / "bigram-abab-0001").record.status == "ok"


def test_auto_finds_the_newest_unfinished_run(nanochat, abab, tmp_path):
    for more in (["--stop-at", 2], ["--stop-at", 4], []):
        assert nanochat(*TINY, "--data", abab, *more).code == 0
    runs = tmp_path / "results" / "runs"
    for name in ("bigram-abab-0002", "bigram-abab-0001"):
        assert nanochat("train", "--resume", "auto").code == 0
        assert read_run(runs / name).record.status == "ok"
    assert "nothing to go on with" in nanochat("train", "--resume", "auto", "--dry-run").err


def test_auto_begins_again_where_a_run_was_ended_before_its_first_checkpoint(nanochat, abab, stopped):
    for path in (stopped / "record.json", stopped / "report.md"):
        path.unlink()
    for folder in list_checkpoints(stopped / "checkpoints"):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert nanochat(*TINY, "--data", abab, "--resume", "auto", "--out", "run").code == 0
    assert steps_of(stopped) == [1, 2, 3, 4, 5, 6]


def test_an_older_checkpoint_wants_another_folder_or_force(nanochat, stopped, tmp_path):
    nanochat("train", "--resume", "run")
    words = ["train", "--resume", "run/checkpoints/step-00000003"]
    nanochat(*words).assert_refused(5, "pass --out OTHER to go on there, or --force to drop them")
    assert nanochat(*words, "--out", "branch").code == 0
    assert (tmp_path / "branch" / "metrics.jsonl").read_bytes() == (stopped / "metrics.jsonl").read_bytes()
    assert nanochat(*words, "--force", "--stop-at", 4).code == 0
    assert steps_of(stopped) == [1, 2, 3, 4]


def test_a_damaged_checkpoint_is_passed_over_in_one_line(nanochat, stopped):
    nanochat("train", "--resume", "run")
    (stopped / "record.json").unlink()
    (stopped / "checkpoints" / "step-00000006" / "state.json").write_text("{}", encoding="utf-8")
    done = nanochat("train", "--resume", "run")
    assert done.code == 0
    assert len(done.complaints) == 1
    assert "step-00000006" in done.complaints[0]
    assert "steps=6 " in done.out


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["--resume", "missing"], 3, "there is no missing to go on with"),
        (["--resume", "."], 4, "neither a run with checkpoints nor a checkpoint"),
        (["--override"], 2, "--override is for --resume"),
        (["--stop-at", -1], 2, "--stop-at -1 is too small"),
        (["--keep-last", -1], 2, "--keep-last -1 is too small"),
        (["--checkpoint-format", "pickle"], 2, "--checkpoint-format 'pickle' is unknown"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(nanochat, words, code, part):
    nanochat("train", *words).assert_refused(code, part)


def test_a_resumption_is_read_as_words_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = parse("train --resume nowhere --replicas 2 --lr 0.5 --override --stop-at 7".split()).keywords
    assert [asked[name] for name in ("config", "resume", "override", "stop_at")] == [None, "nowhere", True, 7]
    assert asked["settings"] == {"training": {"replicas": 2, "lr": 0.5}}


def test_a_dry_run_says_from_where_and_writes_nothing(nanochat, stopped):
    before = {path: path.stat().st_mtime_ns for path in stopped.rglob("*")}
    plan = json.loads(nanochat("train", "--resume", "run", "--dry-run", "--json").out)
    assert plan["resume"].replace("\\", "/") == "run/checkpoints/step-00000003"
    assert plan["config"]["training"]["steps"] == 6
    assert {path: path.stat().st_mtime_ns for path in stopped.rglob("*")} == before


def test_flags_decide_how_many_checkpoints_stay_and_how_they_are_written(nanochat, abab, tmp_path):
    words = "--checkpoint-every 1 --keep-last 3 --checkpoint-format json.gz --out run".split()
    assert nanochat(*TINY, "--data", abab, *words).code == 0
    saved = list_checkpoints(tmp_path / "run" / "checkpoints")
    assert [folder.name for folder in saved] == [f"step-{step:08d}" for step in (4, 5, 6)]
    assert {path.name for path in saved[0].iterdir()} >= {"model.json.gz", "optimizer.json.gz", "state.json"}
    assert nanochat("sample", "--run", "run", "--max-new-tokens", 3).code == 0


def test_one_process_at_a_time_trains_in_a_folder(nanochat, abab, stopped):
    with folder_locked(stopped, "run"):
        nanochat("train", "--resume", "run").assert_refused(5, "another run")
        nanochat(*TINY, "--data", abab, "--out", "run", "--force").assert_refused(5, "another run")
    assert nanochat("train", "--resume", "run").code == 0


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.slow
@posix
def test_a_run_that_a_signal_stopped_goes_on_by_the_command_that_it_names(start, nanochat, abab, tmp_path):
    words = "train --preset bigram --eval-every 0 --batch-size 2 --steps 1000000 --set eval_tokens=16 --out run"
    process = start(*words.split(), "--data", abab)
    metrics = tmp_path / "run" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and len(read_metrics(metrics)) > 5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143
    command = shlex.split(re.search(r"go on with `nanochat (.*)`", err)[1])
    step = read_run(tmp_path / "run").record.steps
    assert nanochat(*command, "--stop-at", step + 2).code == 0
    assert steps_of(tmp_path / "run") == list(range(1, step + 3))


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_before_the_first_step_leaves_at_once(start, tmp_path, name, code):
    (tmp_path / "long.txt").write_text("".join(f"{i} abc\n" for i in range(300_000)), encoding="utf-8")
    words = (
        "train --preset mini-gpt --set eval_tokens=0 --layout stream --out run --data long.txt"  # validates for minutes
    )
    process = start(*words.split())
    wait_for(lambda: (tmp_path / "run" / "metrics.jsonl").exists())
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert "nanochat: stopped before a step\n" in err
    assert "Traceback" not in err


@pytest.mark.slow
@posix
@pytest.mark.parametrize("delay_ms", [0, 300])
def test_a_run_that_is_killed_at_any_time_ends_as_if_it_had_not_been(start, nanochat, abab, tmp_path, delay_ms):
    words = "train --preset bigram --mode tensor --checkpoint-every 7 --eval-every 20 --steps 300".split()
    process = start(*words, "--data", abab, "--out", "killed")
    wait_for(lambda: (tmp_path / "killed" / "config.json").exists())
    time.sleep(delay_ms / 1000)
    process.kill()
    process.communicate()
    assert nanochat(*words, "--data", abab, "--out", "killed", "--resume", "auto").code == 0
    assert nanochat(*words, "--data", abab, "--out", "whole").code == 0
    assert (tmp_path / "killed" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    last = [newest_checkpoint(tmp_path / name / "checkpoints") for name in ("killed", "whole")]
    for path in last[0].iterdir():
        assert path.read_bytes() == (last[1] / path.name).read_bytes()


@posix
@pytest.mark.parametrize("name", [".lock", "log.txt", "checkpoints"])
def test_a_run_that_holds_a_link_is_refused_by_its_name(nanochat, stopped, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    if name == "checkpoints":
        (stopped / name).rename(elsewhere)
    else:
        (stopped / name).unlink(missing_ok=True)
        elsewhere.write_text("mine", encoding="utf-8")
    (stopped / name).symlink_to(elsewhere)
    before = [path.read_bytes() for path in sorted(elsewhere.rglob("*")) if path.is_file()]
    done = nanochat("train", "--resume", "run")
    assert (done.code, f"{name} is a link" in done.complaints[-1]) == (5, True)
    assert [path.read_bytes() for path in sorted(elsewhere.rglob("*")) if path.is_file()] == before
    assert name == "checkpoints" or elsewhere.read_text(encoding="utf-8") == "mine"


def test_a_run_at_work_is_not_pruned_by_others(nanochat, stopped):
    with folder_locked(stopped, "run"):
        nanochat("checkpoint", "prune", "run").assert_refused(5, "another run")
    assert nanochat("checkpoint", "prune", "run").code == 0


def test_a_plan_that_another_start_has_overtaken_is_refused(stopped):
    plan = plan_resume(stopped)
    assert run_training(resume=stopped).status == "ok"
    with pytest.raises(GuardError, match="later than step-00000003"):
        run_training(resume=plan)


@pytest.mark.slow
@posix
def test_starts_at_once_take_a_number_each_and_lose_nothing(start, abab, tmp_path):
    words = "train --preset bigram --steps 40 --eval-every 0 --batch-size 1 --set eval_tokens=16".split()
    processes = [start(*words, "--data", abab) for _ in range(3)]
    assert [process.communicate(timeout=PATIENCE_S) and process.returncode for process in processes] == [0, 0, 0]
    runs = sorted((tmp_path / "results" / "runs").iterdir())
    assert [run.name for run in runs] == [f"bigram-abab-{number:04d}" for number in (1, 2, 3)]
    assert [steps_of(run) for run in runs] == [list(range(1, 41))] * 3


@pytest.mark.slow
@posix
def test_whoever_comes_second_changes_nothing_of_the_first(start, abab, tmp_path):
    words = "train --preset bigram --eval-every 0 --batch-size 1 --steps 1000000 --set eval_tokens=16".split()
    (tmp_path / "other.txt").write_text("abc" * 100, encoding="utf-8")
    first = start(*words, "--data", abab, "--out", "run")
    wait_for((tmp_path / "run" / ".lock").exists)
    second = start(*words, "--data", "other.txt", "--out", "run", "--force")
    _, err = second.communicate(timeout=PATIENCE_S)
    assert (second.returncode, "another run" in err) == (5, True), err
    wait_for((tmp_path / "run" / "metrics.jsonl").exists)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=PATIENCE_S)
    assert read_run(tmp_path / "run").config.data.source == str(abab)
    assert steps_of(tmp_path / "run") == list(range(1, read_run(tmp_path / "run").record.steps + 1))
