"""What may not be read is said to be so: not missing, not damaged, not something that could not be written."""

import ctypes
import os
import sys
import warnings

import pytest

from nanochat.cli.app import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="takes root's power to read away by capset")
TINY = "--preset bigram --steps 3 --eval-every 0 --batch-size 2 --set eval_tokens=16".split()
_CAPABILITY_VERSION_3 = 0x20080522


def as_others() -> None:
    """From here on permissions hold for root, too: no capability is left."""
    header, nothing = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, nothing) == 0


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Run `nanochat <words>` in a fork without root's power to read: its exit code and its stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the child calls nothing that other threads could hold
            pid = os.fork()
        if pid == 0:
            work(words)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        err = (tmp_path / "stderr").read_text(encoding="utf-8")
        assert "Traceback" not in err
        return code, err

    def work(words):
        code = 1
        try:
            sys.stdout = sys.stderr = (tmp_path / "stderr").open("w", encoding="utf-8")
            as_others()
            main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(code)

    return run


@pytest.fixture
def locked(trained, tmp_path):
    """Take the permission to read away from a path in tmp_path, in which there is a run in results/runs/one."""
    (tmp_path / "results" / "runs").mkdir(parents=True)
    trained(*TINY).rename(tmp_path / "results" / "runs" / "one")
    taken = []

    def take(name):
        taken.append(tmp_path / name)
        taken[-1].chmod(0)

    yield take
    for path in taken:
        path.chmod(0o755)


def test_a_run_that_may_not_be_read_is_listed_as_such(locked, refused):
    locked("results/runs/one")
    code, err = refused("runs", "list")
    assert code == 0
    assert "left out: results/runs/one cannot be read (Permission denied)" in err
    assert "no runs" not in err


@pytest.mark.parametrize(
    "words",
    [
        ["runs", "list"],
        ["sample"],
        ["report", "latest"],
        ["train", "--resume", "auto"],
        ["runs", "compare", "results/runs/one", "results/runs/one"],
    ],
)
def test_a_folder_of_runs_that_may_not_be_read_is_no_empty_one(locked, refused, words):
    locked("results/runs")
    code, err = refused(*words)
    assert code == 4
    assert "cannot be read (Permission denied): change its permissions" in err


@pytest.mark.parametrize("name", ["", "/checkpoints", "/config.json", "/metrics.jsonl"])
def test_resume_auto_starts_nothing_beside_a_run_that_it_may_not_read(locked, refused, tmp_path, name):
    (tmp_path / "results" / "runs" / "one" / "record.json").unlink()
    locked(f"results/runs/one{name}")
    code, err = refused("train", "--resume", "auto", "--preset", "bigram", "--steps", 3)
    assert code == 4
    assert "Permission denied" in err
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sample", "--run", "results/runs/one/x"], 4),
        (["chat", "--run", "results/runs/one/x"], 4),
        (["eval", "--run", "results/runs/one/x"], 4),
        (["report", "results/runs/one/x"], 4),
        (["checkpoint", "inspect", "results/runs/one/x"], 4),
        (["checkpoint", "verify", "results/runs/one"], 4),
        (["checkpoint", "convert", "results/runs/one", "m.json"], 4),
        (["checkpoint", "diff", "results/runs/one", "results/runs/one"], 4),
        (["checkpoint", "prune", "results/runs/one", "--keep-last", "1"], 4),
        (["train", "--resume", "results/runs/one"], 4),
        (["train", "--from", "results/runs/one"], 4),
        (["train", "--data", "results/runs/one/x.txt"], 3),
        (["train", "--config", "results/runs/one/x.toml"], 3),
        (["train", "--recipe", "results/runs/one/x.toml"], 3),
        (["ablate", "--study", "results/runs/one/x.toml"], 3),
        (["data", "stats", "results/runs/one/x.txt"], 3),
        (["tokenizer", "inspect", "results/runs/one/x.json"], 3),
        (["train", "--preset", "bigram", "--steps", "3", "--out", "results/runs/one/x"], 8),
    ],
)
def test_reading_and_writing_have_their_own_exit_codes(locked, refused, words, code):
    locked("results/runs/one")
    found, err = refused(*words)
    assert found == code, err
    assert ("cannot write" in err) == (code == 8)
    assert "ermission" in err


def test_a_removed_current_folder_is_named(start, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    process = start("sample", cwd=gone, preexec_fn=gone.rmdir)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (3, 4)
    assert "cannot write" not in err
