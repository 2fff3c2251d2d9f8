"""The gradient check itself: it passes right gradients, of both engines, and it can fail."""

from __future__ import annotations

import math
import random
import subprocess
import sys

import numpy as np
import pytest

from nanochat.engine.gradcheck import GradientError, check_gradients, directional_error
from nanochat.engine.scalar import Value
from nanochat.engine.scalar import functional as SF
from nanochat.engine.tensor import Tensor
from nanochat.engine.tensor import functional as F
from nanochat.engine.tensor.optim import SGD
from nanochat.engine.tensor.tensor import apply


def tripled(x):
    """sum of x^2, with a gradient three halves of the right one"""
    return (x * x).sum(), lambda g: (g * 3.0 * x,)


def test_right_gradients_of_values_lists_and_tensors_pass():
    check_gradients(lambda a, b: a * b + a.tanh(), Value(0.5), Value(-2.0))
    check_gradients(
        lambda x, w: SF.sum(SF.linear(x, w)),
        [Value(1.0), Value(2.0)],
        [[Value(0.1), Value(0.2)], [Value(3.0), Value(4.0)]],
    )
    check_gradients(lambda x: F.gelu(x).sum(), Tensor([[0.1, -0.2], [0.3, 2.0]], requires_grad=True))


def test_a_wrong_gradient_names_the_worst_entry_with_both_numbers():
    x = Tensor([[1.0, 2.0], [-5.0, 3.0]], requires_grad=True)

    with pytest.raises(GradientError, match=r"input 0\[1, 0\]: analytic -15, numeric -10(\.0*\d*)?, difference 5"):
        check_gradients(lambda t: apply(tripled, t), x)


def test_a_wrong_value_gradient_is_found_in_its_list():
    def f(xs):
        return xs[0] * 1.0 + Value(xs[1].data, (xs[1],), (2.0,))

    with pytest.raises(AssertionError, match=r"input 0\[1\]: analytic 2, numeric 1"):
        check_gradients(f, [Value(1.0), Value(1.0)])


def test_nan_is_a_failure():
    with pytest.raises(GradientError, match="nan"):
        check_gradients(lambda x: (x * math.nan).sum(), Tensor([1.0], requires_grad=True))


def test_inputs_are_put_back_exactly_and_constants_are_not_checked():
    x, constant = Tensor([0.1, 0.2], requires_grad=True), Tensor([0.3, 0.7])

    check_gradients(lambda a, b: (a * b).sum(), x, constant)

    np.testing.assert_array_equal(x.data, [0.1, 0.2])
    assert constant.grad is None


def test_checking_twice_does_not_add_gradients_up():
    v = Value(3.0)

    for _ in range(2):
        check_gradients(lambda a: a * a, v)

    assert v.grad == 6.0


def test_directions_find_a_wrong_parameter_and_pass_a_right_one():
    w, b = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)

    errors = directional_error(lambda: apply(tripled, w) + (b * b).sum(), {"w": w, "b": b}, 8, random.Random(1))

    assert list(errors) == ["w", "b"]
    assert errors["w"] > 0.1
    assert errors["b"] < 1e-9


def test_directions_serve_values_and_flat_parameters():
    rows = [[Value(0.5), Value(-1.0)], [Value(2.0), Value(0.1)]]
    w = Tensor([[0.5, -1.0]], requires_grad=True)
    SGD({"w": w}.items())

    values = directional_error(lambda: SF.sum([v.tanh() for row in rows for v in row]), {"rows": rows})
    tensors = directional_error(lambda: w.tanh().sum(), {"w": w})

    assert values["rows"] < 1e-9
    assert tensors["w"] < 1e-9


def test_a_nan_direction_is_not_a_pass():
    w = Tensor([1.0], requires_grad=True)

    assert math.isnan(directional_error(lambda: (w * math.nan).sum(), {"w": w}, 2)["w"])


def test_numpy_is_not_loaded():
    code = "import sys, nanochat.engine.gradcheck; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
