"""Processes that share work: what a script without a guard is told, and who hears Ctrl-C."""

import os
import subprocess
import sys

import pytest

from nanochat.errors import GuardError
from nanochat.tokenizers.processes import Handshake

UNGUARDED = """
from nanochat.tokenizers import CharTokenizer, encode_many
from nanochat.errors import GuardError
try:
    list(encode_many(CharTokenizer.train(["ab"]), ["ab", "ba"], jobs=2))
except GuardError as error:
    print(error)
"""


def test_a_handshake_that_nobody_made_names_the_guard():
    handshake = Handshake()
    with pytest.raises(GuardError, match='if __name__ == "__main__":'):
        handshake.check()
    handshake.tell.send_bytes(b".")
    handshake.check()
    handshake.close()


@pytest.mark.slow
@pytest.mark.parametrize("from_stdin", [False, True])
def test_encoding_in_processes_from_an_unguarded_script_names_the_guard(tmp_path, from_stdin):
    path = tmp_path / "script.py"
    path.write_text(UNGUARDED, encoding="utf-8")
    words = [sys.executable, "-P"] + ([] if from_stdin else [str(path)])
    done = subprocess.run(
        words, input=UNGUARDED * from_stdin, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120
    )
    assert done.stdout.splitlines()[-1].startswith("a process that shares the work ended before it began")
    assert "out of memory" not in done.stdout


STARTER = """
import os, signal, subprocess, sys
from nanochat.tokenizers.processes import deaf_to_the_terminal

program = "import os, signal; [os.kill(os.getpid(), n) for n in (signal.SIGINT, signal.SIGHUP)]; print('deaf')"
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append("late"))
with deaf_to_the_terminal():
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    os.kill(os.getpid(), signal.SIGINT)
    assert not heard
assert heard == ["late"]
assert (done.returncode, done.stdout, done.stderr) == (0, "deaf\\n", "")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such mask")
def test_what_is_started_inside_never_hears_the_terminal_and_what_starts_it_does_afterwards():
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # the system gives a signal to any thread that is not deaf
    done = subprocess.run([sys.executable, "-c", STARTER], capture_output=True, text=True, check=False, env=alone)
    assert (done.returncode, done.stderr) == (0, "")
