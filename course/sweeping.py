"""Milestone 2: a student's change against the project's own, over seeds, by a study that was written first.

The file is loaded in a process of its own, which trains there; the sweep is an ordinary ablation in every other way,
and `nanochat report` makes its page. The change goes in for the cells of its variant alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from .. import errors
from ..errors import ConfigError, DataError, GuardError, NanochatError
from ..experiments.ablation.cells import CellResult, run_cell
from ..experiments.ablation.explicit import settings_of
from ..experiments.ablation.grid import AblationConfig, Cell
from ..experiments.ablation.sweep import AblationEvent, CellDone, run_ablation
from ..experiments.reports.study.report import REMARK
from ..plain import markdown, shown_path
from ..storage.atomic import write_text
from ..storage.reading import decode_text, read_bytes
from ..storage.toml import read_toml_table
from ..training.resolve import resolve
from ..validation import read_dataclass
from .lessons import find_exercise
from .running import load
from .zoo.specimen import Specimen, injected

NAME = "study.toml"
KEY = "12c"
TEMPLATE = """\
# Your study, written before its first run: afterwards it cannot be changed without running everything again.
name = "mine"        # of your variant, in the tables
question = ""        # what do you change, and why should it help?
expect = ""          # better, worse or no difference, and by about how much? Nobody will mind if it comes otherwise.

margin = 0.01        # a difference in nats a token that would matter
seeds = 8            # runs of each side; below six nothing can be told
steps = 200          # of each run
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """study.toml."""

    name: str = "mine"
    question: str = ""
    expect: str = ""
    margin: float = 0.01
    seeds: int = 8
    steps: int = 200

    def __post_init__(self) -> None:
        for field in ("question", "expect"):
            if not getattr(self, field).strip():
                raise ConfigError(f"{field} in {NAME} is empty: a study says first what it asks and what it expects")
        if self.name == "baseline":
            raise ConfigError(f"name={self.name!r} in {NAME} is that of the other side: choose another")
        if self.steps < 1:
            raise ConfigError(f"steps={self.steps} in {NAME} trains nothing: give 1 or more")
        self.study()

    def study(self) -> AblationConfig:
        """As an ablation: microgpt in arrays. A window as long as the context changes nothing; it is the mark by which
        the cells of the change have files of their own. Raises ConfigError.
        """
        base = resolve(
            {
                "preset": "microgpt",
                "mode": "tensor",
                "model": {"activation": "relu2"},
                "training": {"steps": self.steps, "eval_every": max(1, self.steps // 4)},
            }
        )
        mark = {"model.window": base.model.context_size}
        explicit = {self.name: settings_of(self.name, mark.items())}
        return AblationConfig(base=base, axes={}, explicit=explicit, seeds=self.seeds, margin=self.margin)


def read_plan(path: Path) -> Plan:
    """The student's study. Raises ConfigError."""
    return read_dataclass(Plan, read_toml_table(path, "the study's"), "")


def keep(study: Path, change: Path, out: Path) -> None:
    """Put study and change beside their results, before there is one. Raises GuardError where those are of others."""
    kept = {out / NAME: study, out / "change.py": change}
    if (out / "cells").exists() and not all(path.exists() for path in kept):
        raise GuardError(f"{shown_path(out)} holds results without the {NAME} they are of: choose another --out")
    for path, source in kept.items():
        text = decode_text(read_bytes(source), str(source), DataError)
        if not path.exists():
            write_text(path, text, new=True)
        elif decode_text(read_bytes(path), str(path), DataError) != text:
            raise GuardError(
                f"{shown_path(source)} was changed after its first results, which are of {shown_path(path)}: a study "
                "that is fitted to what came shows nothing. Put it back, or choose another --out"
            )


def write_remark(plan: Plan, place: str, digest: str, out: Path) -> None:
    """What the report has to say beside the settings: what was asked, and that they are not the change."""
    text = (
        f"**Asked before.** {markdown(plan.question)} Expected: {markdown(plan.expect)}.\n\n"
        f"**The change** is no setting: in the cells of `{plan.name}` the functions in change.py (sha256 "
        f"{digest[:12]}) stood in place of the project's own {place}; `model.window` is as long as the context, which "
        "changes nothing, and marks those cells. `nanochat learn sweep` does it again; the command under *Reproduce* "
        "trains without the change.\n"
    )
    write_text(out / REMARK, text)


def sweep(path: Path, variant: str, plan: Plan, out: Path, observe: Callable[[int, int, str], None]) -> None:
    """Run what is missing in `out`; observe(number, of, words) hears of each cell. Raises what a sweep does."""
    request = {"path": os.path.abspath(path), "variant": variant, "plan": asdict(plan), "out": os.path.abspath(out)}  # noqa: PTH100
    command = [sys.executable, "-P", "-B", "-c", f"from {__name__} import main; main()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    is_done = False
    try:
        with contextlib.suppress(OSError):  # a child that died at once
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        for said in _lines(process.stdout):
            if "failure" in said:
                raise getattr(errors, said["kind"], NanochatError)(said["failure"])
            if "number" in said:
                observe(said["number"], said["of"], said["words"])
            is_done = is_done or "done" in said
    finally:
        process.kill()
        process.wait()
    if not is_done:
        raise DataError(f"{shown_path(path)} ended the process that trained it, without a word: run it again")


def _lines(pipe: IO[bytes]) -> Iterator[dict[str, Any]]:
    with pipe:
        for line in pipe:
            yield json.loads(line)


# **** the child


def main() -> None:
    """Load the file, put its change in for its own cells, run them, and say a line of JSON for each.

    The channel is the process's stdout, which is put out of reach first: what the file prints goes to stderr.
    """
    channel = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent says what is to be said

    def tell(**content: Any) -> None:
        os.write(channel, json.dumps(content).encode() + b"\n")

    request = json.loads(sys.stdin.read())
    try:
        change = _specimen(Path(request["path"]), request["variant"])
        plan = Plan(**request["plan"])
        with injected(_for_its_cells(change, plan.name)):
            run_ablation(plan.study(), Path(request["out"]), observe=partial(_tell_of, tell))
        tell(done=True)
    except NanochatError as error:
        tell(failure=str(error), kind=type(error).__name__)


def _specimen(path: Path, variant: str) -> Specimen:
    from .lessons.evidence.change import change_of  # NumPy and both engines: the parent does without

    module, exercise = load(path), find_exercise(KEY)
    return change_of({name: getattr(module, name) for name in exercise.asks}, exercise.variants[variant]).specimen()


def _for_its_cells(change: Specimen, name: str) -> Specimen:
    """What runs a cell, with the change in it where the cell is of its variant."""

    def run(cell: Cell, **given: Any) -> CellResult:
        if cell.variant != name:
            return run_cell(cell, **given)
        with injected(change):
            return run_cell(cell, **given)

    about: dict[str, Any] = dict.fromkeys(("title", "case", "symptom"), "")
    into: dict[str, Any] = {"experiments.ablation.cells:run_cell": run}
    return Specimen(id="C0", name=name, found_by=(), blind=(), fault=run, into=lambda _: into, **about)


def _tell_of(tell: Callable[..., None], event: AblationEvent) -> None:
    if isinstance(event, CellDone):
        record = event.result.record
        loss = f"{record.val_loss:.4f} nats" if event.result.is_ok else f"{record.status}: {record.reason}"
        there = ", from before" if event.was_there else ""
        words = f"{event.result.cell.variant}, seed {record.seed}: {loss}{there}"
        tell(number=event.number, of=event.total, words=words)
