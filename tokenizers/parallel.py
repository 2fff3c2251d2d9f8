"""Many texts at once: several processes tokenise, and the order of the texts is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TokenizerError
from .base import Tokenizer
from .files import tokenizer_from_dict

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_BATCH = 1 << 18  # characters handed to a process at a time: enough to hide what handing over costs
_BATCHES_AHEAD = 2  # for each process: it never waits, and a corpus larger than memory passes through

_tokenizer: Tokenizer  # of a worker process, set once when it starts: the only state there is


def encode_many(tokenizer: Tokenizer, texts: Iterable[str], *, jobs: int = 1) -> Iterator[np.ndarray]:
    """The `encode_array` of each text, in order: with `jobs` processes the same as with one.

    Texts are read as results are taken. Processes take half a second to start, in which one alone encodes several
    megabytes: use them for more. They are spawned, so a script that calls this needs `if __name__ == "__main__":`.
    Raises TokenizerError, naming the text by its number from 0, as `encode_array` does; GuardError without the guard.
    """
    if jobs < 1:
        raise TokenizerError(f"jobs={jobs} encodes nothing: choose 1, or as many as there are cores")
    if jobs == 1:
        return _encode(tokenizer, enumerate(texts))
    return _encode_in_processes(tokenizer, texts, jobs)


def _encode(tokenizer: Tokenizer, numbered: Iterable[tuple[int, str]]) -> Iterator[np.ndarray]:
    for number, text in numbered:
        try:
            yield tokenizer.encode_array(text)
        except TokenizerError as failure:
            raise TokenizerError(f"text {number}: {failure}") from None


def _encode_in_processes(tokenizer: Tokenizer, texts: Iterable[str], jobs: int) -> Iterator[np.ndarray]:
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    from .processes import SPAWN, Handshake, check_guarded, deaf_to_the_terminal

    check_guarded()
    handshake = Handshake()
    with deaf_to_the_terminal():  # its queues start Python's own tracker
        arguments = handshake.tell, tokenizer.to_dict()
        pool = ProcessPoolExecutor(jobs, SPAWN, initializer=_start_worker, initargs=arguments)
    pending: deque[Future[list[np.ndarray]]] = deque()
    try:
        for batch in _batches(texts):
            with deaf_to_the_terminal():
                pending.append(pool.submit(_encode_batch, batch))
            if len(pending) >= jobs * _BATCHES_AHEAD:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool:
        handshake.check()
        raise TokenizerError("a process that encodes ended unexpectedly, out of memory perhaps: use jobs=1") from None
    finally:
        pool.shutdown(cancel_futures=True)
        handshake.close()


def _batches(texts: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    size = 0
    for numbered in enumerate(texts):
        batch.append(numbered)
        size += len(numbered[1]) + 1
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _start_worker(tell: Connection, d: dict[str, Any]) -> None:
    global _tokenizer
    from .processes import say_begun

    say_begun(tell)
    _tokenizer = tokenizer_from_dict(d)


def _encode_batch(batch: list[tuple[int, str]]) -> list[np.ndarray]:
    return list(_encode(_tokenizer, batch))
