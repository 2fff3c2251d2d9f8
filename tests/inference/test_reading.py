"""Reading logits changes how long they take, and nothing else."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from nanochat.inference import generate as reading
from nanochat.inference.generate import read_logits
from nanochat.models.base import logits_array
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig

CONFIG = GPTConfig(vocab_size=7, block_size=6, n_embd=8, n_head=2, zero_init_proj=False)
IDS = [[1, 2, 3], [4, 5, 6]]


def n_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_what_is_read_is_what_the_model_says(mode):
    model = build_model(CONFIG, mode, "float64")
    np.testing.assert_array_equal(read_logits(model, IDS), logits_array(model, IDS))
    kept = [model.empty_cache(), model.empty_cache()]
    first, second = read_logits(model, IDS[:1], kept[0]), logits_array(model, IDS[:1], kept[1])
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(read_logits(model, [[4]], kept[0]), logits_array(model, [[4]], kept[1]))


@pytest.mark.parametrize(("small", "expected"), [(10**9, 1), (10, 2)])
def test_a_small_step_is_left_to_one_thread_and_a_large_one_is_not(small, expected, monkeypatch):
    monkeypatch.setattr(reading, "SMALL", small)
    model, seen = build_model(CONFIG, "tensor"), []
    logits = model.logits
    model.logits = lambda *arguments: seen.append(n_threads()) or logits(*arguments)
    with threadpool_limits(2, "blas"):
        if n_threads() != {2}:
            pytest.skip("this BLAS has no threads that could be counted")
        read_logits(model, IDS)
        assert seen == [{expected}]
        assert n_threads() == {2}
