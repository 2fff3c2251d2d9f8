"""The divergence of two predictions: its slope, and what holds for any two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine.gradcheck import check_gradients
from nanochat.engine.tensor import Tensor, ops
from nanochat.engine.tensor.ops.divergence import kl_divergence
from nanochat.engine.tensor.tensor import apply

R = np.random.default_rng(0)
TARGETS = np.array([[1, -1, 0], [4, 3, -1]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("targets", [None, TARGETS])
@pytest.mark.parametrize("size", [1.0, 200.0])
def test_the_gradient_is_the_slope(temperature, targets, size):
    teacher = R.standard_normal((2, 3, 5)) * size
    student = Tensor(R.standard_normal((2, 3, 5)) * size, requires_grad=True)
    options = {"teacher": teacher, "targets": targets, "temperature": temperature}
    check_gradients(lambda z: apply(kl_divergence, z, **options), student)


@given(seed=st.integers(0, 999), temperature=st.floats(0.2, 9))
def test_it_is_0_for_the_teacher_itself_and_positive_for_others(seed, temperature):
    rng = np.random.default_rng(seed)
    teacher, other = rng.standard_normal((2, 4, 6)) * 5
    assert abs(kl_divergence(teacher + 7, teacher=teacher, temperature=temperature)[0]) < 1e-12  # shifts change nothing
    assert kl_divergence(other, teacher=teacher, temperature=temperature)[0] > 0


def test_it_is_cross_entropy_where_the_teacher_is_sure():
    targets = np.array([2, 0, 4])
    teacher = np.full((3, 5), -1e4)
    teacher[np.arange(3), targets] = 0
    student = R.standard_normal((3, 5))
    ours, vjp = kl_divergence(student, teacher=teacher)
    theirs, their_vjp = ops.cross_entropy(student, targets=targets)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(vjp(np.ones(()))[0], their_vjp(np.ones(()))[0], atol=1e-12)


def test_a_row_that_does_not_count_may_hold_anything():
    student, teacher = R.standard_normal((2, 2, 3, 5))
    expected, _ = kl_divergence(student, teacher=teacher, targets=TARGETS)
    student[0, 1], teacher[1, 2] = np.nan, np.nan
    loss, vjp = kl_divergence(student, teacher=teacher, targets=TARGETS)
    gradient = vjp(np.ones(()))[0]
    assert loss == pytest.approx(expected, rel=1e-12)  # a nan leads exp around its shortcut
    assert not gradient[0, 1].any()
    assert np.isfinite(gradient).all()


def test_its_gradient_stays_of_one_size_as_the_temperature_grows():
    student, teacher = R.standard_normal((2, 4, 6)) * 0.1
    sizes = [
        np.abs(kl_divergence(student, teacher=teacher, temperature=t)[1](np.ones(()))[0]).max() for t in (1, 10, 100)
    ]
    assert max(sizes) < 1.2 * min(sizes)


def test_different_vocabularies_are_refused():
    with pytest.raises(ValueError, match=r"logits are \(2, 5\) and teacher \(2, 6\)"):
        kl_divergence(np.ones((2, 5)), teacher=np.ones((2, 6)))
