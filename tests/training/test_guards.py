"""What stops a run: numbers that explode or are none, with the tensor; memory that jumps or creeps."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine.scalar import Value
from nanochat.errors import DivergedError, GuardError
from nanochat.training.guards import MemoryDriftGuard, check_gradient, check_loss, check_weights, weight_norm

BAD = [math.nan, math.inf, -math.inf]


class Model:
    """Two tensors, in numbers or in arrays."""

    def __init__(self, *, arrays: bool) -> None:
        rows = {"wte.weight": [[1.0, 2.0], [3.0, 4.0]], "norm_f.weight": [1.0, 1.0]}
        if arrays:
            self.named = {
                name: SimpleNamespace(data=np.array(row, np.float32), grad=np.zeros(np.shape(row), np.float32))
                for name, row in rows.items()
            }
        else:
            self.named = {
                "wte.weight": [[Value(x) for x in row] for row in rows["wte.weight"]],
                "norm_f.weight": [Value(x) for x in rows["norm_f.weight"]],
            }

    def named_parameters(self):
        return iter(self.named.items())

    def spoil(self, what: str, bad: float) -> None:
        gain = self.named["norm_f.weight"]
        if isinstance(gain, list):
            setattr(gain[1], what, bad)
        else:
            getattr(gain, what)[1] = bad


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("bad", BAD)
def test_a_weight_that_is_not_finite_is_named(arrays, bad):
    model = Model(arrays=arrays)
    check_weights(model, 3)
    model.spoil("data", bad)
    with pytest.raises(DivergedError, match=r"weights of norm_f\.weight are not finite after step 3"):
        check_weights(model, 3)


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("bad", BAD)
def test_a_gradient_that_is_not_finite_is_named(arrays, bad):
    model = Model(arrays=arrays)
    check_gradient(1.0, model, 3)
    model.spoil("grad", bad)
    with pytest.raises(DivergedError, match=r"gradient of norm_f\.weight is not finite at step 3"):
        check_gradient(math.nan, model, 3)


def test_gradients_whose_norm_alone_overflows_stop_the_run_too():
    with pytest.raises(DivergedError, match="gradient of all of them together"):
        check_gradient(math.inf, Model(arrays=False), 3)


@pytest.mark.parametrize("bad", BAD)
def test_a_loss_that_is_not_finite_names_the_weights_that_made_it(bad):
    model = Model(arrays=True)
    with pytest.raises(DivergedError, match=f"the loss is {bad} at step 3, though every weight is finite"):
        check_loss(bad, model, 3)
    model.spoil("data", bad)
    with pytest.raises(DivergedError, match=r"since the weights of norm_f\.weight are not finite"):
        check_loss(bad, model, 3)


@pytest.mark.parametrize("arrays", [False, True])
def test_what_explodes_names_the_tensor_with_the_largest_number(arrays):
    model = Model(arrays=arrays)
    model.spoil("data", -2e5)
    model.spoil("grad", -3e7)
    with pytest.raises(
        DivergedError, match=r"loss is 1e\+07 at step 3, above training.max_loss=1000.* 2e\+05 in norm_f"
    ):
        check_loss(1e7, model, 3, 1000)
    with pytest.raises(
        DivergedError, match=r"norm is 3e\+07 at step 3, above training.max_gradient=1e\+06, .* in norm_f"
    ):
        check_gradient(3e7, model, 3, 1e6)
    with pytest.raises(
        DivergedError, match=r"weights of norm_f\.weight reach 2e\+05 after step 3, above training.max_weight=100000"
    ):
        check_weights(model, 3, 1e5)


@pytest.mark.parametrize("arrays", [False, True])
def test_a_limit_of_zero_is_none(arrays):
    model = Model(arrays=arrays)
    model.spoil("data", 1e30)
    check_loss(1e30, model, 3, 0)
    check_gradient(1e30, model, 3, 0)
    check_weights(model, 3, 0)
    check_weights(model, 3, 0, norm=1e30)


def test_a_limit_between_the_largest_weight_and_the_norm_of_all_is_kept():
    model = Model(arrays=True)
    check_weights(model, 3, 4.5, norm=math.sqrt(32))
    with pytest.raises(DivergedError, match=r"wte\.weight reach 4"):
        check_weights(model, 3, 3.5, norm=math.sqrt(32))


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("limit", [0.0, 1e5])
def test_a_norm_that_is_no_number_passes_nothing(bad, limit):
    model = Model(arrays=True)
    model.spoil("data", bad)
    norms = [
        math.nan,
        math.inf,
        weight_norm(SimpleNamespace(flat=SimpleNamespace(data=np.array([1, bad], np.float32)))),
    ]
    norms.append(weight_norm(SimpleNamespace(leaves=[Value(1.0), Value(bad)])))
    for norm in norms:
        with pytest.raises(DivergedError, match=r"norm_f\.weight are not finite"):
            check_weights(model, 3, limit, norm)


def test_infinities_of_both_signs_do_not_cancel():
    model = Model(arrays=True)
    model.named["wte.weight"].data[0] = [math.inf, -math.inf]
    with pytest.raises(DivergedError, match=r"wte\.weight"):
        check_weights(model, 1)


def test_memory_may_waver_but_not_jump():
    guard = MemoryDriftGuard(window=4, max_growth=1.2)
    for n_bytes in (100, 102, 103):
        guard.observe(n_bytes)
    with pytest.raises(GuardError, match="memory grew"):
        guard.observe(150)


def test_a_sample_that_was_refused_is_not_remembered():
    guard = MemoryDriftGuard(window=4, max_growth=1.2)
    guard.observe(100)
    for _ in range(10):
        with pytest.raises(GuardError):
            guard.observe(150)
    guard.observe(119)


def test_a_leak_too_slow_for_the_window_is_caught_by_the_first_sample():
    guard = MemoryDriftGuard(window=4, max_growth=1.5, max_total_growth=2.0)
    for n in range(36):  # 1.02^35 is just under 2
        guard.observe(int(1000 * 1.02**n))
    with pytest.raises(GuardError, match="times the first sample"):
        guard.observe(int(1000 * 1.02**36))


def test_the_message_says_how_much_and_what_to_do():
    guard = MemoryDriftGuard()
    guard.observe(1 << 20)
    with pytest.raises(
        GuardError, match=r"3 MiB, 3\.00 times the least of late \(limit 2\): make the batch or model smaller"
    ):
        guard.observe(3 << 20)


@given(st.integers(0, 1 << 50), st.integers(1, 8))
def test_the_first_sample_always_passes(n_bytes, window):
    MemoryDriftGuard(window=window, max_growth=1.0, max_total_growth=1.0).observe(n_bytes)


@given(st.lists(st.integers(1000, 2000), min_size=1, max_size=50), st.integers(1, 8))
def test_memory_within_the_limit_of_its_least_always_passes(samples, window):
    guard = MemoryDriftGuard(window=window, max_growth=2.0, max_total_growth=2.0)
    for n_bytes in samples:
        guard.observe(n_bytes)


@given(st.lists(st.integers(1, 1 << 40), min_size=1, max_size=50), st.integers(1, 8))
def test_what_passes_is_within_both_bounds(samples, window):
    guard, passed = MemoryDriftGuard(window=window, max_growth=1.5, max_total_growth=3.0), []
    for n_bytes in samples:
        allowed = not passed or (n_bytes <= 1.5 * min(passed[-window:]) and n_bytes <= 3.0 * passed[0])
        try:
            guard.observe(n_bytes)
        except GuardError:
            assert not allowed
        else:
            assert allowed
            passed.append(n_bytes)


def test_from_nothing_to_something_is_infinite_growth():
    guard = MemoryDriftGuard()
    guard.observe(0)
    guard.observe(0)
    with pytest.raises(GuardError):
        guard.observe(1)


@pytest.mark.parametrize("settings", [{"window": 0}, {"max_growth": 0.9}, {"max_total_growth": math.inf}])
def test_a_guard_that_cannot_guard_is_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        MemoryDriftGuard(**settings)
