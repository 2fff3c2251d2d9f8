"""The learning rate: golden values of nanochat-rs-next, and laws for every configuration."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import ConfigError
from nanochat.training.config import TrainingConfig
from nanochat.training.schedule import decay_factor, learning_rate, momentum


def rates(**settings) -> list[float]:
    config = TrainingConfig(**{"lr": 1.0, **settings})
    return [learning_rate(step, config) for step in range(config.steps)]


@st.composite
def configs(draw, **fixed) -> TrainingConfig:
    steps = draw(st.integers(1, 60))
    settings = {
        "steps": steps,
        "lr": draw(st.floats(1e-6, 10)),
        "lr_schedule": draw(st.sampled_from(["constant", "linear", "sqrt", "cosine", "wsd"])),
        "warmup": draw(st.integers(0, 2 * steps)),
        "warmdown": draw(st.floats(0, 1)),
        "min_lr_ratio": draw(st.floats(0, 1)),
    }
    return TrainingConfig(**(settings | fixed))


def test_linear_is_flat_and_falls_over_the_second_half():
    assert rates(steps=10, lr_schedule="linear") == pytest.approx([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_sqrt_falls_fast_at_first():
    expected = [1] * 6 + [0.5528, 0.3675, 0.2254, 0.1056]
    assert rates(steps=10, lr_schedule="sqrt") == pytest.approx(expected, abs=5e-5)  # golden values of four digits


def test_halves_of_a_step_are_rounded_up():
    assert rates(steps=5, lr_schedule="linear") == pytest.approx([1, 1, 1, 2 / 3, 1 / 3])  # 2.5 steps become 3


def test_warmup_rises_in_equal_parts_and_reaches_the_rate():
    assert rates(steps=6, warmup=4, lr_schedule="constant") == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_cosine_starts_at_the_rate_after_warmup_and_heads_for_its_least():
    found = rates(steps=12, warmup=2, lr_schedule="cosine", min_lr_ratio=0.1)
    expected = [0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * t / 10)) for t in range(10)]
    assert found == pytest.approx([0.5, 1.0, *expected])


@given(configs())
def test_the_rate_is_positive_and_never_above_the_base_rate(config):
    found = [learning_rate(step, config) for step in range(config.steps)]
    assert all(0 < rate <= config.lr * (1 + 1e-12) for rate in found)


@given(configs(lr_schedule="constant", warmup=0))
def test_constant_is_constant(config):
    assert {learning_rate(step, config) for step in range(config.steps)} == {config.lr}


@given(configs(warmup=0))
def test_without_warmup_the_rate_never_rises(config):
    found = [learning_rate(step, config) for step in range(config.steps)]
    assert all(later <= earlier for earlier, later in pairwise(found))


@given(configs(), st.floats(0.1, 10))
def test_the_rate_is_proportional_to_the_base_rate(config, factor):
    other = TrainingConfig(**{**vars(config), "lr": config.lr * factor})
    for step in range(config.steps):
        assert learning_rate(step, other) == pytest.approx(factor * learning_rate(step, config))


@given(configs(min_lr_ratio=1.0, lr_schedule="cosine", warmup=0))
def test_a_cosine_that_ends_where_it_starts_is_flat(config):
    assert [learning_rate(s, config) for s in range(config.steps)] == pytest.approx([config.lr] * config.steps)


def test_wsd_falls_to_its_least_and_rounds_halves_to_even():
    """The rule of nanochat's script: 1 until (1 - 0.65) N, then a straight line to 5 % at N."""
    found = rates(steps=10, lr_schedule="wsd", warmdown=0.65, min_lr_ratio=0.05)  # 6.5 steps become 6, not 7
    assert found == pytest.approx([1, 1, 1, 1, 1] + [1 - 0.95 * i / 6 for i in range(1, 6)])
    assert rates(steps=5, lr_schedule="wsd", warmdown=0.5, min_lr_ratio=0) == pytest.approx([1, 1, 1, 1, 0.5])


def test_the_momentum_rises_and_falls_with_the_rate():
    constant = TrainingConfig(steps=1000, momentum=0.9)
    assert {momentum(step, constant) for step in range(1000)} == {0.9}
    settings = {"optimizer": "nanochat", "steps": 1000, "warmdown": 0.5, "momentum": 0.97}
    rise, fall = (TrainingConfig(**settings, momentum_schedule=name) for name in ("rise", "rise-fall"))
    assert [momentum(step, rise) for step in (0, 150, 300, 999)] == pytest.approx([0.85, 0.91, 0.97, 0.97])
    assert [momentum(step, fall) for step in (0, 200, 400, 500, 750, 1000)] == pytest.approx(
        [0.85, 0.91, 0.97, 0.97, 0.935, 0.90]
    )
    short = TrainingConfig(**settings | {"steps": 100}, momentum_schedule="rise-fall")
    assert momentum(99, short) == pytest.approx(0.85 + 0.12 * 99 / 400)  # as nanochat: the rise comes first


def test_a_momentum_cannot_rise_to_nothing():
    with pytest.raises(ConfigError, match="momentum_schedule=rise rises to momentum=0"):
        TrainingConfig(optimizer="sgd", momentum_schedule="rise")


def test_the_decay_goes_to_0_along_a_line_or_half_a_cosine():
    found = {
        name: [decay_factor(step, TrainingConfig(steps=4, weight_decay_schedule=name)) for step in range(5)]
        for name in ("constant", "linear", "cosine")
    }
    assert found["constant"] == [1.0] * 5
    assert found["linear"] == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert found["cosine"] == pytest.approx([1, 0.5 + 0.25 * 2**0.5, 0.5, 0.5 - 0.25 * 2**0.5, 0])
