"""What a trained model costs whoever uses it: the time of a token, the memory of a process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import numpy as np

from ..inference.generate import draw_steps
from ..inference.language_model import LanguageModel
from ..inference.samplers import Sampling
from ..machine import peak_bytes

_MOST_TOKENS = 256


@dataclass(frozen=True)
class Costs:
    """Of one model in this process, on this machine at this hour."""

    ms_per_token: float
    """To decode one more token of one text, greedily and with the KV cache: the median within the context."""
    peak_memory_bytes: int
    """Most resident memory of the process so far: training and evaluation, where both took place in it; 0: unknown."""


def measure_costs(language_model: LanguageModel) -> Costs:
    """Decode from BOS until the context is full, and look at the clock after each token."""
    steps = draw_steps(
        language_model.model,
        [language_model.tokenizer.bos_id],
        context=language_model.context,
        max_new_tokens=max(1, min(_MOST_TOKENS, language_model.context - 1)),
        sampling=Sampling(temperature=0),
        rng=np.random.default_rng(0),
    )
    clock = [time.perf_counter(), *(time.perf_counter() for _ in steps)]
    return Costs(1e3 * median(np.diff(clock).tolist()), peak_bytes())
