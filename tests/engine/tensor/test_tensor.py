"""The graph of Tensors: what backward() means, who owns which memory, and when it is freed."""

from __future__ import annotations

import gc
import operator
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine import Value
from nanochat.engine.gradcheck import check_gradients
from nanochat.engine.tensor import Tensor, no_grad
from nanochat.engine.tensor import functional as F
from nanochat.engine.tensor.tensor import apply


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_a_diamond_counts_every_path():
    a = leaf(1.0, 2.0)

    ((a + a) + a).sum().backward()

    np.testing.assert_array_equal(a.grad, [3.0, 3.0])


def test_a_gradient_that_two_parents_share_is_not_written_into():
    x, y = leaf(1.0), leaf(5.0)
    a, b = x * 2.0, y * 2.0
    c = a + b  # one g goes to a and to b by reference

    (c + a * 10.0).sum().backward()

    assert (x.grad[0], y.grad[0]) == (22.0, 2.0)


def test_a_reused_inner_node_is_walked_once_and_complete():
    a = leaf(3.0)
    b = a + a
    c = b + b

    (c * b).sum().backward()  # 8 a^2

    assert a.grad[0] == 48.0


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_any_graph_of_sums_and_products_has_the_right_slope(steps):
    def f(*leaves):
        nodes = list(leaves)
        for operation, i, j in steps:
            a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
            nodes.append((a + b) if operation == "+" else (a - b) if operation == "-" else (a * b).tanh())
        return (nodes[-1] + nodes[0]).sum()

    check_gradients(f, leaf(0.3, -0.7), leaf(0.9, 0.1), eps=1e-5, atol=1e-6, rtol=1e-6)


@given(st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans())
def test_broadcasting_sums_the_gradient_back(rows, columns, thin_rows, thin_columns):
    a = Tensor(np.ones((rows, columns)), requires_grad=True)
    b = Tensor(np.ones((1 if thin_rows else rows, 1 if thin_columns else columns)), requires_grad=True)

    (a * b).sum().backward()

    assert b.grad.shape == b.shape
    assert a.grad.sum() == b.grad.sum() == rows * columns


@pytest.mark.parametrize("view", [lambda t: t.sum(), lambda t: t.reshape(4).sum(), lambda t: t.transpose().mean()])
def test_a_leaf_owns_the_gradient_that_it_gets(view):
    """The gradient of a sum is one number repeated, a view of g that cannot be written into."""
    a, b = Tensor(np.ones((2, 2)), requires_grad=True), Tensor(np.ones((2, 2)), requires_grad=True)

    for _ in range(2):
        (view(a) + view(b)).backward()
    a.grad[0, 0] = 7.0

    assert a.grad[1, 1] == b.grad[0, 0] > 0


def test_backward_adds_to_the_leaves_in_place():
    a = leaf(2.0)
    a.grad = buffer = np.array([10.0])

    (a * a).sum().backward()
    (a * a).sum().backward()

    assert a.grad is buffer
    assert buffer[0] == 18.0


def test_a_second_backward_says_what_to_do():
    loss = (leaf(2.0) * 3.0).sum()
    loss.backward()

    with pytest.raises(RuntimeError, match=r"already used by backward\(\) and freed: run the forward pass again"):
        loss.backward()


def test_retain_graph_adds_the_same_gradient_again():
    a = leaf(2.0, 3.0)
    b = a * a
    loss = (b + b * b).sum()

    loss.backward(retain_graph=True)
    once = a.grad.copy()
    loss.backward()

    np.testing.assert_array_equal(a.grad, 2 * once)


def test_backward_of_a_leaf_gives_one():
    a = leaf(2.0)

    a.backward()

    assert a.grad[0] == 1.0


def test_backward_of_many_numbers_or_of_constants_is_refused():
    with pytest.raises(RuntimeError, match=r"starts from one number, this Tensor is \(2,\)"):
        (leaf(1.0, 2.0) * 2.0).backward()
    with pytest.raises(RuntimeError, match="requires a gradient"):
        Tensor(1.0).backward()


def test_no_grad_records_nothing_and_ends_with_its_block():
    a = leaf(2.0)

    with no_grad():
        assert not (a * 2.0).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018

    assert (a * 2.0).requires_grad


def test_no_grad_is_of_one_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append((leaf(1.0) * 2.0).requires_grad))
        thread.start()
        thread.join()

    assert seen == [True]


def test_constants_get_no_gradient():
    a, constant = leaf(1.0, 2.0), Tensor([3.0, 4.0])

    (a * constant + np.ones(2)).sum().backward()

    assert constant.grad is None
    np.testing.assert_array_equal(a.grad, [3.0, 4.0])


def test_a_step_is_freed_without_the_garbage_collector():
    a = Tensor(np.ones((4, 4)), requires_grad=True)
    freed = []

    def watched(x):
        y = x * 2.0
        weakref.finalize(y, freed.append, "y")
        return y, lambda g: (g * 2.0,)

    gc.disable()
    try:
        loss = apply(watched, apply(watched, a).tanh()).sum()
        loss.backward()
        assert freed == ["y", "y"]  # although `loss` is still alive
        with no_grad():
            apply(watched, a)
        assert len(freed) == 3
        apply(watched, a)
        assert len(freed) == 4
    finally:
        gc.enable()


@pytest.mark.parametrize("run_backward", [True, False])
def test_a_chain_of_fifty_thousand_nodes_is_walked_and_freed(run_backward):
    x = a = leaf(1.0)
    for _ in range(50_000):
        x = x + 1.0

    if run_backward:
        x.backward()
        assert a.grad[0] == 1.0
    del x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_with_numbers_keeps_the_type(dtype):
    t = leaf(1.0, 2.0, dtype=dtype)
    factor = np.float64(1.5)  # as math on arrays gives it; as an array it would promote float32

    for y in (t * 0.5, 0.5 * t, t + 1, 1 - t, t - factor, t / 3, 3 / t, t**2, t * factor, -t, abs(t), t[:1], 1 - t / 2):
        assert y.dtype == dtype
        y.sum().backward()
    assert t.grad.dtype == dtype


def test_operators_mean_what_they_mean_in_numpy():
    x, y = np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([[2.0, 1.0], [0.5, -1.0]])
    a, b = Tensor(x), Tensor(y)

    for ours, theirs in [
        (a + b, x + y), (a - b, x - y), (a * b, x * y), (a / b, x / y), (a @ b, x @ y), (-a, -x), (abs(a), abs(x)),
        (a**3, x**3), (2 - a, 2 - x), (2 / a, 2 / x), (x + b, x + y), (x - b, x - y), (x * b, x * y), (x / b, x / y),
        (x @ b, x @ y), (a[0], x[0]), (a.sum(0), x.sum(0)), (a.mean(), x.mean()), (a.reshape(4), x.reshape(4)),
        (a.transpose(), x.T), (F.maximum(a, b), np.maximum(x, y)), (a.exp(), np.exp(x)), (b.tanh(), np.tanh(y)),
    ]:  # fmt: skip
        np.testing.assert_allclose(ours.data, theirs, rtol=1e-15)


def test_a_number_of_a_tensor():
    t = Tensor(2)

    assert float(t) == t.item() == 2.0
    assert (t.shape, t.ndim, t.size, t.dtype) == ((), 0, 1, np.float64)


def test_help_shows_the_formula_of_the_op():
    assert "y = n * weight + bias" in F.layer_norm.__doc__
    assert F.layer_norm.__name__ == "layer_norm"


@pytest.mark.parametrize(
    ("a", "b"), [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2))]
)
def test_a_vector_is_a_row_on_the_left_and_a_column_on_the_right(a, b):
    rng = np.random.default_rng(1)
    arrays = rng.standard_normal(a), rng.standard_normal(b)
    np.testing.assert_array_equal((Tensor(arrays[0]) @ Tensor(arrays[1])).data, arrays[0] @ arrays[1])
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    probe = rng.standard_normal((arrays[0] @ arrays[1]).shape)
    check_gradients(lambda a, b: (F.matmul(a, b) * probe).sum(), *tensors)


def test_an_array_on_the_left_is_the_same_as_a_tensor_there():
    x, t = np.array([[1.0, 2.0], [3.0, 4.0]]), Tensor([[5.0, 6.0], [7.0, 8.0]])
    for op in (operator.add, operator.sub, operator.mul, operator.truediv, operator.matmul):
        np.testing.assert_array_equal(op(x, t).data, op(x, t.data))
    single = np.float64(2.0) * Tensor(np.ones(2, np.float32))
    assert single.dtype == np.float32


def test_a_function_of_numpy_is_refused_with_the_one_that_knows_its_gradient():
    t = Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"np.exp knows no gradient: write F.exp\(t\)"):
        np.exp(t)
    with pytest.raises(TypeError, match="add knows no gradient"):
        np.add.reduce(t)
    with pytest.raises(AttributeError, match=r"a Tensor has no relu: write F.relu\(t\)"):
        t.relu()
    assert not hasattr(t, "zero_grad")


def test_what_holds_no_numbers_is_refused():
    for wrong in (Value(2.0), "2", None, [Value(1.0)]):
        with pytest.raises(TypeError, match="a Tensor holds numbers"):
            Tensor(wrong)
    with pytest.raises(TypeError, match="of a Value take"):
        Tensor([1.0]) * Value(2.0)


def test_a_tensor_of_one_number_is_formatted_and_rounded_and_shapes_may_be_a_tuple():
    t = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert f"{t.sum():.3f}" == "21.000"
    assert round(t.mean(), 1) == 3.5
    np.testing.assert_array_equal(t.T.data, t.data.T)
    np.testing.assert_array_equal(t.reshape((3, 2)).data, t.reshape(3, 2).data)
