"""Ctrl-C and a closed terminal at any moment: the exit code of the signal, one line, never a traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nanochat.checkpoints.directory import list_checkpoints
from nanochat.cli.console import StopSignals
from nanochat.cli.interrupts import interruptible, interruption
from nanochat.training.folder.record import read_run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def pressed_at(module, *words, cwd, name="SIGINT"):
    """`nanochat <words>`, and Ctrl-C, or another signal, at the moment when `module` is about to be imported."""
    program = f"""
import os, signal, sys

class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Presses())
sys.argv = ["nanochat", *{[str(word) for word in words]!r}]
from nanochat.__main__ import main
main()
"""
    return subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False, cwd=cwd, timeout=60
    )


@pytest.mark.parametrize(
    "module",
    [
        "nanochat.cli",
        "typer",
        "nanochat.cli.options",
        "pydantic",
        "numpy",
        "nanochat.cli.commands.run.train",
        "rich.progress",
    ],
)
def test_ctrl_c_during_an_import_is_one_line_and_130(module, tmp_path):
    done = pressed_at(module, "train", "--preset", "bigram", "--steps", 3, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (130, "nanochat: interrupted")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("module", ["matplotlib", "matplotlib.ft2font"])
def test_ctrl_c_during_an_import_of_the_work_is_one_line_and_130(module, nanochat, abab, tmp_path):
    words = "train --preset bigram --steps 3 --batch-size 2 --eval-every 0 --set eval_tokens=16".split()
    assert nanochat(*words, "--data", abab, "--out", "run").code == 0
    done = pressed_at(module, "report", "run", cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (130, "nanochat: interrupted")


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_the_report_of_a_run_is_written_has_its_exit_code(name, code, abab, tmp_path):
    words = "train --preset bigram --steps 3 --batch-size 2 --eval-every 0 --set eval_tokens=16 --out run".split()
    done = pressed_at("matplotlib", *words, "--data", abab, cwd=tmp_path, name=name)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert read_run(tmp_path / "run").record.status == "ok"
    assert not (tmp_path / "run" / ".lock").exists()


def test_an_error_that_a_signal_caused_has_its_exit_code():
    error = ImportError("initialization failed")
    assert interruption(error) is None
    error.__cause__ = KeyboardInterrupt()
    assert interruption(error) == 130


@pytest.mark.slow
def test_a_hangup_saves_as_sigterm_does(start, abab, tmp_path):
    words = "train --preset bigram --eval-every 0 --batch-size 2 --set eval_tokens=16 --steps 1000000 --out run".split()
    process = start(*words, "--data", abab)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") > 5):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 129
    assert "Traceback" not in err
    assert read_run(tmp_path / "run").record.status == "interrupted"
    assert list_checkpoints(tmp_path / "run" / "checkpoints")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_whoever_started_us_had_ignored_stays_ignored(name):
    """As `nohup`, and a shell for what runs in the background of a script, have it."""
    number = getattr(signal, name)
    former = signal.signal(number, signal.SIG_IGN)
    try:
        with interruptible(), StopSignals().watched() as stop:
            os.kill(os.getpid(), number)
            assert not stop()
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, former)


def test_ctrl_c_for_the_foreground_ends_no_command_in_the_background(tmp_path):
    words = "train --preset bigram --steps 3 --batch-size 2 --eval-every 0 --set eval_tokens=16".split()
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is inherited
    try:
        done = [pressed_at(module, *words, cwd=tmp_path) for module in ("typer", "rich.progress")]
    finally:
        signal.signal(signal.SIGINT, former)
    assert [one.returncode for one in done] == [0, 0], done[0].stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_a_command_that_is_done_changes_nothing(name, tmp_path):
    program = f"""
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.{name}))
sys.argv = ["nanochat", "presets"]
from nanochat.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "microgpt" in done.stdout
