"""What to train on and what to validate on, and the style that only the training side gets. Knows no tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, cast

from ..errors import ConfigError
from .corpus import Corpus, Documents, Layout

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
    train: Documents
    val: Documents
    val_is_train: bool = False
    """The corpus was too short for two sides: both hold all of it, and the validation loss measures memory."""


def split(corpus: Corpus, val_fraction: float = 0.1) -> Split:
    """The same split whatever the seed, so that losses of different runs are of the same text.

    stream      the last floor(n * val_fraction + 0.5) of n characters validate, at least 1 and at most n - 1. (Not
                Python's `round`, which takes halves to the even number.) If a side is then too short for a pair of
                tokens, both sides are the whole text and `val_is_train` says so.
    otherwise   every tenth document or conversation validates (index % 10 == 9), or as many as another fraction asks
                for, spread as evenly; at least one, and at least one stays for training.

    Raises ConfigError unless 0 < val_fraction < 1.
    """
    check_fraction(val_fraction)
    if corpus.layout == "stream":
        return _split_stream(cast("str", corpus.documents[0]), val_fraction)
    return _split_documents(corpus, val_fraction)


def style(sides: Split, name: Style) -> Split:
    """`sides` with its training text in style: classic leaves it, futuristic adds four sentences to it.

    They come after the split, as documents of their own or on lines after the stream, so validation never holds them
    and the losses of both styles can be compared. Raises ConfigError for another name, and for style in conversations.
    """
    if name not in ("classic", "futuristic"):
        raise ConfigError(f"style={name!r} is unknown: choose classic or futuristic", settings=(("style", name),))
    if name == "classic":
        return sides
    if sides.layout == "chat":
        raise ConfigError(
            f"style={name!r} adds sentences to a text, and conversations have none: choose style='classic'",
            settings=(("style", name), ("style", "classic")),
        )
    texts = (*cast("tuple[str, ...]", sides.train), *FUTURISTIC_SENTENCES)
    return replace(sides, train=texts if sides.layout == "documents" else ("\n".join(texts),))


def check_fraction(val_fraction: float) -> None:
    """Raises ConfigError unless 0 < val_fraction < 1."""
    if not 0 < val_fraction < 1:
        raise ConfigError(f"val_fraction={val_fraction} leaves one side empty: choose more than 0 and less than 1")


def stream_cut(n_chars: int, val_fraction: float) -> int:
    """Where the validation side of a text of n_chars >= 2 characters begins; 0 if it is too short for two sides."""
    n_val = min(max(int(n_chars * val_fraction + 0.5), 1), n_chars - 1)
    return n_chars - n_val if min(n_val, n_chars - n_val) >= 2 else 0


def _split_stream(text: str, val_fraction: float) -> Split:
    cut = stream_cut(len(text), val_fraction)
    if not cut:
        return Split("stream", (text,), (text,), val_is_train=True)
    return Split("stream", (text[:cut],), (text[cut:],))


def _split_documents(corpus: Corpus, val_fraction: float) -> Split:
    part = Fraction(val_fraction).limit_denominator(10**9)  # in whole numbers: 0.1 is exactly one in ten
    p, q = part.numerator, part.denominator
    is_val = [(i + 1) * p // q > i * p // q for i in range(len(corpus.documents))]
    if not any(is_val):
        is_val[-1] = True
    if all(is_val):
        is_val[0] = False
    train, val = (
        tuple(document for document, held in zip(corpus.documents, is_val, strict=True) if held == wanted)
        for wanted in (False, True)
    )
    return Split(corpus.layout, cast("Documents", train), cast("Documents", val))
