"""Studies by name, and studies from a TOML file: what they vary, and what else they set. Runs nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...models.parameters import count_parameters
from ...storage.toml import read_toml_table
from ...training.config import RunConfig
from ...validation import nearest
from .axes import convert, full_path, hints_of, parse_tune, read
from .explicit import Settings, settings_of
from .grid import HEAD_AND_NORM, AblationConfig, flatten

_SCALES = {"depth-width": {"model.n_layer": (1, 2), "model.n_embd": (1, 2)}}
"""Axes whose values are multiples of what the base has."""

NAMED: dict[str, dict[str, tuple[Any, ...]]] = {
    "head-and-norm": HEAD_AND_NORM,
    "norms": {"model.norm": ("rms", "layer", "dyt", "none")},
    "positions": {"model.positions": ("learned", "sinusoidal", "rope", "none")},
    "activations": {"model.activation": ("relu2", "relu", "gelu", "silu", "swiglu")},
    "optimizers": {"training.optimizer": ("adamw", "adam", "sgd", "muon")},
    "depth-width": _SCALES["depth-width"],
    "clipping": {
        "training.max_grad_norm": (1.0, 0.0, 0.3),
        "training.agc": (0.0, 0.01),
        "training.centralize_gradients": (False, True),
    },
}
"""Axes of the studies that have a name; the first value of each is the baseline's."""
_ONE_AT_A_TIME = ("clipping",)
_OF_LAYERS = ("norms", "positions", "activations", "optimizers", "depth-width")
_TUNED: dict[str, dict[str, tuple[float, ...]]] = {"optimizers": {"training.lr": (0.003, 0.01, 0.03)}}
"""What is tuned for each variant by itself: no rule of the update is told from another at a rate that suits one."""

_SMALL = 100_000
_SETTINGS = (
    "seeds",
    "design",
    "max_cells",
    "margin",
    "eval_blocks",
    "budget",
    "tune_seeds",
    "looks",
    "alpha",
    "caveats",
)


@dataclass(frozen=True, kw_only=True)
class NamedStudy:
    """What a name or a file says about a study; flags are laid over it."""

    name: str = "head-and-norm"
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: dict(HEAD_AND_NORM))
    explicit: Mapping[str, Settings] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a run, nested, below the flags."""
    needs: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a run where nobody names a preset or a kind, and a bigram has not what is varied."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of AblationConfig."""


def find_study(name: str) -> NamedStudy:
    """The study of that name, or of the file if it ends in .toml. Raises ConfigError with the nearest name."""
    if name.endswith(".toml"):
        return read_study_file(Path(name))
    if name not in NAMED:
        raise ConfigError(f"there is no study {name!r}: {nearest(name, NAMED)}, or give a .toml file")
    settings: dict[str, Any] = {"design": "one-at-a-time"} if name in _ONE_AT_A_TIME else {}
    if name in _TUNED:
        settings["tune"] = _TUNED[name]
    # Of layers, which a bigram has not: in arrays, since single numbers take 30 times as long.
    needs = {"preset": "mini-gpt", "mode": "tensor"} if name in _OF_LAYERS else {}
    return NamedStudy(name=name, axes=NAMED[name], settings=settings, needs=needs)


def read_study_file(path: Path) -> NamedStudy:
    """A study in TOML: axes, variants, base, tune, and fields of AblationConfig such as seeds. Raises ConfigError.

    [axes]                      [base]                   [variants.swiglu]
    norm = ["rms", "layer"]     preset = "mini-gpt"      activation = "swiglu"
    "training.lr" = [0.01, 0.1] training.steps = 200     mlp_width = 85

    tune.weight_decay = [0.01, 0.1, 1.0]
    """
    content = read_toml_table(path, "--study")
    known = ("axes", "variants", "tune", "base", *_SETTINGS)
    for key in content:
        if key not in known:
            raise ConfigError(f"{path} has an unknown key {key!r}: {nearest(key, known)}")
    explicit, base = _explicit(path, content.pop("variants", {})), content.pop("base", {})
    axes = {} if explicit and "axes" not in content else _axes(path, content.pop("axes", None))
    if not isinstance(base, dict):
        raise ConfigError(f'{path}: base is no table: write [base] with e.g. preset = "mini-gpt"')
    hints = hints_of(AblationConfig)
    tuned = parse_tune([f"{name}={','.join(map(str, values))}" for name, values in _lists(path, content).items()])
    settings = {name: convert(f"{path}: {name}", value, hints[name]) for name, value in content.items()}
    if tuned:
        settings["tune"] = tuned
    return NamedStudy(name=path.stem, axes=axes, explicit=explicit, base=base, settings=settings)


def make_study(base: RunConfig, named: NamedStudy, **given: Any) -> AblationConfig:
    """The named study on a base; `given` fields of AblationConfig that are not None go before its own.

    Cells are single threads unless replicas are asked for by number: a sweep is parallel over its cells, and its
    results must not depend on the machine's cores. Raises ConfigError.
    """
    if base.training.replicas == 0:
        base = replace(base, training=replace(base.training, replicas=1))
    axes, scales = dict(named.axes), _SCALES.get(named.name, {})
    for path, values in scales.items():
        if axes.get(path) == values:  # an axis that is given holds no multiples
            axes[path] = tuple(n * _whole(base, path) for n in values)
    fields = {
        "axes": axes,
        "explicit": named.explicit,
        **named.settings,
        **{name: value for name, value in given.items() if value is not None},
    }
    if "seeds" not in fields:
        fields["seeds"] = default_seeds(base)
    return AblationConfig(base=base, **fields)


def default_seeds(base: RunConfig) -> int:
    """8 where a run is fast; 3 where it is not, which the exact test can say nothing of."""
    return 3 if count_parameters(base.model.parameters()) > _SMALL else 8


def _axes(path: Path, tables: Any) -> dict[str, tuple[Any, ...]]:
    """Dotted field -> its values; `model.norm = [...]` in TOML is a table in a table."""
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f'{path} has no axes: add a table [axes] with e.g. norm = ["rms", "layer"]')
    axes: dict[str, tuple[Any, ...]] = {}
    for name, values in flatten(tables).items():
        if not isinstance(values, list):
            raise ConfigError(f"{path}: axis {name} = {values!r} is no list: write {name} = [{json.dumps(values)}]")
        if full_path(name) in axes:
            raise ConfigError(f"{path}: axis {full_path(name)} is given twice: put all its values into one list")
        axes[full_path(name)] = tuple(values)
    return axes


def _explicit(path: Path, tables: Any) -> dict[str, Settings]:
    """Name -> settings of the tables [variants.NAME]."""
    if not isinstance(tables, dict) or not all(isinstance(own, dict) and own for own in tables.values()):
        raise ConfigError(f'{path}: variants is no table of tables: write [variants.NAME] with e.g. norm = "layer"')
    return {name: settings_of(name, flatten(own).items()) for name, own in tables.items()}


def _lists(path: Path, content: dict[str, Any]) -> dict[str, list[Any]]:
    """What the table tune says, taken out of the content."""
    table = flatten(content.pop("tune", {}))
    for name, values in table.items():
        if not isinstance(values, list):
            raise ConfigError(f"{path}: tune.{name} = {values!r} is no list: write {name} = [0.003, 0.01, 0.03]")
    return table


def _whole(base: RunConfig, path: str) -> int:
    value = read(base, path)
    if value is None:
        raise ConfigError(f"axis {path} has no effect on a {base.model_kind}, which has no such part")
    return int(value)
