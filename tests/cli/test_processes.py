"""What only a process of its own can show: signals, full disks, closed pipes, terminals."""

import csv
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from nanochat.checkpoints.directory import newest_checkpoint, verify
from nanochat.experiments.ablation.study import read_study
from nanochat.inference.language_model import load
from nanochat.training.folder.record import read_metrics, read_run

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals, limits and pipes of POSIX")
TINY = "train --preset bigram --eval-every 0 --batch-size 2 --set eval_tokens=16 --out run".split()
PATIENCE_S = 60


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    return process.returncode, out, err


def complaints(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("nanochat: ")]


@POSIX
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), pytest.param("SIGTERM", 143, marks=pytest.mark.slow)])
def test_a_run_that_is_stopped_finishes_its_step_and_saves_it(start, abab, tmp_path, name, code):
    process = start(*TINY, "--data", abab, "--steps", 1_000_000)
    run = tmp_path / "run"
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(read_metrics(run / "metrics.jsonl")) > 5)
    process.send_signal(getattr(signal, name))
    found, out, err = ended(process)
    assert found == code
    assert complaints(err) == ["nanochat: stopping after this step; once more leaves at once"]
    saved = read_run(run)
    assert saved.record.status == "interrupted"
    steps = [row["step"] for row in saved.metrics if "loss" in row]
    assert steps == list(range(1, saved.record.steps + 1))
    assert (run / "metrics.jsonl").read_text(encoding="utf-8").endswith("}\n")
    assert newest_checkpoint(run / "checkpoints").name == f"step-{saved.record.steps:08d}"
    assert load(run).generate(max_new_tokens=3)
    assert f"steps={saved.record.steps} " in out
    assert "**Interrupted:**" in (run / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
@POSIX
def test_a_second_ctrl_c_leaves_at_once(start, abab, tmp_path):
    words = "train --preset mini-gpt --grad-accum 100000 --set eval_tokens=16 --force --out run".split()
    metrics = tmp_path / "run" / "metrics.jsonl"
    said = ""
    while (
        "stopping after this step" not in said
    ):  # else the signal came before the first step: a busy machine may be so
        metrics.unlink(missing_ok=True)
        process = start(*words, "--data", abab)  # a step of minutes
        wait_for(lambda: metrics.exists() and read_metrics(metrics))
        process.send_signal(signal.SIGINT)
        said = ""
        while "stop" not in said:
            said = process.stderr.readline()
            assert said, "the process ended without a word about the signal"
    process.send_signal(signal.SIGINT)
    found, out, err = ended(process)
    assert (found, out, err) == (130, "", "")
    assert len(read_metrics(metrics)) == 1


@pytest.mark.slow
@POSIX
def test_a_sweep_that_is_stopped_keeps_what_is_finished_and_goes_on_later(start, abab, tmp_path):
    words = "ablate --steps 150 --seeds 50 --batch-size 1 --eval-every 0 --set eval_tokens=16 --out study".split()
    process = start(*words, "--data", abab)
    study = tmp_path / "study"
    wait_for(lambda: len(list(study.glob("cells/*.json"))) >= 3)
    process.send_signal(signal.SIGINT)
    found, out, err = ended(process)
    assert found == 130
    assert complaints(err) == ["nanochat: stopping after this step; once more leaves at once"]
    read = read_study(study)
    assert len(read.results) == len(list(study.glob("cells/*.json"))) >= 3
    assert len(read.results) + len(read.missing) == 200
    with (study / "ablation.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == 1 + len(read.results)
    assert "**Not finished:**" in (study / "report.md").read_text(encoding="utf-8")
    assert "variants=4" in out
    assert "goes on" in err


def limited(n_bytes: int):
    """Before the program starts: no file may grow beyond n_bytes, which is what a full disk looks like."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    return limit


@POSIX
def test_a_full_disk_is_one_sentence_and_earlier_checkpoints_stay(start, abab, tmp_path):
    words = "--steps 1000 --checkpoint-every 5".split()
    process = start(*TINY, *words, "--data", abab, preexec_fn=limited(6000))
    found, out, err = ended(process)
    assert (found, out) == (8, "")
    (sentence,) = complaints(err)
    assert re.match(r"nanochat: cannot write run/\S+: File too large; free space or choose another --out", sentence)
    metrics = read_metrics(tmp_path / "run" / "metrics.jsonl")
    steps = [row["step"] for row in metrics if "loss" in row]
    assert steps == list(range(1, len(steps) + 1))
    saved = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert [path.name for path in saved] == [f"step-{step:08d}" for step in range(5, max(steps) + 1, 5)][-2:]
    for folder in saved:
        verify(folder)
    load(tmp_path / "run")


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("limit", [100, 1000, 3000])
def test_a_disk_that_is_full_from_the_start_leaves_no_half_file(start, tmp_path, limit):
    words = "train --preset bigram --data builtin:names --steps 5 --set eval_tokens=16 --out run".split()
    found, out, err = ended(start(*words, preexec_fn=limited(limit)))
    assert (found, out, len(complaints(err))) == (8, "", 1)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.startswith(".")]
    for path in (tmp_path / "run").rglob("*.json"):
        assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.slow
@POSIX
def test_a_sweep_on_a_full_disk_is_one_sentence(start, abab):
    words = "ablate --steps 300 --seeds 1 --batch-size 1 --eval-every 0 --set eval_tokens=16 --out study".split()
    found, out, err = ended(start(*words, "--data", abab, preexec_fn=limited(4000)))
    assert (found, out, len(complaints(err))) == (8, "", 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_results_that_cannot_be_written_to_stdout_are_exit_8(start):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        found, _, err = ended(start("presets", stdout=full))
    assert found == 8
    assert complaints(err) == [
        "nanochat: cannot write the results to stdout: No space left on device; free space or send them elsewhere"
    ]


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize(
    "words",
    [
        "presets --json",
        "presets",
        "--help",
        pytest.param("sample --run run --n-samples 2000 --temperature 0.5", marks=pytest.mark.slow),
    ],
)
def test_a_reader_who_leaves_early_is_no_error(start, abab, words):
    if "run" in words.split():
        assert ended(start(*TINY, "--data", abab, "--steps", 1))[0] == 0
    process = start(*words.split())
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=PATIENCE_S) == 0
    assert process.stderr.read() == ""


@pytest.mark.slow
@POSIX
def test_a_run_goes_on_when_nobody_reads_its_progress(start, abab, tmp_path):
    process = start(*TINY, "--data", abab, "--steps", 300, "--sample-every", 1)
    process.stderr.readline()
    process.stderr.close()
    assert "steps=300 " in process.stdout.read()
    assert process.wait(timeout=PATIENCE_S) == 0
    assert read_run(tmp_path / "run").record.status == "ok"


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("no_color", [True, False])
def test_a_terminal_gets_colours_unless_no_color_is_set(start, no_color):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"} | ({"NO_COLOR": "1"} if no_color else {})
    process = start("presets", stdout=theirs, env=environment)
    os.close(theirs)
    seen = b""
    while chunk := _read(ours):
        seen += chunk
    assert process.wait(timeout=PATIENCE_S) == 0
    assert b"microgpt" in seen
    assert (b"\x1b[" in seen) is not no_color


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says "input/output error" where a terminal is gone
        return b""


def test_python_dash_m_is_the_same_command(start):
    found, out, _ = ended(start("--version"))
    assert found == 0
    assert re.fullmatch(r"nanochat \d+\.\d+\.\d+\n", out)
    assert sys.version_info >= (3, 11)
