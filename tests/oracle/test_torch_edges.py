"""The table of edges (experiments/certify/edges.py) through PyTorch: nan, infinities and wrong targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nanochat.experiments.certify.edges import Outcome, edge_cases, edge_errors

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
TF = torch.nn.functional

EDGES = {edge.name: edge for edge in edge_cases()}
THEIRS: dict[str, Any] = {
    "softmax": lambda x: TF.softmax(x, -1),
    "sum": torch.sum,
    "mean": torch.mean,
    "layer_norm": lambda x: TF.layer_norm(x, x.shape, eps=1e-5),
    "rms_norm": lambda x: TF.rms_norm(x, x.shape, eps=1e-5),
    "dyt": lambda x: torch.tanh(0.5 * x),
    **{
        f"cross_entropy (target {y})": lambda z, y=y: TF.cross_entropy(z[None], torch.tensor([y]), ignore_index=-1)
        for y in (0, 1, 2, -2, 3)
    },
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "silu": TF.silu,
    "power 0.5": lambda x: x**0.5,
    "power -0.5": lambda x: x**-0.5,
}


def outcome(f: Any, array: np.ndarray) -> Outcome:
    x = torch.tensor(array, requires_grad=True)
    try:
        y = f(x).reshape(-1)
    except (IndexError, RuntimeError) as error:
        return type(error).__name__
    (y * torch.cos(torch.arange(len(y), dtype=torch.float64))).sum().backward()
    return [y.detach().numpy(), x.grad.numpy()]


@pytest.mark.parametrize("name", THEIRS)
def test_results_are_those_of_torch(name: str) -> None:
    """Gradients too, wherever torch's are finite: from nan and infinity its kernels go on in ways of their own."""
    with np.errstate(all="ignore"):
        for (x,) in EDGES[name].inputs:
            ours, theirs = EDGES[name].tensor(x), outcome(THEIRS[name], x)
            if isinstance(ours, str):
                assert isinstance(theirs, str) or not x.size, x
                continue
            assert not isinstance(theirs, str), x
            assert edge_errors(ours[:1], theirs[:1])[0] <= 1e-10, (x, ours, theirs)
            if np.isfinite(theirs[1]).all() and np.isfinite(ours[0]).all():
                assert edge_errors(ours[1:], theirs[1:])[0] <= 1e-10, (x, ours, theirs)


def test_an_ignored_row_of_nan_leaves_the_mean_of_the_others() -> None:
    for logits, targets in EDGES["cross_entropy (rows)"].inputs:
        with np.errstate(all="ignore"):
            ours = EDGES["cross_entropy (rows)"].tensor(logits, targets)[0]
        theirs = TF.cross_entropy(torch.tensor(logits), torch.tensor(targets), ignore_index=-1).item()
        if (targets == -1).all():  # torch divides by 0, we say that nothing was lost
            assert (ours[0], math.isnan(theirs)) == (0.0, True)
        else:
            assert edge_errors([ours], [np.array([theirs])])[0] <= 1e-10, (logits, targets)


@pytest.mark.parametrize("gradients", [[3.0, 4.0], [1e154, 1e154], [1e200], [math.nan, 1.0], [math.inf, 1.0]])
def test_the_norm_before_clipping_is_that_of_torch(gradients: list[float]) -> None:
    x = torch.zeros(len(gradients), dtype=torch.float64, requires_grad=True)
    x.grad = torch.tensor(gradients, dtype=torch.float64)
    theirs = torch.nn.utils.get_total_norm([x.grad]).item()
    for engine in (EDGES["clip_gradients"].scalar, EDGES["clip_gradients"].tensor):
        with np.errstate(all="ignore"):
            norm, clipped = engine(np.array(gradients))
        if math.isfinite(norm):
            assert norm == pytest.approx(theirs, rel=1e-12)
        else:  # torch clips to 0 or nan; here nothing is clipped
            np.testing.assert_array_equal(clipped, gradients)
