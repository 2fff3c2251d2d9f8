"""How the weights of a run are found: steps, batches, optimizer, schedule, validation, and what stops it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError
from ..setting import check_bounds, setting

_ADAM = ("training.optimizer", ("adam", "adamw", "muon"))
_NANOCHAT = ("training.optimizer", ("nanochat", "nanochat-2026-02"))
_MOMENTUM = ("training.optimizer", ("sgd", "muon", *_NANOCHAT[1]))
_EVALUATION = "Evaluation and checkpoints"
_SHOWN = "it changes what a run shows or keeps, not what is learned"
_SPEED = "it changes how fast a run is, not what is learned"
_GUARD = "it changes when a run is called diverged or refused, not what is learned"


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
        "Parts of a batch, batch_size / replicas rows each, worked out side by side; NumPy. 0: as suits the machine.",
        flag="--replicas",
        short="Parts of a batch worked out side by side: a number, or auto for the machine's.",
        least=0,
        needs=("mode", ("tensor",)),
    )
    compile: bool = setting(
        False,
        "Trace a step of single numbers once a shape and replay it, many times faster; of PyTorch, torch.compile.",
        flag="--compile",
        short="Replay steps of single numbers as array calls; of PyTorch, torch.compile.",
        no_axis=_SPEED,
    )
    check_every: int = setting(
        0,
        "Steps between comparisons of a replayed step with the engine; 0: only the first of each shape.",
        flag="--check-every",
        short="With --compile: steps between comparisons with the engine.",
        least=0,
        needs=("training.compile", (True,)),
        no_axis="it changes when a run is refused, not what is learned",
    )
    optimizer: Literal["sgd", "adam", "adamw", "muon", "nanochat", "nanochat-2026-02"] = setting(
        "adamw",
        "Rule of the update. For tensor mode: muon moves matrices by Muon, the rest by AdamW; nanochat has a rate for "
        "each kind of parameter, and more in Muon; nanochat-2026-02 is how it was before.",
        flag="--optimizer",
        short="Rule of the update.",
    )
    lr: float = setting(0.01, "Base learning rate.", flag="--lr", above=0)
    polar_express: bool = setting(True, "Muon by Polar Express, not by Jordan's quintic.", needs=_NANOCHAT)
    muon_eq: bool = setting(True, "Rows of a momentum get one norm before Muon: MuonEq.", needs=_NANOCHAT)
    muon_plus: bool = setting(True, "Muon's step gets the norm of an orthogonal matrix: Muon+.", needs=_NANOCHAT)
    nor_muon: bool = setting(True, "Rows that moved much move less: NorMuon.", needs=_NANOCHAT)
    split_qkv: bool = setting(True, "Muon takes q, k and v apart.", needs=_NANOCHAT)
    cautious_decay: bool = setting(True, "Only weights that a step moves towards 0 decay.", needs=_NANOCHAT)
    lr_schedule: Literal["constant", "linear", "sqrt", "cosine", "wsd"] = setting(
        "linear", "Shape of the rate over the run.", flag="--lr-schedule"
    )
    warmup: int = setting(0, "Steps over which the rate rises linearly from near 0.", flag="--warmup", least=0)
    warmdown: float = setting(
        0.5,
        "Share of the steps in which linear, sqrt and wsd fall.",
        least=0,
        most=1,
        needs=("training.lr_schedule", ("linear", "sqrt", "wsd")),
    )
    min_lr_ratio: float = setting(
        0.1,
        "Share of lr at which cosine and wsd end.",
        least=0,
        most=1,
        needs=("training.lr_schedule", ("cosine", "wsd")),
    )
    momentum: float = setting(0.0, "Of SGD and Muon.", least=0, below=1, needs=_MOMENTUM)
    momentum_schedule: Literal["constant", "rise", "rise-fall"] = setting(
        "constant", "rise: from 0.85 in 300 steps; rise-fall: in 400, to 0.9 while the rate falls.", needs=_MOMENTUM
    )
    beta1: float = setting(0.9, "Decay of Adam's mean of gradients.", flag="--beta1", least=0, below=1, needs=_ADAM)
    beta2: float = setting(
        0.999, "Decay of Adam's mean of squared gradients.", flag="--beta2", least=0, below=1, needs=_ADAM
    )
    eps: float = setting(1e-8, "Added to Adam's denominator.", flag="--eps", above=0, needs=_ADAM)
    weight_decay: float = setting(0.01, "Decay of matrices toward 0, times the rate.", flag="--weight-decay", least=0)
    weight_decay_schedule: Literal["constant", "linear", "cosine"] = setting(
        "constant", "Shape of the weight decay over the run; linear and cosine go to 0."
    )
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
        "Steps between samples shown while training, and kept in samples.jsonl; 0 is off.",
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
        if self.momentum_schedule != "constant" and self.optimizer in _MOMENTUM[1] and not self.momentum:
            raise ConfigError(f"momentum_schedule={self.momentum_schedule} rises to momentum=0: set e.g. momentum=0.95")
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
