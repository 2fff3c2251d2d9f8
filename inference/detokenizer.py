"""Ids to text, pushed one at a time: what `decode_stream` yields, for whoever cannot wait inside a generator."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator
from functools import cached_property

from ..tokenizers.base import Tokenizer
from ..tokenizers.bpe import BPETokenizer
from ..tokenizers.spacing import APOSTROPHES
from ..tokenizers.word import WordTokenizer
from .alternatives import token_name


class Detokenizer:
    """`push` each id, `close` at the end: the texts join to those of `tokenizer.decode_stream(ids, before)`.

    This one is for tokenizers in which every id has a text of its own; `detokenizer` knows the others.
    """

    def __init__(self, tokenizer: Tokenizer, before: str = "") -> None:
        self.tokenizer, self.text = tokenizer, before
        """What was there, and what has been pushed so far."""

    def push(self, id_: int) -> str:
        """As much more of the text as is certain now."""
        return self._add(self.tokenizer.decode([id_]))

    def close(self) -> str:
        """What was held back."""
        return ""

    def would(self, id_: int) -> str:
        """What one id would read here; a mark by its name, a part of a character as U+FFFD."""
        return self.tokenizer.decode([id_]) or token_name(self.tokenizer, id_)

    def _add(self, piece: str) -> str:
        self.text += piece
        return piece


class _Bytes(Detokenizer):
    """Of ids that stand for bytes: never half a character."""

    def __init__(self, tokenizer: BPETokenizer, before: str = "") -> None:
        super().__init__(tokenizer, before)
        self._bytes, self._names = tokenizer.tokens, tokenizer.special_tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @cached_property
    def _shown(self) -> dict[int, bytes]:
        bos = self.tokenizer.bos_id
        return {id_: name.encode() for name, id_ in self._names.items() if id_ != bos}

    def push(self, id_: int) -> str:
        return self._add(self._decoder.decode(self._bytes[id_] or self._shown.get(id_, b"")))

    def close(self) -> str:
        return self._add(self._decoder.decode(b"", final=True))


class _Words(Detokenizer):
    """Of words: `decode_stream` itself, which is given an id only when it will yield its piece.

    It gives a piece for each id but BOS, and only an apostrophe has to wait for what follows it (`spaced`).
    """

    def __init__(self, tokenizer: WordTokenizer, before: str = "") -> None:
        super().__init__(tokenizer, before)
        self._words, self._waiting = tokenizer, deque[int]()
        self._pieces = tokenizer.decode_stream(self._feed(), before)

    def _feed(self) -> Iterator[int]:
        while self._waiting:
            yield self._waiting.popleft()

    def push(self, id_: int) -> str:
        if id_ == self.tokenizer.bos_id:
            return ""
        self._waiting.append(id_)
        if next(self._words.spell([id_])) in APOSTROPHES:
            return ""
        return self._add("".join(next(self._pieces) for _ in range(len(self._waiting))))

    def close(self) -> str:
        return self._add("".join(self._pieces))

    def would(self, id_: int) -> str:
        return "".join(self._words.decode_stream([*self._waiting, id_], self.text)) or token_name(self.tokenizer, id_)


def detokenizer(tokenizer: Tokenizer, before: str = "") -> Detokenizer:
    """One for this tokenizer, after a text that has been shown."""
    if isinstance(tokenizer, WordTokenizer):
        return _Words(tokenizer, before)
    return _Bytes(tokenizer, before) if isinstance(tokenizer, BPETokenizer) else Detokenizer(tokenizer, before)
