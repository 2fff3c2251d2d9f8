"""Which studies a ladder consists of: one, at each of some rising amounts of training or sizes. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ...errors import ConfigError
from ..ablation.axes import convert, full_path, hint_of, parse_value
from ..ablation.grid import AblationConfig, with_settings
from ..analysis.rungs import AMOUNTS


@dataclass(frozen=True)
class Ladder:
    """A study and its rungs. Raises ConfigError where they are no ladder."""

    study: AblationConfig
    path: str
    """Dotted field that grows."""
    values: tuple[int | float, ...]

    def __post_init__(self) -> None:
        check_field(self.study, self.path)
        words = f"{self.name}={','.join(map(str, self.values))}"
        for value in self.values:
            convert(self.path, value, hint_of(self.path, self.study.base))
        if len(self.values) < 2:
            raise ConfigError(f"a ladder of one rung, {words}, shows nothing that lasts: give two values or more")
        if list(self.values) != sorted(set(self.values)) or self.values[0] <= 0:
            raise ConfigError(
                f"the rungs of ladder {words} do not rise from above 0: give each value once, least first"
            )
        self.rungs  # noqa: B018  # a rung that cannot be is told before the first is run

    @property
    def name(self) -> str:
        """Of the field, as it stands on the command line: `steps`."""
        return self.path.rpartition(".")[2]

    @cached_property
    def rungs(self) -> Mapping[int | float, AblationConfig]:
        """The study at each value, by that."""
        return {
            value: replace(self.study, base=with_settings(self.study.base, {self.path: value})) for value in self.values
        }

    def folder_of(self, value: float) -> str:
        """Of a rung, in that of the ladder: `steps=200`."""
        return f"{self.name}={value}"

    @property
    def beyond(self) -> int | float:
        """A rung as far from the last as that is from the one before, in proportion."""
        value = self.values[-1] ** 2 / self.values[-2]
        return round(value) if isinstance(self.values[-1], int) else value


def check_field(study: AblationConfig, path: str) -> None:
    """Raises ConfigError for a field along which no ladder goes, or which the study varies by itself."""
    hint_of(path, study.base)
    if path not in AMOUNTS:
        names = ", ".join(name.rpartition(".")[2] for name in AMOUNTS)
        raise ConfigError(f"a ladder goes along an amount or a size, and {path} is neither: choose one of {names}")
    if path in (*study.varied, *study.tune) or (study.budget == "parameters" and path == "model.mlp_width"):
        raise ConfigError(f"{path} is varied or tuned by the study already, so no ladder can go along it: choose one")
    if study.looks:
        raise ConfigError(
            "a ladder has the same seeds at every rung, so none can stop when it is decided: give --seeds N"
        )
    if path == "training.steps" and study.base.training.epochs:
        epochs = study.base.training.epochs
        raise ConfigError(f"epochs={epochs:g} decides the steps, so no ladder can: leave it out, or climb along epochs")


def parse_ladder(texts: Sequence[str]) -> tuple[str, tuple[int | float, ...]]:
    """["steps=50,100,200"] -> ("training.steps", (50, 100, 200)). Raises ConfigError."""
    if len(texts) > 1:
        raise ConfigError(f"a study has one ladder, not {len(texts)} ({', '.join(texts)}): make a study of each")
    name, equals, raw = texts[0].partition("=")
    values = [parse_value(word.strip()) for word in raw.split(",")]
    if not equals or not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise ConfigError(f"ladder={texts[0]!r} has no numbers for its rungs: write e.g. steps=50,100,200,400")
    return full_path(name.strip()), tuple(values)
