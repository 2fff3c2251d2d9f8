"""The program: its commands in one table, from words to work and an exit code.

A command is a file below commands/, its words above its work: `parse` imports it and reads the words, `main` works.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import typer

from .. import __version__
from ..errors import (
    CheckpointError,
    GuardError,
    NanochatError,
    NanochatWarning,
    UsageError,
    WriteError,
    unreadable,
)
from ..plain import terminal
from .interrupts import interruptible, interruption
from .parser import Entry, LazyGroup, Work
from .streams import discard, streams_guarded

COMMANDS = {
    "learn": Entry("Learn", "learn", "The course: read, write it yourself, and laws decide."),
    "train": Entry("Run", "run.train", "Train a model; with no flag at all, microgpt on names."),
    "sample": Entry("Run", "run.sample", "Draw text from a model, or search for the likeliest."),
    "chat": Entry("Run", "run.chat", "Talk with a model that was trained on conversations."),
    "serve": Entry("Run", "run.serve", "Let others talk to a model over HTTP, as OpenAI's clients do."),
    "eval": Entry("Run", "run.eval", "Measure a model: loss, perplexity, answers."),
    "runs": Entry("Run", "run.runs", "What was run so far, listed or compared."),
    "report": Entry("Run", "run.report", "Write the report of a run or a study anew."),
    "ablate": Entry("Study", "study.ablate", "Compare variants over several seeds, with statistics."),
    "certify": Entry("Study", "study.certify", "Prove that both engines compute the same gradients."),
    "health": Entry("Study", "study.health", "Try laws on a run or a configuration: is it sound?"),
    "compress": Entry("Study", "compress", "Make a model smaller: quantise, prune, distil, and what each costs."),
    "parity": Entry("Study", "study.parity", "Compare with karpathy/nanochat, line by line."),
    "bench": Entry("Study", "study.bench", "Measure training steps and decoding."),
    "graph": Entry("Teach", "teach.graph", "Draw the graph of an expression, or of a run's loss."),
    "zoo": Entry("Teach", "teach.zoo", "Bugs of public code, put in one at a time, for you to find."),
    "data": Entry("File", "file.data", "Data files: checked, counted, converted."),
    "tokenizer": Entry("File", "file.tokenizer", "Text to ids and back."),
    "checkpoint": Entry("File", "file.checkpoint", "Models and checkpoints on disk."),
    "presets": Entry("More", "presets", "List what there is to start from."),
    "doctor": Entry("More", "doctor", "Look at this machine, and what may be wrong with it."),
}


class _Program(LazyGroup):
    table = COMMANDS


app = typer.Typer(
    cls=_Program,
    name="nanochat",
    help="Automatic differentiation and transformers, in single numbers and in arrays.",
    epilog="Example: nanochat train && nanochat sample --n-samples 10",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # Rich markup in help costs 100 ms
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"nanochat {__version__}")
        raise typer.Exit


_NO_MEMORY = "not enough memory: choose a smaller model, batch or corpus"
_WANT_OF_MEMORY = re.compile("failed to map segment|cannot allocate memory|can't start new thread", re.IGNORECASE)


def main(argv: Sequence[str] | None = None) -> None:
    """The `nanochat` command: parse, work, exit with a code of errors.py."""
    words, is_closed = sys.argv[1:] if argv is None else argv, sys.stdout is None
    os.environ["MPLBACKEND"] = "Agg"  # figures go to files: what somebody wrote there about windows ends no run
    with streams_guarded():
        if is_closed:
            _complain("stdout is closed, so no result can be written: leave it open, e.g. > FILE", WriteError)
        sys.exit(WriteError.exit_code if is_closed else _exit_code(words))


def parse(argv: Sequence[str]) -> Work | None:
    """What the words ask for, to be called; None where they asked for help and got it.

    Flags are checked and nothing is done, and neither a model nor a corpus is read. Raises typer.TyperException on
    wrong usage and NanochatError on wrong settings.
    """
    result = app(list(argv), prog_name="nanochat", standalone_mode=False)
    if isinstance(result, int) and result:  # Typer's word for Ctrl-C while it reads the words
        raise typer.Exit(result)
    return result if isinstance(result, partial) else None


def _exit_code(argv: Sequence[str]) -> int:
    """What the program ends with, everything written; every way to fail has said its one sentence."""
    try:
        code = _attempt(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as `| head` does: not an error
        discard(sys.stdout)
        return 0
    except WriteError as error:  # the last of the results
        return _complain(str(error), WriteError)
    return code


def _attempt(argv: Sequence[str]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("default", NanochatWarning)  # the same remark is made once
        warnings.showwarning = partial(_remark, argv)
        if any(name.startswith("NANOCHAT_") for name in os.environ):
            from .options import unknown_variables  # the settings: not for `nanochat --help`

            for sentence in unknown_variables(os.environ):
                _remark(argv, sentence)
        return run(argv)


def _remark(argv: Sequence[str], message: Warning | str, *_: object, **__: object) -> None:
    """A warning as one line on stderr, without the line of code that it comes from."""
    _tell(_spelled(message, argv))


def _spelled(message: Warning | NanochatError | str, argv: Sequence[str]) -> str:
    """The text, its settings as whoever typed `argv` knows them."""
    settings = getattr(message, "settings", ())
    if not settings:
        return str(message)
    from .options import name_flags

    return name_flags(str(message), settings, argv)


def run(argv: Sequence[str]) -> int:
    """Parse and work; the exit code, its one sentence said."""
    try:
        work = parse(argv)
        if work is not None:
            with interruptible():
                work()
    except NanochatError as error:
        return _complain(_spelled(error, argv), type(error))
    except typer.TyperException as error:
        return _refuse(error)
    except typer.Exit as error:
        return error.exit_code
    except SystemExit as leave:  # an interrupted run, with everything on disk
        return cast("int", leave.code)
    except (KeyboardInterrupt, typer.Abort):
        return _leave(130)
    except BrokenPipeError:
        raise
    except OSError as error:  # whoever writes says so himself, and stdout does: this is something that was to be read
        return _complain(unreadable(error), CheckpointError)
    except MemoryError:
        return _complain(_NO_MEMORY, GuardError)
    except Exception as error:
        code = interruption(error)
        if code is None and not _is_for_memory(error):
            raise
        return _complain(_NO_MEMORY, GuardError) if code is None else _leave(code)
    return 0


def _leave(code: int) -> int:
    sys.stderr.write("\nnanochat: interrupted\n")
    return code


def _is_for_memory(error: Exception) -> bool:
    """What Python and the loader of libraries say instead of MemoryError."""
    return isinstance(error, ImportError | RuntimeError) and bool(_WANT_OF_MEMORY.search(str(error)))


def _complain(sentence: str, kind: type[NanochatError]) -> int:
    """One line on stderr, whatever a file or a flag has put into it; the exit code."""
    if kind is WriteError and not _is_here():
        sentence = "the folder that this was started in is gone, so nothing can be written: go to another one with cd"
    _tell(sentence)
    return kind.exit_code


def _tell(sentence: str) -> None:
    """One line on stderr, whatever a file or a flag has put into it."""
    sys.stderr.write(f"nanochat: {terminal(' '.join(sentence.split()))}\n")


def _refuse(error: typer.TyperException) -> int:
    """What Typer found wrong with the words, as a sentence of ours."""
    message: str = error.format_message().rstrip(".")
    if message.startswith("Usage:"):  # no words at all: the help is the answer
        sys.stderr.write(f"{message}\n")
        return UsageError.exit_code
    context = getattr(error, "ctx", None)
    words = context.command_path if context else "nanochat"
    return _complain(f"{message[0].lower()}{message[1:]}: see `{words} --help`", UsageError)


def _is_here() -> bool:
    """The current folder has not been removed meanwhile."""
    try:
        Path.cwd()
    except OSError:
        return False
    return True
