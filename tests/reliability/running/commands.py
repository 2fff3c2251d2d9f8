"""Commands of the program as a shell sees them: exit code, stdout and stderr.

`together` forks them from this warm process, so that they begin within milliseconds of each other, as two people at one
folder need to in order to collide. `started` is a process of its own, with a start-up that can be disturbed. As a
program this file runs a list of commands one after the other, in whatever locale it was started:

    python -P commands.py jobs.json done.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

LONGEST_S = 60.0
REFUSALS = (2, 3, 4, 5)
"""Exit codes of commands that did nothing, for a reason that they said."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    words: tuple[str, ...]
    code: int
    """Its exit code, or minus the number of the signal that ended it."""
    out: bytes
    err: bytes

    @property
    def said(self) -> str:
        """Stderr, for a report."""
        return self.err.decode("utf-8", "backslashreplace")

    def trouble(self) -> str | None:
        """What no command may ever do: show a traceback, end as a bug does, or hang."""
        if "Traceback" in self.said or "Exception ignored" in self.said:
            return f"a traceback: {self.said.strip().splitlines()[-1][:200]}"
        if self.code < 0 or self.code == 1:
            return f"it ended with {self.code}: {self.said[-200:]}"
        if self.code in REFUSALS and "nanochat: " not in self.said:
            return f"exit code {self.code} without a sentence"
        return None


@cache
def warm() -> None:
    """Import what commands import, once, before the first fork."""
    ours = "checkpoints.inspection cli.display.run cli.display.sweep cli.folders experiments.phases.report"
    names = [f"nanochat.{name}" for name in (*ours.split(), "experiments.reports.study.report")]
    for name in (*names, "matplotlib.backends.backend_agg", "matplotlib.figure"):
        import_module(name)


def together(commands: Sequence[Sequence[str]], folder: Path, logs: Path, delays_s: Sequence[float] = ()) -> list[Done]:
    """All of them at once in `folder`, each after its delay; what they say goes to files in `logs`."""
    warm()
    logs.mkdir(parents=True, exist_ok=True)
    gate, opener = os.pipe()
    delays_s = delays_s or [0.0] * len(commands)
    pids = []
    for i, (words, delay_s) in enumerate(zip(commands, delays_s, strict=True)):
        pids.append(_fork(words, folder, logs / str(i), (gate, opener), delay_s))
    os.close(gate)
    os.close(opener)  # all begin
    codes = [_wait(pid, time.monotonic() + LONGEST_S + max(delays_s)) for pid in pids]
    read = lambda i, name: (logs / f"{i}.{name}").read_bytes()  # noqa: E731
    return [
        Done(tuple(words), code, read(i, "out"), read(i, "err"))
        for i, (words, code) in enumerate(zip(commands, codes, strict=True))
    ]


def one_by_one(commands: Sequence[Sequence[str]], folder: Path, logs: Path) -> list[Done]:
    """Each after the one before."""
    return [together([words], folder, logs)[0] for words in commands]


def _fork(words: Sequence[str], folder: Path, log: Path, gate: tuple[int, int], delay_s: float) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child calls nothing that other threads could hold
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(gate[1])
            os.read(gate[0], 1)
            time.sleep(delay_s)
            os.chdir(folder)
            _speak_into(log)
            code = run_here(words)
        finally:
            os._exit(code)
    return pid


def _speak_into(log: Path) -> None:
    """Let stdout and stderr be files, and stdin empty."""
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(log.with_name(f"{log.name}.{name}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (
        open(number, "w", encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        for number, errors in ((1, "strict"), (2, "backslashreplace"))
    )


def run_here(words: Sequence[str]) -> int:
    """One command in this process; its exit code."""
    from nanochat.cli.app import main

    code: Any = 1
    warnings.simplefilter("default")  # pytest's own filters make errors of remarks
    try:
        main(words)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001
        sys.stderr.write(traceback.format_exc())
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return code if isinstance(code, int) else 1


def _wait(pid: int, until: float) -> int:
    """The exit code; -9 where it had to be ended."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            return -9
        time.sleep(0.002)


def environment(**changes: str) -> dict[str, str]:
    """This one without settings of ours, and with these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NANOCHAT_")} | changes


def command_line(words: Sequence[str]) -> list[str]:
    """The program and its words, for a shell."""
    return [sys.executable, "-P", "-m", "nanochat", *words]


def started(words: Sequence[str], folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    """The command as a process that has yet to start up; `args` puts it into another one's."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()} | options
    command = options.pop("args", command_line(words))
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, **options)


def ended(process: subprocess.Popen[bytes], words: Sequence[str]) -> Done:
    """Wait for it; one that hangs is ended, and told by its code -9."""
    try:
        out, err = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return Done(tuple(words), process.returncode, out or b"", err or b"")


def in_locale(
    commands: Sequence[Sequence[bytes]], folder: Path, scratch: Path, changes: Mapping[str, str]
) -> list[Done]:
    """Words of any bytes, one command after the other, in a process that was started in that locale."""
    jobs, done = scratch / "jobs.json", scratch / "done.json"
    jobs.write_text(
        json.dumps({"folder": os.fsencode(folder).hex(), "commands": [[w.hex() for w in c] for c in commands]}),
        encoding="ascii",
    )
    program = [sys.executable, "-P", str(Path(__file__)), str(jobs), str(done)]
    kept = {name: value for name, value in environment().items() if not name.startswith(("LC_", "LANG"))}
    subprocess.run(program, env=kept | changes, check=True, stdin=subprocess.DEVNULL)
    return [
        Done(tuple(os.fsdecode(word) for word in words), code, bytes.fromhex(out), bytes.fromhex(err))
        for words, (code, out, err) in zip(commands, json.loads(done.read_text(encoding="ascii")), strict=True)
    ]


def _serve(jobs: Path, done: Path) -> None:
    content = json.loads(jobs.read_text(encoding="ascii"))
    folder = Path(os.fsdecode(bytes.fromhex(content["folder"])))
    commands = [[os.fsdecode(bytes.fromhex(word)) for word in words] for words in content["commands"]]
    found = one_by_one(commands, folder, done.parent / "logs")
    done.write_text(json.dumps([[d.code, d.out.hex(), d.err.hex()] for d in found]), encoding="ascii")


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]))
