"""Tokens as a person reads them: how a text is cut, and what an id stands for, with nothing invisible in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .base import Tokenizer
from .bpe import BPETokenizer
from .char import CharTokenizer
from .word import UNK_ID, WordTokenizer


class Piece(NamedTuple):
    """One token of a text."""

    id: int
    text: str
    """As `show_token` spells it."""


def cut(tokenizer: Tokenizer, text: str) -> list[Piece]:
    """The tokens that `tokenizer.encode(text)` gives, in order. Raises as it does.

    >>> "|".join(piece.text for piece in cut(BPETokenizer.train("low lower lowest", vocab_size=260), "slow\\n"))
    's|low|\\\\n'
    """
    return [Piece(id_, show_token(tokenizer, id_)) for id_ in tokenizer.encode(text)]


def show_token(tokenizer: Tokenizer, id_: int) -> str:
    """The text of one id; special tokens by name, bytes that are no whole character and what does not print escaped."""
    if isinstance(tokenizer, BPETokenizer):
        names = dict.fromkeys(tokenizer.unused_ids, "<UNUSED>") | {i: t for t, i in tokenizer.special_tokens.items()}
        return _visible(names.get(id_) or tokenizer.decode_bytes([id_]).decode("utf-8", "backslashreplace"))
    if id_ == tokenizer.bos_id:
        return "<BOS>"
    if id_ == _unk_id(tokenizer):
        return "<UNK>"
    return _visible(tokenizer.decode([id_]))


def special_names(tokenizer: Tokenizer) -> dict[str, int]:
    """Id of each mark that is no text, by the name that it is shown with."""
    named: dict[str, int] = getattr(tokenizer, "special_ids", {})
    marks = [tokenizer.bos_id, *([] if (unk := _unk_id(tokenizer)) is None else [unk])]
    return {**{show_token(tokenizer, id_): id_ for id_ in marks}, **named}


def longest_tokens(tokenizer: Tokenizer, n: int) -> list[int]:
    """The ids of the `n` tokens of most bytes, longest first, of equal ones the lowest id first."""
    sizes = tokenizer.token_bytes()
    ids: list[int] = np.argsort(-sizes, kind="stable")[:n].tolist()
    return ids


def _unk_id(tokenizer: Tokenizer) -> int | None:
    if isinstance(tokenizer, WordTokenizer) and tokenizer.has_unk:
        return UNK_ID
    return tokenizer.vocab_size - 1 if isinstance(tokenizer, CharTokenizer) and tokenizer.has_unk else None


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in text)
