"""Every setting of a run: checked once, never mutated, saved with its results."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..errors import ConfigError
from ..models.bigram.config import BigramConfig
from ..models.gpt.config import GPTConfig
from ..models.presets import Mode, ModelKind
from ..plain import shown_path

_MOST = 1 << 53
"""A count above this is a slip of a finger, and no JSON reader keeps it."""

if TYPE_CHECKING:
    from ..data.vocabulary import TokenizerChoice

_SMALLEST = {"float32": 1.2e-38, "float64": 2.3e-308}
"""Normal numbers, rounded up; what is smaller loses digits, then all of them."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the weights are found."""

    steps: int = 500
    """Optimizer steps; 0 only measures the first weights."""
    epochs: float = 0.0
    """Passes over the training text, from which `steps` follows; 0: `steps` says."""
    patience: int = 0
    """Stop early after so many validations without a new best; 0 never does."""
    batch_size: int = 1
    """Windows or documents in one micro-batch."""
    grad_accum: int = 1
    """Micro-batches in one step, weighted by their tokens."""
    replicas: int = 1
    """Threads that share a batch, batch_size / replicas rows each; tensor mode. 0: what suits the machine, once."""
    optimizer: Literal["sgd", "adam", "adamw", "muon"] = "adamw"
    """Rule of the update; muon is for tensor mode: matrices by Muon, the rest by AdamW."""
    lr: float = 0.01
    """Base learning rate."""
    lr_schedule: Literal["constant", "linear", "sqrt", "cosine"] = "linear"
    """Shape of the rate over the run."""
    warmup: int = 0
    """Steps over which the rate rises linearly from near 0."""
    warmdown: float = 0.5
    """Share of the steps in which linear and sqrt fall."""
    min_lr_ratio: float = 0.1
    """Share of lr at which cosine ends."""
    momentum: float = 0.0
    """Of SGD and Muon."""
    beta1: float = 0.9
    """Decay of Adam's mean of gradients."""
    beta2: float = 0.999
    """Decay of Adam's mean of squared gradients."""
    eps: float = 1e-8
    """Added to Adam's denominator."""
    weight_decay: float = 0.01
    """Decay of matrices toward 0, times the rate."""
    max_grad_norm: float = 1.0
    """Clip the global L2 norm of the gradient to this; 0 turns clipping off."""
    agc: float = 0.0
    """Adaptive clipping: |g| of an output unit at most agc |w|, before max_grad_norm; 0 is off; tensor mode."""
    centralize_gradients: bool = False
    """Subtract the mean over the fan-in from gradients of matrices, first of all; tensor mode."""
    eval_every: int = 100
    """Steps between validations; 0 validates only at the end."""
    eval_tokens: int = 1024
    """Validation tokens in one evaluation, evenly spread; 0 takes all."""
    sample_every: int = 0
    """Steps between samples shown while training; 0 is off."""
    checkpoint_every: int = 0
    """Steps between checkpoints; one precedes each validation but the first, and the last step is always saved."""
    keep_last: int = 2
    """Checkpoints that stay, newest first, the one of the best validation besides; 0 keeps all."""
    checkpoint_format: Literal["safetensors", "json", "json.gz"] = "safetensors"
    """How weights and the optimizer's memory are written: binary, readable, or readable and compressed."""
    max_loss: float = 1000.0
    """Diverged: a loss above this, in nats a token, a hundred times that of guessing; 0 is off."""
    max_gradient: float = 1e6
    """Diverged: a gradient's norm, before clipping, ten thousand times the largest of our studies; 0 is off."""
    max_weight: float = 1e5
    """Diverged: a weight where float32 counts in steps of 0.008 and rounds a usual update away; 0 is off."""
    max_memory_growth: float = 4.0
    """Refuse to go on when resident memory exceeds this many times what the first steps used; 0 is off."""

    def __post_init__(self) -> None:
        counts = ("steps", "warmup", "replicas", "eval_every", "eval_tokens", "sample_every")
        self._require(
            (*counts, "checkpoint_every", "keep_last", "patience"), lambda x: x >= 0, "is negative: give 0 or more"
        )
        self._require((*counts, "batch_size", "grad_accum"), lambda x: x <= _MOST, f"is over {_MOST:,}: give a number")
        self._require(("batch_size", "grad_accum"), lambda x: x >= 1, "is too small: give 1 or more")
        amounts = ("epochs", "weight_decay", "max_grad_norm", "agc", "max_loss", "max_gradient", "max_weight")
        self._require(
            (*amounts, "max_memory_growth"),
            lambda x: 0 <= x < math.inf,
            "is not a number of 0 or more: give 0 to turn it off",
        )
        self._require(("beta1", "beta2", "momentum"), lambda x: 0 <= x < 1, "is outside 0 to 1: give e.g. 0.9")
        self._require(("warmdown", "min_lr_ratio"), lambda x: 0 <= x <= 1, "is outside 0 to 1: give e.g. 0.5")
        self._require(("lr", "eps"), lambda x: 0 < x < math.inf, "is not a positive number: give e.g. 0.01")
        if self.replicas and self.batch_size % self.replicas:
            raise ConfigError(
                f"batch_size={self.batch_size} does not split over replicas={self.replicas}: choose a divisor"
            )

    def _require(self, names: tuple[str, ...], holds: Callable[[float], bool], otherwise: str) -> None:
        for name in names:
            if not holds(getattr(self, name)):
                raise ConfigError(f"{name}={getattr(self, name)} {otherwise}")

    @property
    def micro_batches(self) -> int:
        """In one step: K replicas of a batch are K-fold accumulation of K-th parts of it, bit for bit."""
        return self.grad_accum * max(1, self.replicas)

    @property
    def micro_batch_size(self) -> int:
        """Rows in one of them."""
        return self.batch_size // max(1, self.replicas)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What the model reads."""

    source: str = "builtin:names"
    """A file of text, JSON, JSON Lines or CSV, or builtin:NAME, a text of data/builtin such as builtin:names.

    A path with a byte that is no text is file:caf%E9.txt: of this, `tokenizer`, `cache` and a run's `start_from`.
    """
    layout: Literal["auto", "documents", "stream", "chat"] = "auto"
    """One document a line or row, one stream, or conversations; auto decides by the rows, or by the lines' lengths."""
    text_field: str = ""
    """Field of JSON objects or column of a CSV that holds the text; "" where that is clear."""
    tokenizer: str = "char"
    """char, word, bpe, or the path of a tokenizer's file."""
    vocab_size: int = 0
    """The most ids of word or bpe, special ones included; 0: every word, or 1,024."""
    min_count: int = 0
    """How often a word or a pair of bpe must occur; 0: once, or twice."""
    loss_on: Literal["answers", "all"] = "answers"
    """Of conversations: which tokens are targets."""
    packing: Literal["none", "isolated", "joined"] = "none"
    """Of documents and conversations: one a row, or several, that do not attend to each other or do."""
    cache: str = ""
    """Folder of tokenised texts for the next run, and for a text larger than memory; "" is none."""
    style: Literal["classic", "futuristic"] = "classic"
    """futuristic adds four sentences of another world to the training text."""
    val_fraction: float = 0.1
    """Share kept for validation."""
    unknown: Literal["auto", "error", "skip", "unk"] = "auto"
    """What a character or word outside the vocabulary does; auto: a character is an error, a word reads <UNK>."""

    def __post_init__(self) -> None:
        if not 0 < self.val_fraction < 1:
            raise ConfigError(f"val_fraction={self.val_fraction} is outside 0 to 1: give e.g. 0.1")
        for name in ("source", "tokenizer", "cache"):  # paths, whose bytes may be no text
            object.__setattr__(self, name, shown_path(getattr(self, name)))
        _ = self.choice  # checks its fields

    @property
    def choice(self) -> TokenizerChoice:
        """How the tokenizer is made."""
        from ..data.vocabulary import TokenizerChoice  # regex and numpy: not before a run is configured

        return TokenizerChoice(
            tokenizer=self.tokenizer, vocab_size=self.vocab_size, min_count=self.min_count, unknown=self.unknown
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run, whole."""

    preset: str = "microgpt"
    """Where the settings below started from."""
    model_kind: ModelKind = "gpt"
    """The architecture's family."""
    mode: Mode = "scalar"
    """Which engine: single numbers, or arrays."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the arrays in tensor mode; Python floats, of scalar mode, are float64."""
    seed: int = 1337
    """Root of the streams init, data, dropout and sample."""
    start_from: str = ""
    """A run, checkpoint or model whose weights are the first ones, its vocabulary extended; "" draws them."""
    partial: str = ""
    """Take only weights of these names (as in a shell: h.*), where they fit, with a vocabulary of the text; "": all."""
    model: GPTConfig | BigramConfig = field(default_factory=GPTConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} is negative: give 0 or more")
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
