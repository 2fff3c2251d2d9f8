"""The axes of a study: from words to fields and values that exist, or a sentence that says which do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ...data.config import DataConfig
from ...errors import ConfigError
from ...models.kinds import CONFIGS
from ...training.config import RunConfig, TrainingConfig, setting_at
from ...training.resolve import find_section
from ...validation import nearest


def parse_axes(texts: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """["norm=layer,rms", "lr=0.01,0.03"] -> {"model.norm": ("layer", "rms"), ...}. Raises ConfigError."""
    axes: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        path, values = _parse_axis(text)
        if path in axes:
            raise ConfigError(f"axis {path} is given twice: put all its values into one, {path}=A,B,C")
        axes[path] = values
    return axes


def check_axes(axes: Mapping[str, Sequence[Any]], base: RunConfig) -> None:
    """Raises ConfigError on a field that is unknown or without effect, and on a value that a field cannot have."""
    if not axes:
        raise ConfigError("an ablation without axes compares nothing: name a field and its values")
    for path, values in axes.items():
        hint = hint_of(path, base)
        meant = [convert(path, value, hint) for value in values]
        if not meant or len(set(meant)) < len(meant):
            raise ConfigError(f"axis {path}={list(values)} is empty or repeats a value: give each value once")
        if len(meant) == 1:
            only = json.dumps(meant[0])
            raise ConfigError(
                f"axis {path} has one value, {only}, and nothing to compare it with: give another, or "
                f"--set {path}={only} to set it for all variants"
            )
    check_length(axes, base)
    for path in axes:
        other, wanted = setting_at(path).needs or (path, axes[path])
        possible = axes.get(other, (read(base, other),))
        if not set(possible) & set(wanted):
            needed = " or ".join(map(str, wanted))
            raise ConfigError(f"axis {path} has no effect with {other}={possible[0]}: it needs {other}={needed}")


def check_length(paths: Iterable[str], base: RunConfig) -> None:
    """Raises ConfigError where rows of another length would be validated on other tokens."""
    n_tokens = base.training.eval_tokens
    if "model.block_size" in paths and n_tokens:
        raise ConfigError(
            f"axis model.block_size would be validated on other tokens of the text with eval_tokens={n_tokens}: "
            "add --set eval_tokens=0, which takes all of them"
        )


def parse_tune(texts: Sequence[str]) -> dict[str, tuple[int | float, ...]]:
    """["lr=0.001,0.003,0.01"] or ["lr=0.001..0.1"], by factors of sqrt(10). Raises ConfigError."""
    if len(texts) > 1:
        raise ConfigError(f"{len(texts)} fields cannot be tuned at once ({', '.join(texts)}): tune one")
    found: dict[str, tuple[int | float, ...]] = {}
    for text in texts:
        name, equals, raw = text.partition("=")
        low, dots, high = raw.partition("..")
        values = tuple(parse_value(word.strip()) for word in ((low, high) if dots else raw.split(",")))
        if not equals or not all(_is_number(value) and value > 0 for value in values):
            raise ConfigError(f"tune={text!r} are no numbers above 0: write e.g. lr=0.001..0.1 or lr=0.003,0.01,0.03")
        found[full_path(name.strip())] = _between(*values) if dots else values
    return found


def check_tune(tune: Mapping[str, Sequence[int | float]], n_seeds: int, base: RunConfig, varied: Iterable[str]) -> None:
    """Raises ConfigError where a field cannot be tuned, or there is nothing to choose from."""
    if n_seeds < 1:
        raise ConfigError(f"tune_seeds={n_seeds} are too few: give 1 or more")
    for path, values in tune.items():
        hint = hint_of(path, base)
        if hint not in (int, float):
            raise ConfigError(f"{path} is no number, so it has no grid to tune on: make it an axis")
        if path in varied:
            raise ConfigError(f"{path} is varied by the study, so it cannot be tuned for each variant: choose one")
        if len(values) < 2 or list(values) != sorted(set(values)):
            raise ConfigError(f"tune {path}={','.join(map(str, values))} is no grid: give two values or more that rise")
        for value in values:
            convert(path, value, hint)


def next_value(values: Sequence[int | float], *, up: bool) -> int | float:
    """The value with which a grid goes on, by the factor of its edge; itself where a whole number stands still."""
    edge, near = (values[-1], values[-2]) if up else (values[0], values[1])
    value = edge * (edge / near)
    return max(1, round(value)) if isinstance(edge, int) else _three_digits(value)


def idle_axis(settings: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> str | None:
    """Why this combination would repeat another: an axis moved off its first value where it has no effect."""
    for path in settings:
        other, wanted = setting_at(path).needs or ("", ())
        if other in settings and settings[other] not in wanted and settings[path] != axes[path][0]:
            return f"{path} has no effect with {other}={settings[other]}: the same as with {path}={axes[path][0]}"
    return None


def convert(path: str, value: Any, hint: Any) -> Any:
    """The value as the field's type has it (1 as 1.0 for a float). Raises ConfigError with the values there are."""
    from pydantic import ValidationError

    if get_origin(hint) is Literal and value not in get_args(hint):
        raise ConfigError(f"{path}={value} does not exist: {nearest(str(value), map(str, get_args(hint)))}")
    try:
        return _adapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        example = " or ".join(_EXAMPLES.get(hint, ("another value",)))
        raise ConfigError(
            f"{path}={value} does not fit: {error.errors()[0]['msg'].lower()}; give e.g. {example}"
        ) from None


def full_path(name: str) -> str:
    """model.norm for norm. Raises ConfigError with the nearest name."""
    if "." in name:
        return name
    section = find_section(name)
    return f"{section}.{name}" if section else name


def hint_of(path: str, base: RunConfig) -> Any:
    """The type of a field, by its dotted path. Raises ConfigError on one that is no axis, or leads nowhere."""
    section, _, name = path.rpartition(".")
    kinds: dict[str, type] = {"": RunConfig, "model": type(base.model), "data": DataConfig, "training": TrainingConfig}
    if section not in kinds or (section, name) in (("", "model"), ("", "data"), ("", "training")):
        raise ConfigError(f"there is no setting {path}: write e.g. model.norm or training.lr")
    known = [field.name for field in fields(kinds[section])]
    if name not in known:
        if section == "model" and name in {field.name for kind in CONFIGS for field in fields(kind)}:
            raise ConfigError(
                f"axis {path} has no effect on a {base.model_kind}, which has no such part: choose one of "
                f"{', '.join(known)}, or another --model-kind"
            )
        raise ConfigError(f"there is no setting {path}: {nearest(name, known)}")
    if reason := setting_at(path).no_axis:
        raise ConfigError(f"{path} is no axis: {reason}")
    return hints_of(kinds[section])[name]


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """The types of the fields of a dataclass, by name."""
    return get_type_hints(kind)


def read(config: RunConfig, path: str) -> Any:
    """The value of a dotted field; None where this kind of model has no such field."""
    section, _, name = path.rpartition(".")
    return getattr(getattr(config, section) if section else config, name, None)


_EXAMPLES: dict[Any, tuple[str, ...]] = {bool: ("true", "false"), int: ("1",), float: ("0.5",), str: ("a word",)}


def _parse_axis(text: str) -> tuple[str, tuple[Any, ...]]:
    name, equals, raw = text.partition("=")
    if not equals or not raw.strip():
        raise ConfigError(f"axis {text!r} has no values: write {name or 'norm'}=A,B")
    return full_path(name.strip()), tuple(parse_value(word.strip()) for word in raw.split(","))


def parse_value(word: str) -> Any:
    """A value as JSON has it; what is no JSON is a word."""
    try:
        return json.loads(word)
    except (ValueError, RecursionError):
        return word


def _between(low: float, high: float) -> tuple[float, ...]:
    n = max(0, round(2 * math.log10(high / low)))
    return tuple(_three_digits(low * 10 ** (i / 2)) for i in range(n + 1))


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@cache
def _adapter(hint: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(hint)
