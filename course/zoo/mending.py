"""A specimen as an exercise: its function is what a student writes, and the instruments that find it are the laws."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from inspect import getsource
from pathlib import Path
from typing import Any

from ...errors import DataError, UsageError
from ..exercise import Answer, Broken, Exercise, Law
from .catalogue import find_specimen
from .instruments import find
from .specimen import Specimen, injected

KEY = "zoo "
"""Before the id of a specimen, where an exercise has its key."""


def source_of(specimen: Specimen) -> str:
    """The function with the bug as a file of its own, to be mended. Raises UsageError for a trap."""
    if specimen.fault is None:
        raise UsageError(f"{specimen.id} has no source: nothing is wrong there, so that nothing can be mended")
    text = getsource(sys.modules[specimen.fault.__module__]).partition("\n\n\nSPECIMEN = ")[0]
    text = re.sub(r"^from \.\.(specimen|attention) import .*\n", "", text, flags=re.MULTILINE)  # what places it
    text = re.sub(r"^from \.{4}", "from nanochat.", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).replace('"""', '"""Specimen ', 1) + "\n"


def check_file(specimen: Specimen, text: str, path: Path, key: str) -> None:
    """Raises DataError where the file says that it is of another specimen than the one that is called `key`."""
    named = re.match(r"""\s*["']{3}Specimen (\w+)""", text)
    if named and named[1] != specimen.id:
        raise DataError(
            f"{path} is of specimen {named[1]}, and {key} is another one: `nanochat zoo show {key} --source` has it"
        )


def exercise_of(name: str) -> Exercise:
    """What the runner of students' files takes. Raises UsageError for a trap or an unknown specimen."""
    specimen = find_specimen(name)
    if specimen.fault is None:
        raise UsageError(f"{specimen.id} cannot be mended: nothing is wrong there")
    function = specimen.fault.__name__
    return Exercise(
        title=specimen.title,
        file=f"{specimen.id}.py",
        asks=(function,),
        starter=lambda v: f"def {function}():\n    ...\n",
        variants={"": None},
        cases=lambda rng, v: [1337],
        call=lambda seed: f"{function}(...)",
        laws=tuple(_law(specimen, instrument, function) for instrument in specimen.found_by),
        observe=lambda answer, case, v: {},
        right=(lambda v: {}, lambda v: {}),
        wrong=(),
        hints=("", "", ""),
        project=specimen.places[0],
        allowed=("numpy", "nanochat"),
    )


def _law(specimen: Specimen, instrument: str, function: str) -> Law:
    return Law(
        name=instrument,
        sentence=f"`{instrument}` finds nothing",
        holds=_holds(specimen, instrument, function),
    )


def _holds(specimen: Specimen, instrument: str, function: str) -> Callable[[Answer, Any, Any], Broken | None]:
    def holds(answer: Answer, seed: Any, v: Any) -> Broken | None:
        with injected(specimen, answer[function]):
            is_broken = find(specimen, [instrument], seed)[instrument]
        return (
            Broken(call=f"`{instrument}`, with your function", expected="passed", got="broken") if is_broken else None
        )

    return holds
