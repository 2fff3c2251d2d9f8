"""The scalar engine beside PyTorch: optimizers over 100 steps, and each function with its gradient, in float64."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from nanochat.engine.scalar import Value
from nanochat.engine.scalar import functional as F
from nanochat.engine.scalar.optim import SGD, Adam, AdamW, Optimizer

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

ROWS, COLUMNS, STEPS = 2, 3, 100
OPTIMIZERS: dict[str, tuple[Callable[[Any], Optimizer], Callable[[Any], Any]]] = {
    "sgd": (lambda p: SGD(p), lambda p: torch.optim.SGD(p, lr=1)),
    "sgd decay": (lambda p: SGD(p, weight_decay=0.1), lambda p: torch.optim.SGD(p, lr=1, weight_decay=0.1)),
    "momentum": (
        lambda p: SGD(p, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, weight_decay=0.1),
    ),
    "adam": (lambda p: Adam(p), lambda p: torch.optim.Adam(p, lr=1)),
    "adam decay": (
        lambda p: Adam(p, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, lr=1, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    ),
    "adamw": (
        lambda p: AdamW(p, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=1, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_follows_torch_over_100_steps(name: str, rng: random.Random) -> None:
    start = [[rng.gauss(0, 1) for _ in range(COLUMNS)] for _ in range(ROWS)]
    ours = [[Value(x) for x in row] for row in start]
    theirs = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    our_optimizer, their_optimizer = OPTIMIZERS[name][0]([("w", ours)]), OPTIMIZERS[name][1]([theirs])
    for step in range(STEPS):
        lr = 0.02 * (1 - step / STEPS)
        grads = [[rng.gauss(0, 10 ** rng.uniform(-3, 1)) for _ in range(COLUMNS)] for _ in range(ROWS)]
        for row, row_grads in zip(ours, grads, strict=True):
            for leaf, grad in zip(row, row_grads, strict=True):
                leaf.grad = grad
        theirs.grad = torch.tensor(grads, dtype=torch.float64)
        for group in their_optimizer.param_groups:
            group["lr"] = lr
        our_optimizer.step(lr)
        their_optimizer.step()
        for row, their_row in zip(ours, theirs.tolist(), strict=True):
            assert [leaf.data for leaf in row] == pytest.approx(their_row, rel=1e-10, abs=1e-10)


def test_clipping_follows_torch(rng: random.Random) -> None:
    grads = [rng.gauss(0, 3) for _ in range(8)]
    ours = [Value(0.0) for _ in grads]
    for leaf, grad in zip(ours, grads, strict=True):
        leaf.grad = grad
    theirs = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    theirs.grad = torch.tensor(grads, dtype=torch.float64)
    norm = SGD([("p", ours)], max_grad_norm=1.0).clip_gradients()
    assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_([theirs], 1.0)), rel=1e-12)
    assert [leaf.grad for leaf in ours] == pytest.approx(theirs.grad.tolist(), rel=1e-5)  # torch adds 1e-6 to the norm


nnf = torch.nn.functional
FUNCTIONS: dict[str, tuple[Callable[[list[Value]], list[Value]], Callable[[Any], Any]]] = {
    "softmax": (F.softmax, lambda x: torch.softmax(x, -1)),
    "cross_entropy": (lambda x: [F.cross_entropy(x, 3)], lambda x: nnf.cross_entropy(x[None], torch.tensor([3]))[None]),
    "layer_norm": (lambda x: F.layer_norm(x), lambda x: nnf.layer_norm(x, (6,))),
    "rms_norm": (lambda x: F.rms_norm(x), lambda x: nnf.rms_norm(x, (6,), eps=1e-5)),
    "relu": (F.relu, torch.relu),
    "gelu": (F.gelu, lambda x: nnf.gelu(x, approximate="tanh")),
    "silu": (F.silu, nnf.silu),
    "swiglu": (F.swiglu, lambda x: nnf.silu(x[:3]) * x[3:]),
    "linear": (lambda x: F.linear(x[:2], [x[2:4], x[4:]]), lambda x: nnf.linear(x[:2], x[2:].reshape(2, 2))),
    "attention": (
        lambda x: F.attention(x[:2], [x[2:4], x[4:]], [x[4:], x[2:4]]),
        lambda x: nnf.scaled_dot_product_attention(
            x[:2].reshape(1, 1, 2), x[2:].reshape(1, 2, 2), x[2:].reshape(1, 2, 2).flip(1)
        ).reshape(2),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_function_and_gradient_follow_torch(name: str, spread: float, rng: random.Random) -> None:
    xs = [rng.gauss(0, spread) for _ in range(6)]
    ours = [Value(x) for x in xs]
    theirs = torch.tensor(xs, dtype=torch.float64, requires_grad=True)
    our_y, their_y = FUNCTIONS[name][0](ours), FUNCTIONS[name][1](theirs)
    weights = [math.sin(i + 1) for i in range(len(our_y))]
    F.dot(our_y, [Value(w) for w in weights]).backward()
    (their_y * torch.tensor(weights, dtype=torch.float64)).sum().backward()
    assert [y.data for y in our_y] == pytest.approx(their_y.tolist(), rel=1e-12, abs=1e-12)
    assert [x.grad for x in ours] == pytest.approx(theirs.grad.tolist(), rel=1e-10, abs=1e-11)
