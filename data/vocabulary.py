"""Which tokenizer spells a corpus: one trained on its text, or one from a file. Knows no ids of texts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

import numpy as np

from ..errors import NanochatWarning, TokenizerError
from ..plain import path_of
from ..tokenizers.base import Tokenizer
from ..tokenizers.bpe import BPETokenizer
from ..tokenizers.char import CharTokenizer, Unknown
from ..tokenizers.files import load_tokenizer
from ..tokenizers.inspection import with_policy
from ..tokenizers.word import DEFAULT_VOCAB_SIZE, UNK_ID, WordTokenizer
from .chat import ChatTemplate
from .config import DataConfig

KINDS = ("char", "word", "bpe")
BPE_VOCAB_SIZE = 1024
"""Of a tokenizer of byte pairs where nothing else is said."""

TEMPLATE = ChatTemplate()
"""Every tokenizer of words or byte pairs has its special tokens, so that a text and the chat after it share one."""


def make_tokenizer(config: DataConfig, train: Iterable[str], val: Iterable[str], origin: str) -> Tokenizer:
    """The tokenizer that `config` names.

    Characters are those of both sides, so that validation holds no unknown one. Words and byte pairs are learned from
    the training side only, since how often they occur there is knowledge of a text: a held-out word is unknown.
    `origin` is for messages. Warns where the text has too few words or pairs for `vocab_size`.

    Raises TokenizerError if the file is none, `vocab_size` is too small, there are no words, or none occurs `min_count`
    times.
    """
    size, special = config.vocab_size, TEMPLATE.special_tokens
    if config.tokenizer == "char":
        return CharTokenizer.train(chain(train, val), unknown=_policy(config, "error"))
    if config.tokenizer not in KINDS:
        return _load(config)
    tokenizer: Tokenizer
    if config.tokenizer == "word":
        words = WordTokenizer.train(
            train,
            vocab_size=size or DEFAULT_VOCAB_SIZE,
            min_count=config.min_count or 1,
            special_tokens=special,
            unknown=_policy(config, "unk"),
        )
        if len(words.tokens) == len(special):
            raise TokenizerError(f"{origin} has no words: use text with some")
        tokenizer = words
    else:
        tokenizer = BPETokenizer.train(
            train, vocab_size=size or BPE_VOCAB_SIZE, min_count=config.min_count or 2, special_tokens=special
        )
    if tokenizer.vocab_size < size:
        what = "words" if config.tokenizer == "word" else "pairs that repeat"
        warnings.warn(
            f"{origin} has too few {what} for vocab_size={size}: the vocabulary has {tokenizer.vocab_size} ids",
            NanochatWarning,
            stacklevel=2,
        )
    return tokenizer


def extend_tokenizer(tokenizer: Tokenizer, texts: Iterable[str], *, min_count: int = 0) -> Tokenizer:
    """`tokenizer` with what it lacks to spell `texts`, and with the turns of a chat: a run that goes on with new text.

    Words keep their ids, new ones follow; byte pairs spell every text, and only the turns are added; characters are
    sorted anew, so that ids move: whoever has weights for the old ones finds their rows by token.
    """
    if isinstance(tokenizer, CharTokenizer):
        extended = CharTokenizer.train(chain([tokenizer.chars], texts))
        return replace(extended, unknown=tokenizer.unknown, has_unk=tokenizer.has_unk)
    if isinstance(tokenizer, WordTokenizer):
        tokenizer = tokenizer.extended(texts, min_count=min_count or 1)
    return TEMPLATE.added_to(tokenizer)


def count_unknown(tokenizer: Tokenizer, ids: np.ndarray, texts: Iterable[str]) -> int:
    """How many characters or words of `texts`, which gave the `ids`, were unknown; texts are read only if need be."""
    if not isinstance(tokenizer, CharTokenizer | WordTokenizer) or tokenizer.unknown == "error":
        return 0
    if tokenizer.unknown == "skip":
        return sum(map(tokenizer.n_unknown, texts))
    return int(np.count_nonzero(ids == (UNK_ID if isinstance(tokenizer, WordTokenizer) else tokenizer.vocab_size - 1)))


def _policy(config: DataConfig, usual: Unknown) -> Unknown:
    return usual if config.unknown == "auto" else config.unknown


def _load(config: DataConfig) -> Tokenizer:
    path = config.tokenizer
    if not path_of(path).suffix and not path_of(path).exists():
        raise TokenizerError(f"tokenizer={path!r} is neither {', '.join(KINDS)} nor a file: check its spelling")
    tokenizer = load_tokenizer(path_of(path))
    if config.unknown != "auto":
        tokenizer = with_policy(tokenizer, config.unknown)
    return tokenizer if isinstance(tokenizer, CharTokenizer) else TEMPLATE.added_to(tokenizer)
