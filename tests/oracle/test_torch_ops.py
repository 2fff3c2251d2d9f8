"""Ops and optimizers against PyTorch on the CPU, in float64, to 1e-10."""

from __future__ import annotations

import numpy as np
import pytest

from nanochat.engine.tensor import Tensor, ops
from nanochat.engine.tensor.ops.divergence import kl_divergence
from nanochat.engine.tensor.optim import SGD, Adam, AdamW

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
TF = torch.nn.functional
R = np.random.default_rng(0)


def n(*shape):
    return R.standard_normal(shape)


def grouped(q, k, v, **options):
    repeats = q.shape[1] // k.shape[1]
    return TF.scaled_dot_product_attention(
        q, k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1), **options
    )


def windowed(q, k, v, window):
    t, s = torch.arange(q.shape[2])[:, None] + k.shape[2] - q.shape[2], torch.arange(k.shape[2])
    return grouped(q, k, v, attn_mask=(s <= t) & (s > t - window))


TARGETS = np.array([3, -1, 0, 6])
TEACHER = n(4, 7) * 5
CASES = {
    "linear": (ops.linear, TF.linear, (n(2, 3, 4), n(5, 4), n(5)), {}, {}),
    "matmul": (ops.matmul, torch.matmul, (n(2, 3, 4), n(4, 5)), {}, {}),
    "embedding": (
        ops.embedding, lambda w, ids: TF.embedding(torch.from_numpy(ids), w),
        (n(7, 3),), {"ids": np.array([[1, 1, 6], [0, 1, 2]])}, {"ids": np.array([[1, 1, 6], [0, 1, 2]])},
    ),
    "layer_norm": (
        ops.layer_norm, lambda x, w, b: TF.layer_norm(x, (4,), w, b, 1e-5), (n(2, 3, 4), n(4), n(4)), {}, {}
    ),
    "rms_norm": (ops.rms_norm, lambda x, w: TF.rms_norm(x, (4,), w, 1e-5), (n(2, 3, 4), n(4)), {}, {}),
    "relu": (ops.relu, TF.relu, (n(3, 4),), {}, {}),
    "relu2": (ops.relu2, lambda x: TF.relu(x) ** 2, (n(3, 4),), {}, {}),
    "gelu": (ops.gelu, lambda x: TF.gelu(x, approximate="tanh"), (n(3, 4) * 3,), {}, {}),
    "silu": (ops.silu, TF.silu, (n(3, 4) * 3,), {}, {}),
    "swiglu": (ops.swiglu, lambda x: TF.silu(x[..., :3]) * x[..., 3:], (n(2, 4, 6),), {}, {}),
    "softmax": (ops.softmax, lambda x: TF.softmax(x, -1), (n(2, 3, 4) * 30,), {}, {}),
    "attention": (
        ops.attention, lambda q, k, v: grouped(q, k, v, is_causal=True),
        (n(2, 4, 70, 8), n(2, 4, 70, 8), n(2, 4, 70, 8)), {}, {},
    ),
    "attention, grouped": (
        ops.attention, lambda q, k, v: grouped(q, k, v, is_causal=True),
        (n(2, 4, 40, 8), n(2, 2, 40, 8), n(2, 2, 40, 8)), {}, {},
    ),
    "attention, window": (
        ops.attention, windowed, (n(2, 4, 40, 8), n(2, 2, 50, 8), n(2, 2, 50, 8)), {"window": 9}, {"window": 9}
    ),
    "cross_entropy": (
        ops.cross_entropy, lambda z: TF.cross_entropy(z, torch.from_numpy(TARGETS), ignore_index=-1),
        (n(4, 7),), {"targets": TARGETS}, {},
    ),
    "cross_entropy, smoothed": (
        ops.cross_entropy,
        lambda z: TF.cross_entropy(z, torch.from_numpy(TARGETS), ignore_index=-1, label_smoothing=0.1),
        (n(4, 7) * 40,), {"targets": TARGETS, "label_smoothing": 0.1}, {},
    ),
    "cross_entropy, capped": (
        ops.cross_entropy,
        lambda z: TF.cross_entropy(15 * torch.tanh(z / 15), torch.from_numpy(TARGETS), ignore_index=-1),
        (n(4, 7) * 20,), {"targets": TARGETS, "softcap": 15.0}, {},
    ),
    "kl_divergence": (
        kl_divergence,
        lambda z: 4 * TF.kl_div(
            TF.log_softmax(z / 2, -1), TF.log_softmax(torch.from_numpy(TEACHER) / 2, -1),
            reduction="batchmean", log_target=True,
        ),
        (n(4, 7) * 5,), {"teacher": TEACHER, "temperature": 2.0}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_op_and_gradients_equal_torch(name):
    ours, theirs, arrays, static, torch_static = CASES[name]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*tensors, **torch_static)
    g = np.array(np.random.default_rng(1).standard_normal(tuple(expected.shape)))
    expected.backward(torch.from_numpy(g))

    y, vjp = ours(*arrays, **static)

    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    for mine, tensor in zip(vjp(g), tensors, strict=True):
        np.testing.assert_allclose(mine, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (SGD, "SGD", {}),
        (SGD, "SGD", {"momentum": 0.9, "weight_decay": 0.1}),
        (Adam, "Adam", {"betas": (0.8, 0.95), "eps": 1e-6}),
        (Adam, "Adam", {"weight_decay": 0.1}),
        (AdamW, "AdamW", {"weight_decay": 0.1}),
    ],
)
def test_a_hundred_steps_equal_torch(ours, theirs, options):
    start = {"a.weight": n(5, 4), "a.bias": n(4)}
    mine = {name: Tensor(x.copy(), requires_grad=True) for name, x in start.items()}
    other = {name: torch.tensor(x, requires_grad=True) for name, x in start.items()}
    decay = options.pop("weight_decay", 0.0)
    groups = [
        {"params": [other["a.weight"]], "weight_decay": decay},  # ours decays matrices only
        {"params": [other["a.bias"]], "weight_decay": 0.0},
    ]
    oracle = getattr(torch.optim, theirs)(groups, lr=0.01, **options)
    optimizer = ours(mine.items(), weight_decay=decay, max_grad_norm=3.0, **options)

    for step in range(100):
        rng = np.random.default_rng(step)
        for name, x in start.items():
            g = rng.standard_normal(x.shape)
            mine[name].grad[...] = g
            other[name].grad = torch.tensor(g)
        norm = torch.sqrt(sum((tensor.grad**2).sum() for tensor in other.values()))
        for tensor in other.values():  # not clip_grad_norm_, which divides by norm + 1e-6
            tensor.grad *= min(1.0, 3.0 / float(norm))
        assert optimizer.clip_gradients() == pytest.approx(float(norm), rel=1e-10)
        for group in oracle.param_groups:
            group["lr"] = 0.01 * (1 - step / 200)
        optimizer.step(0.01 * (1 - step / 200))
        oracle.step()

    for name in start:
        np.testing.assert_allclose(mine[name].data, other[name].detach().numpy(), rtol=1e-10, atol=1e-12)
