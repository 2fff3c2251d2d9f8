"""Who is in a class, and which variant of each exercise is theirs: a table that a teacher may edit.

`students.csv`, with a column `student`, becomes the whole table. A seed or a variant that stands in it is kept, so what
was changed by hand stays changed; an empty cell is drawn.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...storage.reading import Wording, decode_text, read_bytes
from ...validation import nearest
from ..lessons import find_exercise
from ..variation import seed_of, variant_of
from .handed import KEYS
from .tables import to_csv

_WORDING = Wording(
    error=DataError,
    missing="{path} does not exist: write a CSV with a column `student`",
    irregular="{path} is no regular file: name a CSV with a column `student`",
    no_path="{path!r} is no path ({why}): name a CSV with a column `student`",
    too_large="{path} has {size:,} bytes, more than any class: name a CSV with a column `student`",
)
_LARGEST = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """One student of a class."""

    student: str
    course: str
    seed: int
    variants: Mapping[str, str]
    """Exercise -> variant, every exercise."""


def plain_id(student: str) -> str:
    """What two spellings of one student have in common: ` Ada` is `ada`."""
    return " ".join(student.split()).casefold()


def read_roster(path: Path, course: str = "") -> list[Enrolled]:
    """The students of a CSV; `course` where it names none. Raises DataError, naming the line."""
    text = decode_text(read_bytes(path, _WORDING, limit=_LARGEST), str(path), DataError)
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        if "student" not in (rows.fieldnames or ()):
            raise DataError(f"{path}, line 1: there is no column `student`: it names them, with commas between")
        students = list(_students(rows, path, course))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: no CSV ({error}): mend the line") from error
    if not students:
        raise DataError(f"{path} names no student: one a line, below the line of the columns' names")
    return students


def _students(rows: csv.DictReader[str], path: Path, course: str) -> Iterator[Enrolled]:
    seen: dict[str, int] = {}
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        cells = {name: _typed(row[name] or "") for name in ("student", "course", "seed", *KEYS) if name in row}
        student = cells["student"]
        if not student:
            raise DataError(f"{where}: the student has no id: write one, e.g. ada")
        before = seen.setdefault(plain_id(student), rows.line_num)
        if before != rows.line_num:
            raise DataError(f"{where}: {student!r} stands in line {before} already: give each an id of their own")
        yield _enrolled(student, cells.get("course") or course, cells, where)


def _enrolled(student: str, course: str, cells: Mapping[str, str], where: str) -> Enrolled:
    seed = cells.get("seed", "")
    if seed and not (seed.isascii() and seed.isdecimal() and len(seed) < 19):
        raise DataError(f"{where}: seed={seed!r} is no whole number: leave it empty, and it is drawn")
    number = int(seed) if seed else seed_of(course, student)
    variants = {}
    for key in KEYS:
        exercise, named = find_exercise(key), cells.get(key, "")
        if named and named not in exercise.variants:
            raise DataError(f"{where}: {key} has no variant {named!r}: {nearest(named, exercise.variants)}")
        variants[key] = named or variant_of(exercise, key, number)
    return Enrolled(student=student, course=course, seed=number, variants=variants)


def _typed(cell: str) -> str:
    """Without spaces around it, and without the mark by which `to_csv` keeps a cell from being a formula."""
    text = cell.strip()
    return text[1:] if text[:1] == "'" and text[1:2] in "=+-@" else text


def roster_csv(students: Iterable[Enrolled]) -> str:
    """The whole table; `read_roster` gives the same students back."""
    rows = [{"student": one.student, "course": one.course, "seed": one.seed, **one.variants} for one in students]
    return to_csv(rows)
