"""Whether an answer is right. Knows nothing of who gave it."""

from __future__ import annotations

from collections.abc import Collection

_ARTICLES = ("a", "an", "the")
_FINAL = ".!?"


def normalise(answer: str) -> str:
    """`answer` without what makes no difference: case, a leading article, final . ! ?, and all but single spaces.

    >>> normalise("  The  United\\nStates. ")
    'united states'
    """
    words = answer.casefold().split()
    words = " ".join(words).rstrip(_FINAL + " ").split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


def matches(text: str, accepted: Collection[str]) -> bool:
    """Exact match: `text` is one of the accepted answers, both normalised. More words than the answer are wrong."""
    return normalise(text) in {normalise(answer) for answer in accepted}
