"""How each law of a run or a configuration is measured: the plain laws (experiments/laws), asked of a subject."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...models.bigram.config import BigramConfig
from ...models.build import build_model
from ...models.initial import draw_weights
from ...models.parameters import count_parameters
from ...training.schedule import learning_rate
from ..laws import data, decoding, model, training
from .subject import NotApplicableError, Subject

_SINGLE, _DOUBLE = 1e-4, 1e-9
"""Rounding of sums in float32 and float64, with room for some hundred terms."""
_FEW = 60_000
"""Parameters up to which a batch is learned by heart in a second or two."""


def _rounding(subject: Subject, error: float) -> float:
    """In units of the rounding of its numbers: comparable, whatever the precision."""
    is_single = subject.config.mode == "tensor" and subject.config.dtype == "float32"
    return error / (_SINGLE if is_single else _DOUBLE)


def padding(subject: Subject) -> float:
    """Share of targets behind a document's end"""
    if subject.session.batches.kind != "documents" or subject.config.data.packing != "none":
        raise NotApplicableError("rows are full, nothing is padded")
    return data.padding_share(subject.session.batches, subject.session.dataset.tokenizer.bos_id)


def overlap(subject: Subject) -> float:
    """Share of validation pieces that stand in the training text"""
    return data.overlap_share(subject.session.dataset.train, subject.session.dataset.val)


def first_loss(subject: Subject) -> float:
    """Nats above ln V of the first weights"""
    subject.begin_anew()
    if subject.config.start_from:
        raise NotApplicableError("it began with the weights of another model")
    losses = [model.loss_of(subject.model, row) for row in subject.rows(4)]
    return float(np.mean(losses)) - math.log(subject.config.model.vocab_size)


def causality(subject: Subject) -> float:
    """Change of earlier logits by a later token, in units of rounding"""
    subject.stir()
    return _rounding(subject, model.causality_error(subject.model, subject.ids()))


def cache(subject: Subject) -> float:
    """Difference of cached logits, in units of rounding"""
    if not hasattr(subject.model, "empty_cache"):
        raise NotApplicableError("a bigram keeps no cache")
    subject.stir()
    return _rounding(subject, model.cache_error(subject.model, subject.ids()))


def rows(subject: Subject) -> float:
    """Change of a row's logits by its neighbours, in units of rounding"""
    if not model.in_arrays(subject.model):
        raise NotApplicableError("single numbers read one row at a time")
    subject.stir()
    return _rounding(subject, model.row_error(subject.model, subject.square()))


def repeats(subject: Subject) -> float:
    """Difference of two evaluations"""
    return model.repeat_error(subject.model, subject.square(2))


def attention(subject: Subject) -> float:
    """How far weights of attention are from summing to 1"""
    if not model.in_arrays(subject.model):
        raise NotApplicableError("it is for the array spelling: --set mode=tensor tries it")
    return model.attention_error(subject.gpt)


def rotation(subject: Subject) -> float:
    """How far rotary products move when both places shift"""
    if subject.gpt.positions != "rope":
        raise NotApplicableError(f"positions are {subject.gpt.positions}, not rotary")
    return model.rotation_error(subject.gpt)


def stream(subject: Subject) -> float:
    """Growth of the residual stream over depth"""
    _ = subject.gpt
    return model.growth_of_stream(subject.model, subject.ids())


def dropout(subject: Subject) -> float:
    """Standard errors between 1 and the mean of dropped-out ones"""
    if not getattr(subject.config.model, "dropout", 0):
        raise NotApplicableError("there is no dropout")
    return model.dropout_error(subject.model)


def dead(subject: Subject) -> float:
    """Share of hidden units that are always 0"""
    if subject.gpt.activation not in ("relu", "relu2"):
        raise NotApplicableError(f"a unit of {subject.gpt.activation} is never quite dead")
    return model.dead_share(subject.arrays, subject.square(8))


def accumulation(subject: Subject) -> float:
    """Difference of gradients in parts and at once, in units of rounding"""
    subject.without_dropout()
    parts = [_shorter(row, 1 + i) for i, row in enumerate(subject.rows(3))]
    return _rounding(subject, training.accumulation_error(subject.model, subject.session.accumulate, parts))


def _shorter(row: Batch, part: int) -> Batch:
    n = max(1, row.inputs.shape[1] // part)
    return Batch(row.inputs[:, :n], row.targets[:, :n])


def padded_loss(subject: Subject) -> float:
    """Difference that padding makes to a loss, in units of rounding"""
    subject.stir()
    subject.without_dropout()
    return _rounding(subject, model.padding_error(subject.model, subject.ids()))


def clipping(subject: Subject) -> float:
    """Excess of a clipped norm over its limit"""
    if not subject.config.training.max_grad_norm:
        raise NotApplicableError("nothing is clipped: max_grad_norm is 0")
    session = subject.session
    return training.clipping_error(session.optimizer, session.model, subject.rows(1)[0], session.accumulate)


def clip_ratio(subject: Subject) -> float:
    """Median norm after warm-up over its limit"""
    norms = [row["grad_norm"] for row in subject.metrics if isinstance(row.get("grad_norm"), int | float)]
    norms = norms[subject.config.training.warmup :]
    limit = subject.config.training.max_grad_norm
    if not limit or len(norms) < 20:
        raise NotApplicableError("there are no 20 steps after warm-up that were clipped or not")
    return float(np.median(norms)) / limit


def first_step(subject: Subject) -> float:
    """Relative error of Adam's first step"""
    settings = subject.config.training
    if settings.optimizer not in ("adam", "adamw"):
        raise NotApplicableError(f"{settings.optimizer} moves by another rule than Adam's")
    subject.begin_anew()
    make = subject.config.engine.optimizer
    return training.first_step_error(make, subject.model, settings, subject.rows(1)[0])


def decay(subject: Subject) -> float:
    """Relative error of decoupled decay"""
    settings = subject.config.training
    if settings.optimizer != "adamw":
        raise NotApplicableError(f"{settings.optimizer} has no decoupled decay")
    return training.decay_error(subject.config.engine.optimizer, subject.model, settings)


def schedule(subject: Subject) -> float:
    """Error of the rate halfway down"""
    settings = subject.config.training
    if settings.steps < 20:
        raise NotApplicableError("fewer than 20 steps have no shape")
    if settings.warmup > settings.steps // 2:
        raise NotApplicableError("it warms up for more than half of its steps")
    return training.schedule_error(settings)


def update(subject: Subject) -> float:
    """|change| / |weights| of a first step at full rate"""
    settings, session = subject.config.training, subject.session
    subject.begin_anew()
    optimizer = subject.config.engine.optimizer(session.model, settings)
    rate = learning_rate(min(settings.warmup, settings.steps - 1), settings) if settings.steps else 0.0
    if not rate:
        raise NotApplicableError("it takes no step")
    return training.update_ratio(optimizer, session.model, subject.rows(1)[0], rate)


@lru_cache(maxsize=1)  # two laws ask
def _overfit(subject: Subject) -> training.Overfit:
    """By a model of the same kind, smaller where it is large."""
    config = subject.config
    small: Any = config.model
    if count_parameters(small.parameters()) > _FEW and not isinstance(small, BigramConfig):
        n_embd = 8 * small.n_head
        hidden = max(1, n_embd * small.hidden // small.n_embd)
        small = replace(small, n_layer=min(2, small.n_layer), n_embd=n_embd, head_dim=0, mlp_width=hidden)
    small = replace(small, dropout=0.0) if hasattr(small, "dropout") else small
    built = build_model(small, config.mode, config.engine.precision(config.dtype))
    built.load_state_dict(draw_weights(small.parameters(), np.random.default_rng(0)))
    row = subject.rows(1)[0]
    T = min(row.inputs.shape[1], 12)
    reach = 1 if isinstance(small, BigramConfig) else (small.window or T) * small.n_layer
    return training.overfit(
        config.engine.optimizer,
        built,
        Batch(row.inputs[:, -T:], row.targets[:, -T:]),  # a row ends with a target that counts
        context=reach,
        steps=160 if config.mode == "scalar" else 200,
    )


def left(subject: Subject) -> float:
    """Share of the way to the floor that is left after learning one text by heart"""
    return _overfit(subject).left


def unmoved(subject: Subject) -> float:
    """Parameters that stood still meanwhile"""
    return float(len(_overfit(subject).unmoved))


def greedy(subject: Subject) -> float:
    """Share of a narrow beam's tokens that are not the greedy ones"""
    context = subject.config.model.context_size
    return decoding.greedy_error(subject.model, subject.ids()[:2], context=context)
