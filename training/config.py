"""Every setting of a run: checked once, never mutated, saved with its results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from ..data.config import DataConfig
from ..errors import ConfigError
from ..models.base import Mode, ModelKind
from ..models.bigram.config import BigramConfig
from ..models.gpt.config import GPTConfig
from ..plain import shown_path
from ..setting import Setting, check_bounds, setting, settings_of

_ADAM = ("training.optimizer", ("adam", "adamw", "muon"))
_EVALUATION = "Evaluation and checkpoints"
_SHOWN = "it changes what a run shows or keeps, not what is learned"
_GUARD = "it changes when a run is called diverged or refused, not what is learned"
_SMALLEST = {"float32": 1.2e-38, "float64": 2.3e-308}
"""Normal numbers, rounded up; what is smaller loses digits, then all of them."""
_TOKENS = "it changes the tokens, and losses of different tokens cannot be compared"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the weights are found."""

    steps: int = setting(
        500,
        "Optimizer steps; 0 only measures the first weights.",
        flag="--steps",
        least=0,
        needs=("training.epochs", (0.0,)),
    )
    epochs: float = setting(
        0.0, "Passes over the training text, from which `steps` follows; 0: `steps` says.", flag="--epochs", least=0
    )
    patience: int = setting(
        0,
        "Stop early after so many validations without a new best; 0 never does.",
        flag="--patience",
        least=0,
        group=_EVALUATION,
        no_axis="it ends runs by the validation loss that is to be compared: compare training.steps",
    )
    batch_size: int = setting(1, "Windows or documents in one micro-batch.", flag="--batch-size", least=1)
    grad_accum: int = setting(1, "Micro-batches in one step, weighted by their tokens.", flag="--grad-accum", least=1)
    replicas: int = setting(
        1,
        "Threads that share a batch, batch_size / replicas rows each; tensor mode. 0: what suits the machine, once.",
        flag="--replicas",
        short="Threads that share a batch: a number, or auto for the machine's.",
        least=0,
        needs=("mode", ("tensor",)),
    )
    optimizer: Literal["sgd", "adam", "adamw", "muon"] = setting(
        "adamw",
        "Rule of the update; muon is for tensor mode: matrices by Muon, the rest by AdamW.",
        flag="--optimizer",
        short="Rule of the update.",
    )
    lr: float = setting(0.01, "Base learning rate.", flag="--lr", above=0)
    lr_schedule: Literal["constant", "linear", "sqrt", "cosine"] = setting(
        "linear", "Shape of the rate over the run.", flag="--lr-schedule"
    )
    warmup: int = setting(0, "Steps over which the rate rises linearly from near 0.", flag="--warmup", least=0)
    warmdown: float = setting(
        0.5,
        "Share of the steps in which linear and sqrt fall.",
        least=0,
        most=1,
        needs=("training.lr_schedule", ("linear", "sqrt")),
    )
    min_lr_ratio: float = setting(
        0.1, "Share of lr at which cosine ends.", least=0, most=1, needs=("training.lr_schedule", ("cosine",))
    )
    momentum: float = setting(0.0, "Of SGD and Muon.", least=0, below=1, needs=("training.optimizer", ("sgd", "muon")))
    beta1: float = setting(0.9, "Decay of Adam's mean of gradients.", flag="--beta1", least=0, below=1, needs=_ADAM)
    beta2: float = setting(
        0.999, "Decay of Adam's mean of squared gradients.", flag="--beta2", least=0, below=1, needs=_ADAM
    )
    eps: float = setting(1e-8, "Added to Adam's denominator.", flag="--eps", above=0, needs=_ADAM)
    weight_decay: float = setting(0.01, "Decay of matrices toward 0, times the rate.", flag="--weight-decay", least=0)
    max_grad_norm: float = setting(
        1.0, "Clip the global L2 norm of the gradient to this; 0 turns clipping off.", flag="--max-grad-norm", least=0
    )
    agc: float = setting(
        0.0,
        "Adaptive clipping: |g| of an output unit at most agc |w|, before max_grad_norm; 0 is off; tensor mode.",
        least=0,
    )
    centralize_gradients: bool = setting(
        False, "Subtract the mean over the fan-in from gradients of matrices, first of all; tensor mode."
    )
    eval_every: int = setting(
        100,
        "Steps between validations; 0 validates only at the end.",
        flag="--eval-every",
        least=0,
        group=_EVALUATION,
        no_axis=_SHOWN,
    )
    eval_tokens: int = setting(
        1024,
        "Validation tokens in one evaluation, evenly spread; 0 takes all.",
        least=0,
        no_axis="it changes the validation text, and losses on different texts cannot be compared",
    )
    sample_every: int = setting(
        0,
        "Steps between samples shown while training; 0 is off.",
        flag="--sample-every",
        least=0,
        group=_EVALUATION,
        one_run=True,
        no_axis=_SHOWN,
    )
    checkpoint_every: int = setting(
        0,
        "Steps between checkpoints; one precedes each validation but the first, and the last step is always saved.",
        flag="--checkpoint-every",
        short="Steps between checkpoints, beside those before validations and at the end.",
        least=0,
        group=_EVALUATION,
        one_run=True,
        no_axis=_SHOWN,
    )
    keep_last: int = setting(
        2,
        "Checkpoints that stay, newest first, the one of the best validation besides; 0 keeps all.",
        flag="--keep-last",
        short="Checkpoints that stay, the best besides; 0 keeps all.",
        least=0,
        group=_EVALUATION,
        one_run=True,
        no_axis=_SHOWN,
    )
    checkpoint_format: Literal["safetensors", "json", "json.gz"] = setting(
        "safetensors",
        "How weights and the optimizer's memory are written: binary, readable, or readable and compressed.",
        flag="--checkpoint-format",
        short="How checkpoints are written: binary, or to be read.",
        group=_EVALUATION,
        one_run=True,
        no_axis=_SHOWN,
    )
    max_loss: float = setting(
        1000.0,
        "Diverged: a loss above this, in nats a token, a hundred times that of guessing; 0 is off.",
        least=0,
        no_axis=_GUARD,
    )
    max_gradient: float = setting(
        1e6,
        "Diverged: a gradient's norm, before clipping, ten thousand times the largest of our studies; 0 is off.",
        least=0,
        no_axis=_GUARD,
    )
    max_weight: float = setting(
        1e5,
        "Diverged: a weight where float32 counts in steps of 0.008 and rounds a usual update away; 0 is off.",
        least=0,
        no_axis=_GUARD,
    )
    max_memory_growth: float = setting(
        4.0,
        "Refuse to go on when resident memory exceeds this many times what the first steps used; 0 is off.",
        least=0,
        no_axis=_GUARD,
    )

    def __post_init__(self) -> None:
        check_bounds(self, "training")
        if self.replicas and self.batch_size % self.replicas:
            raise ConfigError(
                f"batch_size={self.batch_size} does not split over replicas={self.replicas}: choose a divisor"
            )

    @property
    def micro_batches(self) -> int:
        """In one step: K replicas of a batch are K-fold accumulation of K-th parts of it, bit for bit."""
        return self.grad_accum * max(1, self.replicas)

    @property
    def micro_batch_size(self) -> int:
        """Rows in one of them."""
        return self.batch_size // max(1, self.replicas)


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
    dtype: Literal["float32", "float64"] = setting(
        "float32",
        "Precision of the arrays in tensor mode; Python floats, of scalar mode, are float64.",
        flag="--dtype",
        short="Precision of arrays.",
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
        if (self.model_kind == "bigram") != isinstance(self.model, BigramConfig):
            raise ConfigError(
                f"model_kind={self.model_kind} does not fit preset {self.preset!r}: choose another --preset"
            )
        if self.partial and not self.start_from:
            raise ConfigError(f"partial={self.partial} needs a model to take weights from: give --from RUN")
        self._refuse_what_rounds_to_zero()
        if self.mode == "scalar":
            self._refuse_tensor_settings()

    def _refuse_what_rounds_to_zero(self) -> None:
        """What is added to a denominator must be there after rounding, or 0/0 follows."""
        precision = "float64" if self.mode == "scalar" else self.dtype
        least = _SMALLEST[precision]
        for name, value in (("eps", self.training.eps), ("norm_eps", getattr(self.model, "norm_eps", 1.0))):
            if 0 < value < least:
                raise ConfigError(f"{name}={value:g} is no normal number of {precision}: give {least:g} or more")

    def _refuse_tensor_settings(self) -> None:
        settings = self.training
        asked = {
            "optimizer=muon": settings.optimizer == "muon",
            f"agc={settings.agc}": settings.agc > 0,
            "centralize_gradients=true": settings.centralize_gradients,
            f"replicas={settings.replicas}": settings.replicas > 1,
        }
        for name, wanted in asked.items():
            if wanted:
                raise ConfigError(f"{name} is for arrays: use --mode tensor")
        if not isinstance(self.model, BigramConfig) and self.model.dropout > 0:
            raise ConfigError(
                f"dropout={self.model.dropout} is for arrays: use --mode tensor, or --set model.dropout=0"
            )


def setting_at(path: str) -> Setting:
    """What is known of the field with this dotted name, e.g. model.n_layer. Raises KeyError."""
    return all_settings()[path][1]


@cache
def all_settings() -> Mapping[str, tuple[type, Setting]]:
    """Dotted name -> (the class that has the field, the setting), in the order of a config; both kinds of model."""
    homes = (("", RunConfig), ("model.", GPTConfig), ("model.", BigramConfig), ("data.", DataConfig))
    found: dict[str, tuple[type, Setting]] = {}
    for prefix, home in (*homes, ("training.", TrainingConfig)):
        for name, known, _ in settings_of(home):
            found.setdefault(prefix + name, (home, known))
    return found
