import os
import signal
import subprocess
import sys

import pytest

from nanochat.errors import GuardError
from nanochat.storage.lock import folder_locked, held, removable

posix = pytest.mark.skipif(os.name == "nt", reason="other locks there")

HOLD = """
import pathlib, sys, time
from nanochat.storage.lock import folder_locked
with folder_locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_nothing_is_left_of_a_lock(tmp_path):
    with folder_locked(tmp_path / "a" / "b"):
        pass
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_lock_file_that_a_dead_process_left_behind_holds_nobody_up(tmp_path):
    (tmp_path / ".lock").write_text("999999999\n", encoding="ascii")
    with folder_locked(tmp_path):
        pass


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_a_lock_ends_with_its_process(tmp_path):
    command = [sys.executable, "-P", "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(GuardError, match=f"process {process.pid}"), folder_locked(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    with folder_locked(tmp_path):
        pass


@posix
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
def test_a_lock_that_a_dead_process_left_to_one_it_had_forked_is_waited_for(tmp_path):
    program = f"""
import os, pathlib, time
from nanochat.storage.lock import folder_locked
with folder_locked(pathlib.Path({str(tmp_path / "out")!r}), "run"):
    if os.fork() == 0:
        time.sleep(0.4)
        os._exit(0)
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    with folder_locked(tmp_path / "out", "run"):
        pass


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_lock_is_not_written_through_a_link(tmp_path, link):
    (tmp_path / "precious").write_text("mine", encoding="ascii")
    link(tmp_path / "precious", tmp_path / ".lock")
    with pytest.raises(GuardError, match=r"\.lock is a link"), folder_locked(tmp_path):
        pass
    assert (tmp_path / "precious").read_text(encoding="ascii") == "mine"


def fail_in(folder, *, leaving=()):
    with folder_locked(folder):
        for name in leaving:
            (folder / name).touch()
        raise ZeroDivisionError


def test_a_folder_that_was_made_in_vain_goes_again_and_no_other(tmp_path):
    (tmp_path / "mine").mkdir()
    for folder, left in ((tmp_path / "a" / "b", ()), (tmp_path / "mine", ()), (tmp_path / "kept", ("work",))):
        with pytest.raises(ZeroDivisionError):
            fail_in(folder, leaving=left)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "mine"]


def test_a_folder_that_must_be_new_is_taken_once(tmp_path):
    with (
        folder_locked(tmp_path / "a", new=True),
        pytest.raises(FileExistsError),
        folder_locked(tmp_path / "a", new=True),
    ):
        pass


@posix
def test_what_is_read_is_not_removed_and_readers_do_not_mind_each_other(tmp_path):
    with held(tmp_path) as first, held(tmp_path) as second:
        assert (first(), second()) == (True, True)
        with removable(tmp_path) as is_free:
            assert not is_free
    with removable(tmp_path) as is_free:
        assert is_free


@posix
def test_a_reader_knows_that_the_folder_is_another_one_by_now(tmp_path):
    (tmp_path / "step").mkdir()
    with held(tmp_path / "step") as is_there:
        (tmp_path / "step").rename(tmp_path / "gone")
        assert not is_there()
        (tmp_path / "step").mkdir()
        assert not is_there()
    with held(tmp_path / "never") as is_there:
        assert not is_there()


def test_a_lock_file_of_somebody_else_is_left_as_it_is(tmp_path):
    (tmp_path / ".lock").write_text("precious", encoding="utf-8")
    with pytest.raises(GuardError, match="not known to be written by nanochat"), folder_locked(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text(encoding="utf-8") == "precious"
