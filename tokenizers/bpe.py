"""Byte-level byte pair encoding: ids for bytes and for frequent runs of bytes, so that any text has ids.

    text -> pieces (a regular expression: a word with the space before it, a number, ...)
         -> bytes of UTF-8 -> merge the pair that was learned first, until none is left -> ids

In tokenizers that we train:  id 0 BOS,  1 to 256 the bytes in order,  then the merges in order,  then other special
tokens. A tokenizer read from elsewhere (huggingface.py) keeps the ids of its file. merges.py learns the merges and
applies them.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, Literal, Self

import numpy as np
import regex

from ..errors import TokenizerError
from ..validation import read_dataclass
from .base import id_dtype
from .checks import check_merges, check_special, check_tokens
from .merges import Pair, learn_merges, merge
from .pieces import SpecialCutter, chunks, special_cutter, spell, unspell

BOS_TOKEN = "<|bos|>"

PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
"""How text is cut before bytes are merged. gpt4 (cl100k) ends a number after three digits and keeps line ends together.
A closed list: an expression out of a file could take for ever on one line of text."""

_SEAM = regex.compile(r"(?<=[\p{L}\p{N}])(?=\s)")  # where every pattern above cuts, whatever stands around it
_FIRST_BYTE = 1  # id of byte 0 in what we train
_REMEMBERED = 1 << 16  # pieces whose ids are kept: nearly all of a text are among its few thousand commonest
_REMEMBERED_LENGTH = 64  # characters; a longer piece hardly comes back


@dataclass(frozen=True)
class BPETokenizer:
    """Complete from the start; make one with `BPETokenizer.train(texts, vocab_size=...)`.

    >>> tokenizer = BPETokenizer.train("low lower lowest", vocab_size=260)
    >>> tokenizer.encode("slow"), tokenizer.decode([0, 259]), tokenizer.tokens[257:]
    ([116, 258], ' low', (b'lo', b'low', b' low'))
    """

    tokens: tuple[bytes, ...]
    """The bytes that each id stands for; none for special tokens."""
    merges: tuple[Pair, ...]
    """Pairs of ids in the order in which they were learned; each becomes the token of both together."""
    special_tokens: Mapping[str, int] = field(default_factory=lambda: {BOS_TOKEN: 0})
    """Ids of marks that are no text, by name. They are found whole wherever they stand in a text, BOS excepted."""
    bos_token: str = BOS_TOKEN
    pattern: Literal["gpt2", "gpt4"] = "gpt4"
    unused_ids: tuple[int, ...] = ()
    """Ids that stand for nothing, in a vocabulary from elsewhere: gaps in it, and rows that pad an embedding."""

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise TokenizerError(f"pattern={self.pattern!r} is unknown: choose one of {', '.join(PATTERNS)}")
        check_special(self.special_tokens, self.bos_token, self.tokens)
        check_tokens(self.tokens, {*self.special_tokens.values(), *self.unused_ids})
        check_merges(self.merges, self.tokens)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        *,
        vocab_size: int,
        pattern: Literal["gpt2", "gpt4"] = "gpt4",
        special_tokens: Sequence[str] = (),
        min_count: int = 2,
    ) -> Self:
        """The tokenizer with the most frequent merges of `texts`; V is smaller than `vocab_size` if no pair of
        neighbours is left that occurs `min_count` times.

        Raises TokenizerError if `vocab_size` has no room for BOS, 256 bytes and the special tokens.
        """
        special = [name for name in dict.fromkeys(special_tokens) if name != BOS_TOKEN]
        n_merges = vocab_size - _FIRST_BYTE - 256 - len(special)
        if n_merges < 0:
            raise TokenizerError(
                f"vocab_size={vocab_size} has no room for BOS, 256 bytes and {len(special)} other special tokens: "
                f"choose {vocab_size - n_merges} or more"
            )
        if min_count < 1:
            raise TokenizerError(
                f"min_count={min_count} would merge pairs that do not occur: choose 1 or more",
                settings=(("min_count", min_count),),
            )
        bare = cls((b"", *(bytes([b]) for b in range(256))), (), pattern=pattern)
        words = bare.with_special_tokens(special)._count(texts)
        merges = learn_merges(words, first_id=bare.vocab_size, n_merges=n_merges, min_count=min_count)
        tokens = list(bare.tokens)
        for left, right in merges:
            tokens.append(tokens[left] + tokens[right])
        return replace(bare, tokens=tuple(tokens), merges=tuple(merges)).with_special_tokens(special)

    def with_special_tokens(self, names: Iterable[str]) -> Self:
        """This tokenizer with the new ones of `names` after its own ids, which stay."""
        new = [name for name in dict.fromkeys(names) if name not in self.special_tokens]
        ids = {name: i for i, name in enumerate(new, start=self.vocab_size)}
        special = {**self.special_tokens, **ids}
        return replace(self, tokens=self.tokens + (b"",) * len(new), special_tokens=special)

    def padded(self, vocab_size: int) -> Self:
        """This tokenizer with ids that stand for nothing after its own, up to `vocab_size` of them in all."""
        new = range(self.vocab_size, vocab_size)
        return replace(self, tokens=self.tokens + (b"",) * len(new), unused_ids=(*self.unused_ids, *new))

    @property
    def vocab_size(self) -> int:
        """V: bytes, merges and special tokens together."""
        return len(self.tokens)

    @property
    def bos_id(self) -> int:
        """0 in what we train; in a tokenizer from elsewhere what its file says."""
        return self.special_tokens[self.bos_token]

    @property
    def special_ids(self) -> dict[str, int]:
        """Id of each special token by its name."""
        return dict(self.special_tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without BOS; the other special tokens in it are found.

        Raises TokenizerError if `text` holds a lone surrogate, which has no bytes.
        """
        return list(chain.from_iterable(self._runs(text, self._cutter)))

    def encode_ordinary(self, text: str) -> list[int]:
        """The same, but a special token in `text` is only the characters it is made of: for what strangers type."""
        return list(chain.from_iterable(self._runs(text, None)))

    def encode_array(self, text: str) -> np.ndarray:
        """The ids of `encode` as an array (n,) of the smallest type that holds them. Raises as `encode` does."""
        dtype = id_dtype(self.vocab_size)
        runs = [np.array(run, dtype=dtype) for run in self._runs(text, self._cutter)]
        return np.concatenate(runs) if runs else np.empty(0, dtype)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`: BOS is skipped, bytes that are no UTF-8 read U+FFFD.

        Raises TokenizerError on an id outside 0 to V - 1.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The very bytes of `ids`, a character cut in the middle included. Raises as `decode` does."""
        return b"".join(self._shown(ids))

    def decode_stream(self, ids: Iterable[int], before: str = "") -> Iterator[str]:
        """The pieces that join to `decode(ids)`, each as soon as it is certain and never half a character.

        What is still incomplete at the end reads U+FFFD. Raises as `decode` does.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for shown in self._shown(ids):
            if text := decoder.decode(shown):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def token_bytes(self) -> np.ndarray:
        """(V,) int64: how many bytes each id stands for, 0 for special tokens."""
        return np.array([len(token) for token in self.tokens], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """The same dictionary every time, ready for JSON. Bytes are spelled as in GPT-2's files."""
        content = {
            "kind": "bpe",
            "pattern": self.pattern,
            "bos_token": self.bos_token,
            "special_tokens": dict(self.special_tokens),
            "tokens": [spell(token) for token in self.tokens],
            "merges": [list(pair) for pair in self.merges],
        }
        return content | ({"unused_ids": list(self.unused_ids)} if self.unused_ids else {})

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises TokenizerError if an entry is missing, unexpected or wrong."""
        entries = {name: entry for name, entry in d.items() if name != "kind"}
        file = read_dataclass(_File, entries, "tokenizer", TokenizerError)
        tokens = tuple(unspell(token) for token in file.tokens)
        return cls(tokens, file.merges, file.special_tokens, file.bos_token, file.pattern, file.unused_ids)

    @cached_property
    def _id_of(self) -> dict[bytes, int]:
        return {token: i for i, token in enumerate(self.tokens) if token}

    @cached_property
    def _ids_of_bytes(self) -> list[int]:
        return [self._id_of[bytes([b])] for b in range(256)]

    @cached_property
    def _ranks(self) -> dict[Pair, tuple[int, int]]:
        """Pair -> (when it was learned, the id it becomes)."""
        tokens = self.tokens
        return {(a, b): (rank, self._id_of[tokens[a] + tokens[b]]) for rank, (a, b) in enumerate(self.merges)}

    @cached_property
    def _pieces(self) -> regex.Pattern[str]:
        return regex.compile(PATTERNS[self.pattern])

    @cached_property
    def _cutter(self) -> SpecialCutter | None:
        return special_cutter(name for name in self.special_tokens if name != self.bos_token)

    @cached_property
    def _shown_names(self) -> dict[int, bytes]:
        return {id_: name.encode("utf-8") for name, id_ in self.special_tokens.items() if name != self.bos_token}

    @cached_property
    def _remembered(self) -> dict[str, list[int]]:
        return {}

    def _runs(self, text: str, special: SpecialCutter | None) -> Iterator[list[int]]:
        """The ids of `text`, a chunk at a time."""
        try:
            for i, part in enumerate(special.split(text) if special else [text]):  # plain, special, plain, ...
                if i % 2:
                    yield [self.special_tokens[part]]
                elif part:
                    yield from map(self._merge_text, chunks(part, _SEAM))
        except UnicodeEncodeError:
            place = next(i for i, ch in enumerate(text) if "\ud800" <= ch <= "\udfff")
            raise TokenizerError(
                f"character {text[place]!r} at position {place} is a lone surrogate, which no UTF-8 text can hold: "
                "decode the text as UTF-8 before encoding it"
            ) from None

    def _merge_text(self, text: str) -> list[int]:
        """The ids of plain text. A piece is merged once and remembered."""
        remembered = self._remembered
        ids: list[int] = []
        for piece in self._pieces.findall(text):
            found = remembered.get(piece)
            if found is None:
                found = merge([self._ids_of_bytes[b] for b in piece.encode("utf-8")], self._ranks)
                if len(piece) <= _REMEMBERED_LENGTH:
                    if len(remembered) >= _REMEMBERED:
                        remembered.clear()
                    remembered[piece] = found
            ids += found
        return ids

    def _count(self, texts: str | Iterable[str]) -> dict[tuple[int, ...], int]:
        """How often each piece of `texts` occurs, as ids of its bytes, special tokens left out."""
        counts: Counter[str] = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            plain = self._cutter.split(text)[::2] if self._cutter else [text]
            for part in plain:
                for chunk in chunks(part, _SEAM):
                    counts.update(self._pieces.findall(chunk))
        try:
            return {tuple(b + _FIRST_BYTE for b in piece.encode("utf-8")): n for piece, n in counts.items()}
        except UnicodeEncodeError as failure:
            raise TokenizerError(
                f"the text holds the lone surrogate {failure.object[failure.start]!r} in {failure.object[:40]!r}, "
                "which no UTF-8 file can hold: decode it as UTF-8 before training on it"
            ) from None

    def _shown(self, ids: Iterable[int]) -> Iterator[bytes]:
        for i, id_ in enumerate(ids):
            if not 0 <= id_ < self.vocab_size:
                raise TokenizerError(
                    f"id {id_} at position {i} is outside 0 to {self.vocab_size - 1}: "
                    "decode with the tokenizer that the model was trained with"
                )
            yield self.tokens[id_] or self._shown_names.get(id_, b"")


@dataclass(frozen=True, kw_only=True)
class _File:
    """What `to_dict` writes, with its types."""

    pattern: Literal["gpt2", "gpt4"]
    bos_token: str
    special_tokens: dict[str, int]
    tokens: tuple[str, ...]
    merges: tuple[tuple[int, int], ...]
    unused_ids: tuple[int, ...] = ()
