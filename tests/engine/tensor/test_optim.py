"""Optimizers, their flat vectors, and what may be done to gradients before a step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine.scalar import Value
from nanochat.engine.scalar import optim as scalar_optim
from nanochat.engine.tensor import Tensor
from nanochat.engine.tensor.flat import Flat
from nanochat.engine.tensor.muon import Muon, orthogonalize
from nanochat.engine.tensor.optim import SGD, Adam, AdamW
from nanochat.engine.tensor.transforms import AdaptiveClip, Centralize, ClipGlobalNorm


def parameters(seed=0, dtype=np.float64):
    """A bias before a matrix, so that flattening has to change the order."""
    rng = np.random.default_rng(seed)
    shapes = {"h.0.bias": (3,), "h.0.weight": (4, 3), "wte.weight": (5, 3), "lm_head.weight": (5, 3)}
    return {
        name: Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for name, shape in shapes.items()
    }


def set_gradients(named, seed):
    rng = np.random.default_rng(seed)
    for tensor in named.values():
        tensor.grad[...] = rng.standard_normal(tensor.shape)


EACH = [SGD, lambda p, **kw: SGD(p, momentum=0.9, **kw), Adam, AdamW, Muon]
NAMES = ["sgd", "momentum", "adam", "adamw", "muon"]


def test_parameters_become_views_of_one_vector_matrices_first():
    named = parameters()
    before = {name: tensor.data.copy() for name, tensor in named.items()}

    flat = Flat(named.items())

    assert flat.data.size == flat.grad.size == 45
    assert flat.n_decayed == 42
    for name, tensor in named.items():
        np.testing.assert_array_equal(tensor.data, before[name])
        assert np.shares_memory(tensor.data, flat.data)
        assert np.shares_memory(tensor.grad, flat.grad)
    np.testing.assert_array_equal(flat.data[42:], before["h.0.bias"])


def test_gradients_flow_into_the_flat_vector():
    named = parameters()
    optimizer = SGD(named.items())

    (named["h.0.weight"] * 2.0).sum().backward()

    assert optimizer.flat.grad.sum() == 24.0
    optimizer.zero_grad()
    assert not named["h.0.weight"].grad.any()


@pytest.mark.parametrize("make", EACH, ids=NAMES)
def test_float32_stays_float32_after_a_step(make):
    named = parameters(dtype=np.float32)
    optimizer = make(named.items(), weight_decay=0.1, max_grad_norm=0.5, transforms=(Centralize(), AdaptiveClip()))
    set_gradients(named, 1)
    before = optimizer.flat.data.copy()

    optimizer.clip_gradients()
    optimizer.step(0.1)

    assert {t.data.dtype for t in named.values()} == {t.grad.dtype for t in named.values()} == {np.dtype(np.float32)}
    assert all(vector.dtype == np.float32 for vector in optimizer.memory.values())
    assert (optimizer.flat.data != before).all()


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (SGD, scalar_optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        (SGD, scalar_optim.SGD, {"max_grad_norm": 0.3}),
        (Adam, scalar_optim.Adam, {"weight_decay": 0.1}),
        (SGD, scalar_optim.SGD, {"momentum": 0.9, "weight_decay": 0.1, "adjusted": True}),
        (AdamW, scalar_optim.AdamW, {"weight_decay": 0.1, "adjusted": True}),
        (AdamW, scalar_optim.AdamW, {"weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-6, "max_grad_norm": 1.0}),
    ],
)
def test_a_hundred_steps_equal_the_scalar_engine(ours, theirs, options):
    named = parameters()
    values = {name: [[Value(x) for x in row] for row in np.atleast_2d(t.data)] for name, t in named.items()}
    values["h.0.bias"] = values["h.0.bias"][0]
    adjusted, options = "adjusted" in options, {key: value for key, value in options.items() if key != "adjusted"}
    mine, other = ours(named.items(), **options), theirs(values.items(), **options)

    for step in range(100):
        for optimizer in (mine, other) if adjusted else ():
            optimizer.adjust(momentum=0.5 + step / 300, decay_factor=1 - step / 100)
        set_gradients(named, step)
        for name, tensor in named.items():
            leaves = values[name] if tensor.ndim == 1 else [v for row in values[name] for v in row]
            for leaf, g in zip(leaves, tensor.grad.flat, strict=True):
                leaf.grad = g
        assert mine.clip_gradients() == pytest.approx(other.clip_gradients(), rel=1e-12)
        mine.step(0.01)
        other.step(0.01)

    for name, tensor in named.items():
        theirs_now = np.vectorize(lambda v: v.data)(np.array(values[name], object))
        np.testing.assert_allclose(tensor.data, theirs_now, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("make", EACH, ids=NAMES)
def test_resume_equals_uninterrupted_run(make):
    def run(named, optimizer, steps):
        for step in steps:
            set_gradients(named, step)
            optimizer.clip_gradients()
            optimizer.step(0.01)

    options = {"weight_decay": 0.1, "max_grad_norm": 1.0}
    straight = parameters()
    run(straight, make(straight.items(), **options), range(8))
    first = parameters()
    optimizer = make(first.items(), **options)
    run(first, optimizer, range(5))
    second = {name: Tensor(t.data.copy(), requires_grad=True) for name, t in first.items()}
    resumed = make(second.items(), **options)

    resumed.load_state_dict(optimizer.state_dict())
    run(first, optimizer, [9])  # the state is a copy: what happens to its source does not matter
    run(second, resumed, range(5, 8))

    for name, tensor in straight.items():
        np.testing.assert_array_equal(tensor.data, second[name].data)


@pytest.mark.parametrize("make", EACH, ids=NAMES)
def test_every_optimizer_walks_down_a_bowl(make):
    named = parameters()
    optimizer = make(named.items())

    def loss():
        return sum(float((t.data * t.data).sum()) for t in named.values())

    first = loss()
    for _ in range(200):
        optimizer.zero_grad()
        for tensor in named.values():
            (tensor * tensor).sum().backward()
        optimizer.step(0.02)

    assert loss() < first / 4


def test_a_long_vector_is_stepped_in_pieces_as_a_short_one():
    rng = np.random.default_rng(0)
    data, g = rng.standard_normal((2, 300, 200))
    whole = {"w": Tensor(data.copy(), requires_grad=True)}
    rows = {f"w{i}": Tensor(row[None].copy(), requires_grad=True) for i, row in enumerate(data)}
    one, many = AdamW(whole.items(), weight_decay=0.1), AdamW(rows.items(), weight_decay=0.1)
    one.flat.grad[...] = many.flat.grad[...] = g.reshape(-1)

    for optimizer in (one, many):
        optimizer.step(0.1)
        optimizer.step(0.1)

    np.testing.assert_array_equal(one.flat.data, many.flat.data)


# **** gradient transformations


@given(st.floats(0.01, 100.0), st.integers(0, 99))
def test_clipping_returns_the_norm_before_and_shortens_to_the_limit(limit, seed):
    named = parameters()
    optimizer = SGD(named.items(), max_grad_norm=limit)
    set_gradients(named, seed)
    g = optimizer.flat.grad.copy()

    norm = optimizer.clip_gradients()

    assert norm == pytest.approx(np.linalg.norm(g), rel=1e-12)
    np.testing.assert_allclose(optimizer.flat.grad, g * min(1.0, limit / norm), rtol=1e-12)


def test_nan_and_infinite_gradients_are_reported_not_hidden():
    named = parameters()
    optimizer = SGD(named.items(), max_grad_norm=1.0)
    for bad in (math.nan, math.inf):
        named["h.0.bias"].grad[...] = bad
        assert not math.isfinite(optimizer.clip_gradients())


def test_centralized_rows_of_matrices_have_no_mean_and_vectors_are_left_alone():
    named = parameters()
    flat = Flat(named.items())
    set_gradients(named, 1)
    bias, weight = named["h.0.bias"].grad.copy(), named["h.0.weight"].grad.copy()

    Centralize()(flat)

    np.testing.assert_allclose(named["h.0.weight"].grad, weight - weight.mean(1, keepdims=True), rtol=1e-14)
    np.testing.assert_array_equal(named["h.0.bias"].grad, bias)
    once = flat.grad.copy()
    Centralize()(flat)
    np.testing.assert_allclose(flat.grad, once, atol=1e-15)


@given(st.floats(0.001, 10.0), st.integers(0, 20))
def test_adaptive_clipping_bounds_each_unit_and_keeps_its_direction(threshold, seed):
    named = parameters()
    flat = Flat(named.items())
    named["h.0.weight"].data[0] = 0.0  # a unit of weight 0 still may move by eps
    set_gradients(named, seed)
    before, head = named["h.0.weight"].grad.copy(), named["lm_head.weight"].grad.copy()

    AdaptiveClip(threshold=threshold)(flat)

    g, w = named["h.0.weight"].grad, named["h.0.weight"].data
    limit = threshold * np.maximum(np.linalg.norm(w, axis=1), 1e-3)
    short = np.linalg.norm(before, axis=1) <= limit
    assert (np.linalg.norm(g, axis=1) <= limit * (1 + 1e-12)).all()
    np.testing.assert_array_equal(g[short], before[short])
    np.testing.assert_allclose(g / np.linalg.norm(g, axis=1)[:, None], before / np.linalg.norm(before, axis=1)[:, None])
    np.testing.assert_array_equal(named["lm_head.weight"].grad, head)


def test_transforms_run_in_order_before_the_global_norm():
    named = parameters()
    seen = []

    class Record:
        def __call__(self, flat):
            seen.append(flat.grad_norm())

    optimizer = SGD(
        named.items(), max_grad_norm=0.01, transforms=(Record(), ClipGlobalNorm(max_norm=1.0), Record(), Centralize())
    )
    set_gradients(named, 1)

    norm = optimizer.clip_gradients()

    assert seen == [norm, pytest.approx(1.0)]
    assert optimizer.flat.grad_norm() == pytest.approx(0.01)


# **** Muon


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_orthogonalize_moves_every_singular_value_near_one(rows, columns, seed):
    g = np.random.default_rng(seed).standard_normal((rows, columns))
    u, s, vt = np.linalg.svd(g, full_matrices=False)

    values = np.linalg.svd(orthogonalize(g), compute_uv=False)

    clear = s > 0.02 * np.linalg.norm(g)
    assert (values < 1.3).all()
    assert (np.sort(values)[::-1][clear] > 0.5).all()
    np.testing.assert_allclose(np.diag(u.T @ orthogonalize(g) @ vt.T)[clear], np.ones(clear.sum()), atol=0.5)


def test_muon_moves_hidden_matrices_and_leaves_the_rest_to_adamw():
    named, twin = parameters(), parameters()
    muon, adamw = Muon(named.items(), weight_decay=0.1), AdamW(twin.items(), weight_decay=0.1)

    for step in range(3):
        set_gradients(named, step)
        set_gradients(twin, step)
        muon.step(0.1)
        adamw.step(0.1)

    assert list(muon.hidden) == ["h.0.weight"]
    for name in named:
        assert np.array_equal(named[name].data, twin[name].data) == (name != "h.0.weight")


def test_muon_follows_its_formula():
    """A float64 reference: Nesterov momentum, five quintic steps spelled out, scaled, decoupled decay."""
    named = parameters()
    muon = Muon(named.items(), weight_decay=0.1)
    w, u = named["h.0.weight"].data.copy(), np.zeros((4, 3))

    for step in range(10):
        set_gradients(named, step)
        g = named["h.0.weight"].grad.copy()
        muon.step(0.05)
        u = 0.95 * u + g
        x = g + 0.95 * u
        x = x / np.linalg.norm(x)
        for _ in range(5):
            x = 3.4445 * x - 4.7750 * (x @ x.T) @ x + 2.0315 * (x @ x.T) @ (x @ x.T) @ x
        w = w - 0.05 * (0.2 * math.sqrt(4) * x + 0.1 * w)

    np.testing.assert_allclose(named["h.0.weight"].data, w, rtol=1e-6)


@pytest.mark.parametrize("transform", [ClipGlobalNorm(max_norm=1.0), AdaptiveClip()])
@pytest.mark.parametrize("gradients", [[1e200, 1e200], [math.inf, 1.0], [math.nan, 1.0]])
def test_a_norm_that_is_not_finite_clips_nothing(transform, gradients):
    w = Tensor(np.ones(2), requires_grad=True)
    optimizer = SGD([("w", w)], max_grad_norm=1.0, transforms=(transform,))
    w.grad[...] = gradients

    with np.errstate(all="ignore"):
        assert not math.isfinite(optimizer.clip_gradients())

    np.testing.assert_array_equal(w.grad, gradients)


def test_an_eps_below_the_precision_moves_nothing_by_0_over_0():
    w = Tensor(np.ones(2, np.float32), requires_grad=True)
    optimizer = Adam([("w", w)], eps=1e-60)
    w.grad[...] = [0.0, 1.0]

    optimizer.step(0.1)

    np.testing.assert_allclose(w.data, [1.0, 0.9], rtol=1e-6)
