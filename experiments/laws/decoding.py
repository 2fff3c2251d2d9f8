"""Laws of decoding: what is drawn follows what the settings say, and a beam of one is greedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...inference.beam import beam_search
from ...inference.generate import generate
from ...inference.samplers import Sampling, sample_token
from ...models.base import Predictor

_LOGITS = np.log(np.array([0.40, 0.25, 0.15, 0.10, 0.06, 0.04]))


def chi_square(temperature: float = 0.7, n: int = 4_000, seed: int = 0) -> float:
    """Chi-square over its degrees of freedom, of n draws against softmax(z / temperature): near 1 where they agree."""
    expected = np.exp(_LOGITS / temperature)
    expected *= n / expected.sum()
    drawn = np.bincount(_draws(Sampling(temperature=temperature), n, seed), minlength=len(_LOGITS))
    return float((np.square(drawn - expected) / expected).sum() / (len(_LOGITS) - 1))


def share_outside_top_k(k: int = 3, n: int = 2_000, seed: int = 0) -> float:
    """Share of n draws that are none of the k likeliest"""
    return float((_draws(Sampling(temperature=1.0, top_k=k), n, seed) >= k).mean())


def greedy_error(model: Predictor, ids: list[int], *, context: int, n: int = 8) -> float:
    """Share of the n tokens of a beam of one text that are not the greedy ones"""
    options: dict[str, Any] = {"context": context, "max_new_tokens": n}
    greedy = generate(model, ids, sampling=Sampling(temperature=0), rng=np.random.default_rng(0), **options)
    expected, found = list(greedy), list(beam_search(model, ids, width=1, **options)[0].ids)
    equal = sum(a == b for a, b in zip(found, expected, strict=False))
    return 1 - equal / max(len(found), len(expected), 1)


def _draws(sampling: Sampling, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([sample_token(_LOGITS, sampling, rng) for _ in range(n)])
