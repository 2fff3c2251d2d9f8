"""Mark a class: every answer is run again, in the variant that is the student's; receipts are compared, not believed.

Each answer runs in a process of its own with limits, as for a student (running.py): one that never ends costs itself.
It is no sandbox. Strangers' files belong into a container.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import DataError, NanochatError
from ...storage.atomic import make_directory, write_bytes
from ...storage.reading import decode_text
from ...storage.scratch import scratch_folder
from ..judging import Report
from ..lessons import find_exercise
from ..progress import Progress
from ..running import Limits, check
from ..workspace import Settings, Workspace, open_workspace
from .handed import KEYS, Handed, answer_path
from .receipt import compare_receipt
from .roster import Enrolled, plain_id

LIMITS = Limits(wall_s=60.0)
"""As a student's own check has them, with more patience: other answers run beside."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One answer, run again."""

    key: str
    variant: str
    points: int
    source: str = ""
    finding: str = ""
    """A word for why not all points; '' where every law holds."""
    wrong: str = ""
    """The same in a sentence."""


@dataclass(kw_only=True)
class Marks:
    """One submission. `findings` are words to sort by, `notes` sentences to read; each has the same reasons."""

    name: str
    student: str = ""
    marks: dict[str, Mark] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, finding: str, sentence: str) -> None:
        """Say something about it."""
        if finding not in self.findings:
            self.findings.append(finding)
        self.notes.append(sentence)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """An answer to be run."""

    marks: Marks
    key: str
    path: Path
    raw: bytes
    variant: str
    begun: str
    seed: int


def most(key: str) -> int:
    """The points of an exercise."""
    return sum(law.points for law in find_exercise(key).laws)


def grade(
    submissions: Sequence[Handed],
    roster: Sequence[Enrolled] = (),
    *,
    keys: Sequence[str] = KEYS,
    seed: int | None = None,
    jobs: int = 1,
    limits: Limits = LIMITS,
    graded: Callable[[int, int], None] = lambda n, of: None,
) -> list[Marks]:
    """Marks of every submission, in their order, then a row for each of the roster who handed nothing in.

    seed: inputs of this seed for everybody, in place of each student's own. `graded` hears how many answers are run.
    """
    known = {plain_id(one.student): one for one in roster}
    with scratch_folder() as folder:
        marks, tasks = [], list[_Task]()
        for i, handed in enumerate(submissions):
            one = Marks(name=handed.name)
            marks.append(one)
            tasks += _tasks(handed, one, folder / f"{i}" / "handed", known, keys=keys, seed=seed)
        with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
            try:
                for n, (task, mark) in enumerate(pool.map(lambda one: (one, _run(one, limits)), tasks), 1):
                    task.marks.marks[task.key] = mark
                    graded(n, len(tasks))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    for handed, one in zip(submissions, marks, strict=True):
        compare_receipt(handed, one.marks, one.note)
    _note_twins(marks)
    there = {plain_id(one.student) for one in marks}
    missing = [Marks(name="", student=one.student) for one in roster if plain_id(one.student) not in there]
    for one in missing:
        one.note("nothing handed in", "nothing was handed in under this id")
    return [*marks, *missing]


def _tasks(
    handed: Handed, marks: Marks, folder: Path, known: Mapping[str, Enrolled], *, keys: Sequence[str], seed: int | None
) -> Iterator[_Task]:
    """Write the files of one submission, and say what is to be run; what is wrong with it goes into its marks."""
    for problem in handed.problems:
        marks.note("not read", problem)
    if not handed.files:
        if not handed.problems:
            marks.note("not read", "it holds no file of the course: ask for what `nanochat learn submit` writes")
        return
    make_directory(folder)
    for name, raw in handed.files.items():
        write_bytes(folder / name, raw)
    space, progress = _opened(folder, marks)
    entry = known.get(plain_id(space.settings.student))
    marks.student = entry.student if entry else space.settings.student.strip()
    _note_identity(space, entry, marks, is_known=bool(known))
    for key in keys:
        path, begun = folder / answer_path(key), progress.attempt(key)
        if answer_path(key) not in handed.files:
            if key in progress.lessons:
                where = answer_path(key)
                marks.note("missing file", f"{key}: {where} is missing, and progress.json has it as {begun.status}")
            continue
        yield _Task(
            marks=marks,
            key=key,
            path=path,
            raw=handed.files[answer_path(key)],
            variant=entry.variants[key] if entry else space.drawn(key),
            begun=begun.variant,
            seed=(entry.seed if entry else space.seed) if seed is None else seed,
        )


def _opened(folder: Path, marks: Marks) -> tuple[Workspace, Progress]:
    """Who it is and what they began; nobody, and nothing, where the files that say so are damaged."""
    try:
        space = open_workspace(folder)
    except NanochatError as error:
        marks.note("damaged", _without(folder, error))
        space = Workspace(folder, Settings())
    try:
        return space, space.progress()
    except NanochatError as error:
        marks.note("damaged", _without(folder, error))
        return space, Progress()


def _without(folder: Path, error: Exception) -> str:
    """The sentence, with the path that a student knows."""
    return str(error).replace(f"{folder}{os.sep}", "")


def _note_identity(space: Workspace, entry: Enrolled | None, marks: Marks, *, is_known: bool) -> None:
    if not marks.student:
        marks.note("no name", "nobody is named in course.toml, so the variants are those of everybody without a name")
    elif is_known and entry is None:
        marks.note("not in the roster", f"{marks.student!r} is not in the roster: is it misspelt in course.toml?")
    if entry is None and (pinned := dict(space.settings.variants)):
        names = ", ".join(f"{key} = {name}" for key, name in pinned.items())
        marks.note("pinned", f"course.toml pins {names}: did you?")
    if entry is None and space.settings.seed is not None:
        marks.note("pinned", f"course.toml pins the seed {space.settings.seed}: did you?")


def _run(task: _Task, limits: Limits) -> Mark:
    key, variant, path = task.key, task.variant, task.path
    try:
        source = decode_text(task.raw, answer_path(key), DataError)
        report = check(key, path, variant=variant, seed=task.seed, limits=limits, text=source)
    except NanochatError as error:
        return Mark(key=key, variant=variant, points=0, finding="not judged", wrong=f"{key}: {error}")
    mark = Mark(key=key, variant=variant, points=_points(report), source=source)
    if report.passed:
        return mark
    if task.begun != variant and task.begun in find_exercise(key).variants:
        other = check(key, path, variant=task.begun, seed=task.seed, limits=limits, text=source)
        if _points(other) > mark.points:
            held = sum(one.state == "ok" for one in other.verdicts)
            sentence = (
                f"{key}: it answers the variant {task.begun!r} ({held} of {len(other.verdicts)} laws hold there), and "
                f"this student's is {variant!r}: if you allow it, put {task.begun!r} into the roster"
            )
            return replace(mark, finding="other variant", wrong=sentence)
    finding = "empty" if "is still empty" in report.failure else "not judged" if report.failure else "wrong"
    return replace(mark, finding=finding, wrong=f"{key}: {_why(report)}")


def _points(report: Report) -> int:
    return sum(one.points for one in report.verdicts if one.state == "ok")


def _why(report: Report) -> str:
    """In a sentence or two: what broke first, and the known mistake that it is."""
    if report.failure:
        return report.failure
    first = next(one for one in report.verdicts if one.state == "broken")
    held = sum(one.state == "ok" for one in report.verdicts)
    sentence = f"{held} of {len(report.verdicts)} laws hold; broken first is {first.law!r}"
    if broken := first.broken:
        sentence += f": {broken.call} should be {broken.expected}, yours is {broken.got}"
    return f"{sentence}. {report.why}".strip()


def _note_twins(marks: Sequence[Marks]) -> None:
    """Two submissions of one student: both are marked, and a person decides."""
    counts = Counter(plain_id(one.student) for one in marks if one.student)
    for one in marks:
        if one.student and counts[plain_id(one.student)] > 1:
            others = [two.name for two in marks if two is not one and plain_id(two.student) == plain_id(one.student)]
            one.note("two of one id", f"{one.student!r} is the id of {', '.join(others)}, too: ask which one counts")
