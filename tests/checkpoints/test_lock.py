import os
import signal
import subprocess
import sys

import pytest

from nanochat.checkpoints.lock import folder_locked
from nanochat.errors import GuardError

HOLD = """
import pathlib, sys, time
from nanochat.checkpoints.lock import folder_locked
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
