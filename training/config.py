"""Every setting of a run: checked once, never mutated, saved with its results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from ..data.config import DataConfig
from ..errors import ConfigError
from ..models.base import Mode, ModelKind
from ..models.bigram.config import BigramConfig
from ..models.gpt.config import GPTConfig
from ..models.kinds import CONFIGS, config_class
from ..plain import shown_path
from ..setting import Setting, check_bounds, setting, settings_of
from .hyperparameters import TrainingConfig

if TYPE_CHECKING:
    from .backends import Backend

__all__ = ["RunConfig", "TrainingConfig", "all_settings", "setting_at"]

_SMALLEST = {"float32": 1.2e-38, "float64": 2.3e-308}
"""Normal numbers, rounded up; what is smaller loses digits, then all of them."""
_ROUNDING = "it changes where a run is computed, and its last bits, not what is learned"
_TOKENS = "it changes the tokens, and losses of different tokens cannot be compared"


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run, whole."""

    preset: str = setting(
        "microgpt",
        "Where the settings below started from.",
        flag="--preset",
        no_axis="a preset is where all cells start from: run one study a preset",
    )
    model_kind: ModelKind = setting(
        "gpt",
        "The architecture's family.",
        flag="--model-kind",
        no_axis="a kind of model is a preset of its own: run one study a kind",
    )
    mode: Mode = setting("scalar", "Which engine: single numbers, or arrays.", flag="--mode")
    backend: Literal["numpy", "torch"] = setting(
        "numpy",
        "What computes the arrays of tensor mode: NumPy, faster at a student's sizes, or PyTorch, for GPUs.",
        flag="--backend",
        needs=("mode", ("tensor",)),
        no_axis=_ROUNDING,
    )
    device: str = setting(
        "auto",
        "Where PyTorch computes: cpu, cuda, cuda:N, mps, or auto, the first of cuda, mps and cpu that is there.",
        flag="--device",
        short="Where PyTorch computes: cpu, cuda, cuda:N, mps or auto.",
        needs=("backend", ("torch",)),
        no_axis=_ROUNDING,
    )
    deterministic: bool = setting(
        False,
        "PyTorch gives the same bits again, on a GPU and with any number of processes; slower.",
        flag="--deterministic",
        needs=("backend", ("torch",)),
        no_axis=_ROUNDING,
    )
    dtype: Literal["float32", "float64", "bfloat16"] = setting(
        "float32",
        "Precision of the arrays in tensor mode; bfloat16: of PyTorch's products, weights stay float32. "
        "Python floats, of scalar mode, are float64.",
        flag="--dtype",
        short="Precision of arrays.",
        refused=(("float16", "needs its loss scaled, which nothing here does: use bfloat16"),),
        needs=("mode", ("tensor",)),
    )
    seed: int = setting(
        1337,
        "Root of the streams init, data, dropout and sample.",
        flag="--seed",
        least=0,
        most=math.inf,
        group="Optimisation",
        no_axis="every variant runs with the same seeds: give the number of seeds instead",
    )
    start_from: str = setting(
        "",
        'A run, checkpoint or model whose weights are the first ones, its vocabulary extended; "" draws them.',
        flag="--from",
        short="Begin with the weights of this run or model.",
        one_run=True,
        no_axis=_TOKENS,
    )
    partial: str = setting(
        "",
        'Take only weights of these names (as in a shell: h.*), where they fit, and a vocabulary of the text; "": all.',
        flag="--partial",
        short="With --from: take weights of these names, where they fit.",
        one_run=True,
        no_axis=_TOKENS,
    )
    model: GPTConfig | BigramConfig = field(default_factory=GPTConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        check_bounds(self, "")
        object.__setattr__(self, "start_from", shown_path(self.start_from))
        if type(self.model) is not config_class(self.model_kind):
            raise ConfigError(
                f"model_kind={self.model_kind} does not fit preset {self.preset!r}: choose another --preset"
            )
        if self.partial and not self.start_from:
            raise ConfigError(f"partial={self.partial} needs a model to take weights from: give --from RUN")
        self.engine.check(self.model, self.training)
        self._refuse_what_rounds_to_zero()

    @property
    def engine(self) -> Backend:
        """What computes it: the engine of the mode, what replays it, or PyTorch."""
        from .backends import Place, backend_of  # NumPy: not before a run is configured

        place = Place(self.backend, self.device, self.dtype, self.deterministic)
        return backend_of(self.mode, compiled=self.training.compile, place=place)

    def on_numpy(self) -> RunConfig:
        """The same run as NumPy computes it: for who looks at a model wherever it was trained."""
        if self.backend == "numpy":
            return self
        training = replace(self.training, compile=False)
        dtype = self.engine.precision(self.dtype)
        return replace(self, backend="numpy", device="auto", deterministic=False, dtype=dtype, training=training)

    def _refuse_what_rounds_to_zero(self) -> None:
        """What is added to a denominator must be there after rounding, or 0/0 follows."""
        precision = self.engine.precision(self.dtype)
        least = _SMALLEST[precision]
        for name, value in (("eps", self.training.eps), ("norm_eps", getattr(self.model, "norm_eps", 1.0))):
            if 0 < value < least:
                raise ConfigError(f"{name}={value:g} is no normal number of {precision}: give {least:g} or more")


def setting_at(path: str) -> Setting:
    """What is known of the field with this dotted name, e.g. model.n_layer. Raises KeyError."""
    return all_settings()[path][1]


@cache
def all_settings() -> Mapping[str, tuple[type, Setting]]:
    """Dotted name -> (the class that has the field, the setting), in the order of a config; every kind of model."""
    homes = (("", RunConfig), *(("model.", kind) for kind in CONFIGS), ("data.", DataConfig))
    found: dict[str, tuple[type, Setting]] = {}
    for prefix, home in (*homes, ("training.", TrainingConfig)):
        for name, known, _ in settings_of(home):
            found.setdefault(prefix + name, (home, known))
    return found
