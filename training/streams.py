"""One seed, four independent streams of random numbers, each with a name and a use."""

from __future__ import annotations

from typing import Literal

import numpy as np

Stream = Literal["init", "data", "dropout", "sample"]
_NAMES = ("init", "data", "dropout", "sample")


def stream_seed(seed: int, name: Stream) -> np.random.SeedSequence:
    """The seed of one stream: drawing from it never shifts another."""
    return np.random.SeedSequence(seed, spawn_key=(_NAMES.index(name),))


def stream_number(seed: int, name: Stream) -> int:
    """The same as one integer, for what takes a plain seed."""
    return int(stream_seed(seed, name).generate_state(1, np.uint64)[0])
