"""Words and punctuation back to running text: `["Yes", ",", "I", "don", "'", "t", "."]` -> "Yes, I don't."

The spaces were not kept, so these are the habits of printed English, applied from left to right: no space before
`, . ; : ! ? )`, none after `(`, none around a hyphen, quotation marks in pairs, apostrophes inside their word.
What these habits do not tell is lost: line breaks, a spaced dash, `f(x)`, `e.g.`, an address with `@`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

Cling = Literal["always", "digits", "never"]
"""Whether what follows stands without a space: always, if it begins with a digit, never."""

APOSTROPHES = frozenset("'\u2019")
_SUFFIXES = frozenset("s S t T d D m M ll LL re RE ve VE em".split())
_CLING_LEFT = frozenset(",.;:!?%\u2026\u2030\u00b0\u2122\u00ae")
_NUMBER_MARKS = frozenset(",.:")  # 3.14  1,000  10:30
_JOINERS = frozenset("-/\\_\u2010\u2011\u2012\u2013\u2014\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b")
_CLING_RIGHT = frozenset("#@\u00a1\u00bf")


def spaced(tokens: Iterable[str]) -> Iterator[str]:
    """Each token with the space that belongs before it, as soon as it is known: only an apostrophe waits for the next.

    >>> "".join(spaced(["Say", '"', "well", "-", "known", '"', "(", "3", ".", "14", ")", "!"]))
    'Say "well-known" (3.14)!'
    """
    page = _Page()
    tokens = iter(tokens)
    for token in tokens:
        while token in APOSTROPHES:
            following = next(tokens, "")
            yield page.add(token, following)
            token = following
        if token:
            yield page.add(token)


class _Page:
    """What has been written so far, as much of it as decides the next space."""

    def __init__(self) -> None:
        self.before = ""
        self.cling: Cling = "always"  # no space at the very beginning
        self.open_quotes: set[str] = set()

    def add(self, token: str, following: str = "") -> str:
        left, cling = self._sides(token, following) if len(token) == 1 else (False, "never")
        left = left or self.cling == "always" or (self.cling == "digits" and token[0].isdigit())
        self.before, self.cling = token, cling
        return token if left else " " + token

    def _sides(self, token: str, following: str) -> tuple[bool, Cling]:
        """Whether a single character stands without a space before it, and what may stand so after it."""
        kind = unicodedata.category(token)
        if token in APOSTROPHES:
            return self._apostrophe(token, following)
        if token == '"':
            return self._quote(token)
        if token in _JOINERS:
            return True, "always"
        if token in _CLING_LEFT:
            return True, "digits" if token in _NUMBER_MARKS and self.before[-1:].isdigit() else "never"
        if token == "\u2018":
            self.open_quotes.add("\u2019")
        if token in _CLING_RIGHT or kind in ("Ps", "Pi"):
            return False, "always"
        if kind in ("Pe", "Pf"):
            return True, "never"
        return False, "digits" if kind == "Sc" else "never"

    def _quote(self, token: str) -> tuple[bool, Cling]:
        """Marks that look alike on both sides open and close in turn."""
        if token in self.open_quotes:
            self.open_quotes.remove(token)
            return True, "never"
        self.open_quotes.add(token)
        return False, "always"

    def _apostrophe(self, token: str, following: str) -> tuple[bool, Cling]:
        """don't, O'Brien: inside a word.  dogs' tails: at its end.  Everything else is a quotation mark."""
        if not self.before or unicodedata.category(self.before[-1])[0] in "PS":
            return self._quote(token)
        if following in _SUFFIXES or len(self.before) == 1:
            return True, "always"
        if token in self.open_quotes:
            return self._quote(token)
        if self.before[-1] in "sS":
            return True, "never"
        return (True, "always") if token == "\u2019" else self._quote(token)
