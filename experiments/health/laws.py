"""The laws in the order in which they are tried and told: what explains others stands before them.

The data first, since no model heals them; that an evaluation repeats before what compares two of them; dead units,
which leave the stream to the biases, before its size.
"""

from __future__ import annotations

import numpy as np

from ..laws import data, decoding
from . import measures
from .law import Finding, Law
from .subject import Subject

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
        measure=measures.padding,
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
        measure=measures.overlap,
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
        measure=measures.first_loss,
        unit="nats above ln V",
        least=-0.25,
        most=1.5,
        look_at="the first weights, their scale, and the loss",
    ),
    Law(
        name="repeats",
        claim="Two evaluations of the same text are the same",
        measure=measures.repeats,
        unit="difference",
        most=0.0,
        look_at="dropout while evaluating",
    ),
    Law(
        name="attention",
        claim="The weights of attention sum to 1",
        measure=measures.attention,
        unit="largest error",
        most=1e-4,
        look_at="the axis of softmax, and whether the mask comes before it",
    ),
    Law(
        name="causality",
        claim="No logit depends on a later token",
        measure=measures.causality,
        unit="change, in units of rounding",
        most=1.0,
        look_at="the mask of attention, and how heads are split and merged",
    ),
    Law(
        name="rotation",
        claim="Rotary positions tell distances alone",
        measure=measures.rotation,
        unit="change of q.k under a shift, relative",
        most=1e-6,
        look_at="which channels form a pair, and which angle it gets",
    ),
    Law(
        name="rows",
        claim="A row does not depend on those beside it",
        measure=measures.rows,
        unit="change, in units of rounding",
        most=1.0,
        look_at="axes that are summed or reshaped over the batch",
    ),
    Law(
        name="padded loss",
        claim="The loss of a batch is the mean over its tokens, however rows are padded",
        measure=measures.padded_loss,
        unit="error, in units of rounding",
        most=1.0,
        look_at="what the loss divides by",
    ),
    Law(
        name="cache",
        claim="Decoding with a cache gives the logits of reading everything anew",
        measure=measures.cache,
        unit="difference, in units of rounding",
        most=1.0,
        look_at="positions in the cache, what is written to it, and whether scores are scaled alike without it",
    ),
    Law(
        name="dropout",
        claim="Dropout keeps the mean",
        measure=measures.dropout,
        unit="standard errors from 1",
        most=6.0,
        look_at="the factor 1 / (1 - p) of what is kept",
    ),
    Law(
        name="dead units",
        claim="Most hidden units are alive",
        measure=measures.dead,
        unit="share that is 0 for every token",
        most=0.75,
        look_at="the rate, and biases that fell below 0",
    ),
    Law(
        name="stream",
        claim="The residual stream keeps its size over depth",
        measure=measures.stream,
        unit="size after the last block over that before the first",
        most=100.0,
        look_at="the scale of the projections' first weights",
    ),
    Law(
        name="accumulation",
        claim="Micro-batches add up to the gradient of one batch",
        measure=measures.accumulation,
        unit="difference, in units of rounding",
        most=1.0,
        look_at="a mean of means, or a sum where a mean is meant",
    ),
    Law(
        name="clipping",
        claim="No gradient is longer than max_grad_norm after clipping",
        measure=measures.clipping,
        unit="relative excess",
        most=1e-4,
        look_at="what the norm is compared with",
    ),
    Law(
        name="clip ratio",
        claim="Clipping trims gradients: they are not many times as long as it allows",
        measure=measures.clip_ratio,
        unit="median norm over max_grad_norm",
        most=20.0,
        look_at="max_grad_norm, and a sum in the loss where a mean is meant",
    ),
    Law(
        name="first step",
        claim="Adam's first step is lr, up or down",
        measure=measures.first_step,
        unit="relative error",
        most=0.01,
        look_at="the correction for bias",
    ),
    Law(
        name="decay",
        claim="AdamW's decay takes lr times decay of a matrix, whatever its gradient",
        measure=measures.decay,
        unit="relative error",
        most=0.01,
        look_at="whether decay is added to the gradient",
    ),
    Law(
        name="schedule",
        claim="Halfway down, the rate is where its shape says",
        measure=measures.schedule,
        unit="error over the rate",
        most=0.1,
        look_at="which steps the schedule counts",
    ),
    Law(
        name="update",
        claim="A first step at full rate moves the weights",
        measure=measures.update,
        unit="|change| / |weights|",
        least=1e-6,
        most=10.0,
        look_at="the rate, and whether the optimizer has the weights",
    ),
    Law(
        name="overfits",
        claim="One short text is learned by heart, down to what equal contexts leave open",
        measure=measures.left,
        unit="share of the way to the floor that is left",
        most=0.1,
        look_at="gradients that do not arrive, targets, residual connections",
    ),
    Law(
        name="every weight learns",
        claim="Every parameter moves while a text is learned",
        measure=measures.unmoved,
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
        measure=measures.greedy,
        unit="share of tokens that differ",
        most=0.0,
        look_at="how a beam counts its length",
    ),
)


def examine(subject: Subject) -> list[Finding]:
    """Every law, tried."""
    with subject.config.engine.session(), np.errstate(all="ignore"):
        return [law.tried_on(subject) for law in LAWS]
