"""What the ops promise beyond their gradients: fused equals composed, and the laws of attention, rope and the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.engine.tensor import Tensor, no_grad, ops
from nanochat.engine.tensor import functional as F

R = np.random.default_rng(7)


def n(*shape):
    return Tensor(R.standard_normal(shape), requires_grad=True)


def attend(q, k, v, **static):
    return ops.attention(q, k, v, **static)[0]


def naive_attention(q, k, v, seen):
    """softmax of all scores with -inf where not seen, one head at a time"""
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scores = np.where(seen, q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]), -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def assert_same_with_gradients(fused, composed, *tensors):
    """f(*tensors) and every gradient agree, in double precision, to 1e-12."""
    results = []
    for f in (fused, composed):
        y = f(*tensors)
        probe = np.random.default_rng(0).standard_normal(y.shape)
        for tensor in tensors:
            tensor.grad = None
        (y * probe).sum().backward()
        results.append([y.data, *[tensor.grad for tensor in tensors]])
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)


# **** fused equals composed


def test_linear_is_a_product_and_a_sum():
    assert_same_with_gradients(F.linear, lambda x, w, b: x @ w.transpose() + b, n(2, 3, 4), n(5, 4), n(5))


def test_layer_norm_is_its_formula():
    def composed(x, weight, bias):
        centred = x - x.mean(-1, keepdims=True)
        return centred / ((centred * centred).mean(-1, keepdims=True) + 1e-5).sqrt() * weight + bias

    assert_same_with_gradients(F.layer_norm, composed, n(2, 3, 4), n(4), n(4))


def test_rms_norm_is_its_formula():
    def composed(x, weight):
        return x / ((x * x).mean(-1, keepdims=True) + 1e-5).sqrt() * weight

    assert_same_with_gradients(F.rms_norm, composed, n(2, 3, 4), n(4))


def test_dyt_is_its_formula():
    assert_same_with_gradients(F.dyt, lambda x, a, w, b: (x * a).tanh() * w + b, n(2, 3, 4), n(1), n(4), n(4))


def test_gelu_is_its_formula():
    def composed(x):
        return x * 0.5 * ((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)).tanh() + x * 0.5

    assert_same_with_gradients(F.gelu, composed, n(3, 4))


def test_silu_and_swiglu_are_their_formulas():
    def silu(x):
        return x / ((-x).exp() + 1.0)

    assert_same_with_gradients(F.silu, silu, n(3, 4))
    assert_same_with_gradients(F.swiglu, lambda x: silu(x[..., :3]) * x[..., 3:], n(2, 6))


def test_relu2_is_relu_times_relu():
    assert_same_with_gradients(F.relu2, lambda x: F.relu(x) * F.relu(x), n(3, 4))


def test_softmax_is_its_formula():
    assert_same_with_gradients(F.softmax, lambda x: x.exp() / x.exp().sum(-1, keepdims=True), n(2, 3, 4))


def test_cross_entropy_is_minus_the_log_of_softmax():
    targets = np.array([2, 0, 1])

    def composed(z):
        return -F.softmax(z).log()[np.arange(3), targets].mean()

    assert_same_with_gradients(lambda z: F.cross_entropy(z, targets=targets), composed, n(3, 4))


@pytest.mark.parametrize("n_kv_head", [4, 2, 1])
def test_self_attention_is_split_place_attend_merge(n_kv_head):
    positions = np.arange(37) + 3

    def composed(qkv):
        width = 4
        q = F.split_heads(qkv[..., : 4 * width], n_head=4)
        k = F.split_heads(qkv[..., 4 * width : (4 + n_kv_head) * width], n_head=n_kv_head)
        v = F.split_heads(qkv[..., (4 + n_kv_head) * width :], n_head=n_kv_head)
        q, k = (F.rms_norm(F.rope(x, positions=positions), eps=1e-5) for x in (q, k))
        return F.merge_heads(F.attention(q, k, v, window=20))

    def fused(qkv):
        return F.self_attention(qkv, n_head=4, n_kv_head=n_kv_head, positions=positions, qk_norm_eps=1e-5, window=20)

    assert_same_with_gradients(fused, composed, n(2, 37, (4 + 2 * n_kv_head) * 4))


# **** attention


@settings(deadline=None)
@given(
    B=st.integers(1, 3), G=st.integers(1, 2), repeats=st.integers(1, 3), T=st.integers(1, 70), more=st.integers(0, 9),
    window=st.integers(0, 40), big=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_attention_is_a_masked_softmax_of_products(B, G, repeats, T, more, window, big, seed):
    rng, D, S = np.random.default_rng(seed), 3, T + more
    q = rng.standard_normal((B, G * repeats, T, D)) * (300 if big else 1)
    k, v = rng.standard_normal((2, B, G, S, D))
    position, key = np.arange(S - T, S)[:, None], np.arange(S)
    seen = (key <= position) & ((key > position - window) | (window == 0))

    y = attend(q, k, v, window=window)

    np.testing.assert_allclose(y, naive_attention(q, k, v, seen), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("T", [5, 40, 70])
def test_attention_ignores_the_future(T):
    q, k, v = R.standard_normal((3, 2, 2, T, 4))
    before = attend(q, k, v)

    k[:, :, T // 2 :] += 1000.0
    v[:, :, T // 2 :] = 1e6

    np.testing.assert_allclose(attend(q, k, v)[:, :, : T // 2], before[:, :, : T // 2], rtol=1e-12)


def test_fewer_queries_than_keys_are_the_last_rows():
    q, k, v = R.standard_normal((3, 2, 2, 50, 4))

    y = attend(q, k, v)

    for t in (1, 3, 40):
        np.testing.assert_allclose(attend(q[:, :, -t:], k, v), y[:, :, -t:], rtol=1e-12)


def test_grouped_heads_are_repeated_heads():
    q, k, v = R.standard_normal((2, 6, 40, 4)), *R.standard_normal((2, 2, 2, 40, 4))

    np.testing.assert_allclose(attend(q, k, v), attend(q, k.repeat(3, 1), v.repeat(3, 1)), rtol=1e-12)


def test_a_window_of_one_returns_the_values():
    q, k, v = R.standard_normal((3, 2, 2, 40, 4))

    np.testing.assert_allclose(attend(q, k, v, window=1), v, rtol=1e-12)


def test_a_window_as_long_as_the_text_changes_nothing():
    q, k, v = R.standard_normal((3, 2, 2, 40, 4))

    np.testing.assert_allclose(attend(q, k, v, window=40), attend(q, k, v), rtol=1e-12)


@pytest.mark.parametrize("cut", [3, 33])
def test_segments_are_texts_of_their_own(cut):
    q, k, v = R.standard_normal((3, 1, 2, 40, 4))
    segments = (np.arange(40) >= cut).astype(int)[None]

    y = attend(q, k, v, segments=segments)

    np.testing.assert_allclose(y[:, :, :cut], attend(*(x[:, :, :cut] for x in (q, k, v))), rtol=1e-11)
    np.testing.assert_allclose(y[:, :, cut:], attend(*(x[:, :, cut:] for x in (q, k, v))), rtol=1e-11)


def test_rows_of_different_length_are_each_row_alone():
    q, k, v = R.standard_normal((3, 2, 2, 4)), *R.standard_normal((2, 3, 2, 9, 4))
    q, lengths = R.standard_normal((3, 2, 2, 4)), np.array([9, 2, 5])

    y = attend(q, k, v, lengths=lengths)

    for b, length in enumerate(lengths):
        alone = attend(q[b : b + 1], k[b : b + 1, :, :length], v[b : b + 1, :, :length])
        np.testing.assert_allclose(y[b : b + 1], alone, rtol=1e-12)


def test_a_query_that_sees_nothing_gives_zero_and_no_gradient():
    q, k, v = (Tensor(x, requires_grad=True) for x in R.standard_normal((3, 2, 1, 2, 4)))

    y = F.attention(q, k, v, lengths=np.array([2, 1]))
    y.sum().backward()

    np.testing.assert_array_equal(y.data[1, 0, 0], 0.0)
    np.testing.assert_array_equal(q.grad[1, 0, 0], 0.0)
    assert all(np.isfinite(x.grad).all() for x in (q, k, v))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attention_is_finite_for_scores_of_ten_thousand(dtype):
    q, k, v = (Tensor(x.astype(dtype), requires_grad=True) for x in R.standard_normal((3, 1, 2, 40, 4)))

    y = F.attention(q * 1e4, k, v)
    y.sum().backward()

    assert np.isfinite(y.data).all()
    assert all(np.isfinite(x.grad).all() for x in (q, k, v))


def test_shapes_that_do_not_fit_are_named():
    q, k = R.standard_normal((1, 3, 4, 2)), R.standard_normal((1, 2, 4, 2))

    with pytest.raises(ValueError, match=r"q is \(1, 3, 4, 2\), k \(1, 2, 4, 2\)"):
        attend(q, k, k)
    with pytest.raises(ValueError, match=r"x is \(2, 3\) float64 and weight is \(5, 4\) float64"):
        ops.linear(np.ones((2, 3)), np.ones((5, 4)))
    with pytest.raises(ValueError, match=r"logits are \(2, 3\) and targets \(3,\)"):
        ops.cross_entropy(np.ones((2, 3)), targets=np.zeros(3, int))
    with pytest.raises(ValueError, match="does not hold"):
        ops.self_attention(np.ones((1, 2, 7)), n_head=2)


# **** rope


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 30))
def test_products_of_rotated_vectors_depend_on_the_distance_alone(m, k, shift):
    x, y = np.random.default_rng(0).standard_normal((2, 1, 1, 1, 6))

    def product(i, j):
        turned = [ops.rope(z, positions=np.array([p]))[0] for z, p in ((x, i), (y, j))]
        return float((turned[0] * turned[1]).sum())

    assert product(m, k) == pytest.approx(product(m + shift, k + shift), abs=1e-10)


def test_rope_turns_pairs_by_its_formula():
    x = R.standard_normal((1, 1, 1, 4))
    angles = 5 * 10000.0 ** (-np.array([0, 2]) / 4)

    y = ops.rope(x, positions=np.array([5]))[0]

    a, b = x[..., 0::2], x[..., 1::2]
    np.testing.assert_allclose(y[..., 0::2], a * np.cos(angles) - b * np.sin(angles), rtol=1e-14)
    np.testing.assert_allclose(y[..., 1::2], a * np.sin(angles) + b * np.cos(angles), rtol=1e-14)


def test_an_odd_head_is_refused():
    with pytest.raises(ValueError, match="D=3"):
        ops.rope(np.ones((1, 1, 2, 3)), positions=np.arange(2))


# **** the loss


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_cross_entropy_is_exact_for_huge_logits(dtype, size):
    logits = Tensor(np.array([[size, 0.0, 1.0]], dtype), requires_grad=True)

    loss = F.cross_entropy(logits, targets=np.array([0]))
    loss.backward()

    assert float(loss) == pytest.approx(0.0 if size > 0 else 1e4 + math.log(1 + math.e), rel=1e-6, abs=1e-6)
    assert np.isfinite(logits.grad).all()


def test_ignored_targets_do_not_count():
    z = R.standard_normal((4, 5))
    loss, vjp = ops.cross_entropy(z, targets=np.array([1, -1, 2, -1]))
    alone, vjp_alone = ops.cross_entropy(z[[0, 2]], targets=np.array([1, 2]))

    np.testing.assert_allclose(loss, alone, rtol=1e-14)
    g = vjp(np.ones(()))[0]
    np.testing.assert_allclose(g[[0, 2]], vjp_alone(np.ones(()))[0], rtol=1e-14)
    np.testing.assert_array_equal(g[[1, 3]], 0.0)


@pytest.mark.parametrize("static", [{}, {"label_smoothing": 0.1}, {"softcap": 3.0}])
def test_no_target_at_all_gives_zero(static):
    logits = n(3, 4)

    loss = F.cross_entropy(logits, targets=np.full(3, -1), **static)
    loss.backward()

    assert float(loss) == 0.0
    np.testing.assert_array_equal(logits.grad, 0.0)


@given(st.floats(-500, 500))
def test_a_constant_on_all_logits_changes_nothing(constant):
    z, targets = np.random.default_rng(0).standard_normal((3, 4)), np.array([0, 1, 2])

    a, b = (ops.cross_entropy(x, targets=targets, label_smoothing=0.1)[0] for x in (z, z + constant))

    assert float(a) == pytest.approx(float(b), abs=1e-10)


def test_label_smoothing_of_uniform_logits_is_log_of_the_vocabulary():
    for smoothing in (0.0, 0.3):
        loss, _ = ops.cross_entropy(np.zeros((2, 7)), targets=np.array([0, 6]), label_smoothing=smoothing)
        assert float(loss) == pytest.approx(math.log(7), rel=1e-14)


# **** the rest


def test_sums_over_softmax_are_one_for_logits_of_any_size():
    for size in (1.0, 1e4, 1e-4):
        np.testing.assert_allclose(ops.softmax(R.standard_normal((5, 9)) * size)[0].sum(-1), 1.0, rtol=1e-12)


def test_dropout_keeps_the_mean_and_its_stream_decides():
    x = np.ones((300, 300))

    y = [ops.dropout(x, p=0.3, rng=np.random.default_rng(seed))[0] for seed in (1, 1, 2)]

    assert y[0].mean() == pytest.approx(1.0, abs=0.01)
    assert (y[0] == 0).mean() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_array_equal(y[0], y[1])
    assert (y[0] != y[2]).any()
    np.testing.assert_array_equal(ops.dropout(x, p=0.0, rng=np.random.default_rng(1))[0], x)


@given(st.integers(1, 600), st.integers(0, 20))
def test_embedding_gradient_counts_every_use(size, uses):
    ids = np.random.default_rng(uses).integers(0, size, uses)
    g = np.random.default_rng(1).standard_normal((uses, 2))
    expected = np.zeros((size, 2))
    np.add.at(expected, ids, g)

    _, vjp = ops.embedding(np.zeros((size, 2)), ids=ids)

    np.testing.assert_allclose(vjp(g)[0], expected, atol=1e-12)


@given(st.integers(0, 2), st.integers(0, 3))
def test_empty_and_single_batches_work(B, T):
    """An empty batch is no special case; attention needs nothing of it either."""
    x = Tensor(np.ones((B, T, 6), np.float32), requires_grad=True)
    w = Tensor(np.ones((18, 6), np.float32), requires_grad=True)

    y = F.self_attention(F.linear(F.layer_norm(x), w), n_head=3)
    F.cross_entropy(F.gelu(y), targets=np.zeros((B, T), int)).backward()

    assert x.grad.shape == (B, T, 6)
    assert np.isfinite(w.grad).all()


def test_nothing_is_kept_under_no_grad():
    with no_grad():
        y = F.gelu(n(2, 3))

    assert not y.requires_grad
