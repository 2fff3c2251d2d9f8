"""Every op: its gradient is the slope, its types are kept, its inputs and g are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from nanochat.engine.gradcheck import check_gradients
from nanochat.engine.tensor import Tensor, ops
from nanochat.engine.tensor.tensor import apply

R = np.random.default_rng(1)


def n(*shape):
    return R.standard_normal(shape)


def positive(*shape):
    return R.uniform(0.5, 2.0, shape)


def away_from_zero(*shape):
    return positive(*shape) * R.choice([-1.0, 1.0], shape)


IDS = np.array([[0, 3, 3], [1, 0, 4]])
TARGETS = np.array([[1, 0], [-1, 3]])
SEGMENTS = np.array([[0, 0, 0, 1, 1], [0, 1, 1, 1, 2]])

# op name -> [(arrays, static)]: a test fails if an op of ops/ is missing here
CASES = {
    "abs": [((away_from_zero(3, 4),), {})],
    "add": [((n(2, 3), n(2, 3)), {}), ((n(2, 3), n(3)), {}), ((n(2, 1, 4), n(3, 1)), {}), ((n(), n(2)), {})],
    "attention": [
        ((n(2, 2, 5, 4), n(2, 2, 5, 4), n(2, 2, 5, 4)), {}),
        ((n(2, 4, 3, 2), n(2, 2, 5, 2), n(2, 2, 5, 2)), {}),
        ((n(1, 2, 40, 2), n(1, 2, 40, 2), n(1, 2, 40, 2)), {}),
        ((n(1, 2, 40, 2), n(1, 1, 40, 2), n(1, 1, 40, 2)), {"window": 7}),
        ((n(1, 4, 35, 2), n(1, 2, 40, 2), n(1, 2, 40, 2)), {}),
        ((n(2, 2, 5, 2), n(2, 2, 5, 2), n(2, 2, 5, 2)), {"segments": SEGMENTS}),
        ((n(2, 2, 2, 2), n(2, 1, 5, 2), n(2, 1, 5, 2)), {"lengths": np.array([3, 5]), "window": 2}),
        ((n(1, 1, 33, 2) * 40, n(1, 1, 33, 2) * 40, n(1, 1, 33, 2)), {}),
    ],
    "concat": [((n(2, 3), n(2, 1)), {}), ((n(1, 3), n(2, 3), n(1, 3)), {"axis": 0})],
    "cross_entropy": [
        ((n(2, 2, 5),), {"targets": np.array([[1, 0], [4, 3]])}),
        ((n(2, 2, 5),), {"targets": TARGETS}),
        ((n(2, 2, 5),), {"targets": TARGETS, "label_smoothing": 0.1}),
        ((n(2, 2, 5) * 3,), {"targets": TARGETS, "softcap": 2.0, "label_smoothing": 0.2}),
        ((n(2, 5) * 100,), {"targets": np.array([1, 2]), "label_smoothing": 0.2}),
    ],
    "div": [((n(2, 3), away_from_zero(2, 3)), {}), ((n(3), away_from_zero(2, 1)), {})],
    "dropout": [((n(4, 5),), {"p": 0.3})],
    "dyt": [
        ((n(2, 3, 4), n(1)), {}),
        ((n(2, 3, 4), n(1), n(4)), {}),
        ((n(3, 4), n(1), n(4), n(4)), {}),
    ],
    "embedding_sum": [
        ((n(5, 3), n(4, 3)), {"ids": IDS, "positions": np.arange(IDS.shape[-1])}),
        ((n(5, 3), n(4, 3)), {"ids": IDS[:1], "positions": np.arange(1, 1 + IDS.shape[-1])}),
        ((n(5, 3), n(4, 3)), {"ids": IDS, "positions": np.arange(IDS.size).reshape(IDS.shape) % 4}),
    ],
    "embedding": [((n(5, 3),), {"ids": IDS}), ((n(300, 2),), {"ids": np.array([7, 299, 7, 0])})],
    "exp": [((n(3, 4),), {})],
    "gelu": [((n(3, 4) * 2,), {})],
    "getitem": [
        ((n(4, 3),), {"index": slice(1, 3)}),
        ((n(4, 3, 2),), {"index": (Ellipsis, 0)}),
        ((n(4, 3),), {"index": np.array([0, 0, 2])}),
    ],
    "layer_norm": [((n(2, 3, 4),), {}), ((n(3, 4), n(4)), {}), ((n(2, 3, 4), n(4), n(4)), {"eps": 0.1})],
    "linear": [((n(2, 3, 4), n(5, 4)), {}), ((n(3, 4), n(5, 4), n(5)), {}), ((n(4), n(2, 4), n(2)), {})],
    "log": [((positive(3, 4),), {})],
    "matmul": [((n(3, 4), n(4, 2)), {}), ((n(2, 3, 4), n(4, 2)), {}), ((n(2, 1, 3, 4), n(3, 4, 2)), {})],
    "maximum": [((n(3, 4), n(3, 4)), {}), ((n(3, 4), n(4)), {})],
    "mean": [((n(3, 4),), {}), ((n(3, 4, 2),), {"axis": (0, -1)}), ((n(3, 4),), {"axis": 0, "keepdims": True})],
    "merge_heads": [((n(2, 2, 3, 4),), {})],
    "mul": [((n(2, 3), n(2, 3)), {}), ((n(2, 3), n(3)), {}), ((n(2, 1, 4), n(3, 1)), {})],
    "neg": [((n(3),), {})],
    "power": [
        ((away_from_zero(3, 4),), {"exponent": p}) for p in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -1.0, -2.0)
    ] + [((positive(3, 4),), {"exponent": p}) for p in (0.5, -0.5, 1.5)],
    "relu": [((away_from_zero(3, 4),), {})],
    "relu2": [((away_from_zero(3, 4),), {})],
    "reshape": [((n(3, 4),), {"shape": (2, -1)})],
    "rms_norm": [((n(2, 3, 4),), {}), ((n(3, 4), n(4)), {"eps": 0.1})],
    "rope": [
        ((n(2, 2, 3, 4),), {"positions": np.array([0, 1, 5])}),
        ((n(2, 2, 3, 4),), {"positions": np.array([[0, 1, 5], [2, 3, 4]]), "base": 100.0}),
    ],
    "scale": [((n(3, 4),), {"factor": -0.5})],
    "self_attention": [
        ((n(2, 5, 24),), {"n_head": 2}),
        ((n(2, 5, 16),), {"n_head": 4, "n_kv_head": 2, "window": 3}),
        ((n(2, 5, 16),), {"n_head": 2, "n_kv_head": 1, "positions": np.arange(5), "qk_norm_eps": 1e-5}),
        ((n(2, 5, 12),), {"n_head": 2, "positions": np.arange(10).reshape(2, 5), "segments": SEGMENTS}),
    ],
    "shift": [((n(3, 4),), {"by": 0.7})],
    "silu": [((n(3, 4) * 2,), {})],
    "softmax": [((n(2, 3, 4),), {}), ((n(3, 4) * 100,), {})],
    "split_heads": [((n(2, 3, 8),), {"n_head": 2})],
    "sqrt": [((positive(3, 4),), {})],
    "sub": [((n(2, 3), n(2, 3)), {}), ((n(3), n(2, 1)), {})],
    "sum": [((n(3, 4),), {}), ((n(3, 4, 2),), {"axis": (0, 2)}), ((n(3, 4),), {"axis": -1, "keepdims": True})],
    "swiglu": [((n(2, 3, 8) * 2,), {})],
    "tanh": [((n(3, 4),), {})],
    "transpose": [((n(3, 4, 2),), {}), ((n(3, 4, 2),), {"axes": (1, 0, 2)}), ((n(3, 4, 2),), {"axes": (0, -1, 1)})],
}  # fmt: skip

EACH = [
    pytest.param(getattr(ops, name, None), arrays, static, id=f"{name}-{i}")
    for name, cases in CASES.items()
    for i, (arrays, static) in enumerate(cases)
]


def with_stream(op, static):
    """Dropout draws from a stream: the same one at each call, so that differences see one function."""
    return {**static, "rng": np.random.default_rng(5)} if op is ops.dropout else static


def test_every_op_has_a_case():
    assert sorted(ops.__all__) == sorted(CASES)


@pytest.mark.parametrize(("op", "arrays", "static"), EACH)
def test_gradient_is_the_slope(op, arrays, static):
    probe = np.random.default_rng(3).standard_normal(op(*arrays, **with_stream(op, static))[0].shape)

    def f(*tensors):
        return (apply(op, *tensors, **with_stream(op, static)) * probe).sum()

    check_gradients(f, *[Tensor(a.copy(), requires_grad=True) for a in arrays], eps=1e-5, atol=2e-8, rtol=2e-7)


@pytest.mark.parametrize(("op", "arrays", "static"), EACH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept(op, arrays, static, dtype):
    arrays = [a.astype(dtype) for a in arrays]

    y, vjp = op(*arrays, **with_stream(op, static))
    gradients = vjp(np.ones_like(y))[: len(arrays)]

    assert y.dtype == dtype
    assert [g.dtype for g in gradients] == [dtype] * len(arrays)
    assert [g.shape for g in gradients] == [a.shape for a in arrays]


@pytest.mark.parametrize(("op", "arrays", "static"), EACH)
def test_inputs_and_g_are_left_alone_and_a_second_call_agrees(op, arrays, static):
    arrays = [a.copy() for a in arrays]
    before = [a.copy() for a in arrays]
    y, vjp = op(*arrays, **with_stream(op, static))
    y_before = y.copy()
    g = np.random.default_rng(4).standard_normal(y.shape)
    for array in (*arrays, g):
        array.setflags(write=False)

    first = [np.array(gradient) for gradient in vjp(g)[: len(arrays)]]
    second = vjp(g)[: len(arrays)]

    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(y, y_before)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("op", "arrays", "static"), EACH)
def test_gradients_share_memory_with_g_or_with_nothing(op, arrays, static):
    y, vjp = op(*arrays, **with_stream(op, static))
    g = np.array(np.ones_like(y))

    gradients = vjp(g)[: len(arrays)]

    for i, one in enumerate(gradients):
        if not np.shares_memory(one, g):
            others = [*arrays, y, *gradients[:i], *vjp(g)[: len(arrays)]]
            assert not any(np.shares_memory(one, other) for other in others)


@pytest.mark.parametrize(("op", "arrays", "static"), EACH)
def test_strided_inputs_and_g_give_what_contiguous_ones_give(op, arrays, static):
    strided = [np.array(a, order="F") for a in arrays]
    y, vjp = op(*arrays, **with_stream(op, static))
    g = np.random.default_rng(4).standard_normal(y.shape)

    y2, vjp2 = op(*strided, **with_stream(op, static))

    np.testing.assert_allclose(y2, y, rtol=1e-12, atol=1e-12)
    for one, two in zip(vjp(g)[: len(arrays)], vjp2(np.array(g, order="F")), strict=False):
        np.testing.assert_allclose(two, one, rtol=1e-11, atol=1e-11)
