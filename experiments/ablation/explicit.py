"""Variants that are spelled out: a name, and all settings that it changes together. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import ConfigError
from ...training.config import RunConfig, setting_at
from .axes import check_length, full_path, parse_value, read

_NAME = re.compile(r"[\w.+=-]{1,60}")

Settings = Mapping[str, Any]
"""Dotted field -> value."""


def parse_variants(texts: Iterable[str]) -> dict[str, Settings]:
    """["swiglu: activation=swiglu mlp_width=85"] -> {"swiglu": {"model.activation": "swiglu", ...}}.

    Raises ConfigError where the text is not of this form, or a name or a field stands there twice.
    """
    found: dict[str, Settings] = {}
    for text in texts:
        name, colon, words = text.partition(":")
        if not colon or not words.strip():
            raise ConfigError(f'variant {text!r} changes nothing: write "NAME: field=value field=value"')
        if name.strip() in found:
            raise ConfigError(f"variant {name.strip()} is given twice: give each variant a name of its own")
        pairs = [_pair(name.strip(), word) for word in words.split()]
        found |= {name.strip(): settings_of(name.strip(), pairs)}
    return found


def settings_of(name: str, pairs: Iterable[tuple[str, Any]]) -> Settings:
    """The settings of a variant by dotted field. Raises ConfigError on a field twice and a name that is none."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"variant {name!r:.80} has no good name: take up to 60 letters, digits and . + = - _")
    settings: dict[str, Any] = {}
    for field, value in pairs:
        path = full_path(field)
        if path in settings:
            raise ConfigError(f"variant {name} sets {path} twice: give each field one value")
        settings[path] = value
    return settings


def check_variant(name: str, settings: Settings, config: RunConfig, others: Mapping[str, RunConfig]) -> None:
    """Raises ConfigError where one of its settings has no effect, or all together are another variant's."""
    if name in others:
        raise ConfigError(f"variant {name} is given twice: there is one of that name among the axes, choose another")
    check_length(settings, config)
    for path in settings:
        other, wanted = setting_at(path).needs or (path, (read(config, path),))
        if read(config, other) not in wanted:
            raise ConfigError(
                f"variant {name}: {path} has no effect with {other}={read(config, other)}: it needs "
                f"{other}={' or '.join(map(str, wanted))}"
            )
    same = next((one for one, known in others.items() if known == config), None)
    if same is not None:
        raise ConfigError(f"variant {name} has the settings of {same}, and nothing to compare: change another field")


def _pair(name: str, word: str) -> tuple[str, Any]:
    field, equals, raw = word.partition("=")
    if not equals or not raw:
        raise ConfigError(f"variant {name}: {word!r} is no setting: write field=value, without blanks in it")
    return field, parse_value(raw)
