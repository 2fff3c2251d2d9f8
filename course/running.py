"""A student's file in a process of its own: loaded there, judged there, ended with everything that it started.

This is the only module that loads one, and only in the child. What is refused there (files outside the folder,
processes, sockets) is a guard against accidents, not a sandbox: it runs your code as you would, with your rights.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import IO, Any, NamedTuple

from .exercise import Exercise
from .judging import Report, judge, raised
from .lessons import find_exercise
from .source import obstacle, read_source

_STUDENT = "student"
"""What the module of a student's file is called, and the source of every frame of theirs."""


class Limits(NamedTuple):
    """What a check may take. Memory and processor time are limited where the system can."""

    wall_s: float = 20.0
    cpu_s: int = 10
    memory_bytes: int = 2 << 30
    output_bytes: int = 64 << 10


_LIMITS = Limits()


class _Refused(BaseException):
    """Something that no exercise does; not an Exception, so that no `except Exception` of theirs takes it."""


def check(
    key: str, path: Path, *, variant: str, seed: int, law: str = "", limits: Limits = _LIMITS, text: str | None = None
) -> Report:
    """Judge the file at `path`, an answer to the exercise `key` such as "3a"; `text` is its content, where it is known.

    Raises DataError where the file cannot be read; anything else that is wrong with it is the report's `failure`.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 (a link stays what it is: frames have the path as it is given)
    exercise = _find(key)
    empty = Report(exercise=key, title=exercise.title, file=path.name, variant=variant, seed=seed)
    source = read_source(path) if text is None else text
    failure = obstacle(exercise, source, exercise.starter(exercise.variants[variant]))
    if failure:
        return replace(empty, failure=failure)
    request = {"key": key, "path": str(path), "variant": variant, "seed": seed, "law": law, "limits": limits}
    said, output, end = _converse(request, limits)
    printed = output.decode("utf-8", "replace")
    report = next((Report.from_dict(one["report"]) for one in said if "report" in one), None)
    if report is None:
        doing = next((one["law"] for one in reversed(said) if "law" in one), "")
        failure = next((one["failure"] for one in said if "failure" in one), "") or _ended(
            doing, end, limits, is_loud=len(output) >= limits.output_bytes
        )
        report = replace(empty, failure=failure)
    return replace(report, file=path.name, output=printed)


def _find(key: str) -> Exercise:
    """An exercise of a lesson, or a specimen of the zoo to be mended."""
    if key.startswith("zoo "):
        from .zoo.mending import exercise_of  # NumPy and the instruments, which most checks do without

        return exercise_of(key.removeprefix("zoo "))
    return find_exercise(key)


# **** the parent: start, listen, end


def _converse(request: dict[str, Any], limits: Limits) -> tuple[list[dict[str, Any]], bytes, int | None]:
    """What the child said, what the file printed, and the child's exit code; None where its time was over."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-B", "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(request["path"]).parent,
        env={**os.environ, "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=os.name == "posix",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    said, printed = _Listener(process.stdout, 4 << 20), _Listener(process.stderr, limits.output_bytes)
    end: int | None = None
    try:
        with contextlib.suppress(OSError):  # a child that died at once
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        end = process.wait(limits.wall_s)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _end(process)
    return list(_lines(said.heard())), printed.heard(), end


def _end(process: subprocess.Popen[bytes]) -> None:
    """The child and whatever it started: it leads a group of processes, where there are groups."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Listener(threading.Thread):
    """Reads a pipe to its end and keeps the beginning, so that a flood neither blocks the child nor fills memory."""

    def __init__(self, pipe: IO[bytes], most: int) -> None:
        super().__init__(daemon=True)
        self._pipe, self._most, self._kept = pipe, most, bytearray()
        self.start()

    def run(self) -> None:
        """Read."""
        with self._pipe:
            while piece := self._pipe.read1(1 << 16):  # type: ignore[attr-defined]  # a buffered pipe
                self._kept += piece[: self._most - len(self._kept)]

    def heard(self) -> bytes:
        """What was kept, once the pipe is at its end."""
        self.join(5.0)
        return bytes(self._kept)


def _lines(raw: bytes) -> Iterator[dict[str, Any]]:
    for line in raw.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _ended(doing: str, end: int | None, limits: Limits, *, is_loud: bool) -> str:
    """Why there is no report, from how the child ended."""
    during = f"while the law `{doing}` was tried" if doing and doing != "why" else "while the file was loaded"
    loop = "does a loop print without an end, or far too much?" if is_loud else "is there a loop that never ends?"
    if end is None:
        return f"it did not come to an end within {limits.wall_s:g} s, {during}: {loop}"
    if sys.platform != "win32" and end in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"it took more than {limits.cpu_s} s of processor time, {during}: {loop}"
    if end < 0:
        return f"Python was ended by signal {-end}, {during}: is memory filled, or a recursion without an end?"
    return f"it left Python by itself (exit code {end}), {during}: an answer only defines and returns"


# **** the child


def main() -> None:
    """Load the file that the request names, judge it and say what was found: a line of JSON at a time.

    The channel is the process's stdout, which is put out of reach first: what the file prints goes to stderr.
    """
    channel = os.dup(1)
    os.dup2(2, 1)

    def tell(**content: Any) -> None:
        left = memoryview(json.dumps(content).encode() + b"\n")
        while left:
            left = left[os.write(channel, left) :]

    request = json.loads(sys.stdin.read())
    path, limits = Path(request["path"]), Limits(*request["limits"])
    exercise = _find(request["key"])
    refusals: list[str] = []
    _limit(limits)
    sys.addaudithook(_guard(path, refusals))
    try:
        module = load(path)
        answer = {name: _theirs(module, name, path) for name in exercise.asks}
        report = judge(
            exercise,
            answer,
            request["variant"],
            request["seed"],
            key=request["key"],
            law=request["law"],
            observe=lambda name: tell(law=name),
        )
        tell(failure=refusals[0]) if refusals else tell(report=report.to_dict())
    except MemoryError:
        tell(failure=f"it asks for more memory than {limits.memory_bytes >> 30} GiB: is a list growing without an end?")
    except (_Refused, _NotTheirs) as error:
        tell(failure=refusals[0] if refusals else str(error))
    except SystemExit:
        tell(failure="it calls exit: an answer only defines and returns")
    except Exception as error:  # noqa: BLE001 (their code may raise anything)
        tell(failure=refusals[0] if refusals else f"the file cannot be loaded: {raised(error)}")
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)  # threads of theirs are not waited for


def _limit(limits: Limits) -> None:
    if sys.platform == "win32":
        return
    import resource

    for kind, most in (
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some, and the parent's own may be lower
            resource.setrlimit(kind, (most, most + (kind == resource.RLIMIT_CPU)))


def load(path: Path) -> ModuleType:
    """The student's file as a module. For processes that were started for it alone."""
    spec = importlib.util.spec_from_file_location(_STUDENT, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_STUDENT] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class _NotTheirs(Exception):
    """What the file calls its answer was not written in it."""


def _theirs(module: ModuleType, name: str, path: Path) -> Any:
    """The function or class `name`, proven to be written in the file at `path`."""
    found = getattr(module, name, None)
    if isinstance(found, type):
        bases = [base for base in found.__mro__[1:] if base is not object]
        foreign = [base for base in [found, *bases] if base.__module__ != _STUDENT]
        if foreign:
            raise _NotTheirs(f"{name} builds on {foreign[0].__module__}.{foreign[0].__qualname__}: write it yourself")
        return found
    code = getattr(found, "__code__", None)
    if code is None or code.co_filename != str(path):
        home = getattr(found, "__module__", type(found).__module__)
        raise _NotTheirs(f"{name} comes from {home}, not from your file: write it with def")
    return found


_PROCESSES = frozenset(
    "subprocess.Popen os.system os.fork os.forkpty os.exec os.spawn os.posix_spawn os.startfile os.kill os.killpg "
    "pty.spawn _winapi.CreateProcess".split()
)
_CHANGES = frozenset(
    "os.remove os.rename os.rmdir os.mkdir os.link os.symlink os.truncate os.chmod os.chown os.utime".split()
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


def _guard(path: Path, refusals: list[str]) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook for what no exercise does. What it refuses it also notes, whoever catches the exception."""
    folder = os.path.realpath(path.parent)

    def is_outside(place: Any) -> bool:
        if not isinstance(place, (str, bytes)) or os.fsdecode(place) == os.devnull:
            return False  # a descriptor was opened before
        return not Path(os.path.realpath(os.fsdecode(place))).is_relative_to(folder)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        what = ""
        if event == "open":
            if arguments[2] & _WRITING and is_outside(arguments[0]):
                what = f"opens {os.fsdecode(arguments[0])!r} for writing, outside its folder"
        elif event in _PROCESSES:
            what = f"starts or ends another process ({event})"
        elif event.startswith("socket."):
            what = "opens a connection to the network"
        elif event in _CHANGES and any(map(is_outside, arguments[:2])):
            what = f"changes {os.fsdecode(arguments[0])!r}, outside its folder"
        if what:
            refusals.append(f"{_line_of_theirs(sys._getframe(1))}{what}: no exercise needs that, so it was not done")
            raise _Refused(refusals[0])

    return hook


def _line_of_theirs(frame: FrameType | None) -> str:
    while frame is not None:
        if frame.f_globals.get("__name__") == _STUDENT:
            return f"line {frame.f_lineno} "
        frame = frame.f_back
    return "it "
