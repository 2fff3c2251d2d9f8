"""A field of a configuration, said once: default, bounds, help, flag, and whether a study may vary it.

Ground for the floors: the check of a configuration, the command line, the command that does a run again, the axes of a
study and the messages all read it from the field.

    lr: float = setting(0.01, "Base learning rate.", flag="--lr", above=0)
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from .errors import ConfigError

T = TypeVar("T")
_KEY = "setting"
_MOST = 1 << 53
"""A count above this is a slip of a finger, and no JSON reader keeps it."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is known of a field beside its name, type and default."""

    help: str
    """One sentence, with the unit."""
    flag: str = ""
    """Of the command line; "" where only --set reaches it."""
    short: str = ""
    """The help of the flag, where `help` is too long for a column."""
    metavar: str = ""
    """What stands for the value in that help, where the type says too little."""
    least: float | None = None
    """The smallest number that makes sense."""
    above: float | None = None
    """Every number greater than this makes sense."""
    most: float | None = None
    """The largest; math.inf for a number of any size."""
    below: float | None = None
    """Every number less than this."""
    group: str = ""
    """The heading of the flag in --help, where the section's own does not fit."""
    one_run: bool = False
    """What a single run shows or keeps: no flag of a study."""
    no_axis: str = ""
    """Why a study cannot vary it; "" where it can."""
    refused: tuple[tuple[str, str], ...] = ()
    """Words that one might expect among the choices, each with the end of the sentence that says why they are not."""
    needs: tuple[str, tuple[Any, ...]] | None = None
    """The field, and the values of it, without which this one has no effect."""

    def problem(self, value: Any, example: Any) -> str:
        """What is wrong with a number, to be written after it; "" if nothing is. `example` is one that fits."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return ""
        if isinstance(value, float) and not math.isfinite(value):
            return f"is not a finite number: give e.g. {example}"
        if isinstance(value, int) and self.most is None and value > _MOST:
            return f"is over {_MOST:,}: give a number"
        low = self.least if self.least is not None else self.above
        high = self.most if self.most is not None else self.below
        too_low = low is not None and (value < low or (value == low and self.above is not None))
        too_high = high is not None and (value > high or (value == high and self.below is not None))
        if not (too_low or too_high):
            return ""
        if high is not None and high < math.inf and low is not None:
            return f"is outside {low:g} to {high:g}: give e.g. {example}"
        if too_high:
            return (
                f"is too large: give less than {high:g}"
                if self.most is None
                else f"is too large: give at most {high:g}"
            )
        return (
            f"is too small: give {low:g} or more"
            if self.above is None
            else f"is not above {low:g}: give e.g. {example}"
        )


def setting(default: T, help: str, **facts: Any) -> T:
    """A field of a dataclass with this default; `facts` are those of Setting."""
    return field(default=default, metadata={_KEY: Setting(help=help, **facts)})


def settings_of(config: Any) -> Iterator[tuple[str, Setting, Any]]:
    """(name, setting, default) of the fields of a configuration, an instance or its class, that are settings."""
    return ((f.name, f.metadata[_KEY], f.default) for f in fields(config) if _KEY in f.metadata)


def check_bounds(config: Any, section: str) -> None:
    """Raises ConfigError for the first number that lies outside its bounds; `section` is where the config stands."""
    for name, known, default in settings_of(config):
        value = getattr(config, name)
        example = default if default and not known.problem(default, "") else 0.1
        if problem := known.problem(value, example):
            raise ConfigError(
                f"{name}={reprlib.repr(value)} {problem}", settings=[(f"{section}.{name}".lstrip("."), value)]
            )
