"""Every op: its gradient is the slope, its types are kept, its inputs and g are left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nanochat.engine.gradcheck import check_gradients
from nanochat.engine.tensor import Tensor, ops
from nanochat.engine.tensor.tensor import apply

sys.path.append(str(Path(__file__).parent))
from op_cases import CASES

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
