"""Cut text before it is tokenised: special tokens out of it, and long text into parts. Knows no vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import regex

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


def special_pattern(names: Iterable[str]) -> regex.Pattern[str] | None:
    """What `split` cuts a text with into plain, special, plain, ...: the longest name wins. None without names."""
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return regex.compile(f"({'|'.join(map(regex.escape, longest_first))})") if longest_first else None
