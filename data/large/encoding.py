"""The ids of all texts of a side, by several processes where a text is long and starting them is safe.

Safe is where this package's own command runs. A process that is started reads the main script again, and what somebody
wrote without `if __name__ == "__main__":` would run twice: there, and in a process that shares its machine with others
already, one encodes. Whoever wants more calls `encode_many` under a guard of his own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing import parent_process
from pathlib import Path

import numpy as np

from ...errors import GuardError, TokenizerError
from ...machine import threads
from ...tokenizers.base import Tokenizer
from ...tokenizers.char import CharTokenizer
from ...tokenizers.parallel import encode_many
from ..corpus import Side
from .text import PIECE, cut_at_seams

WORTH_PROCESSES = 1 << 25
"""Characters. Words and byte pairs of these take one process 4 s or more (0.13 s a million), two 3.5 s: 0.35 s to start
and half of 0.19 s a million, handing over included (docs/decisions.md)."""


def encode_texts(tokenizer: Tokenizer, side: Side) -> Iterator[np.ndarray]:
    """The `encode_array` of each text, in order, of a stream of its pieces: equal ids, however many processes.

    Raises TokenizerError as `encode_array` does.
    """
    n_done, jobs = 0, n_processes(tokenizer, side.n_chars)
    if jobs > 1:
        try:
            for ids in encode_many(tokenizer, _pieces(side), jobs=jobs):
                yield ids
                n_done += 1
            return
        except (TokenizerError, GuardError):  # this process goes on, or says what is wrong in the words of one text
            pass
    texts = side.texts() if jobs == 1 else islice(_pieces(side), n_done, None)
    yield from map(tokenizer.encode_array, texts)


def n_processes(tokenizer: Tokenizer, n_chars: int) -> int:
    """How many are worth it: 1 for characters, which are looked up faster than they are handed over."""
    if isinstance(tokenizer, CharTokenizer) or n_chars < WORTH_PROCESSES or not _is_own_command():
        return 1
    return threads()


def _pieces(side: Side) -> Iterable[str]:
    if side.layout != "stream":
        return side.texts()
    return cut_at_seams(text[i : i + PIECE] for text in side.texts() for i in range(0, len(text), PIECE))


def _is_own_command() -> bool:
    """Whether `nanochat` or `python -m nanochat` runs, and this is no process that it started."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None) or ""
    name = spec.name if spec else Path(file).name
    return parent_process() is None and name in ("nanochat", "nanochat.__main__")
