"""What ends a text: the tokens that say so, and stop strings in text that comes in pieces.

Nothing of a stop string is shown, nothing else is held back, and where the pieces are cut makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..errors import UsageError
from ..tokenizers.base import Tokenizer
from .generate import IsOver


def limits_of(tokenizer: Tokenizer, stop_ids: Iterable[int], banned: Iterable[int] = ()) -> dict[str, tuple[int, ...]]:
    """The options of `generate` that say what ends a text, and what is never drawn: ids without a token, too."""
    stops = tuple(dict.fromkeys(stop_ids))
    unused = (id_ for id_ in getattr(tokenizer, "unused_ids", ()) if id_ not in stops)
    return {"stop_ids": stops, "banned": (*banned, *unused)}


def check_stops(stops: Sequence[str]) -> tuple[str, ...]:
    """The strings, each once. Raises UsageError for an empty one, which would stop every text before it begins."""
    if isinstance(stops, str):
        raise UsageError(f"stop={stops!r} is one text: give a list of them, e.g. [{stops!r}]")
    if "" in stops:
        raise UsageError(
            "stop='' is empty and would end every text before it begins: give some text, or no stop at all"
        )
    return tuple(dict.fromkeys(stops))


def stop_at(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    r"""Yield the text of `pieces` up to the stop string that is complete first; of two that end together, the longer.

    The stop string is not yielded, and no further piece is asked for. What might become one is held back until it
    does or cannot any more: the longest end of the text that some stop string begins with, never more.

    >>> list(stop_at(["It is ", "so.", "\n", "\nQ", ": Why?"], ["\n\nQ:"]))
    ['It is ', 'so.']
    """
    held = ""
    for piece in pieces:
        text = held + piece
        end = find_stop(text, stops)
        if end is not None:
            if end:
                yield text[:end]
            return
        n_shown = len(text) - n_held(text, stops)
        if n_shown:
            yield text[:n_shown]
        held = text[n_shown:]
    if held:
        yield held


def find_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the stop string begins that is complete first, the longest of those that end together; None without one."""
    found = [(start + len(stop), start) for stop in stops if (start := text.find(stop)) >= 0]
    return min(found)[1] if found else None


def stop_test(tokenizer: Tokenizer, stops: Sequence[str], before: str = "") -> IsOver | None:
    """Whether new ids hold a stop string, where no stream is read; None without a string to look for."""
    if not stops:
        return None
    return lambda new_ids: find_stop(certain_text(tokenizer, new_ids, before), stops) is not None


def certain_text(tokenizer: Tokenizer, ids: Sequence[int], before: str = "") -> str:
    """As much of the text of `ids` as no further id can change: what `decode_stream` yields before the last has come.

    >>> from nanochat.tokenizers import BPETokenizer
    >>> certain_text(BPETokenizer.train("", vocab_size=257), [98, 1 + 0xE2, 1 + 0x82])  # a, and two bytes of three
    'a'
    """
    is_open, pieces = True, list[str]()

    def feed() -> Iterator[int]:
        nonlocal is_open
        yield from ids
        is_open = False

    for piece in tokenizer.decode_stream(feed(), before):
        if not is_open:
            break
        pieces.append(piece)
    return "".join(pieces)


def n_held(text: str, stops: Sequence[str]) -> int:
    """Length of the longest end of `text` with which a stop string begins that is longer still."""
    longest = max(map(len, stops), default=1) - 1
    for n in range(min(longest, len(text)), 0, -1):
        if any(stop.startswith(text[-n:]) for stop in stops):
            return n
    return 0
