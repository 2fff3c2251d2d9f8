"""Random transformers, saturated ones among them: arrays, single numbers and PyTorch agree in float64."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")

sys.path.append(str(Path(__file__).parents[1] / "reliability"))  # the harness: `make reliability` runs 500 of them
import random_configs  # noqa: E402

N = 32


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_configurations_agree(seed: int) -> None:
    assert random_configs.check(N // 2, seed) == []


def test_saturated_softmaxes_are_among_them() -> None:
    """One key with all the weight, one class with all the probability, and what is neither."""
    kinds = Counter(random_configs.saturation(random_configs.draw(i, 1)) for i in range(N))
    assert min(kinds[kind] for kind in ("attention", "logits", "none")) >= 3, kinds


def test_a_saturated_row_multiplies_no_rounding() -> None:
    """With scores of 1e9 here torch's own softmax gives gradients that are wrong by 2.6e-8, ours by 2e-13 (mpmath)."""
    assert random_configs.problems_of(random_configs.draw(221, 0)) == []
