"""The ops at their edges: one key with all the weight, entries picked twice, targets and ids that name nothing."""

from __future__ import annotations

import math
from array import array
from collections import UserList
from importlib import import_module

import numpy as np
import pytest

from nanochat.engine.tensor import Tensor, ops
from nanochat.engine.tensor import functional as F

attention_module = import_module("nanochat.engine.tensor.ops.attention")  # the name `ops.attention` is the op


def draw(*shape, scale=1.0, dtype=np.float64):
    return (np.random.default_rng(0).standard_normal(shape) * scale).astype(dtype)


# **** attention where a softmax is 0 and 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("T", "static"), [
    (1, {}), (8, {"window": 1}), (40, {"window": 1}), (8, {"segments": np.arange(8)[None]}),
])  # fmt: skip
def test_a_query_that_sees_one_key_has_no_slope(dtype, T, static):
    """Whatever the scores: p is 1, so that q and k decide nothing."""
    q, k, v, g = (draw(1, 2, T, 24, scale=scale, dtype=dtype) for scale in (1e-3, 1e5, 1e5, 1.0))

    gq, gk, gv = ops.attention(q, k, v, **static)[1](g)

    assert (gq == 0).all()
    assert (gk == 0).all()
    np.testing.assert_allclose(gv, g, rtol=1e-6)


@pytest.mark.parametrize("T", [8, 70])
def test_saturated_rows_in_float32_have_the_slopes_of_float64(T):
    """Wrong by a fifth of the largest gradient at this size, before the mean was taken apart."""
    arrays = [draw(2, 2, T, 8, scale=1000.0) * (1 + i) for i in range(4)]

    exact = ops.attention(*arrays[:3])[1](arrays[3])
    ours = ops.attention(*(a.astype(np.float32) for a in arrays[:3]))[1](arrays[3].astype(np.float32))

    largest = max(np.abs(x).max() for x in exact)
    for one, two in zip(ours, exact, strict=True):
        np.testing.assert_allclose(one / largest, two / largest, atol=1e-5)


@pytest.mark.parametrize("static", [{}, {"window": 3}, {"segments": np.repeat([[0, 1]], 5, 1)}])
@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_both_ways_of_the_mean_agree(static, scale, monkeypatch):
    q, k, v, g = (draw(1, 4, 10, 6, scale=scale) * (1 + i) for i in range(4))
    k, v = k[:, :2], v[:, :2]
    monkeypatch.setattr(attention_module, "_SATURATED", -1.0)
    results = []
    for huge in (math.inf, 0.0):
        monkeypatch.setattr(attention_module, "_HUGE", huge)
        results.append(ops.attention(q, k, v, **static)[1](g))

    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9 * np.abs(one).max())


def test_a_usual_step_takes_the_short_product(monkeypatch):
    monkeypatch.setattr(np, "take_along_axis", lambda *_: pytest.fail("taken apart"))
    q, k, v, g = (draw(2, 2, 40, 16, scale=3.0, dtype=np.float32) for _ in range(4))
    assert all(np.isfinite(x).all() for x in ops.attention(q, k, v)[1](g))


# **** entries picked twice


@pytest.mark.parametrize(
    "index",
    [
        ((0, 0), (1, 1)),
        ([0, 0], (1, 1)),
        (array("l", [0, 0]), 1),
        (UserList([0, 0]), 1),
        (memoryview(array("l", [0, 0])), 1),
        (range(1), [1, 1]),
        (slice(None), (1, 1, 2)),
        np.array([0, 0]),
        [0, 0, 2],
        (Ellipsis, (1, 1)),
    ],
)
def test_an_entry_that_is_picked_twice_gets_both_gradients(index):
    x = Tensor(np.ones((3, 4)), requires_grad=True)
    expected = np.zeros((3, 4))
    np.add.at(expected, index, 1.0)

    x[index].sum().backward()

    np.testing.assert_array_equal(x.grad, expected)
    assert x.grad.max() == 2.0


@pytest.mark.parametrize("index", [0, np.int64(1), (0, slice(1, 3)), None, (Ellipsis, 2), np.eye(3, 4) > 0, True])
def test_what_cannot_repeat_is_written_at_once(index, monkeypatch):
    monkeypatch.setattr(np, "add", None)  # whose `at` is slow
    x = Tensor(np.ones((3, 4)), requires_grad=True)
    y, vjp = ops.getitem(x.data, index=index)
    assert vjp(np.ones_like(y))[0].sum() == y.size


# **** losses, norms, means and tables


@pytest.mark.parametrize("target", [-2, -100, 3])
def test_a_target_that_is_no_class_is_refused(target):
    with pytest.raises(IndexError, match=rf"target {target} is no class: give 0 to 2, or -1 to ignore"):
        ops.cross_entropy(np.zeros((2, 3)), targets=np.array([-1, target]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("static", [{}, {"label_smoothing": 0.1}, {"softcap": 2.0}])
def test_an_ignored_row_may_hold_anything(bad, static):
    logits = draw(3, 4)
    rest = ops.cross_entropy(logits[[0, 2]], targets=np.array([1, 2]), **static)
    logits[1] = [bad, bad, 0.0, bad]

    with np.errstate(invalid="ignore"):
        loss, vjp = ops.cross_entropy(logits, targets=np.array([1, -1, 2]), **static)
        (gradient,) = vjp(np.array(1.0))

    assert loss == pytest.approx(rest[0], rel=1e-12)
    assert (gradient[1] == 0).all()
    np.testing.assert_allclose(gradient[[0, 2]], rest[1](np.array(1.0))[0], rtol=1e-12)


@pytest.mark.parametrize("call", [
    lambda: F.mean(Tensor(np.empty(0))),
    lambda: F.mean(Tensor(np.empty((0, 3))), axis=0),
    lambda: F.layer_norm(Tensor(np.empty((2, 0)))),
    lambda: F.rms_norm(Tensor(np.empty((2, 0)))),
    lambda: F.cross_entropy(Tensor(np.empty((1, 0))), targets=np.array([0])),
])  # fmt: skip
def test_nothing_has_no_mean_norm_or_loss(call):
    with pytest.raises(ValueError, match="of no "):
        call()


@pytest.mark.parametrize("call", [
    lambda: ops.linear(draw(2, 3), draw(5, 3), draw(1)),
    lambda: ops.layer_norm(draw(2, 3), draw(1)),
    lambda: ops.layer_norm(draw(2, 3), draw(3), draw(1)),
    lambda: ops.rms_norm(draw(2, 3), draw(2, 3)),
    lambda: ops.dyt(draw(2, 3), draw(1), draw(1)),
    lambda: ops.swiglu(draw(2, 3)),
])  # fmt: skip
def test_a_parameter_of_another_length_is_not_stretched(call):
    with pytest.raises(ValueError, match=r"numbers|same length|halves"):
        call()


@pytest.mark.parametrize("n", [5, 300])
def test_a_negative_id_is_no_row_from_the_end(n):
    with pytest.raises(IndexError, match=rf"id -1 is negative: a table of {n} rows takes 0 to {n - 1}"):
        ops.embedding(np.zeros((n, 2)), ids=np.array([0, -1]))
    with pytest.raises(IndexError, match="id -2 is negative"):
        ops.embedding_sum(np.zeros((n, 2)), np.zeros((4, 2)), ids=np.array([[0, -2]]), positions=np.arange(2))
