"""`nanochat chat`: a conversation at the terminal, or a line in and a line out in a pipe.

Answers go to stdout and everything else to stderr.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import DataError, DivergedError, NanochatError, UsageError
from ....plain import typed
from ...console import print_result, say, write_result
from ...options import RunFlag, UnknownFlag
from ...parser import Commands, Work
from ...sampling import SAMPLING_FLAGS, MaxFlag, check_limits, load_model, on_one_line, read_sampling

if TYPE_CHECKING:
    from ....inference.chat import Chat
    from ....inference.samplers import Sampling
    from ....tokenizers.char import Unknown

_HELP = """\
/reset       forget the conversation and begin anew
/save FILE   write the conversation as JSON, in the form that train --data reads (two or more of them)
/help        show this
exit         leave; so do Ctrl-D, and Ctrl-C where no answer is on its way
Everything else is said to the model. Ctrl-C stops an answer."""
_COMMAND = re.compile(r"(/[^\W\d_][^\s/]*)(|\s.*)")
"""A slash, a word, and what follows; /tmp/names is something to say."""


commands = Commands()


@commands.words("chat", "nanochat chat --run latest --temperature 0", last=SAMPLING_FLAGS)
def _words(
    *,
    run: RunFlag = "latest",
    system: Annotated[str, typer.Option(help="What the model is told before the conversation.")] = "",
    max_new_tokens: MaxFlag = 200,
    seed: Annotated[int, typer.Option(help="Root of the randomness.")] = 1337,
    unknown: UnknownFlag = None,
    **options: Any,
) -> Work:
    """Talk with a model that was trained on conversations.

    In a pipe each line of the input is a turn, and its answer a line of the output; a message that is refused has an
    empty one, line breaks of an answer are spaces, and the exit code is that of the first error. At a terminal, /help
    lists the commands; Ctrl-C stops an answer.
    """
    sampling, _ = read_sampling(options)
    check_limits(max_new_tokens, seed, least=1)
    if system and not system.strip():
        raise UsageError(f"--system {dumps(system)} says nothing: give some text, or leave it out")
    return partial(
        chat, run, system=typed(system), sampling=sampling, max_new_tokens=max_new_tokens, seed=seed, unknown=unknown
    )


def chat(run: str, *, system: str, sampling: Sampling, max_new_tokens: int, seed: int, unknown: Unknown | None) -> None:
    """Answer line by line until the input ends. An error is shown and the conversation goes on.

    In a pipe the exit code is in the end that of the first error. A model that has diverged, and input that is no
    text, end it at once.
    """
    from ....inference.chat import Chat
    from ....tokenizers.inspection import describe_unknown
    from ...folders import find_folder

    if sys.stdin is None:  # as `<&-` in a shell leaves it
        raise UsageError("stdin is closed, so nothing can be said: call chat at a terminal, or with a pipe or a file")
    model = load_model(find_folder(run), unknown)
    conversation = Chat(model, system=system, sampling=sampling, max_new_tokens=max_new_tokens, seed=seed)
    if remark := describe_unknown(model.tokenizer, system, ordinary=True):
        say(f"the system message: {remark}")
    session, code = _Session(conversation, at_terminal=sys.stdin.isatty()), 0
    for line in session.lines():
        try:
            if session.is_over(line.strip()):
                break
        except NanochatError as error:
            if isinstance(error, DivergedError) and not session.at_terminal:
                raise
            say(f"nanochat: {session.place}{_one_line(str(error))}")
            code = code or error.exit_code
    if code and not session.at_terminal:
        raise SystemExit(code)


class _Session:
    """What stands between the conversation and whoever types."""

    def __init__(self, chat: Chat, *, at_terminal: bool) -> None:
        self.chat, self.at_terminal = chat, at_terminal
        self.place = ""
        """Where the line comes from, for remarks on it: a person knows."""
        self._begin()

    def lines(self) -> Iterator[str]:
        """What is typed, line by line. Raises DataError for bytes that are no text."""
        if not self.at_terminal:
            for number, line in enumerate(_piped_lines(), start=1):
                self.place = f"line {number} of the input: "
                yield line
            return
        say("/help lists the commands, exit leaves")
        with suppress(ImportError):
            import_module("readline")  # arrows and history in input(); Windows has its own
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are no text are refused with their line
        while True:
            try:
                yield from _ask().split("\n")  # what was pasted may have several lines
            except EOFError:
                say("")
                return

    def is_over(self, line: str) -> bool:
        """Do what the line asks for; whether it asked to leave. An empty line asks for nothing."""
        if found := _COMMAND.fullmatch(line):
            return self._obey(found[1], found[2].strip())
        if line and line != "exit":
            self._answer(line)
        return line == "exit"

    def _obey(self, name: str, rest: str) -> bool:
        if name == "/save":
            self._save(rest)
        elif name not in ("/reset", "/help", "/exit"):
            raise UsageError(f"there is no command {name}: there are /reset, /save FILE, /help and exit")
        elif rest:
            raise UsageError(f"{name} takes nothing after it, and {rest!r} was given: write {name} alone")
        elif name == "/help":
            say(_HELP)
        elif name == "/reset":
            self.chat.reset()
            self._begin()
            say("the conversation begins anew")
        return name == "/exit"

    def _begin(self) -> None:
        self.is_full = False
        self.saved: set[Path] = set()
        """Files that hold the beginning of this conversation and may be written over."""

    def _answer(self, text: str) -> None:
        """Show the answer as it comes. In a pipe every message has its line, an empty one where it is refused."""
        try:
            with closing(self.chat.say(text)) as pieces:
                self._remark_on(text)
                for piece in pieces if self.at_terminal else on_one_line(pieces):
                    write_result(piece)
                    sys.stdout.flush()
        except KeyboardInterrupt:
            if not self.at_terminal:
                raise
        except NanochatError:
            if not self.at_terminal:
                print_result("")
            raise
        print_result("")
        sys.stdout.flush()

    def _remark_on(self, text: str) -> None:
        """Which words the model does not know, and once in a conversation that it forgets its beginning."""
        from ....tokenizers.inspection import describe_unknown

        if remark := describe_unknown(self.chat.language_model.tokenizer, text, ordinary=True):
            say(f"{self.place}{remark}")
        if self.chat.n_dropped and not self.is_full:
            self.is_full, size = True, self.chat.language_model.context
            say(f"the context of {size} tokens is full: from now on the oldest turns make room, /reset begins anew")

    def _save(self, name: str) -> None:
        if not name:
            raise UsageError("/save needs a name: write e.g. /save chat.json")
        try:
            path = Path(name).expanduser()
        except RuntimeError:
            user = name.partition("/")[0]
            raise UsageError(f"{user} is the home folder of nobody here: write another name") from None
        self.chat.save(path, new=path not in self.saved)
        self.saved.add(path)
        n = len(self.chat.turns)
        say(f"saved {n} turn{'s' * (n != 1)} to {_one_line(str(path))}")


def _one_line(text: str) -> str:
    """Without a flag that chat has not."""
    return " ".join(text.replace("choose another --out", "choose another name").split())


def _ask() -> str:
    """What is typed up to Enter, or pasted, from the terminal. Raises EOFError at its end."""
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
