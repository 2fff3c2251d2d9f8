"""What a model says next, read in a way that a busy machine does not slow down.

The threads of BLAS wait for each other in every product. A core that another program uses keeps them waiting for a
slice of the scheduler, a few milliseconds, as long as dozens of small products take: so a small step is left to one
thread. On two busy cores that made a token of a 0.5 M-parameter model 10 to 50 times faster past its context.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..machine import one_blas_thread
from ..models.build import ModelConfig, logits_array
from ..models.parameters import count_parameters

SMALL = 100_000_000
"""Tokens times weights of a step that one thread does by itself: some 3 ms."""


def read_logits(model: Any, ids: Sequence[Sequence[int]] | np.ndarray, memory: Any = None) -> np.ndarray:
    """`logits_array`, which see       (B, T) -> (B, T, V)"""
    config = getattr(model, "config", None)
    if not getattr(model, "takes_arrays", False) or config is None:
        return logits_array(model, ids, memory)
    if sum(map(len, ids)) * _n_weights(config) > SMALL:
        return logits_array(model, ids, memory)
    with one_blas_thread():
        return logits_array(model, ids, memory)


@cache
def _n_weights(config: ModelConfig) -> int:
    return count_parameters(config.parameters())
