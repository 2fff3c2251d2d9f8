"""From the name of a corpus to ids ready for batches: sides of text, a tokenizer for them, their tokens."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

import numpy as np

from .. import __version__
from ..errors import ConfigError, DataError, NanochatWarning, TokenizerError
from ..plain import path_of
from ..tokenizers.base import Tokenizer, id_dtype
from .batches import Kind
from .chat import Conversation
from .corpus import Corpus, Documents, LayoutChoice
from .large.cache import Parts, cached_stream, digest
from .sides import Reading, Side, count_copies, read_sides
from .split import Split, Style
from .tokens import TokenStream
from .vocabulary import TEMPLATE, TokenizerChoice, count_unknown, extend_tokenizer, make_tokenizer

LossOn = Literal["answers", "all"]

_MOST_COPIES = 0.01
"""Of the validation side, before a word is said: large texts repeat a line here and there."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A corpus in ids, and what a report says about it."""

    corpus: Corpus
    read_sides: Callable[[], Split]
    """What gives `sides`."""
    tokenizer: Tokenizer
    train: TokenStream
    val: TokenStream

    @cached_property
    def sides(self) -> Split:
        """The text of both sides, styled: for counting, showing, or another tokenizer; empty if larger than memory."""
        return self.read_sides()

    @property
    def kind(self) -> Kind:
        """How this corpus is best cut into batches: a stream as windows, documents and conversations as documents."""
        return "windows" if self.corpus.layout == "stream" else "documents"

    @property
    def val_is_train(self) -> bool:
        """The corpus was too short to split: the validation loss is a training loss."""
        return self.in_memory and self.sides.val_is_train

    @property
    def n_train_tokens(self) -> int:
        """Tokens of training text, style included, BOS not counted: `train_tokens` of a result."""
        return self.train.n_tokens

    @property
    def n_val_tokens(self) -> int:
        """Tokens of validation text, BOS not counted."""
        return self.val.n_tokens

    @property
    def text_bytes(self) -> int:
        """Bytes of UTF-8 of the corpus, both sides, without style."""
        return self.corpus.n_bytes

    @property
    def in_memory(self) -> bool:
        """Whether the text stands in memory; otherwise its ids are mapped from a file."""
        return bool(self.corpus.documents)


def build_dataset(
    spec: str,
    *,
    layout: LayoutChoice = "auto",
    text_field: str = "",
    style_name: Style = "classic",
    val_fraction: float = 0.1,
    choice: TokenizerChoice = TokenizerChoice(),  # noqa: B008 (frozen)
    tokenizer: Tokenizer | None = None,
    extend: bool = False,
    loss_on: LossOn = "answers",
    cache: str | Path = "",
) -> Dataset:
    """The dataset of `spec` (a path or `builtin:NAME`).

    choice      how a tokenizer is made for it; make_tokenizer says of which text.
    tokenizer   one that is there, of a run that goes on, instead: it keeps its own policy for what is unknown. With
                `extend` it gets what it lacks to spell the training text (extend_tokenizer).
    loss_on     of conversations: the assistant's answers count as targets, or every token.
    cache       a folder for tokenised texts, which are mapped from there the next time; "" is none. With it a plain
                text larger than memory can be had, as one stream in classic style; one above 64 MiB is read in pieces.

    Warns where validation holds words that the vocabulary does not, and, of what is to be learned, where more than one
    in a hundred validation documents are copies of training ones. Raises what `load_corpus`, `split`, `style` and
    `make_tokenizer` raise; TokenizerError, naming the corpus, for text that the tokenizer cannot spell; DataError if it
    leaves fewer than 2 tokens on a side; WriteError if the cache cannot be written.
    """
    if loss_on not in ("answers", "all"):
        raise ConfigError(f"loss_on={loss_on!r} is unknown: choose answers or all", settings=(("loss_on", loss_on),))
    reading = Reading(layout, text_field, style_name, val_fraction)
    corpus, sides, train, val = read_sides(spec, reading, cache)
    if tokenizer is None or extend:  # otherwise a model that is there is measured
        _tell_copies(spec, train, val)
    if tokenizer is None:
        tokenizer = make_tokenizer(choice, train.texts(), val.texts(), train.name)
    elif extend:
        tokenizer = extend_tokenizer(tokenizer, train.texts(), min_count=choice.min_count)
    train_stream, val_stream = (_tokenise(side, tokenizer, loss_on, cache) for side in (train, val))
    _tell_unknown(tokenizer, train_stream, train)
    _tell_unknown(tokenizer, val_stream, val)
    return Dataset(corpus, sides, tokenizer, train_stream, val_stream)


def _tokenise(side: Side, tokenizer: Tokenizer, loss_on: LossOn, cache: str | Path) -> TokenStream:
    def parts() -> Parts:
        if side.documents is None:
            return Parts(map(tokenizer.encode_array, side.texts()), np.dtype(id_dtype(tokenizer.vocab_size)))
        stream = _encode(side.documents, side.layout, tokenizer, loss_on)
        return Parts([stream.ids], stream.ids.dtype, stream.marks, stream.counted)

    try:
        if cache:
            spelling = digest(json.dumps(tokenizer.to_dict(), sort_keys=True).encode())
            key = {"text": side.sha256(), "layout": side.layout, "loss_on": loss_on if side.layout == "chat" else ""}
            stream = cached_stream(path_of(str(cache)), key | {"tokenizer": spelling, "nanochat": __version__}, parts)
        else:
            stream = _encode(cast("Documents", side.documents), side.layout, tokenizer, loss_on)
    except TokenizerError as failure:
        raise TokenizerError(f"in {side.name}: {failure}") from None
    if side.layout == "stream" and len(stream.ids) < 2:
        n = len(stream.ids)
        raise DataError(f"{side.name} has {n} tokens in this vocabulary: use text in the characters it knows")
    return stream


def _encode(documents: Documents, layout: str, tokenizer: Tokenizer, loss_on: LossOn) -> TokenStream:
    kind, bos_id = id_dtype(tokenizer.vocab_size), tokenizer.bos_id
    if layout == "chat":
        conversations = (TEMPLATE.encode(tokenizer, each) for each in cast("tuple[Conversation, ...]", documents))
        if loss_on == "answers":
            return TokenStream.from_answers(conversations, bos_id=bos_id, dtype=kind)
        return TokenStream.from_documents((np.array(ids, kind) for ids, _ in conversations), bos_id=bos_id, dtype=kind)
    arrays = map(tokenizer.encode_array, cast("tuple[str, ...]", documents))
    if layout == "documents":
        return TokenStream.from_documents(arrays, bos_id=bos_id, dtype=kind)
    return TokenStream.from_text(next(arrays))


def _tell_copies(spec: str, train: Side, val: Side) -> None:
    n_copies, n = count_copies(train, val), len(val.documents or ())
    if n_copies > n * _MOST_COPIES:
        what = "conversations" if val.layout == "chat" else "documents"
        warnings.warn(
            NanochatWarning(
                f"{n_copies:,} of {n:,} validation {what} of {spec} also stand in the training text, so that their "
                "loss measures memory: on_duplicate='drop' leaves copies out",
                settings=(("on_duplicate", "drop"),),
            ),
            stacklevel=3,
        )


def _tell_unknown(tokenizer: Tokenizer, stream: TokenStream, side: Side) -> None:
    n_unknown = count_unknown(tokenizer, stream.ids, side.texts())
    if n_unknown:
        skipped = getattr(tokenizer, "unknown", "") == "skip"
        what, n_all = ("left out", stream.n_tokens + n_unknown) if skipped else ("read <UNK>", stream.n_tokens)
        warnings.warn(
            f"{n_unknown:,} of {n_all:,} tokens of {side.name} are not in the vocabulary of "
            f"{tokenizer.vocab_size:,} and are {what}",
            NanochatWarning,
            stacklevel=3,
        )
