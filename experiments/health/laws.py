"""The laws in the order in which they are tried: the data first, since no model heals them."""

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
from .law import Finding, Law
from .subject import NotApplicableError, Subject

_SINGLE, _DOUBLE = 1e-4, 1e-9
"""Rounding of sums in float32 and float64, with room for some hundred terms."""
_FEW = 60_000
"""Parameters up to which a batch is learned by heart in a second or two."""


def examine(subject: Subject) -> list[Finding]:
    """Every law, tried."""
    with subject.config.backend.session(), np.errstate(all="ignore"):
        return [law.tried_on(subject) for law in LAWS]


def _rounding(subject: Subject, error: float) -> float:
    """In units of the rounding of its numbers: comparable, whatever the precision."""
    is_single = subject.config.mode == "tensor" and subject.config.dtype == "float32"
    return error / (_SINGLE if is_single else _DOUBLE)


def _padding(subject: Subject) -> float:
    if subject.session.batches.kind != "documents" or subject.config.data.packing != "none":
        raise NotApplicableError("rows are full, nothing is padded")
    return data.padding_share(subject.session.batches, subject.session.dataset.tokenizer.bos_id)


def _overlap(subject: Subject) -> float:
    return data.overlap_share(subject.session.dataset.train, subject.session.dataset.val)


def _first_loss(subject: Subject) -> float:
    subject.begin_anew()
    if subject.config.start_from:
        raise NotApplicableError("it began with the weights of another model")
    losses = [model.loss_of(subject.model, row) for row in subject.rows(4)]
    return float(np.mean(losses)) - math.log(subject.config.model.vocab_size)


def _causality(subject: Subject) -> float:
    subject.stir()
    return _rounding(subject, model.causality_error(subject.model, subject.ids()))


def _cache(subject: Subject) -> float:
    if not hasattr(subject.model, "empty_cache"):
        raise NotApplicableError("a bigram keeps no cache")
    subject.stir()
    return _rounding(subject, model.cache_error(subject.model, subject.ids()))


def _rows(subject: Subject) -> float:
    if not model.in_arrays(subject.model):
        raise NotApplicableError("single numbers read one row at a time")
    subject.stir()
    return _rounding(subject, model.row_error(subject.model, subject.square()))


def _repeats(subject: Subject) -> float:
    return model.repeat_error(subject.model, subject.square(2))


def _attention(subject: Subject) -> float:
    if not model.in_arrays(subject.model):
        raise NotApplicableError("it is for the array spelling: --set mode=tensor tries it")
    return model.attention_error(subject.gpt)


def _rotation(subject: Subject) -> float:
    if subject.gpt.positions != "rope":
        raise NotApplicableError(f"positions are {subject.gpt.positions}, not rotary")
    return model.rotation_error(subject.gpt)


def _stream(subject: Subject) -> float:
    _ = subject.gpt
    return model.growth_of_stream(subject.model, subject.ids())


def _dropout(subject: Subject) -> float:
    if not getattr(subject.config.model, "dropout", 0):
        raise NotApplicableError("there is no dropout")
    return model.dropout_error(subject.model)


def _dead(subject: Subject) -> float:
    if subject.gpt.activation not in ("relu", "relu2"):
        raise NotApplicableError(f"a unit of {subject.gpt.activation} is never quite dead")
    return model.dead_share(subject.arrays, subject.square(8))


def _accumulation(subject: Subject) -> float:
    subject.without_dropout()
    rows = [subject.rows(3)[0], *(_shorter(row, 2 + i) for i, row in enumerate(subject.rows(3)[1:]))]
    return _rounding(subject, training.accumulation_error(subject.model, subject.session.accumulate, rows))


def _shorter(row: Batch, part: int) -> Batch:
    n = max(1, row.inputs.shape[1] // part)
    return Batch(row.inputs[:, :n], row.targets[:, :n])


def _padded_loss(subject: Subject) -> float:
    subject.stir()
    subject.without_dropout()
    return _rounding(subject, model.padding_error(subject.model, subject.ids()))


def _clipping(subject: Subject) -> float:
    if not subject.config.training.max_grad_norm:
        raise NotApplicableError("nothing is clipped: max_grad_norm is 0")
    session = subject.session
    return training.clipping_error(session.optimizer, session.model, subject.rows(1)[0], session.accumulate)


def _clip_ratio(subject: Subject) -> float:
    norms = [row["grad_norm"] for row in subject.metrics if isinstance(row.get("grad_norm"), int | float)]
    norms = norms[subject.config.training.warmup :]
    limit = subject.config.training.max_grad_norm
    if not limit or len(norms) < 20:
        raise NotApplicableError("there are no 20 steps after warm-up that were clipped or not")
    return float(np.median(norms)) / limit


def _first_step(subject: Subject) -> float:
    settings = subject.config.training
    if settings.optimizer not in ("adam", "adamw"):
        raise NotApplicableError(f"{settings.optimizer} moves by another rule than Adam's")
    subject.begin_anew()
    make = subject.config.backend.optimizer
    return training.first_step_error(make, subject.model, settings, subject.rows(1)[0])


def _decay(subject: Subject) -> float:
    settings = subject.config.training
    if settings.optimizer != "adamw":
        raise NotApplicableError(f"{settings.optimizer} has no decoupled decay")
    return training.decay_error(subject.config.backend.optimizer, subject.model, settings)


def _schedule(subject: Subject) -> float:
    if subject.config.training.steps < 20:
        raise NotApplicableError("fewer than 20 steps have no shape")
    return training.schedule_error(subject.config.training)


def _update(subject: Subject) -> float:
    settings, session = subject.config.training, subject.session
    subject.begin_anew()
    optimizer = subject.config.backend.optimizer(session.model, settings)
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
        small = replace(small, n_layer=min(2, small.n_layer), n_embd=n_embd, mlp_width=hidden)
    small = replace(small, dropout=0.0) if hasattr(small, "dropout") else small
    built = build_model(small, config.mode, config.dtype)
    built.load_state_dict(draw_weights(small.parameters(), np.random.default_rng(0)))
    row = subject.rows(1)[0]
    T = min(row.inputs.shape[1], 12)
    reach = 1 if isinstance(small, BigramConfig) else (small.window or T) * small.n_layer
    return training.overfit(
        config.backend.optimizer,
        built,
        Batch(row.inputs[:, -T:], row.targets[:, -T:]),  # a row ends with a target that counts
        context=reach,
        steps=160 if config.mode == "scalar" else 200,
    )


def _left(subject: Subject) -> float:
    return _overfit(subject).left


def _unmoved(subject: Subject) -> float:
    return float(len(_overfit(subject).unmoved))


def _greedy(subject: Subject) -> float:
    context = subject.config.model.context_size
    return decoding.greedy_error(subject.model, subject.ids()[:2], context=context)


LAWS = (
    Law(
        name="targets",
        claim="Every target is the input one place on",
        measure=lambda subject: data.shift_share(subject.session.batches),
        unit="share of targets that are not",
        most=0.0,
        look_at="where targets are cut from the text",
    ),
    Law(
        name="padding",
        claim="What fills up short rows counts as no target",
        measure=_padding,
        unit="share of targets behind a document's end",
        most=0.0,
        look_at="the value that padded targets get",
    ),
    Law(
        name="batches",
        claim="A batch follows from its number, and the next one differs",
        measure=lambda subject: data.repeat_share(subject.session.batches),
        unit="share of batches that do not",
        most=0.0,
        look_at="the random stream of the batches",
    ),
    Law(
        name="overlap",
        claim="What measures was not learned: validation text does not stand in the training text",
        measure=_overlap,
        unit="share of validation pieces",
        most=0.05,
        look_at="the split, and copies in the text (on_duplicate)",
    ),
    Law(
        name="round trip",
        claim="A text comes back from its tokens",
        measure=lambda subject: data.round_trip_share(subject.session.dataset.tokenizer, subject.session.dataset.val),
        unit="share of pieces that do not",
        most=0.0,
        look_at="the tokenizer",
    ),
    Law(
        name="first loss",
        claim="Before it learns, a model guesses: its loss is near ln V",
        measure=_first_loss,
        unit="nats above ln V",
        least=-0.25,
        most=1.5,
        look_at="the first weights, their scale, and the loss",
    ),
    Law(
        name="causality",
        claim="No logit depends on a later token",
        measure=_causality,
        unit="change, in units of rounding",
        most=1.0,
        look_at="the mask of attention, and how heads are split and merged",
    ),
    Law(
        name="attention",
        claim="The weights of attention sum to 1",
        measure=_attention,
        unit="largest error",
        most=1e-4,
        look_at="the axis of softmax, and whether the mask comes before it",
    ),
    Law(
        name="rotation",
        claim="Rotary positions tell distances alone",
        measure=_rotation,
        unit="change of q.k under a shift, relative",
        most=1e-6,
        look_at="which channels form a pair, and which angle it gets",
    ),
    Law(
        name="rows",
        claim="A row does not depend on those beside it",
        measure=_rows,
        unit="change, in units of rounding",
        most=1.0,
        look_at="axes that are summed or reshaped over the batch",
    ),
    Law(
        name="padded loss",
        claim="The loss of a batch is the mean over its tokens, however rows are padded",
        measure=_padded_loss,
        unit="error, in units of rounding",
        most=1.0,
        look_at="what the loss divides by",
    ),
    Law(
        name="cache",
        claim="Decoding with a cache gives the logits of reading everything anew",
        measure=_cache,
        unit="difference, in units of rounding",
        most=1.0,
        look_at="positions in the cache, and what is written to it",
    ),
    Law(
        name="repeats",
        claim="Two evaluations of the same text are the same",
        measure=_repeats,
        unit="difference",
        most=0.0,
        look_at="dropout while evaluating",
    ),
    Law(
        name="dropout",
        claim="Dropout keeps the mean",
        measure=_dropout,
        unit="standard errors from 1",
        most=6.0,
        look_at="the factor 1 / (1 - p) of what is kept",
    ),
    Law(
        name="stream",
        claim="The residual stream keeps its size over depth",
        measure=_stream,
        unit="size after the last block over that before the first",
        most=100.0,
        look_at="the scale of the projections' first weights",
    ),
    Law(
        name="dead units",
        claim="Most hidden units are alive",
        measure=_dead,
        unit="share that is 0 for every token",
        most=0.75,
        look_at="the rate, and biases that fell below 0",
    ),
    Law(
        name="accumulation",
        claim="Micro-batches add up to the gradient of one batch",
        measure=_accumulation,
        unit="difference, in units of rounding",
        most=1.0,
        look_at="a mean of means, or a sum where a mean is meant",
    ),
    Law(
        name="clipping",
        claim="No gradient is longer than max_grad_norm after clipping",
        measure=_clipping,
        unit="relative excess",
        most=1e-4,
        look_at="what the norm is compared with",
    ),
    Law(
        name="clip ratio",
        claim="Clipping trims gradients: they are not many times as long as it allows",
        measure=_clip_ratio,
        unit="median norm over max_grad_norm",
        most=20.0,
        look_at="max_grad_norm, and a sum in the loss where a mean is meant",
    ),
    Law(
        name="first step",
        claim="Adam's first step is lr, up or down",
        measure=_first_step,
        unit="relative error",
        most=0.01,
        look_at="the correction for bias",
    ),
    Law(
        name="decay",
        claim="AdamW's decay takes lr times decay of a matrix, whatever its gradient",
        measure=_decay,
        unit="relative error",
        most=0.01,
        look_at="whether decay is added to the gradient",
    ),
    Law(
        name="schedule",
        claim="Halfway down, the rate is where its shape says",
        measure=_schedule,
        unit="error over the rate",
        most=0.1,
        look_at="which steps the schedule counts",
    ),
    Law(
        name="update",
        claim="A first step at full rate moves the weights",
        measure=_update,
        unit="|change| / |weights|",
        least=1e-6,
        most=10.0,
        look_at="the rate, and whether the optimizer has the weights",
    ),
    Law(
        name="overfits",
        claim="One short text is learned by heart, down to what equal contexts leave open",
        measure=_left,
        unit="share of the way to the floor that is left",
        most=0.1,
        look_at="gradients that do not arrive, targets, residual connections",
    ),
    Law(
        name="every weight learns",
        claim="Every parameter moves while a text is learned",
        measure=_unmoved,
        unit="parameters that did not",
        most=0.0,
        look_at="what is detached from the graph, and what the optimizer was given",
    ),
    Law(
        name="draws",
        claim="Tokens are drawn as softmax(z / temperature) says",
        measure=lambda subject: decoding.chi_square(),
        unit="chi-square over degrees of freedom",
        most=5.0,
        look_at="where the temperature divides",
    ),
    Law(
        name="top-k",
        claim="Nothing is drawn that top-k cut",
        measure=lambda subject: decoding.share_outside_top_k(),
        unit="share of draws",
        most=0.0,
        look_at="what a cut logit is set to",
    ),
    Law(
        name="beam",
        claim="A beam of one is greedy",
        measure=_greedy,
        unit="share of tokens that differ",
        most=0.0,
        look_at="how a beam counts its length",
    ),
)
