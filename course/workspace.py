"""A student's folder: who they are, which files they have, what is begun. No file of theirs is ever written over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from .. import __version__
from ..errors import ConfigError, GuardError, WriteError
from ..plain import shown_path
from ..storage.atomic import write_bytes, write_text
from ..storage.reading import read_bytes
from ..storage.toml import read_toml_table
from ..validation import nearest, read_dataclass
from .judging import Report
from .lessons import LESSONS, Lesson, find_exercise, find_lesson
from .progress import NAME, Attempt, Progress, now, read_progress, update
from .variation import seed_of, variant_of
from .zoo.labs import Lab

SETTINGS = "course.toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """course.toml."""

    student: str = ""
    course: str = ""
    seed: int | None = None
    """Derived from course and student where it is not given."""
    variants: Mapping[str, str] = field(default_factory=dict)
    """Exercise -> variant, pinned by hand."""

    def __post_init__(self) -> None:
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"seed={self.seed} in {SETTINGS} is negative: give 0 or more, or leave it out")
        for key, name in self.variants.items():
            known = [one for lesson in LESSONS for one in lesson.keys]
            if key not in known:
                raise ConfigError(f"variants.{key} in {SETTINGS} is no exercise: {nearest(key, known)}")
            if name not in find_exercise(key).variants:
                names = find_exercise(key).variants
                raise ConfigError(f"variants.{key}={name!r} in {SETTINGS} is unknown: {nearest(name, names)}")


@dataclass(frozen=True)
class Workspace:
    """The folder of one student."""

    folder: Path
    settings: Settings

    @property
    def seed(self) -> int:
        """What variants and inputs follow from."""
        own = self.settings.seed
        return seed_of(self.settings.course, self.settings.student) if own is None else own

    @property
    def is_new(self) -> bool:
        """Nothing was begun in it."""
        return not (self.folder / NAME).exists()

    def variant(self, key: str) -> str:
        """The student's variant of an exercise: pinned in course.toml, or that of the file which they began with.

        So a name that is put into course.toml after `start` makes no file of theirs an answer to something else.
        """
        begun = self.progress().attempt(key).variant
        is_known = begun in find_exercise(key).variants
        return self.settings.variants.get(key) or (begun if is_known else self.drawn(key))

    def drawn(self, key: str) -> str:
        """The variant that somebody gets who begins now."""
        return self.settings.variants.get(key) or variant_of(find_exercise(key), key, self.seed)

    def path(self, key: str) -> Path:
        """Where the student's answer to an exercise lies."""
        return self.folder / find_lesson(key).folder / find_exercise(key).file

    def starter(self, key: str, variant: str = "") -> str:
        """What that file begins as."""
        exercise = find_exercise(key)
        return exercise.starter(exercise.variants[variant or self.variant(key)])

    def progress(self) -> Progress:
        """Raises CheckpointError where progress.json is damaged."""
        return read_progress(self.folder)


def open_workspace(folder: Path) -> Workspace:
    """The student's folder: `folder`, or the one above it where that is a lesson's. Raises ConfigError."""
    above = folder.absolute().parent
    if not (folder / NAME).exists() and (above / NAME).exists():
        folder = above
    path = folder / SETTINGS
    content = read_toml_table(path, "the course's") if path.exists() else {}
    return Workspace(folder, read_dataclass(Settings, content, ""))


def start(space: Workspace, lesson: Lesson) -> list[tuple[Path, bool]]:
    """Write what a lesson begins with: (file, whether it is new). What is there stays as it is. Raises WriteError."""
    with _kept(space.folder):
        written = [(path, _write_new(path, text)) for path, text in _texts(space, lesson)]
    for key in lesson.keys:
        _note(space, key, partial(replace, variant=space.variant(key)))
    return written


def start_lab(space: Workspace, lab: Lab) -> tuple[Path, bool]:
    """Write the page of a lab: (file, whether it is new). Raises WriteError."""
    path = space.folder / lab.word / "lab.md"
    with _kept(space.folder):
        return path, _write_new(path, lab.text())


def _texts(space: Workspace, lesson: Lesson) -> list[tuple[Path, str]]:
    """Path and content of each file that a lesson begins with."""
    texts = {"lesson.md": lesson.text(), **lesson.figures()}
    texts |= {space.path(key).name: space.starter(key) for key in lesson.keys}
    folder = space.folder / lesson.folder
    files = [(folder / name, text) for name, text in texts.items()]
    return [*files, (space.folder / SETTINGS, _SETTINGS_TEXT)]


def record_check(space: Workspace, key: str, path: Path, report: Report, text: str) -> Progress:
    """Put what a check found into progress.json."""
    digest = sha256(text.encode()).hexdigest()

    def change(attempt: Attempt) -> Attempt:
        has_passed = attempt.status == "passed"
        return replace(
            attempt,
            status="passed" if report.passed or has_passed else "broken",
            variant=report.variant,
            file=_relative(path, space.folder),
            tries=attempt.tries + (not has_passed),
            first_try=attempt.first_try or now(),
            passed=attempt.passed or (now() if report.passed else ""),
            sha256=digest if report.passed or not has_passed else attempt.sha256,
        )

    return _note(space, key, change)


def take_hint(space: Workspace, key: str) -> int:
    """The number of the hint to show now, from 0; after the last one it stays."""
    most = len(find_exercise(key).hints)
    progress = _note(space, key, lambda attempt: replace(attempt, hints=min(most, attempt.hints + 1)))
    return progress.attempt(key).hints - 1


def give_up(space: Workspace, key: str) -> None:
    """Keep that the student asked for the answer before passing."""
    _note(space, key, lambda attempt: replace(attempt, gave_up=attempt.gave_up or attempt.status != "passed"))


def reset(space: Workspace, key: str) -> tuple[Path, Path | None]:
    """The starter again, of the variant that is drawn now, and the copy that what was written became, if any."""
    path, copy = space.path(key), None
    if path.exists():
        raw = read_bytes(path)
        if raw != space.starter(key).encode():
            copy = next(name for name in _copies(path) if not name.exists())
            write_bytes(copy, raw, new=True)
    drawn = space.drawn(key)
    with _kept(space.folder):
        write_bytes(path, space.starter(key, drawn).encode())
    _note(space, key, lambda attempt: replace(attempt, variant=drawn))
    return path, copy


def _copies(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.name}.{n}") for n in range(1, 10_000))


def _note(space: Workspace, key: str, change: Callable[[Attempt], Attempt]) -> Progress:
    with _kept(space.folder):
        about = {"student": space.settings.student, "seed": space.seed, "nanochat": __version__}
        return update(space.folder, key, change, **about)


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Says of a folder that cannot be written what that means here: no command of `learn` but submit has an --out."""
    try:
        yield
    except WriteError as error:
        cause = error.__cause__
        why = cause.strerror if isinstance(cause, OSError) else ""
        raise WriteError(
            f"{shown_path(folder.absolute())} cannot be written ({why or error}), so nothing is kept there: "
            "change its permissions, or copy it to where you may write"
        ) from error


def _write_new(path: Path, text: str) -> bool:
    """Whether it was written: a file that is there stays."""
    if path.exists():
        return False
    try:
        write_text(path, text, new=True)
    except GuardError:  # it came meanwhile
        return False
    return True


def _relative(path: Path, folder: Path) -> str:
    absolute = path.absolute()
    home = folder.absolute()
    return absolute.relative_to(home).as_posix() if absolute.is_relative_to(home) else str(absolute)


_SETTINGS_TEXT = """\
# Who you are. Your variants of the exercises follow from these two lines; a teacher tells you what to write.
student = ""
course = ""
# seed = 4127              # in place of the one that follows from them

# [variants]
# 1a = "softplus"          # one exercise's variant, chosen by hand
"""
