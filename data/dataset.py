"""From a configuration to ids ready for batches: load, split, style, a tokenizer, tokens."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from .. import __version__
from ..errors import ConfigError, DataError, NanochatWarning, TokenizerError
from ..plain import path_of
from ..tokenizers.base import Tokenizer, id_dtype
from .batches import Kind
from .chat import Conversation
from .config import DataConfig
from .corpus import Corpus, Documents, Layout, Side, texts_of
from .large.cache import Parts, cached_tokens, digest
from .large.encoding import encode_texts
from .large.text import is_large, is_mapped, read_mapped
from .load import load_corpus
from .memo import Memo, inputs_of
from .split import Split, split, style
from .tokens import TokenArray
from .vocabulary import TEMPLATE, count_unknown, extend_tokenizer, make_tokenizer

_MOST_COPIES = 0.01
"""Of the validation side, before a word is said: large texts repeat a line here and there."""


@dataclass(frozen=True)
class InMemory:
    """A side whose documents are all there."""

    name: str
    layout: Layout
    documents: Documents

    @property
    def n_chars(self) -> int:
        """Of all texts."""
        return sum(map(len, self.texts()))

    def texts(self) -> Iterable[str]:
        """The documents, or the messages of the conversations."""
        return texts_of(self.documents)

    def sha256(self) -> str:
        """Of the documents one after the other."""
        sha256 = hashlib.sha256()
        for document in self.documents:
            sha256.update(repr(document).encode())
        return sha256.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A corpus in ids, and what a report says about it."""

    config: DataConfig
    corpus: Corpus
    split: Split | None
    """Both sides, styled; None of a text that is mapped."""
    tokenizer: Tokenizer
    train: TokenArray
    val: TokenArray

    @cached_property
    def sides(self) -> Split:
        """The text of both sides, styled: for counting, showing, or another tokenizer; empty if larger than memory."""
        if self.split is not None:
            return self.split
        if is_large(self.config.source):
            return Split("stream", (), ())
        return split(load_corpus(self.config.source, "stream"), self.config.val_fraction)

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


_MEMO: Memo[Dataset] = Memo()


def build_dataset(config: DataConfig, tokenizer: Tokenizer | None = None, *, extend: bool = False) -> Dataset:
    """The dataset that `config` describes.

    tokenizer   one that is there, of a run that goes on, instead of one made for the text: it keeps its own policy for
                what is unknown. With `extend` it gets what it lacks to spell the training text (extend_tokenizer).

    The one that this process built last is given again for an equal config, tokenizer and text (memo.py).

    With a cache a plain text larger than memory can be had, as one stream in classic style; one above 64 MiB is read
    in pieces, and the tokens of every text are mapped from there the next time.

    Warns where validation holds words that the vocabulary does not, and, of what is to be learned, where more than one
    in a hundred validation documents are copies of training ones. Raises what `load_corpus`, `split`, `style` and
    `make_tokenizer` raise; TokenizerError, naming the corpus, for text that the tokenizer cannot spell; DataError if it
    leaves fewer than 2 tokens on a side; WriteError if the cache cannot be written.
    """
    inputs = inputs_of(config)

    def build() -> Dataset:
        return _build(config, tokenizer, extend=extend)

    if inputs is None:
        return build()
    return _MEMO.get((inputs, tokenizer, extend), build, lambda: inputs_of(config) == inputs)


def _build(config: DataConfig, tokenizer: Tokenizer | None, *, extend: bool) -> Dataset:
    if config.loss_on not in ("answers", "all"):
        raise ConfigError(
            f"loss_on={config.loss_on!r} is unknown: choose answers or all", settings=(("loss_on", config.loss_on),)
        )
    corpus, held, train, val = _read(config)
    if tokenizer is None or extend:  # otherwise a model that is there is measured
        _warn_of_copies(config.source, train, val)
    if tokenizer is None:
        tokenizer = make_tokenizer(config, train.texts(), val.texts(), train.name)
    elif extend:
        tokenizer = extend_tokenizer(tokenizer, train.texts(), min_count=config.min_count)
    train_tokens, val_tokens = (_tokenise(side, tokenizer, config) for side in (train, val))
    _warn_of_unknown(tokenizer, train_tokens, train)
    _warn_of_unknown(tokenizer, val_tokens, val)
    return Dataset(config, corpus, held, tokenizer, train_tokens, val_tokens)


def _read(config: DataConfig) -> tuple[Corpus, Split | None, Side, Side]:
    """The corpus, split, with each side by itself: in memory, or mapped where that is impossible or dear."""
    if is_mapped(config):
        whole, first, last = read_mapped(config)
        return whole, None, first, last
    corpus = load_corpus(config.source, config.layout, text_field=config.text_field)
    held = style(split(corpus, config.val_fraction), config.style)
    train = InMemory(f"the training text of {config.source}", held.layout, held.train)
    return corpus, held, train, InMemory(f"the validation text of {config.source}", held.layout, held.val)


def _tokenise(side: Side, tokenizer: Tokenizer, config: DataConfig) -> TokenArray:
    def parts() -> Parts:
        if not side.documents:
            return Parts(encode_texts(tokenizer, side), np.dtype(id_dtype(tokenizer.vocab_size)))
        tokens = _encode(side, tokenizer, config)
        return Parts([tokens.ids], tokens.ids.dtype, tokens.marks, tokens.counted)

    try:
        if config.cache:
            spelling = digest(json.dumps(tokenizer.to_dict(), sort_keys=True).encode())
            loss_on = config.loss_on if side.layout == "chat" else ""
            key = {"text": side.sha256(), "layout": side.layout, "loss_on": loss_on}
            key |= {"tokenizer": spelling, "nanochat": __version__}
            tokens = cached_tokens(path_of(config.cache), key, parts, vocab_size=tokenizer.vocab_size)
        else:
            tokens = _encode(side, tokenizer, config)
    except TokenizerError as failure:
        raise TokenizerError(f"in {side.name}: {failure}") from None
    if side.layout == "stream" and len(tokens.ids) < 2:
        n = len(tokens.ids)
        raise DataError(f"{side.name} has {n} tokens in this vocabulary: use text in the characters it knows")
    for array in (tokens.ids, tokens.marks, tokens.counted):
        if array is not None:
            array.flags.writeable = False  # runs share them
    return tokens


def _encode(side: Side, tokenizer: Tokenizer, config: DataConfig) -> TokenArray:
    kind, bos_id = id_dtype(tokenizer.vocab_size), tokenizer.bos_id
    if side.layout == "chat":
        conversations = (TEMPLATE.encode(tokenizer, each) for each in cast("tuple[Conversation, ...]", side.documents))
        if config.loss_on == "answers":
            return TokenArray.from_answers(conversations, bos_id=bos_id, dtype=kind)
        return TokenArray.from_documents((np.array(ids, kind) for ids, _ in conversations), bos_id=bos_id, dtype=kind)
    if side.layout == "documents":
        return TokenArray.from_documents(encode_texts(tokenizer, side), bos_id=bos_id, dtype=kind)
    first, *others = encode_texts(tokenizer, side)
    return TokenArray.from_text(np.concatenate([first, *others]) if others else first)


def _warn_of_copies(source: str, train: Side, val: Side) -> None:
    if val.layout == "stream":
        return
    learned, n = set(train.documents), len(val.documents)
    n_copies = sum(document in learned for document in val.documents)
    if n_copies > n * _MOST_COPIES:
        what = "conversations" if val.layout == "chat" else "documents"
        warnings.warn(
            NanochatWarning(
                f"{n_copies:,} of {n:,} validation {what} of {source} also stand in the training text, so that their "
                "loss measures memory: on_duplicate='drop' leaves copies out",
                settings=(("on_duplicate", "drop"),),
            ),
            stacklevel=3,
        )


def _warn_of_unknown(tokenizer: Tokenizer, tokens: TokenArray, side: Side) -> None:
    n_unknown = count_unknown(tokenizer, tokens.ids, side.texts())
    if n_unknown:
        skipped = getattr(tokenizer, "unknown", "") == "skip"
        what, n_all = ("left out", tokens.n_tokens + n_unknown) if skipped else ("read <UNK>", tokens.n_tokens)
        warnings.warn(
            f"{n_unknown:,} of {n_all:,} tokens of {side.name} are not in the vocabulary of "
            f"{tokenizer.vocab_size:,} and are {what}",
            NanochatWarning,
            stacklevel=3,
        )
