"""One id for each character: the smallest tokenizer there is, and one that spells every text it was trained on.

    id 0            BOS, the mark before and after a document
    id i + 1        the i-th character (code point) in sorted order
    id V - 1        <UNK>, in tokenizers trained with unknown="unk" only

Characters are code points, not what a reader sees as one letter: an e and a combining accent are two ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np

from ..errors import TokenizerError
from ..validation import read_dataclass
from .base import id_dtype

Unknown = Literal["error", "skip", "unk"]

BOS_ID = 0
_CHUNK = 1 << 20  # characters encoded at a time: bounds the temporary arrays to a few MB
_UNKNOWN_SHOWN = "\ufffd"  # Unicode's own sign for "a character stood here"


@dataclass(frozen=True)
class CharTokenizer:
    """Complete from the start; make one with `CharTokenizer.train(text)`.

    >>> tokenizer = CharTokenizer.train("emma")
    >>> tokenizer.encode("mae"), tokenizer.decode([0, 3, 1, 2, 0]), tokenizer.vocab_size
    ([3, 1, 2], 'mae', 4)
    """

    chars: str
    """The vocabulary: sorted by code point, each character once."""
    unknown: Unknown = "error"
    """What `encode` does with a character outside `chars`: raise, leave it out, or write <UNK>."""
    has_unk: bool = False
    """Whether the last id is <UNK>. It is a row of the model's tables, so it is chosen once, when training, and
    stays when `dataclasses.replace(tokenizer, unknown="skip")` changes the policy. The training text has no unknown
    characters, so the model never sees <UNK> unless other text is mixed in: expect little from its embedding."""

    def __post_init__(self) -> None:
        check_policy(self.unknown, has_unk=self.has_unk)
        for i, ch in enumerate(self.chars):
            if "\ud800" <= ch <= "\udfff":
                raise TokenizerError(
                    f"character {ch!r} is a lone surrogate, which no UTF-8 file can hold: "
                    "decode the text as UTF-8 before training on it"
                )
            if i and ch <= self.chars[i - 1]:
                raise TokenizerError(
                    f"character {ch!r} at position {i} of the vocabulary is not in sorted order: "
                    "restore the file that training wrote, or train the tokenizer again"
                )
        if not self.chars:
            raise TokenizerError("a vocabulary of no characters spells nothing: train on text that is not empty")

    @classmethod
    def train(cls, texts: str | Iterable[str], *, unknown: Unknown = "error") -> Self:
        """The tokenizer of exactly the characters of `texts`: one text or several."""
        chars: set[str] = set()
        for text in [texts] if isinstance(texts, str) else texts:  # one at a time: they may be larger than memory
            chars.update(text)
        return cls("".join(sorted(chars)), unknown, has_unk=unknown == "unk")

    @property
    def vocab_size(self) -> int:
        """V = 1 + characters + (1 if there is an <UNK>)."""
        return 1 + len(self.chars) + self.has_unk

    @property
    def bos_id(self) -> int:
        """0."""
        return BOS_ID

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without BOS.

        Raises TokenizerError at the first unknown character, unless `unknown` says otherwise.
        """
        ids: list[int] = self.encode_array(text).tolist()
        return ids

    def encode_array(self, text: str) -> np.ndarray:
        """The same ids as an array (n,); 50 MB of text take about a second. Raises as `encode` does."""
        ids = np.empty(len(text), dtype=self._id_of_code.dtype)
        for start in range(0, len(text), _CHUNK):
            ids[start : start + _CHUNK] = self._look_up(text[start : start + _CHUNK])
        if self.unknown == "unk":
            ids[ids == BOS_ID] = self.vocab_size - 1
        elif not ids.all():  # the only 0 that text can give is an unknown character
            if self.unknown == "skip":
                return np.extract(ids, ids)
            i = int(np.argmin(ids != BOS_ID))
            raise TokenizerError(
                f"character {text[i]!r} (U+{ord(text[i]):04X}) at position {i} is not among the {len(self.chars)} "
                "characters of this vocabulary: train on text that contains it, or pass --unknown skip"
            )
        return ids

    def n_unknown(self, text: str) -> int:
        """How many characters of `text` the policy applies to: for a warning when they are skipped or replaced."""
        return sum(ch not in self._known for ch in text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`: BOS is skipped, <UNK> reads U+FFFD. Raises TokenizerError on an id outside 0 to V - 1."""
        pieces = "\0" + self.chars + _UNKNOWN_SHOWN * self.has_unk
        for i, id_ in enumerate(ids):
            if not 0 <= id_ < self.vocab_size:
                raise TokenizerError(
                    f"id {id_} at position {i} is outside 0 to {self.vocab_size - 1}: "
                    "decode with the tokenizer that the model was trained with"
                )
        return "".join([pieces[id_] for id_ in ids if id_ != BOS_ID])

    def decode_stream(self, ids: Iterable[int], before: str = "") -> Iterator[str]:
        """The text of each id, which is its own. Raises as `decode` does."""
        return (text for id_ in ids if (text := self.decode([id_])))

    def token_bytes(self) -> np.ndarray:
        """(V,) int64: bytes of UTF-8 of each id, 0 for BOS and <UNK>."""
        sizes = [0, *(len(ch.encode("utf-8")) for ch in self.chars), *([0] * self.has_unk)]
        return np.array(sizes, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """The same dictionary every time, ready for JSON."""
        return {"kind": "char", "chars": self.chars, "unknown": self.unknown, "has_unk": self.has_unk}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises TokenizerError if an entry is missing, unexpected or wrong."""
        entries = {name: entry for name, entry in d.items() if name != "kind"}
        return read_dataclass(cls, entries, "tokenizer", TokenizerError)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.chars)

    @cached_property
    def _id_of_code(self) -> np.ndarray:
        """id of each code point up to one past the last known; 0 is unknown, and the extra entry catches all above."""
        table = np.zeros(ord(self.chars[-1]) + 2, dtype=id_dtype(self.vocab_size))
        table[[ord(ch) for ch in self.chars]] = np.arange(1, len(self.chars) + 1)
        return table

    def _look_up(self, text: str) -> np.ndarray:
        """(n,) ids, 0 where unknown. UTF-32 spells each code point in four bytes, so an array can index by it."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        return np.take(self._id_of_code, codes, mode="clip")


def check_policy(unknown: Unknown, *, has_unk: bool) -> None:
    """Raises TokenizerError for an `unknown` that is none, and for <UNK> where there is no id for it."""
    if unknown not in get_args(Unknown):
        raise TokenizerError(f"unknown={unknown!r} is no policy: choose one of {', '.join(get_args(Unknown))}")
    if unknown == "unk" and not has_unk:
        raise TokenizerError(
            "unknown='unk' needs a tokenizer trained with it, and this one has no <UNK> id: "
            "use unknown='skip', or train again with unknown='unk'"
        )
