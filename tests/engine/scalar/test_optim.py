"""Optimizers against closed forms and first steps worked by hand; clipping, decay, and a state that resumes exactly."""

import json
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine.module import Module
from nanochat.engine.scalar import Value, nn
from nanochat.engine.scalar.optim import SGD, Adam, AdamW, Optimizer

gradients = st.floats(-100, 100).filter(lambda g: abs(g) > 1e-3)

OPTIMIZERS: dict[str, Callable[[Module], Optimizer]] = {
    "sgd": lambda m: SGD(m.named_parameters(), weight_decay=0.1),
    "momentum": lambda m: SGD(m.named_parameters(), momentum=0.9, weight_decay=0.1),
    "adam": lambda m: Adam(m.named_parameters(), weight_decay=0.1),
    "adamw": lambda m: AdamW(m.named_parameters(), weight_decay=0.1),
}


def one(x: float, g: float) -> list[Value]:
    """A vector of one leaf, with its gradient."""
    leaf = Value(x)
    leaf.grad = g
    return [leaf]


def random_layer(seed: int = 0) -> nn.Linear:
    rng = random.Random(seed)
    layer = nn.Linear(3, 2, bias=True)
    layer.load_state_dict({"weight": [[rng.gauss(0, 1) for _ in range(3)] for _ in range(2)], "bias": [0.1, -0.2]})
    return layer


def set_gradients(layer: nn.Linear, rng: random.Random) -> None:
    for leaf in [*layer.weight[0], *layer.weight[1], *(layer.bias or [])]:
        leaf.grad = rng.gauss(0, 1)


# **** first steps by hand


@given(st.floats(-5, 5), gradients, st.floats(1e-4, 1))
def test_sgd_moves_by_the_rate_times_the_gradient(x: float, g: float, lr: float) -> None:
    p = one(x, g)
    SGD([("p", p)]).step(lr)
    assert p[0].data == pytest.approx(x - lr * g, abs=1e-12)


def test_momentum_under_a_constant_gradient_approaches_g_over_1_minus_momentum() -> None:
    p = one(0.0, 2.0)
    optimizer = SGD([("p", p)], momentum=0.5)
    moves = []
    for _ in range(60):
        before = p[0].data
        optimizer.step(0.1)
        moves.append(before - p[0].data)
    assert moves[:3] == pytest.approx([0.2, 0.3, 0.35])
    assert moves[-1] == pytest.approx(0.1 * 2.0 / (1 - 0.5))


@given(gradients, st.floats(1e-4, 1))
def test_adam_first_moves_by_the_rate_whatever_the_gradient(g: float, lr: float) -> None:
    p = one(0.0, g)
    Adam([("p", p)], eps=0.0).step(lr)
    assert p[0].data == pytest.approx(-math.copysign(lr, g), rel=1e-9)


@given(gradients)
def test_adam_under_a_constant_gradient_moves_by_the_rate_at_every_step(g: float) -> None:
    p = one(0.0, g)
    optimizer = Adam([("p", p)], eps=0.0)  # m_hat = g and v_hat = g^2 at every step
    for _ in range(10):
        optimizer.step(0.1)
    assert p[0].data == pytest.approx(-math.copysign(1.0, g), rel=1e-9)


def test_adam_second_step_by_hand() -> None:
    p = one(1.0, 1.0)
    optimizer = Adam([("p", p)], betas=(0.5, 0.75), eps=0.0)
    optimizer.step(0.1)  # m_hat = 1, v_hat = 1: 1 - 0.1
    p[0].grad = 3.0
    optimizer.step(0.1)  # m = 0.25 + 1.5, m_hat = 1.75/0.75; v = 0.1875 + 2.25, v_hat = 2.4375/0.4375
    assert p[0].data == pytest.approx(0.9 - 0.1 * (1.75 / 0.75) / math.sqrt(2.4375 / 0.4375), rel=1e-12)


def test_adamw_decay_is_decoupled_from_the_moments() -> None:
    weight = [one(2.0, 0.0)]  # (1, 1): a matrix
    optimizer = AdamW([("w", weight)], weight_decay=0.1)
    optimizer.step(0.5)
    assert weight[0][0].data == pytest.approx(2.0 * (1 - 0.5 * 0.1))
    assert optimizer.memory == {"m": [0.0], "v": [0.0]}


def test_adam_decay_goes_through_the_moments() -> None:
    weight = [one(2.0, 0.0)]
    optimizer = Adam([("w", weight)], betas=(0.9, 0.999), eps=0.0, weight_decay=0.1)
    optimizer.step(0.5)
    assert weight[0][0].data == pytest.approx(1.5)  # the gradient is 0.1 * 2, its sign is all that counts
    assert optimizer.memory["m"] == pytest.approx([0.1 * 0.2])


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_only_parameters_of_two_dimensions_decay(kind: type[Optimizer]) -> None:
    layer = nn.Linear(1, 1, bias=True)
    layer.load_state_dict({"weight": [[1.0]], "bias": [1.0]})
    kind(layer.named_parameters(), weight_decay=0.1).step(0.1)
    assert layer.weight[0][0].data < 1.0
    assert layer.bias is not None
    assert layer.bias[0].data == 1.0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_finds_the_bottom_of_a_bowl(name: str) -> None:
    p = [Value(3.0), Value(-2.0)]  # a vector, so that nothing decays
    optimizer = {
        "sgd": SGD([("p", p)]),
        "momentum": SGD([("p", p)], momentum=0.5),
        "adam": Adam([("p", p)]),
        "adamw": AdamW([("p", p)], weight_decay=0.1),
    }[name]
    for step in range(200):
        optimizer.zero_grad()
        ((p[0] - 1) ** 2 + (p[1] + 1) ** 2).backward()
        optimizer.step(0.1 * (1 - step / 200))
    assert [v.data for v in p] == pytest.approx([1.0, -1.0], abs=0.02)


# **** gradients: zeroed, measured, clipped


def test_zero_grad_makes_every_gradient_zero() -> None:
    layer = random_layer()
    set_gradients(layer, random.Random(1))
    AdamW(layer.named_parameters()).zero_grad()
    assert all(leaf.grad == 0.0 for row in layer.weight for leaf in row)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6), st.floats(0.01, 1e4))
def test_clipping_keeps_the_direction_and_bounds_the_length(gs: list[float], limit: float) -> None:
    p = [one(0.0, g)[0] for g in gs]
    length = math.sqrt(math.fsum(g * g for g in gs))
    assert SGD([("p", p)], max_grad_norm=limit).clip_gradients() == pytest.approx(length)
    clipped = [leaf.grad for leaf in p]
    if length <= limit * (1 - 1e-9):
        assert clipped == gs
    elif length > limit * (1 + 1e-9):
        assert math.sqrt(math.fsum(g * g for g in clipped)) == pytest.approx(limit)
        assert clipped == pytest.approx([g * limit / length for g in gs])


def test_without_a_limit_clipping_only_measures() -> None:
    p = one(0.0, 1e6)
    assert SGD([("p", p)]).clip_gradients() == 1e6
    assert p[0].grad == 1e6


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_norm_of_a_gradient_that_is_not_finite_is_not_finite(bad: float) -> None:
    p = [one(0.0, 1.0)[0], one(0.0, bad)[0]]
    assert not math.isfinite(SGD([("p", p)], max_grad_norm=1.0).clip_gradients())
    assert p[0].grad == 1.0  # nothing is scaled by it


# **** state


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_equals_an_uninterrupted_one(name: str) -> None:
    def train(layer: nn.Linear, optimizer: Optimizer, rng: random.Random, steps: int) -> None:
        for _ in range(steps):
            set_gradients(layer, rng)
            optimizer.step(0.01)

    whole, rng = random_layer(), random.Random(5)
    train(whole, OPTIMIZERS[name](whole), rng, 7)

    half, rng = random_layer(), random.Random(5)
    first = OPTIMIZERS[name](half)
    train(half, first, rng, 3)
    saved = json.loads(json.dumps([half.state_dict(), first.state_dict()]))  # as a file would hold it
    other = random_layer(seed=9)
    other.load_state_dict(saved[0])
    second = OPTIMIZERS[name](other)
    second.load_state_dict(saved[1])
    train(other, second, rng, 4)

    assert other.state_dict() == whole.state_dict()
    assert second.n_steps == 7


def test_state_names_every_parameter() -> None:
    state = AdamW(random_layer().named_parameters()).state_dict()
    assert state["n_steps"] == 0
    assert {slot: {name: len(xs) for name, xs in state[slot].items()} for slot in ("m", "v")} == {
        "m": {"weight": 6, "bias": 2},
        "v": {"weight": 6, "bias": 2},
    }


def test_plain_sgd_remembers_nothing() -> None:
    assert SGD(random_layer().named_parameters()).state_dict() == {"n_steps": 0}
    assert set(SGD(random_layer().named_parameters(), momentum=0.9).state_dict()) == {"n_steps", "velocity"}


@pytest.mark.parametrize("gradients", [[1e154, 1e154], [1e200], [math.inf, 1.0], [-math.inf, math.inf]])
def test_a_norm_that_overflows_is_infinite_and_clips_nothing(gradients: list[float]) -> None:
    p = [one(0.0, g)[0] for g in gradients]
    assert SGD([("p", p)], max_grad_norm=1.0).clip_gradients() == math.inf
    assert [leaf.grad for leaf in p] == gradients


def test_a_state_of_another_length_is_refused() -> None:
    state = AdamW([("p", one(0.0, 1.0))]).state_dict() | {"m": {"p": [1.0, 2.0]}}
    with pytest.raises(ValueError, match="m of p has 2 numbers, the parameter 1"):
        AdamW([("p", one(0.0, 1.0))]).load_state_dict(state)
