"""From scattered settings (preset, file, environment, flags) to one checked RunConfig."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from ..data.config import DataConfig
from ..errors import ConfigError
from ..models.kinds import CONFIGS, config_class
from ..models.presets import get_preset
from ..validation import nearest, read_dataclass
from .config import RunConfig
from .hyperparameters import TrainingConfig

Settings = Mapping[str, Any]
"""Nested: {"seed": 1, "model": {"n_layer": 2}, "training": {...}, "data": {...}}"""

WORDS_PRESET = "nanochat-words"
"""Where the data are rows of JSON or CSV, facts or conversations, and no layer says which model."""

_DEFAULT_PRESET = {"bigram": "bigram", "mini-gpt": "mini-gpt", "gpt": "microgpt", "upstream": "upstream-d2"}


def resolve(*layers: Settings) -> RunConfig:
    """One config from settings, the first layer weakest. Raises ConfigError, with the nearest of the known names.

    Where no layer says which model, the data decide: microgpt for a text whose letters are the lesson, WORDS_PRESET
    for rows, facts and conversations.
    """
    settings = merge(*layers)
    for field in ("preset", "model_kind"):
        if not isinstance(settings.get(field, ""), str):
            raise ConfigError(f"{field}={settings[field]!r} is not a name: see `nanochat presets`")
    name = settings.get("preset") or _default_preset(settings)
    if name is None:
        kinds = list(_DEFAULT_PRESET)
        raise ConfigError(
            f"there is no model_kind {settings['model_kind']!r}: {nearest(settings['model_kind'], kinds)}"
        )
    preset = get_preset(name)
    if settings.get("model_kind", preset.model_kind) != preset.model_kind:
        raise ConfigError(
            f"model_kind={settings['model_kind']} does not fit preset {name!r}, which is {preset.model_kind}: "
            "give one of the two"
        )
    training = dict(preset.training)
    asked = settings.get("training", {})
    if isinstance(asked, Mapping) and "steps" in asked:
        training.pop("epochs", None)  # whoever says how many steps means them
    base = {
        "preset": name,
        "model_kind": preset.model_kind,
        "mode": preset.mode,
        "model": asdict(preset.model),
        "training": training,
        "data": dict(preset.data),
    }
    config = config_from_dict(merge(base, settings))
    if config.training.check_every and not config.training.compile:
        every = config.training.check_every
        raise ConfigError(
            f"check_every={every} compares replayed steps with the engine, and none is replayed: add compile=True, "
            "or leave it out",
            settings=(("training.check_every", every), ("training.compile", True)),
        )
    return config


def _default_preset(settings: Settings) -> str | None:
    from ..data.load import is_in_words  # regex and the texts of the package: not before a run is configured

    data = settings.get("data", {})
    free = "model_kind" not in settings and settings.get("mode") != "scalar" and isinstance(data, Mapping)
    if free and is_in_words(str(data.get("source", "")), str(data.get("layout", ""))):
        return WORDS_PRESET
    return _DEFAULT_PRESET.get(settings.get("model_kind", "gpt"))


def config_from_dict(settings: Settings) -> RunConfig:
    """The RunConfig that `asdict` turned into `settings`; what is left out has its default. Raises ConfigError."""
    sections: dict[str, Any] = {
        "model": config_class(settings.get("model_kind")),
        "data": DataConfig,
        "training": TrainingConfig,
    }
    checked = {name: read_dataclass(section, settings.get(name, {}), name) for name, section in sections.items()}
    return read_dataclass(RunConfig, {**settings, **checked}, "")


def merge(*layers: Settings) -> dict[str, Any]:
    """Nested settings laid over each other, the last strongest."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            below = merged.get(name)
            merged[name] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def parse_assignment(text: str) -> dict[str, Any]:
    """`model.n_layer=3`, or `n_layer=3` where one section has that field, as nested settings. Raises ConfigError."""
    path, equals, raw = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r} has no value: write --set {path}=VALUE")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = raw
    section, dot, name = path.rpartition(".")
    if not dot:
        section = find_section(name)
    return {section: {name: value}} if section else {name: value}


def find_section(name: str) -> str:
    """The section of RunConfig that a field stands in; "" for one at the top. Raises ConfigError."""
    homes = {"model": CONFIGS, "data": (DataConfig,), "training": (TrainingConfig,), "": (RunConfig,)}
    every = {field.name: home for home, kinds in homes.items() for kind in kinds for field in fields(kind)}
    if name not in every:
        raise ConfigError(f"there is no setting {name!r}: {nearest(name, every)}")
    return every[name]
