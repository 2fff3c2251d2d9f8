"""Which runs an ablation consists of: every combination of its axes, with every seed. Runs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from ..errors import ConfigError
from ..models.bigram.config import BigramConfig
from ..models.gpt.config import GPTConfig
from ..training.config import RunConfig
from ..training.resolve import config_from_dict, merge

HEAD_AND_NORM: dict[str, tuple[Any, ...]] = {
    "model.tie_lm_head": (True, False),
    "model.input_rmsnorm": (False, True),
}
"""The 2x2 of nanochat-rs-next, in its order."""

_WORDS = {("tie_lm_head", True): "tied", ("tie_lm_head", False): "untied"}


@dataclass(frozen=True)
class Cell:
    """One run of the study."""

    variant: str
    config: RunConfig

    @property
    def key(self) -> str:
        """Names the cell's file: the same for the same config, whichever study asks for it.

        A hash of the settings that differ from their defaults, so that a setting that a later version adds does not
        lose the cells of an earlier one; the file holds the whole config, and that is compared.
        """
        config = self.config
        model = BigramConfig() if isinstance(config.model, BigramConfig) else GPTConfig()
        defaults = flatten(asdict(RunConfig(model_kind=config.model_kind, model=model)))
        given = {name: value for name, value in flatten(asdict(config)).items() if value != defaults[name]}
        return hashlib.sha256(canonical({"model_kind": config.model_kind, **given}).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """A study: what all cells share, what differs, and how often each variant is repeated."""

    base: RunConfig
    """Every setting that no axis names."""
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: dict(HEAD_AND_NORM))
    """Dotted field of RunConfig -> its values."""
    seeds: int = 3
    """Runs of each variant: base.seed, base.seed + 1, ... The same seed draws the same data in every variant."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"seeds={self.seeds} is too small: give 1 or more")
        if not self.axes:
            raise ConfigError("an ablation without axes compares nothing: name a field and its values")
        for path, values in self.axes.items():
            if path == "seed":
                raise ConfigError("seed is no axis of an ablation: give the number of seeds instead")
            if not values or len(set(map(repr, values))) < len(values):
                raise ConfigError(f"axis {path}={list(values)} is empty or repeats a value: give each value once")
        _ = self.variants  # refuses what cannot be

    @cached_property
    def variants(self) -> dict[str, RunConfig]:
        """Every combination, the last axis fastest, with the first seed. Raises ConfigError on one that cannot be."""
        names, configs = list(self.axes), {}
        for values in product(*self.axes.values()):
            settings = dict(zip(names, values, strict=True))
            configs[variant_name(settings)] = _with(self.base, settings)
        return configs

    def cells(self) -> list[Cell]:
        """Variant by variant, the seeds of each in order."""
        return [
            Cell(variant, replace(config, seed=config.seed + i))
            for variant, config in self.variants.items()
            for i in range(self.seeds)
        ]


def variant_name(settings: Mapping[str, Any]) -> str:
    """`tied_no_input_rmsnorm`; other axes are spelled out: `no_final_norm`, `lr=0.01`."""
    return "_".join(_word(path.rpartition(".")[2], value) for path, value in settings.items())


def canonical(content: Any) -> str:
    """JSON that is the same text for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"seed": 1, "model.n_layer": 2, ...} of nested settings."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def ablation_to_dict(config: AblationConfig) -> dict[str, Any]:
    """Plain values, as they stand in a study's config.json."""
    axes = {path: list(values) for path, values in config.axes.items()}
    return {"base": asdict(config.base), "axes": axes, "seeds": config.seeds}


def ablation_from_dict(content: Any) -> AblationConfig:
    """The inverse. Raises ConfigError."""
    if not isinstance(content, dict) or content.keys() != {"base", "axes", "seeds"}:
        raise ConfigError("the configuration of a study has exactly base, axes and seeds")
    base, axes, seeds = content["base"], content["axes"], content["seeds"]
    is_table = isinstance(axes, dict) and all(isinstance(values, list) for values in axes.values())
    if not isinstance(base, dict) or not is_table or type(seeds) is not int:
        raise ConfigError("in the configuration of a study base is a table, axes a table of lists, seeds a count")
    axes = {path: tuple(values) for path, values in axes.items()}
    return AblationConfig(base=config_from_dict(base), axes=axes, seeds=seeds)


def _nested(path: str, value: Any) -> dict[str, Any]:
    """{"model": {"n_layer": 2}} of model.n_layer and 2."""
    section, dot, name = path.rpartition(".")
    return {section: {name: value}} if dot else {name: value}


def _with(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The config with dotted fields replaced; unknown names and wrong values are refused, with the nearest name."""
    layers = [_nested(path, value) for path, value in settings.items()]
    return config_from_dict(merge(asdict(config), *layers))


def _word(name: str, value: Any) -> str:
    if (name, value) in _WORDS:
        return _WORDS[name, value]
    if isinstance(value, bool):
        return name if value else f"no_{name}"
    return f"{name}={value}"
