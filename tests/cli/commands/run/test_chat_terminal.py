"""`chat` at a real terminal, where Ctrl-C and Ctrl-D come from the keyboard and the line editor is at work."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nanochat.inference.chat import Chat

pty = pytest.importorskip("pty", reason="needs a terminal of POSIX")

# What runs instead of `python -m nanochat`. A session of its own has no terminal until it takes one, and whoever
# started the tests may have had Ctrl-C ignored, as shells do in the background. Nothing of this is done between fork
# and exec, where the child of a process with threads may wait for ever. With "slow" no answer has a second token; it is
# waited for in short naps, since a signal that comes just before a long one would be noticed after it.
LAUNCHER = """
import fcntl, signal, sys, termios, time
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
from nanochat.inference import generate
read_logits = generate.read_logits
def slowly(model, ids, cache=None):
    while len(ids[0]) == 1:
        time.sleep(0.01)
    return read_logits(model, ids, cache)
if sys.argv[1] == "slow":
    generate.read_logits = slowly
from nanochat.cli.app import main
main(sys.argv[2:])
"""
PATIENCE_S = 100.0
CTRL_C, CTRL_D = "\x03", "\x04"


class Screen:
    """A terminal with `nanochat chat` behind it."""

    def __init__(self, folder: Path, pace: str) -> None:
        try:
            self.ours, theirs = pty.openpty()
        except OSError as error:
            pytest.skip(f"no terminal can be opened here: {error}")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NANOCHAT_")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", LAUNCHER, pace, "chat", "--run", "model.json"],
            **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
            cwd=folder,
            env=environment | {"TERM": "dumb", "INPUTRC": os.devnull},
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def wait_for(self, end: str, *, again: str = "") -> str:
        """What has come since the last call, which ends so; where nothing comes for 5 s, `again` is typed."""
        start, deadline = len(self.seen), time.monotonic() + PATIENCE_S
        while not self.seen[start:].endswith(end):
            if not self._sees_more(min(deadline, time.monotonic() + 5)):
                assert time.monotonic() < deadline, f"no {end!r} at the end of {self.seen!r}"
                assert self.process.poll() is None, f"it has left, without {end!r} at the end of {self.seen!r}"
                self.type(again)
        return self.seen[start:]

    def leave(self) -> int:
        """The exit code, when all is read: a terminal that nobody reads would keep the process waiting."""
        deadline = time.monotonic() + PATIENCE_S
        while self._sees_more(deadline):
            pass
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)

    def _sees_more(self, deadline: float) -> bool:
        """False when the time is up or the process has left."""
        if not select.select([self.ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            new = os.read(self.ours, 4096).decode(errors="replace").replace("\r", "")
        except OSError:  # how Linux says that nobody is at the other end any more
            return False
        self.seen += new
        return bool(new)


@pytest.fixture
def screen(tmp_path, chat_model):
    """Start `nanochat chat` at a terminal; at the end of the test it is killed."""
    opened: list[Screen] = []

    def start(pace: str = "usual") -> Screen:
        opened.append(Screen(tmp_path, pace))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.mark.slow
def test_ctrl_c_stops_an_answer_and_leaves_at_the_prompt(screen, chat_model):
    answer = "".join(Chat(chat_model, seed=1337).say("yes"))
    chat = screen("slow")
    chat.wait_for("> ")
    chat.type("yes\n")
    chat.wait_for(f"yes\n{answer.split()[0]}")  # it streams: more does not come
    chat.type(CTRL_C)
    chat.wait_for("\n> ")
    chat.type("/save a.json\n")
    chat.wait_for("saved 1 turn to a.json\n> ")
    chat.type(CTRL_C)  # Python may miss it between showing the prompt and waiting for a key
    chat.wait_for("nanochat: interrupted\n", again=CTRL_C)
    assert chat.leave() == 130


@pytest.mark.slow
def test_at_a_terminal_answers_stand_between_prompts_and_ctrl_d_leaves(screen, chat_model):
    answer = "".join(Chat(chat_model, seed=1337).say("yes"))
    chat = screen()
    chat.wait_for("> ")
    chat.type("yes\n")
    assert chat.wait_for("\n> ") == f"yes\n{answer}\n> "
    chat.type(CTRL_D)
    assert chat.leave() == 0
