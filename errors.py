"""What can go wrong for a user: one class a kind, each with the exit code that the command line returns for it.

This is the ground under the floors: it imports nothing of ours, and every floor may raise from it. A message is one
sentence: what was wrong (the value), where (file, line, field, flag), how to mend it.
"""

import errno
import os
from collections.abc import Iterable

_LONGEST = 1000
_MENDING = {
    errno.EACCES: "change its permissions or copy it",
    errno.EPERM: "change its permissions or copy it",
    errno.EMFILE: "allow more open files, e.g. with ulimit -n 1024",
    errno.ENFILE: "close what holds many files open",
    errno.ENOMEM: "free some memory",
}


class NanochatError(Exception):
    """Anything that the user can mend; shown as one sentence, never as a traceback.

    settings    fields and values that the sentence names as Python writes them, `layout='chat'`: the command line shows
                the flag of each instead.
    """

    exit_code = 3

    def __init__(self, *args: object, settings: Iterable[tuple[str, object]] = ()) -> None:
        super().__init__(*args)
        self.settings = tuple(settings)

    def __str__(self) -> str:
        """The sentence; a damaged file can put a megabyte into it, and then its middle is left out."""
        text = super().__str__()
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} [...] {text[-_LONGEST // 2 :]}"


class UsageError(NanochatError):
    """The command line itself is wrong: an unknown flag, a negative count, a temperature that is not a number."""

    exit_code = 2


class ConfigError(NanochatError, ValueError):
    """A setting, or two settings together, make no sense."""


class DataError(NanochatError, ValueError):
    """A corpus cannot be read or is too small to train on."""


class TokenizerError(NanochatError, ValueError):
    """Text that a vocabulary cannot spell, or a tokenizer file that does not parse."""


class CheckpointError(NanochatError):
    """A checkpoint or results file is missing, corrupt, or made for another model."""

    exit_code = 4


class TooLargeError(CheckpointError):
    """A checkpoint or results file may well be whole, and memory does not hold it."""

    exit_code = 5


class GuardError(NanochatError):
    """A guard refused: not enough memory, memory that drifts, a prompt too long, a folder already in use."""

    exit_code = 5


class DivergedError(NanochatError):
    """Training produced a loss, gradient or weight that is not finite."""

    exit_code = 6


class SweepError(NanochatError):
    """Some cells of a sweep diverged, failed or were refused, or are missing; the others are on disk."""

    exit_code = 7


class WriteError(NanochatError):
    """A result could not be written: disk full, no permission, a file where a folder should be."""

    exit_code = 8


_EXTRAS = {
    "cluster": ("`--cluster`", "distributed"),
    "learn": ("`learn notebook`", "nbformat"),
    "torch": ("`--backend torch`", "torch"),
    "serve": ("`serve`", "prometheus-client, starlette and uvicorn"),
}
"""What a plain installation lacks: who asks for it, and the package; requirements/NAME.txt pins them (make lock)."""


def missing_extra(name: str) -> ConfigError:
    """That an optional package is missing, and where it is pinned. (The index may hold another project of our name.)"""
    asker, packages = _EXTRAS[name]
    return ConfigError(
        f"{asker} needs {packages}, which is not installed: in a checkout of this program run "
        f"`pip install --require-hashes -r requirements/{name}.txt`"
    )


class NanochatWarning(UserWarning):
    """Something that deserves saying and stops nothing: a damaged checkpoint that was passed over, another BLAS."""

    def __init__(self, *args: object, settings: Iterable[tuple[str, object]] = ()) -> None:
        super().__init__(*args)
        self.settings = tuple(settings)


def unreadable(error: OSError, path: str | os.PathLike[str] | None = None) -> str:
    """The sentence for what the system says against reading `path`, or the file that it names: why, and what helps."""
    where = path or error.filename
    if where is None and isinstance(error, FileNotFoundError):  # os.getcwd
        return "the current folder has been removed: change to one that is there"
    why = error.strerror or type(error).__name__
    mending = _MENDING.get(error.errno or 0, "check the path and the disk")
    return f"{where or 'something'} cannot be read ({why}): {mending}"


def was_not_read(error: BaseException) -> bool:
    """Whether the system refused to read, or memory ended: that says nothing of what lies there, unlike damage."""
    cause = error.__cause__
    gone = isinstance(cause, FileNotFoundError | NotADirectoryError | IsADirectoryError)
    return isinstance(cause, OSError | MemoryError) and not gone
