"""One id for each word and each punctuation mark: short sequences, and no way to spell a word that was not there.

    id 0            BOS, the mark before and after a document
    id 1            <UNK>, in tokenizers trained with unknown="unk" only
    then            the special tokens, then words and marks in sorted order, then what was added later

White space separates and is not kept; `decode` puts back the spaces of ordinary prose (spacing.py). What it gives,
encoded again, has the same ids. Case counts: "The" and "the" are two words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, Self

import numpy as np
import regex

from ..errors import TokenizerError
from ..validation import read_dataclass
from .base import id_dtype
from .char import Unknown, check_policy
from .pieces import SpecialCutter, chunks, special_cutter
from .spacing import spaced

BOS_ID = 0
UNK_ID = 1
DEFAULT_VOCAB_SIZE = 50_000

_UNKNOWN_SHOWN = "\ufffd"
_TOKEN = regex.compile(r"[\p{P}\p{S}]|[^\s\p{P}\p{S}]+")  # a mark or symbol, or a run of anything else but space
_SEAM = regex.compile(r"(?=\s)")


@dataclass(frozen=True)
class WordTokenizer:
    """Complete from the start; make one with `WordTokenizer.train(texts)`.

    >>> tokenizer = WordTokenizer.train("Emma, the cat, sat.")
    >>> tokenizer.encode("the cat sat."), tokenizer.decode([3, 1, 6, 4, 5, 2])
    ([6, 4, 5, 2], 'Emma, the cat sat.')
    """

    tokens: tuple[str, ...]
    """The vocabulary after BOS and <UNK>, in the order of its ids, special tokens among them."""
    special_tokens: tuple[str, ...] = ()
    """Those of `tokens` that are found whole wherever they stand in a text, such as `</s>`."""
    unknown: Unknown = "error"
    """What `encode` does with a word outside `tokens`: raise, leave it out, or write <UNK>."""
    has_unk: bool = False
    """Whether id 1 is <UNK>: chosen once, when training, since it is a row of the model's tables."""

    def __post_init__(self) -> None:
        check_policy(self.unknown, has_unk=self.has_unk)
        if len(set(self.tokens)) < len(self.tokens):
            twice = Counter(self.tokens).most_common(1)[0][0]
            raise TokenizerError(f"token {twice!r} stands twice in the vocabulary: name each token once")
        for name in self.special_tokens:
            if not name or regex.search(r"[\s\p{Cs}]", name):
                raise TokenizerError(f"special token {name!r} is empty or holds a space: name it like </s>")
            if name not in self._id_of:
                raise TokenizerError(f"special token {name!r} is not in the vocabulary: list it among the tokens too")
        for token in self.tokens:
            if token not in self._special and (not _TOKEN.fullmatch(token) or regex.search(r"\p{Cs}", token)):
                raise TokenizerError(
                    f"token {token!r} is neither one word nor one punctuation mark: "
                    "restore the file that training wrote, or train the tokenizer again"
                )
        if not self.tokens:
            raise TokenizerError("a vocabulary of no words spells nothing: train on text that is not empty")

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        *,
        vocab_size: int = DEFAULT_VOCAB_SIZE,
        min_count: int = 1,
        special_tokens: Sequence[str] = (),
        unknown: Unknown = "error",
    ) -> Self:
        """The tokenizer of the words of `texts` that occur `min_count` times or more: the commonest, if they are many.

        `vocab_size` caps V, everything counted. Of equally common words the first in sorted order stay. Text with
        fewer words gives a smaller V.
        """
        special = tuple(dict.fromkeys(special_tokens))
        room = vocab_size - 1 - (unknown == "unk") - len(special)
        if room < 1:
            raise TokenizerError(
                f"vocab_size={vocab_size} leaves no room for words: choose {vocab_size - room + 1} or more"
            )
        counts = _count(texts, special)
        common = sorted(((-n, word) for word, n in counts.items() if n >= min_count))[:room]
        if counts and not common:
            most = max(counts.values())
            raise TokenizerError(
                f"no word occurs min_count={min_count} times, the commonest {most}: give less",
                settings=(("min_count", min_count),),
            )
        return cls((*special, *sorted(word for _, word in common)), special, unknown, has_unk=unknown == "unk")

    def extended(self, texts: str | Iterable[str], *, min_count: int = 1, special_tokens: Sequence[str] = ()) -> Self:
        """This tokenizer with the new special tokens and words of `texts` after its own, whose ids stay."""
        special = tuple(name for name in dict.fromkeys(special_tokens) if name not in self.special_tokens)
        if common := set(special) & set(self.tokens):
            raise TokenizerError(f"special token {min(common)!r} is already a plain word here: choose another name")
        all_special = self.special_tokens + special
        counts = _count(texts, all_special)
        words = sorted(word for word, n in counts.items() if n >= min_count and word not in self._id_of)
        return replace(self, tokens=(*self.tokens, *special, *words), special_tokens=all_special)

    @property
    def vocab_size(self) -> int:
        """V = 1 + tokens + (1 if there is an <UNK>)."""
        return 1 + self.has_unk + len(self.tokens)

    @property
    def bos_id(self) -> int:
        """0."""
        return BOS_ID

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without BOS; special tokens in it are found.

        Raises TokenizerError at the first unknown word, unless `unknown` says otherwise.
        """
        return self._ids(text, _words(text, self._cutter))

    def encode_ordinary(self, text: str) -> list[int]:
        """The same, but a special token in `text` is only the characters it is made of: for what strangers type."""
        return self._ids(text, _words(text, None))

    def encode_array(self, text: str) -> np.ndarray:
        """The ids of `encode` as an array (n,) of the smallest type that holds them. Raises as `encode` does."""
        return np.array(self.encode(text), dtype=id_dtype(self.vocab_size))

    def n_unknown(self, text: str) -> int:
        """How many words of `text` the policy applies to: for a warning when they are skipped or replaced."""
        return sum(word not in self._id_of for word in self.words(text))

    def words(self, text: str, *, ordinary: bool = False) -> Iterator[str]:
        """What `encode` finds an id for, known or not; ordinary: what `encode_ordinary` does."""
        parts = _words(text, None if ordinary else self._cutter)
        return (word for words in parts for word in words)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids` in ordinary spacing: BOS is skipped, <UNK> reads U+FFFD.

        Raises TokenizerError on an id outside 0 to V - 1.
        """
        return "".join(self.decode_stream(ids))

    def decode_stream(self, ids: Iterable[int], before: str = "") -> Iterator[str]:
        """The pieces that join to `decode(ids)`, each as soon as the next one has decided its space.

        They come after those of `before`, whether its words are known or not: one space after it, not two. Raises as
        `decode` does.
        """
        seen = list(self.words(before)) if before else []
        n_left, is_first = sum(map(len, seen)), bool(before)
        for piece in spaced(chain(seen, self.spell(ids))):
            if n_left <= 0:
                yield piece.lstrip(" ") if is_first and before[-1].isspace() else piece
                is_first = False
            n_left -= len(piece) - piece.count(" ")

    def token_bytes(self) -> np.ndarray:
        """(V,) int64: bytes of UTF-8 of each id, 0 for BOS, <UNK> and special tokens.

        The spaces between words are in no token, so bits per byte come out higher than they are, never lower.
        """
        marks = [0] * (1 + self.has_unk)
        sizes = (0 if token in self._special else len(token.encode("utf-8")) for token in self.tokens)
        return np.array([*marks, *sizes], dtype=np.int64)

    @property
    def special_ids(self) -> dict[str, int]:
        """Id of each special token by its name."""
        return {name: self._id_of[name] for name in self.special_tokens}

    def to_dict(self) -> dict[str, Any]:
        """The same dictionary every time, ready for JSON."""
        return {
            "kind": "word",
            "tokens": list(self.tokens),
            "special_tokens": list(self.special_tokens),
            "unknown": self.unknown,
            "has_unk": self.has_unk,
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises TokenizerError if an entry is missing, unexpected or wrong."""
        entries = {name: entry for name, entry in d.items() if name != "kind"}
        return read_dataclass(cls, entries, "tokenizer", TokenizerError)

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens, start=1 + self.has_unk)}

    @cached_property
    def _special(self) -> frozenset[str]:
        return frozenset(self.special_tokens)

    @cached_property
    def _cutter(self) -> SpecialCutter | None:
        return special_cutter(self.special_tokens)

    def _ids(self, text: str, parts: Iterable[list[str]]) -> list[int]:
        """The ids of the words of all `parts`; `text` is for the message."""
        ids: list[int] = []
        for words in parts:
            found = [self._id_of.get(word, BOS_ID) for word in words]
            if BOS_ID in found:  # the only 0 that text can give is an unknown word
                if self.unknown == "error":
                    word = words[found.index(BOS_ID)]
                    raise TokenizerError(
                        f"word {word!r} at position {_position(text, word)} is not among the {len(self.tokens)} tokens "
                        "of this vocabulary: train on text that contains it, or pass --unknown skip"
                    )
                found = [id_ or UNK_ID for id_ in found] if self.unknown == "unk" else [id_ for id_ in found if id_]
            ids += found
        return ids

    def spell(self, ids: Iterable[int]) -> Iterator[str]:
        """What each id reads, without the spaces between; nothing for BOS. Raises as `decode` does."""
        shown = ("", *([_UNKNOWN_SHOWN] * self.has_unk), *self.tokens)
        for i, id_ in enumerate(ids):
            if not 0 <= id_ < self.vocab_size:
                raise TokenizerError(
                    f"id {id_} at position {i} is outside 0 to {self.vocab_size - 1}: "
                    "decode with the tokenizer that the model was trained with"
                )
            if id_ != BOS_ID:
                yield shown[id_]


def _words(text: str, special: SpecialCutter | None) -> Iterator[list[str]]:
    """The tokens of `text`, a chunk at a time."""
    for chunk in chunks(text, _SEAM):
        if special is None:
            yield _TOKEN.findall(chunk)
            continue
        for i, part in enumerate(special.split(chunk)):  # plain, special, plain, ...
            yield [part] if i % 2 else _TOKEN.findall(part)


def _count(texts: str | Iterable[str], special_tokens: Sequence[str]) -> Counter[str]:
    """How often each word of `texts` occurs, special tokens not counted."""
    special = special_cutter(special_tokens)
    counts: Counter[str] = Counter()
    for text in [texts] if isinstance(texts, str) else texts:
        for words in _words(text, special):
            counts.update(words)
    for name in special_tokens:
        counts.pop(name, None)
    return counts


def _position(text: str, word: str) -> int:
    """Where `word` first stands as a token, in characters."""
    return next((found.start() for found in _TOKEN.finditer(text) if found[0] == word), text.find(word))
