"""A recipe: the phases of a training, from a TOML file to the settings of a run each. Trains nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...plain import shown_path
from ...storage.toml import read_toml_table
from ...training.config import RunConfig
from ...training.resolve import merge, resolve
from ...validation import nearest, read_dataclass
from ..evaluation.quiz import Questions

NO_TURNS = (
    "and a model of characters cannot tell turns apart: "
    'write tokenizer = "word" or "bpe" in the data of the first phase'
)
_OF_A_VOCABULARY = ("tokenizer", "vocab_size", "unknown")
_OF_A_RUN = ("preset", "model_kind", "mode", "dtype", "seed", "model", "data", "training")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One run of the recipe."""

    name: str
    about: str = ""
    """What it is for, in a sentence."""
    settings: Mapping[str, Any]
    """As in a --config file; what a later phase does not say about the model is as before."""


@dataclass(frozen=True, kw_only=True)
class PhasedRecipe:
    """What is trained on what, one phase after the other, and what is asked in the end."""

    name: str
    title: str = ""
    phases: tuple[Phase, ...]
    prompts: tuple[str, ...] = ()
    """Put to the model before the first phase and after each."""
    questions: Questions = "none"
    """About the built-in world, in the end."""
    caveats: tuple[str, ...] = ()
    """What a reader of the report should know."""


def read_phases(path: Path) -> PhasedRecipe:
    """A recipe in TOML: title, prompts, questions, and [[phase]] tables of name, about and settings of a run.

    Raises ConfigError, naming the file and the phase.
    """
    content = read_toml_table(path, "--recipe")
    tables = content.pop("phase", None)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f'{path} has no phases: add a table [[phase]] with e.g. name = "reading" and its settings')
    try:
        phases = tuple(_phase(table, i) for i, table in enumerate(tables, start=1))
        head = read_dataclass(_Head, content, "")
        configs = configs_of(phases)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", settings=error.settings) from None
    if len({phase.name for phase in phases}) < len(phases):
        raise ConfigError(f"{path} has two phases of one name: name each differently")
    if configs[0].data.tokenizer == "char" and (head.prompts or head.questions != "none"):
        raise ConfigError(f"{path} puts questions, {NO_TURNS}")
    return PhasedRecipe(name=shown_path(path.stem), phases=phases, **vars(head))


def configs_of(phases: Sequence[Phase]) -> list[RunConfig]:
    """The settings of each phase: those of a run by itself, then laid over model and tokenizer of the phase before.

    Raises ConfigError for what no run can be, and for a model or a vocabulary other than that of the phase before.
    """
    configs: list[RunConfig] = []
    for number, phase in enumerate(phases, start=1):
        try:
            configs.append(_next_config(configs[-1], phase.settings) if configs else resolve(phase.settings))
        except ConfigError as error:
            raise ConfigError(f"phase {number} ({phase.name}): {error}", settings=error.settings) from None
    return configs


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What stands in a recipe beside its phases."""

    title: str = ""
    prompts: tuple[str, ...] = ()
    questions: Questions = "none"
    caveats: tuple[str, ...] = ()


def _phase(table: dict[str, Any], number: int) -> Phase:
    name, about = table.pop("name", None), table.pop("about", "")
    if not isinstance(name, str) or not name.replace("-", "").isalnum():
        raise ConfigError(f'phase {number} has name={name!r}: give it a word for its folder, e.g. name = "reading"')
    where = f"phase {number} ({name})"
    if not isinstance(about, str):
        raise ConfigError(f"{where} has about={about!r}: write a sentence")
    for key in table:
        if key not in _OF_A_RUN:
            raise ConfigError(f"{where} has an unknown key {key!r}: {nearest(key, ('name', 'about', *_OF_A_RUN))}")
    data = table.get("data")
    if not isinstance(data, dict) or not data.get("source"):
        raise ConfigError(f'{where} names no text: add e.g. data = {{ source = "builtin:world" }}')
    return Phase(name=name, about=about, settings=table)


def _next_config(earlier: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The settings laid over model and tokenizer of an earlier run."""
    before = asdict(earlier)
    kept = {name: before[name] for name in ("preset", "model_kind", "mode", "dtype", "seed", "model")}
    kept["data"] = {"tokenizer": earlier.data.tokenizer}
    config = resolve(merge(kept, settings))
    changed = [f"data.{name}" for name in _OF_A_VOCABULARY if name in settings["data"]]
    if _shapes(config) != _shapes(earlier):
        changed += [f"model.{name}" for name, value in asdict(config.model).items() if value != before["model"][name]]
    if changed:
        raise ConfigError(
            f"{changed[0]} cannot change here, where weights and vocabulary of the phase before go on: leave it out"
        )
    return config


def _shapes(config: RunConfig) -> dict[str, tuple[int, ...]]:
    return {name: parameter.shape for name, parameter in config.model.parameters().items()}
