"""From words to a command (cli/arguments_*.py), from a command to its work (cli/run_*.py), and to an exit code."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import cast

import typer

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

from . import (  # noqa: F401  isort: skip  (each hangs its commands on the app, in the order of --help)
    arguments_run,
    arguments_sample,
    arguments_eval,
    arguments_study,
    arguments_tools,
    arguments_checkpoint,
    arguments_data,
    arguments_tokenizer,
)
from . import commands as c
from . import commands_text as t
from .interrupts import interruptible, interruption
from .options import name_flags, unknown_variables
from .root import app
from .streams import discard, streams_guarded

_WORK = {
    c.TrainCommand: "run_train",
    c.SampleCommand: "run_sample",
    c.ChatCommand: "run_chat",
    c.EvalCommand: "run_eval",
    c.PhasesCommand: "run_phases",
    c.AblateCommand: "run_ablate",
    c.ReportCommand: "run_report",
    c.RunsListCommand: "run_runs",
    c.RunsCompareCommand: "run_runs",
    c.PresetsCommand: "run_presets",
    c.CertifyCommand: "run_certify",
    c.GraphCommand: "run_graph",
    c.BenchCommand: "run_bench",
    c.CheckpointInspectCommand: "run_checkpoint_inspect",
    c.CheckpointConvertCommand: "run_checkpoint",
    c.CheckpointDiffCommand: "run_checkpoint",
    c.CheckpointVerifyCommand: "run_checkpoint_folders",
    c.CheckpointPruneCommand: "run_checkpoint_folders",
    c.DoctorCommand: "run_doctor",
    t.DataValidateCommand: "run_data",
    t.DataStatsCommand: "run_data",
    t.DataConvertCommand: "run_data",
    t.TokenizerTrainCommand: "run_tokenizer_train",
    t.TokenizerEncodeCommand: "run_tokenizer",
    t.TokenizerDecodeCommand: "run_tokenizer",
    t.TokenizerInspectCommand: "run_tokenizer_figures",
    t.TokenizerCompareCommand: "run_tokenizer_figures",
}


_NO_MEMORY = "not enough memory: choose a smaller model, batch or corpus"
_WANT_OF_MEMORY = re.compile("failed to map segment|cannot allocate memory|can't start new thread", re.IGNORECASE)


def main(argv: Sequence[str] | None = None) -> None:
    """The `nanochat` command: parse, work, exit with the code of DESIGN section 6."""
    words, is_closed = sys.argv[1:] if argv is None else argv, sys.stdout is None
    os.environ["MPLBACKEND"] = "Agg"  # figures go to files: what somebody wrote there about windows ends no run
    with streams_guarded():
        if is_closed:
            _complain("stdout is closed, so no result can be written: leave it open, e.g. > FILE", WriteError)
        sys.exit(WriteError.exit_code if is_closed else _exit_code(words))


def parse(argv: Sequence[str]) -> c.Command | None:
    """The command that the words ask for; None where they asked for help and got it.

    Raises typer.TyperException on wrong usage and NanochatError on wrong settings.
    """
    result = app(list(argv), prog_name="nanochat", standalone_mode=False)
    if isinstance(result, int) and result:  # Typer's word for Ctrl-C while it reads the words
        raise typer.Exit(result)
    return cast("c.Command", result) if type(result) in _WORK else None


def execute(command: c.Command) -> None:
    """Do what the command says; its module is imported only now."""
    work = import_module(f".{_WORK[type(command)]}", __package__).execute
    with interruptible():
        work(command)


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
        for sentence in unknown_variables(os.environ):
            _remark(argv, sentence)
        return _run(argv)


def _remark(argv: Sequence[str], message: Warning | str, *_: object, **__: object) -> None:
    """A warning as one line on stderr, without the line of code that it comes from."""
    _tell(name_flags(str(message), getattr(message, "settings", ()), argv))


def _run(argv: Sequence[str]) -> int:
    try:
        command = parse(argv)
        if command is not None:
            execute(command)
    except NanochatError as error:
        return _complain(name_flags(str(error), error.settings, argv), type(error))
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
