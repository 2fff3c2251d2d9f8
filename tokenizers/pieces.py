"""Cut text before it is tokenised: special tokens out of it, and long text into parts. Knows no vocabulary."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator

import regex

from ..errors import TokenizerError

CHUNK = 1 << 20
"""Characters tokenised at a time: the pieces of a whole corpus as Python strings would need many times its memory."""


def chunks(text: str, seam: regex.Pattern[str], size: int = CHUNK) -> Iterator[str]:
    """`text` in parts of at least `size` characters, cut only at matches of `seam`, which no token lies across."""
    start = 0
    while len(text) - start > size:
        found = seam.search(text, start + size)
        if found is None:
            break
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


class SpecialCutter:
    """Cuts a text at the names of special tokens: the leftmost first, of those that begin together the longest.

    An alternation of all names would try each of them at every character, which 100,000 names make hopeless: a name is
    looked up, by its first characters and then by the lengths that go with them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._sorted = sorted(self._names)
        self._width = min(map(len, self._names))
        lengths: dict[str, set[int]] = {}
        for name in self._names:
            lengths.setdefault(name[: self._width], set()).add(len(name))
        self._lengths = {start: sorted(found, reverse=True) for start, found in lengths.items()}
        firsts = "".join(re.escape(ch) for ch in sorted({name[0] for name in self._names}))
        self._first = re.compile(f"[{firsts}]")

    def split(self, text: str) -> list[str]:
        """Plain, special, plain, ..., plain: together the text.

        >>> SpecialCutter(["<|a|>", "<|a|>>"]).split("x<|a|>>y<|a|>")
        ['x', '<|a|>>', 'y', '<|a|>', '']
        """
        parts: list[str] = []
        done = start = 0
        while found := self._first.search(text, start):
            start = found.start()
            for length in self._lengths.get(text[start : start + self._width], ()):
                if (name := text[start : start + length]) in self._names:
                    parts += [text[done:start], name]
                    done = start = start + length
                    break
            else:
                start += 1
        return [*parts, text[done:]]

    def overlaps(self, text: str) -> bool:
        """Whether a name stands in `text`, or could begin in it and go on behind it."""
        if len(self.split(text)) > 1:
            return True
        ends = (text[start:] for start in range(1, len(text)))
        return any(bisect(self._sorted, end) < bisect(self._sorted, end + "\U0010ffff") for end in ends)


def special_cutter(names: Iterable[str]) -> SpecialCutter | None:
    """What cuts a text at `names`; None without names. An empty one, which a vocabulary refuses, cuts nothing."""
    known = frozenset(filter(None, names))
    return SpecialCutter(known) if known else None


def _alphabet() -> list[str]:
    prints = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [b for b in range(256) if b not in prints]
    return [chr(b) if b in prints else chr(0x100 + others.index(b)) for b in range(256)]


ALPHABET = _alphabet()
"""The character of each byte."""
_BYTE_OF = {ch: b for b, ch in enumerate(ALPHABET)}


def spell(token: bytes) -> str:
    """Bytes in the visible alphabet.

    >>> spell(b" the"), unspell("\u0120the")
    ('Ġthe', b' the')
    """
    return "".join([ALPHABET[b] for b in token])


def unspell(spelled: str) -> bytes:
    """The inverse of `spell`. Raises TokenizerError for a character that spells no byte."""
    try:
        return bytes([_BYTE_OF[ch] for ch in spelled])
    except KeyError as failure:
        raise TokenizerError(
            f"token {spelled[:40]!r} holds {failure.args[0]!r}, which spells no byte: "
            "only byte-level vocabularies are read"
        ) from None
