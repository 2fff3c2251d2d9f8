"""R3: whatever order things are saved, interrupted, pruned, damaged and copied in, the newest whole one is found.

A state machine of Hypothesis: it invents the order, and shortens what fails to its essence.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from faults import Crash, Faults
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tally import Tally

from nanochat.checkpoints.directory import newest_checkpoint, prune, save_directory, verify
from nanochat.errors import CheckpointError, NanochatWarning
from nanochat.storage.atomic import write_text

_MODEL, _STATE = "model.json", "state.json"
_CALLS = st.integers(1, 60)


class Retention(RuleBasedStateMachine):
    """What should be there, beside what is: `whole` is step -> version of the checkpoints that nothing has touched."""

    n_done: ClassVar[dict[str, int]] = {}
    """Rules carried out, over all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.folder = self.home / "0" / "checkpoints"
        self.whole: dict[int, int] = {}
        self.version = 0

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    @rule(ahead=st.integers(1, 3))
    def save(self, ahead: int) -> None:
        self._save(self._last() + ahead)

    @rule()
    @precondition(lambda self: self.whole)
    def save_the_last_step_again(self) -> None:
        self._save(max(self.whole))

    @rule(ahead=st.integers(0, 2), at=_CALLS)
    def crash_while_saving(self, ahead: int, at: int) -> None:
        step, former = self._last() + ahead, dict(self.whole)
        try:
            with Faults(self.folder, at=at, kind="crash"):
                self._save(step)
        except Crash:
            self._done("crash")
            self._look()
            version = self._version(step)
            assert version in (former.get(step), self.version), "neither the former nor the new one is there, whole"
            self.whole = former | ({} if version is None else {step: version})

    @rule(keep_last=st.integers(0, 4), keep=st.sets(st.integers(1, 12), max_size=2))
    def prune(self, keep_last: int, keep: set[int]) -> None:
        there, must = self._steps(), self._to_keep(keep_last, keep)
        removed = prune(self.folder, keep_last=keep_last, keep=keep) if self.folder.exists() else []
        assert {path.name for path in removed} == there - self._steps(), "it returns what it has removed"
        assert keep_last or not removed, "keep_last=0 removes nothing"
        self.whole = {step: version for step, version in self.whole.items() if step in must}
        gone = [step for step, version in self.whole.items() if self._version(step) != version]
        assert not gone, f"removed, though among the newest {keep_last} or in {keep}"
        assert not keep_last or {int(name[5:]) for name in self._steps()} & set(self._whole()) == must
        self._done("prune")

    @rule(keep_last=st.integers(1, 3), at=_CALLS)
    def crash_while_pruning(self, keep_last: int, at: int) -> None:
        must = self._to_keep(keep_last, set())
        try:
            with Faults(self.folder, at=at, kind="crash"):
                self.prune(keep_last, set())
        except Crash:
            self._done("crash")
            gone = [step for step in must if self._version(step) != self.whole[step]]
            assert not gone, f"the end came while pruning, and {gone} of the newest {keep_last} are gone"
            self.whole = {step: version for step, version in self.whole.items() if self._version(step) == version}

    @rule(how=st.sampled_from("flip cut empty remove add manifest torn".split()))
    @precondition(lambda self: self.whole)
    def damage_the_newest(self, how: str) -> None:
        step = max(self.whole)
        _DAMAGES[how](self.folder / f"step-{step:08d}")
        del self.whole[step]
        self._done("damage")

    @rule()
    @precondition(lambda self: self.folder.exists())
    def go_on_in_a_copy(self) -> None:
        copy = self.home / str(int(self.folder.parent.name) + 1) / "checkpoints"
        shutil.copytree(self.folder, copy)
        self.folder = copy
        self._done("copy")

    @rule(name=st.sampled_from(["step-{:08d} (copy)", "step-{:08d}.bak", "step-{}", "old-step-{:08d}", "step-"]))
    @precondition(lambda self: self.whole)
    def copy_one_under_another_name(self, name: str) -> None:
        newest = max(self.whole)
        copy = self.folder / name.format(newest + 5)
        if not copy.exists():
            shutil.copytree(self.folder / f"step-{newest:08d}", copy)
        self._done("copy")

    @invariant()
    def the_newest_whole_one_is_found(self) -> None:
        found = self._look()
        if found is None:
            assert not self.whole, f"{sorted(self.whole)} are whole, and none is found"
            return
        assert self.whole, f"{found.name} is found, and none is whole"
        step = max(self.whole)
        assert found.name == f"step-{step:08d}"
        assert self._version(step) == self.whole[step]

    def _look(self) -> Path | None:
        """What somebody finds who looks for the newest; whoever looks puts right what a crash left half done."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NanochatWarning)
            try:
                return newest_checkpoint(self.folder)
            except CheckpointError:
                return None

    def _save(self, step: int) -> None:
        self.version += 1

        def write_files(draft: Path) -> None:
            write_text(draft / _MODEL, str(self.version))
            write_text(draft / _STATE, str(step))

        save_directory(self.folder, step, write_files)
        self.whole[step] = self.version
        leftovers = [path.name for path in self.folder.glob(".*")]
        assert not leftovers, "a save leaves its own or earlier drafts behind"
        self._done("save")

    def _last(self) -> int:
        return max(self.whole, default=0)

    def _steps(self) -> set[str]:
        """Names of folders of steps, those that a person has copied by hand left out."""
        return {path.name for path in self.folder.glob("step-????????") if path.name[5:].isdecimal()}

    def _whole(self) -> dict[int, int]:
        there = {int(name[5:]): self._version(int(name[5:])) for name in self._steps()}
        return {step: version for step, version in there.items() if version is not None}

    def _to_keep(self, keep_last: int, keep: set[int]) -> set[int]:
        return set(sorted(self.whole)[-keep_last:]) | (self.whole.keys() & keep)

    def _version(self, step: int) -> int | None:
        """Of a checkpoint that verifies; None for one that does not, or is not there."""
        folder = self.folder / f"step-{step:08d}"
        try:
            verify(folder)
        except CheckpointError:
            return None
        return int((folder / _MODEL).read_text(encoding="utf-8"))

    def _done(self, what: str) -> None:
        self.n_done[what] = self.n_done.get(what, 0) + 1


def _flip(folder: Path) -> None:
    content = (folder / _MODEL).read_bytes()
    (folder / _MODEL).write_bytes(bytes([content[0] ^ 1]) + content[1:])


_DAMAGES: dict[str, Callable[[Path], object]] = {
    "flip": _flip,
    "cut": lambda folder: os.truncate(folder / "MANIFEST.json", 40),
    "empty": lambda folder: (folder / _STATE).write_bytes(b""),
    "remove": lambda folder: (folder / _MODEL).unlink(),
    "add": lambda folder: (folder / "more.json").write_bytes(b"{}"),
    "manifest": lambda folder: (folder / "MANIFEST.json").unlink(),
    "torn": lambda folder: shutil.rmtree(folder),
}


def explore(n_examples: int, n_steps: int, *, shrinks: bool = True) -> Tally:
    """That many orders of that many rules each; what fails is shortened."""
    tally = Tally("orders of save, crash, prune, damage and copy")
    Retention.n_done.clear()
    chosen = settings(
        max_examples=n_examples,
        stateful_step_count=n_steps,
        deadline=None,
        report_multiple_bugs=False,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    with tally.timed():
        try:
            run_state_machine_as_test(Retention, settings=chosen)
        except (AssertionError, Exception) as error:  # noqa: BLE001
            tally.add("\n".join([repr(error), *getattr(error, "__notes__", [])]))
    tally.n = max(n_examples, tally.n)
    tally.facts |= {"rules carried out": sum(Retention.n_done.values()), **Retention.n_done}
    return tally
