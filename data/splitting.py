"""What to train on and what to validate on, and the style that only the training side gets. Knows no tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from ..errors import ConfigError
from .corpus import Corpus, Layout

Style = Literal["classic", "futuristic"]

FUTURISTIC_SENTENCES = (
    "neon signs hum above the quantum market.",
    "an autonomous tram counts the sleeping orbital towers.",
    "synthetic gardens bloom beneath the reactor glass.",
    "a neural choir sings through the wormhole until dawn.",
)
"""What `futuristic` adds to the training text; written for this project."""

FUTURISTIC_WORDS = ("neon", "quantum", "neural", "orbital", "reactor", "wormhole", "autonomous", "synthetic")
"""Words whose letters a bigram of counts favours when it samples in the futuristic style."""


@dataclass(frozen=True)
class Split:
    """Both sides of a corpus, in its order."""

    layout: Layout
    train: tuple[str, ...]
    val: tuple[str, ...]
    val_is_train: bool = False
    """The corpus was too short for two sides: both hold all of it, and the validation loss measures memory."""


def split(corpus: Corpus, val_fraction: float = 0.1) -> Split:
    """The same split whatever the seed, so that losses of different runs are of the same text.

    stream      the last floor(n * val_fraction + 0.5) of n characters validate, at least 1 and at most n - 1. (Not
                Python's `round`, which takes halves to the even number.) If a side is then too short for a pair of
                tokens, both sides are the whole text and `val_is_train` says so.
    documents   every tenth document validates (index % 10 == 9), or as many as another fraction asks for, spread as
                evenly; at least one, and at least one stays for training.

    Raises ConfigError unless 0 < val_fraction < 1.
    """
    if not 0 < val_fraction < 1:
        raise ConfigError(f"val_fraction={val_fraction} leaves one side empty: choose more than 0 and less than 1")
    if corpus.layout == "stream":
        return _split_stream(corpus.documents[0], val_fraction)
    return _split_documents(corpus.documents, val_fraction)


def style(sides: Split, name: Style) -> Split:
    """`sides` with its training text in style: classic leaves it, futuristic adds four sentences to it.

    They come after the split, as documents of their own or on lines after the stream, so validation never holds them
    and the losses of both styles can be compared. Raises ConfigError for another name.
    """
    if name not in ("classic", "futuristic"):
        raise ConfigError(f"style={name!r} is unknown: choose classic or futuristic")
    if name == "classic":
        return sides
    if sides.layout == "documents":
        return replace(sides, train=sides.train + FUTURISTIC_SENTENCES)
    return replace(sides, train=("\n".join(sides.train + FUTURISTIC_SENTENCES),))


def _split_stream(text: str, val_fraction: float) -> Split:
    n_val = min(max(int(len(text) * val_fraction + 0.5), 1), len(text) - 1)
    train, val = text[:-n_val], text[-n_val:]
    if min(len(train), len(val)) < 2:
        return Split("stream", (text,), (text,), val_is_train=True)
    return Split("stream", (train,), (val,))


def _split_documents(documents: tuple[str, ...], val_fraction: float) -> Split:
    part = Fraction(val_fraction).limit_denominator(1000)  # in whole numbers: 0.1 is exactly one in ten
    p, q = part.numerator, part.denominator
    is_val = [(i + 1) * p // q > i * p // q for i in range(len(documents))]
    if not any(is_val):
        is_val[-1] = True
    if all(is_val):
        is_val[0] = False
    train = tuple(document for document, held in zip(documents, is_val, strict=True) if not held)
    val = tuple(document for document, held in zip(documents, is_val, strict=True) if held)
    return Split("documents", train, val)
