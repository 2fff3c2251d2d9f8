"""A ladder from its first rung to its last: foretell, run, foretell the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..ablation.grid import AblationConfig
from ..ablation.study import read_study
from ..analysis.findings import Analysis, analyse
from .plan import Ladder
from .register import Register, foretell, open_register, read_register, save_register, was_run


@dataclass(frozen=True)
class Climbed:
    """A ladder as far as it has come."""

    register: Register
    rungs: dict[float, Analysis]
    """By their values; the last may not be whole."""

    @property
    def whole(self) -> dict[float, Analysis]:
        """The rungs that were run to their end."""
        return {value: one for value, one in self.rungs.items() if not one.study.missing}


def climb(ladder: Ladder, folder: Path, run: Callable[[float, AblationConfig, Path], Analysis]) -> Climbed:
    """Run the rungs one after the other; a rung that was stopped ends it.

    `run` has a rung's study made in the folder that it is given. From the fourth rung on each is foretold, in
    ladder.json, before it is run, and after the last that which would come next. Raises what open_register does.
    """
    register, rungs = open_register(ladder, folder), dict[float, Analysis]()
    save_register(register, folder)
    for value, study in ladder.rungs.items():
        register = foretell(register, value, rungs, folder)
        rungs[value] = run(value, study, folder / ladder.folder_of(value))
        if rungs[value].study.missing:
            return Climbed(register, rungs)
    return Climbed(foretell(register, ladder.beyond, rungs, folder), rungs)


def read_climbed(folder: Path) -> Climbed:
    """The ladder in `folder`, of what its rungs' cells say. Raises CheckpointError."""
    register = read_register(folder)
    done = [value for value in register.ladder.values if was_run(register.ladder, value, folder)]
    return Climbed(register, {value: analyse(read_study(folder / register.ladder.folder_of(value))) for value in done})
