"""`nanochat chat`: a conversation at the terminal, or a line in and a line out in a pipe.

Answers go to stdout and everything else to stderr.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path

from ..errors import DataError, GuardError, NanochatError, UsageError
from ..inference.chat import Chat
from ..inference.language_model import load
from ..validation import nearest
from .commands import ChatCommand
from .console import say
from .folders import find_folder
from .run_sample import with_policy

_HELP = """\
/reset       forget the conversation and begin anew
/save FILE   write the conversation as JSON, which nanochat train --data can read
/help        show this
exit         leave; so do Ctrl-D, and Ctrl-C where no answer is on its way
Everything else is said to the model. Ctrl-C stops an answer."""
_COMMANDS = ("/reset", "/save", "/help", "/exit")


def execute(command: ChatCommand) -> None:
    """Answer line by line until the input ends. At a terminal an error is shown and the conversation goes on."""
    model = with_policy(load(find_folder(command.run)), command.unknown)
    chat = Chat(
        model,
        system=command.system,
        sampling=command.sampling,
        max_new_tokens=command.max_new_tokens,
        seed=command.seed,
    )
    session = _Session(chat, at_terminal=sys.stdin.isatty())
    for line in session.lines():
        try:
            if session.is_over(line.strip()):
                return
        except NanochatError as error:
            if not session.at_terminal:
                raise
            say(f"nanochat: {error}")


class _Session:
    """What stands between the conversation and whoever types."""

    def __init__(self, chat: Chat, *, at_terminal: bool) -> None:
        self.chat, self.at_terminal = chat, at_terminal
        self.saved: set[Path] = set()

    def lines(self) -> Iterator[str]:
        """What is typed, line by line. Raises DataError for bytes that are no text."""
        if not self.at_terminal:
            yield from _piped_lines()
            return
        say("/help lists the commands, exit leaves")
        with suppress(ImportError):
            import_module("readline")  # arrows and history in input(); Windows has its own
        while True:
            try:
                yield _ask()
            except EOFError:
                say("")
                return

    def is_over(self, line: str) -> bool:
        """Do what the line asks for; whether it asked to leave. An empty line asks for nothing."""
        word, _, rest = line.partition(" ")
        if line in ("exit", "/exit"):
            return True
        if line == "/reset":
            self.chat.reset()
            say("the conversation begins anew")
        elif line == "/help":
            say(_HELP)
        elif word == "/save":
            self._save(rest.strip())
        elif re.fullmatch("/[a-z]+", word):
            raise UsageError(f"there is no command {word}: {nearest(word, _COMMANDS)}")
        elif line:
            self._answer(line)
        return False

    def _answer(self, text: str) -> None:
        n_before = self.chat.n_dropped
        with closing(self.chat.say(text)) as pieces:
            if n := self.chat.n_dropped - n_before:
                turns = "the oldest turn is" if n == 1 else f"the {n} oldest turns are"
                size = self.chat.language_model.context
                say(f"the context of {size} tokens is full: {turns} not read any more ({self.chat.n_dropped} in all)")
            try:
                for piece in pieces:
                    sys.stdout.write(piece)
                    sys.stdout.flush()
            except KeyboardInterrupt:
                if not self.at_terminal:
                    raise
        sys.stdout.write("\n")
        sys.stdout.flush()

    def _save(self, name: str) -> None:
        if not name:
            raise UsageError("/save needs a name: write e.g. /save chat.json")
        path = Path(name).expanduser()
        if path.exists() and path not in self.saved:
            raise GuardError(f"{path} is there already: choose another name")
        self.chat.save(path)
        self.saved.add(path)
        n = len(self.chat.turns)
        say(f"saved {n} turn{'s' * (n != 1)} to {path}")


def _ask() -> str:
    """One line from the terminal. Raises EOFError at its end."""
    if sys.stdout.isatty():
        return input("> ")
    sys.stderr.write("> ")  # input() would write it among the answers
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _piped_lines() -> Iterator[str]:
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"line {number} of the input is no UTF-8 (byte {error.start}): convert it to UTF-8 first"
            ) from None
