"""Which runs an ablation consists of: combinations of its axes, with every seed. Runs nothing."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Any, Literal, get_args

from ...errors import ConfigError
from ...training.config import RunConfig
from ...training.resolve import config_from_dict
from ...validation import nearest
from .axes import check_axes, check_tune, convert, hint_of, hints_of, idle_axis
from .explicit import check_variant, settings_of

Design = Literal["grid", "one-at-a-time"]
Budget = Literal["steps", "tokens", "flops", "parameters"]
BUDGETS = {"tokens": "training tokens", "flops": "operations", "parameters": "parameters"}
"""What they are counts of."""
TUNING_SEED = 1_000_000
"""How far above the first seed of a comparison those of the tuning begin."""
MOST_CELLS = 10_000
"""A study larger than this is a slip of the keyboard more often than not."""

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
    n_blocks: int = 64
    """Parts of the validation text whose losses it keeps."""

    @cached_property
    def key(self) -> str:
        """Names the cell's file: the same for the same config, whichever study asks for it.

        A hash of the settings that differ from their defaults, so that a setting that a later version adds does not
        lose the cells of an earlier one; the file holds the whole config, and that is compared.
        """
        config = self.config
        defaults = flatten(asdict(RunConfig(model_kind=config.model_kind, model=type(config.model)())))
        given = {name: value for name, value in flatten(asdict(config)).items() if value != defaults[name]}
        return hashlib.sha256(canonical({"model_kind": config.model_kind, **given}).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """A study: what all cells share, what differs, and how often each variant is repeated.

    The first value of every axis makes the baseline, to which the other variants are compared.
    """

    base: RunConfig
    """Every setting that no axis names."""
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: dict(HEAD_AND_NORM))
    """Dotted field of RunConfig -> its values."""
    explicit: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Variants that are spelled out: name -> dotted field -> value, laid over the baseline of the axes."""
    seeds: int = 8
    """Runs of each variant: base.seed, base.seed + 1, ... The same seed draws the same data in every variant."""
    design: Design = "grid"
    """Every combination, or the baseline and what differs from it in one axis."""
    max_cells: int = 0
    """Of more cells only the baseline and variants drawn at random are run, each with all seeds; 0 takes all."""
    margin: float = 0.01
    """A difference in nats a token that is worth seeing: a study that could have missed it is called too noisy."""
    eval_blocks: int = 0
    """Parts of the validation text whose losses each cell keeps, to tell how far a loss depends on the text; 0: 64, or
    fewer where there are no 64 tokens."""
    budget: Budget = "steps"
    """What all variants get the same of; `steps` below is worked out from it."""
    steps: Mapping[str, int] = field(default_factory=dict)
    """Steps of the variants that do not train for base.training.steps."""
    widths: Mapping[str, int] = field(default_factory=dict)
    """Hidden units of the variants whose MLP is as wide as it takes for the baseline's number of parameters."""
    tune: Mapping[str, tuple[int | float, ...]] = field(default_factory=dict)
    """The dotted field whose best value is sought for each variant, and the values that are tried first."""
    tune_seeds: int = 3
    """Runs of each value; their seeds take no part in the comparison."""
    tried: Mapping[str, tuple[int | float, ...]] = field(default_factory=dict)
    """Values that were tried for each variant in the end; the grid goes on while the best is at its edge."""
    tuned: Mapping[str, int | float] = field(default_factory=dict)
    """The best of them, which the variant is compared with."""
    looks: tuple[int, ...] = ()
    """Numbers of seeds at which the study is looked at, to stop where it is decided: `seeds` is the last. Empty: all
    seeds are run, and looked at once."""
    alpha: float = 0.05
    """Chance of a false alarm at any of the looks together."""
    looked: tuple[int, ...] = ()
    """Looks taken, noted before the results are read."""
    decided: Mapping[str, int] = field(default_factory=dict)
    """Seeds with which a variant was decided at a look: it gets no more."""
    grown: tuple[int, ...] = ()
    """Numbers of seeds that were reported before more were added, without a plan."""
    caveats: tuple[str, ...] = ()
    """What a reader of the report should know, and its cells do not show."""
    budget_asked: int = 0
    """Training tokens, operations (FLOPs) or parameters that each variant should get; 0 with a budget of steps."""
    budget_given: Mapping[str, int] = field(default_factory=dict)
    """What each variant gets of them on average over its seeds, since its steps are whole."""
    budget_farthest: Mapping[str, float] = field(default_factory=dict)
    """By how much the seed of each variant that misses the budget most does: -0.05 gets 5 % less; in long runs, where
    that is little, its mean."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"seeds={self.seeds} is too small: give 1 or more")
        if self.eval_blocks < 0 or self.eval_blocks == 1:
            raise ConfigError(f"eval_blocks={self.eval_blocks} tell nothing of the text: give 2 or more, or 0 for 64")
        if self.design not in get_args(Design):
            raise ConfigError(f"design={self.design!r} does not exist: {nearest(str(self.design), get_args(Design))}")
        if self.budget not in get_args(Budget):
            raise ConfigError(f"budget={self.budget!r} does not exist: {nearest(str(self.budget), get_args(Budget))}")
        if not 0 < self.margin < math.inf:
            raise ConfigError(f"margin={self.margin} is not a positive number of nats: give e.g. 0.01")
        check_looks(self.looks, self.seeds, self.alpha)
        if self.axes or not self.explicit:
            check_axes(self.axes, self.base)
        if self.explicit and self.max_cells:
            raise ConfigError(
                f"max_cells={self.max_cells} draws from a grid, and variant {next(iter(self.explicit))} is no part of "
                "one: give one of the two"
            )
        if self.max_cells < 0 or 0 < self.max_cells < 2 * self.seeds:
            raise ConfigError(
                f"max_cells={self.max_cells} does not hold two variants with {self.seeds} seeds each: "
                f"give {2 * self.seeds} or more, or 0 for all"
            )
        check_tune(self.tune, self.tune_seeds, self.base, self._asked)
        if self.design == "one-at-a-time" and "baseline" in self.skipped:
            raise ConfigError(f"the baseline, the first value of each axis, cannot be: {self.skipped['baseline']}")
        if not self.variants:
            raise ConfigError(f"no variant of this study can be: {next(iter(self.skipped.values()))}")
        if len(self.variants) == 1 and self.skipped:
            raise ConfigError(f"only one variant of this study can be: {next(iter(self.skipped.values()))}")

    @property
    def variants(self) -> dict[str, RunConfig]:
        """What is compared, by name, with the first seed; the baseline first, the last axis fastest."""
        return self._plan[0]

    @property
    def skipped(self) -> dict[str, str]:
        """Combinations that contradict themselves or repeat another, by name, each with the reason."""
        return self._plan[1]

    @property
    def baseline(self) -> str:
        """The variant that the others are compared to."""
        return next(iter(self.variants))

    @property
    def intended_baseline(self) -> str:
        """The first value of each axis; where `skipped` has it, the first variant that can be is the baseline."""
        return self._combination(0)[0]

    def cells(self) -> list[Cell]:
        """Variant by variant, the seeds of each in order; the same objects each time, since they keep their keys."""
        return list(self._cells)

    @cached_property
    def _cells(self) -> tuple[Cell, ...]:
        return tuple(
            Cell(variant, replace(config, seed=config.seed + i), self.eval_blocks or Cell.n_blocks)
            for variant, config in self.variants.items()
            for i in range(self.seeds_of(variant))
        )

    def seeds_of(self, variant: str) -> int:
        """Runs of the variant, so far as looks have decided; the baseline has as many as any."""
        if variant == self.baseline:
            return max((self.seeds_of(one) for one in self.variants if one != variant), default=self.seeds)
        return self.decided.get(variant, self.seeds)

    @property
    def planned(self) -> AblationConfig:
        """The study before anything was run: without what tuning, looks, growth and its author's caveats have added."""
        return replace(self, tried={}, tuned={}, looked=(), decided={}, grown=(), caveats=())

    def tuning_cells(self, variant: str, values: Iterable[int | float]) -> list[Cell]:
        """The runs of a variant with these values of the field that is tuned, on seeds of their own."""
        (path,) = self.tune
        config = self.variants[variant]
        return [
            Cell(
                f"{variant}_{_word(path.rpartition('.')[2], value)}",
                replace(with_settings(config, {path: value}), seed=config.seed + TUNING_SEED + i),
                self.eval_blocks or Cell.n_blocks,
            )
            for value in values
            for i in range(self.tune_seeds)
        ]

    @property
    def n_designed(self) -> int:
        """Cells of the whole design, before any is drawn or skipped."""
        sizes = [len(values) for values in self.axes.values()]
        return self.seeds * (math.prod(sizes) if self.design == "grid" else 1 + sum(sizes) - len(sizes))

    @property
    def drawn(self) -> str:
        """`16 of 64 cells, drawn with seed 1337`; empty where none is left to chance."""
        if not 0 < self.max_cells < self.n_designed:
            return ""
        return f"{len(self.variants) * self.seeds:,} of {self.n_designed:,} cells, drawn with seed {self.base.seed}"

    @property
    def deviations(self) -> dict[str, float]:
        """By how much each variant misses the budget: 0.05 gets 5 % more; empty where the budget is one of steps."""
        return {name: given / max(1, self.budget_asked) - 1 for name, given in self.budget_given.items()}

    @cached_property
    def _plan(self) -> tuple[dict[str, RunConfig], dict[str, str]]:
        wanted = self.max_cells // self.seeds if self.max_cells else math.inf
        found: dict[int, tuple[str, RunConfig]] = {}
        skipped: dict[str, str] = {}
        for index in self._order():
            name, settings = self._combination(index)
            reason = idle_axis(settings, self.axes)
            try:
                config = with_settings(self.base, settings)
            except ConfigError as error:
                reason = str(error)
            if reason:
                skipped[name] = reason
                continue
            found[index] = name, config
            if len(found) >= wanted:
                break
        variants = dict(found[index] for index in sorted(found))
        for name, own in self.explicit.items():
            variants[name] = self._explicit(name, own, variants)
        return {name: self._with_own(name, config) for name, config in variants.items()}, skipped

    def _explicit(self, name: str, own: Mapping[str, Any], others: Mapping[str, RunConfig]) -> RunConfig:
        """Raises ConfigError, unlike a combination of axes: somebody asked for this one."""
        try:
            config = with_settings(self.base, {**self._combination(0)[1], **settings_of(name, own.items())})
        except ConfigError as error:
            raise ConfigError(f"variant {name}: {error}") from error
        check_variant(name, own, config, others)
        return config

    def _with_own(self, name: str, config: RunConfig) -> RunConfig:
        if name in self.steps:
            config = replace(config, training=replace(config.training, steps=self.steps[name], epochs=0.0))
        own = {path: self.tuned[name] for path in self.tune if name in self.tuned}
        own |= {"model.mlp_width": self.widths[name]} if name in self.widths else {}
        return with_settings(config, own) if own else config

    def _order(self) -> Iterable[int]:
        """Positions in the design, the baseline first: all of them, or as many as may be tried, at random."""
        n = self.n_designed // self.seeds
        if self.n_designed > MOST_CELLS and not self.max_cells:
            raise ConfigError(
                f"{n:,} variants with {self.seeds} seeds are {self.n_designed:,} cells: give max_cells (--max-cells) "
                f"for a random part of them, or fewer values; {MOST_CELLS:,} run unasked"
            )
        if 0 < self.max_cells < self.n_designed:
            return _in_random_order(n, self.base.seed, most=50 * self.max_cells)
        return range(n)

    def _combination(self, index: int) -> tuple[str, dict[str, Any]]:
        """Name and settings at a position; in a grid the last axis is the fastest."""
        settings: dict[str, Any] = {path: values[0] for path, values in self.axes.items()}
        if self.design == "one-at-a-time":
            changes = [(path, value) for path, values in self.axes.items() for value in values[1:]]
            change = dict([changes[index - 1]] if index else [])
            return variant_name(change) or "baseline", settings | change
        for path, values in reversed(list(self.axes.items())):
            index, i = divmod(index, len(values))
            settings[path] = values[i]
        return variant_name(settings) or "baseline", settings

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """Dotted fields that are not the same for all variants: the axes, and what is spelled out."""
        found = [*(["model.mlp_width"] if self.widths else []), *(self.tune if self.tuned else [])]
        return tuple(dict.fromkeys([*self._asked, *found]))

    @property
    def _asked(self) -> list[str]:
        return [*self.axes, *(path for own in self.explicit.values() for path in own)]


def check_looks(looks: tuple[int, ...], seeds: int, alpha: float) -> None:
    """Raises ConfigError where the looks are no plan for this number of seeds."""
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha={alpha} is no chance of a false alarm: give e.g. 0.05")
    if looks and (list(looks) != sorted(set(looks)) or looks[0] < 2):
        raise ConfigError(f"looks={','.join(map(str, looks))} do not rise from 2 or more: give e.g. 8,12,16")
    if looks and looks[-1] != seeds:
        raise ConfigError(f"the last of looks={','.join(map(str, looks))} is not that of all {seeds} seeds: add it")


def variant_name(settings: Mapping[str, Any]) -> str:
    """`tied_no_input_rmsnorm`; other axes are spelled out: `no_final_norm`, `lr=0.01`."""
    return "_".join(_word(path.rpartition(".")[2], value) for path, value in settings.items())


def canonical(content: Any) -> str:
    """JSON that is the same text for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"seed": 1, "model.n_layer": 2, ...} of nested settings, and of nested tables in TOML."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def ablation_to_dict(config: AblationConfig) -> dict[str, Any]:
    """Plain values, as they stand in a study's config.json."""
    axes = {path: list(values) for path, values in config.axes.items()}
    rest = {name: getattr(config, name) for name in _OPTIONAL}
    rest |= {name: getattr(config, name) for name, default in _LATER.items() if getattr(config, name) != default}
    return {"base": asdict(config.base), "axes": axes, "seeds": config.seeds, **rest}


def ablation_from_dict(content: Any) -> AblationConfig:
    """The inverse; what an earlier version did not write has its default. Raises ConfigError."""
    required, optional = {"base", "axes", "seeds"}, {*_OPTIONAL, *_LATER}
    if not isinstance(content, dict) or not required <= content.keys() <= required | optional:
        raise ConfigError(f"a study has base, axes and seeds, and may have {', '.join(sorted(optional))}")
    base, axes = content["base"], content["axes"]
    is_table = isinstance(axes, dict) and all(isinstance(values, list) for values in axes.values())
    if not isinstance(base, dict) or not is_table:
        raise ConfigError("in the configuration of a study base is a table and axes a table of lists")
    axes = {path: tuple(values) for path, values in axes.items()}
    given = {**content, "base": config_from_dict(base), "axes": axes}
    for name in given.keys() - {"base", "axes"}:
        given[name] = convert(name, given[name], hints_of(AblationConfig)[name])
    return AblationConfig(**given)


_OPTIONAL = ("design", "max_cells", "margin", "budget", "budget_asked", "budget_given", "budget_farthest", "steps")
_LATER: dict[str, Any] = {
    **{name: {} for name in ("explicit", "widths", "tune", "tried", "tuned", "decided")},
    **dict.fromkeys(("looks", "looked", "grown", "caveats"), ()),
    "eval_blocks": 0,
    "tune_seeds": 3,
    "alpha": 0.05,
}
"""Written only where they differ from these, so that a study without them is one for earlier versions, too."""


def with_settings(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The config with dotted fields replaced. Raises ConfigError where the settings contradict each other."""
    sections: dict[str, dict[str, Any]] = {"model": {}, "data": {}, "training": {}, "": {}}
    for path, value in settings.items():
        section, _, name = path.rpartition(".")
        sections[section][name] = convert(path, value, hint_of(path, config))
    top = sections.pop("")
    return replace(config, **top, **{name: replace(getattr(config, name), **new) for name, new in sections.items()})


def _in_random_order(n: int, seed: int, most: int) -> Iterator[int]:
    """0, the baseline, then other numbers below n, each once, as the seed has it; of many at most `most`."""
    rng = Random(seed)
    yield 0
    yield from (1 + i for i in rng.sample(range(min(n - 1, sys.maxsize)), min(n - 1, most)))


def _word(name: str, value: Any) -> str:
    if (name, value) in _WORDS:
        return _WORDS[name, value]
    if isinstance(value, bool):
        return name if value else f"no_{name}"
    return f"{name}={value}"
