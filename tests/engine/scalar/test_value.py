"""Laws of the scalar engine: every operation against finite differences, and what backward() means."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nanochat.engine import Value
from nanochat.engine.tensor import Tensor

Unary = Callable[[Value], Value]
Binary = Callable[[Value, Value], Value]

UNARY: dict[str, tuple[Unary, Callable[[float], float], float, float]] = {
    # name: operation, the same in plain floats, the interval on which it is tried
    "exp": (Value.exp, math.exp, -5, 5),
    "log": (Value.log, math.log, 0.05, 20),
    "sqrt": (Value.sqrt, math.sqrt, 0.05, 20),
    "tanh": (Value.tanh, math.tanh, -4, 4),
    "sigmoid": (Value.sigmoid, lambda x: 1 / (1 + math.exp(-x)), -6, 6),
    "relu": (Value.relu, lambda x: max(x, 0.0), -5, 5),
    "gelu": (
        Value.gelu,
        lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        -5,
        5,
    ),
    "abs": (Value.abs, abs, -5, 5),
    "abs()": (abs, abs, -5, 5),
    "neg": (lambda a: -a, lambda x: -x, -5, 5),
    "**3": (lambda a: a**3, lambda x: x**3, -3, 3),
    "**2.5": (lambda a: a**2.5, lambda x: x**2.5, 0.1, 4),
    "**-1": (lambda a: a**-1, lambda x: 1 / x, 0.2, 5),
    "**0": (lambda a: a**0, lambda x: 1.0, -3, 3),
    "2**": (lambda a: 2**a, lambda x: 2.0**x, -4, 4),
    "+3": (lambda a: a + 3, lambda x: x + 3, -5, 5),
    "3+": (lambda a: 3 + a, lambda x: 3 + x, -5, 5),
    "-3": (lambda a: a - 3, lambda x: x - 3, -5, 5),
    "3-": (lambda a: 3 - a, lambda x: 3 - x, -5, 5),
    "*3": (lambda a: a * 3, lambda x: x * 3, -5, 5),
    "3*": (lambda a: 3 * a, lambda x: 3 * x, -5, 5),
    "/3": (lambda a: a / 3, lambda x: x / 3, -5, 5),
    "3/": (lambda a: 3 / a, lambda x: 3 / x, 0.2, 5),
    "max 1": (lambda a: a.max(1), lambda x: max(x, 1.0), -5, 5),
}
BINARY: dict[str, tuple[Binary, Callable[[float, float], float]]] = {
    "+": (lambda a, b: a + b, lambda x, y: x + y),
    "-": (lambda a, b: a - b, lambda x, y: x - y),
    "*": (lambda a, b: a * b, lambda x, y: x * y),
    "/": (lambda a, b: a / b, lambda x, y: x / y),
    "max": (lambda a, b: a.max(b), max),
}
CORNERS = {"relu": 0.0, "abs": 0.0, "abs()": 0.0, "max 1": 1.0}
H = 1e-5
TOLERANCE = 1e-6  # the central difference errs by h^2 f'''/6 + eps f/h, about 1e-9 of |f| here, with room for f'''


def measured(f: Callable[[float], float], x: float) -> float:
    return (f(x + H) - f(x - H)) / (2 * H)


def close(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


@pytest.mark.parametrize("name", UNARY)
@given(share=st.floats(0, 1))
def test_an_operation_on_one_value_has_the_value_and_slope_of_its_formula(name: str, share: float) -> None:
    op, formula, low, high = UNARY[name]
    x = low + share * (high - low)
    assume(abs(x - CORNERS.get(name, math.inf)) > 2 * H)
    a = Value(x)
    y = op(a)
    y.backward()
    assert math.isclose(y.data, formula(x), rel_tol=1e-12, abs_tol=1e-15)
    assert close(a.grad, measured(formula, x)), (x, a.grad, measured(formula, x))


@pytest.mark.parametrize("name", BINARY)
@given(x=st.floats(-5, 5), y=st.floats(0.2, 5), flip=st.booleans())
def test_an_operation_on_two_values_has_the_value_and_slopes_of_its_formula(
    name: str, x: float, y: float, flip: bool
) -> None:
    op, formula = BINARY[name]
    y = -y if flip else y
    assume(name != "max" or abs(x - y) > 2 * H)
    a, b = Value(x), Value(y)
    z = op(a, b)
    z.backward()
    assert z.data == formula(x, y)
    assert close(a.grad, measured(lambda t: formula(t, y), x))
    assert close(b.grad, measured(lambda t: formula(x, t), y))


@given(names=st.lists(st.sampled_from(["tanh", "sigmoid", "gelu", "3-", "*3", "**3", "exp"]), min_size=2, max_size=4))
@example(names=["gelu", "exp", "tanh"])
def test_slopes_multiply_along_a_chain(names: list[str]) -> None:
    x = 0.3
    a = y = Value(x)
    slope, at = 1.0, x
    for name in names:
        op, formula, _, _ = UNARY[name]
        assume(abs(at) < 20)
        y, step = op(y), Value(at)
        op(step).backward()
        slope, at = slope * step.grad, formula(at)
    y.backward()
    assert math.isclose(a.grad, slope, rel_tol=1e-9, abs_tol=1e-300)


def test_the_example_that_micrograd_publishes_has_its_published_gradients() -> None:
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert f"{g.data:.4f}" == "24.7041"
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_the_gradients_of_a_shared_node_add_up() -> None:
    a = Value(3.0)
    b = a + a
    c = b + b
    c.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 2.0, 4.0)


def test_a_node_passes_on_its_gradient_only_when_it_is_complete() -> None:
    a = Value(3.0)
    b = a * 2
    y = b * (b + 1)  # 4 a^2 + 2 a
    y.backward()
    assert a.grad == 8 * 3.0 + 2


def test_leaves_accumulate_and_inner_nodes_start_afresh() -> None:
    a = Value(3.0)
    b = a * a
    c = b * 2
    for times in (1, 2, 3):
        c.backward()
        assert (c.grad, b.grad, a.grad) == (1.0, 2.0, 12.0 * times)


def test_two_results_over_one_leaf_add_their_gradients() -> None:
    a = Value(2.0)
    shared = a * a
    (shared * 3).backward()
    (shared * 5).backward()
    assert a.grad == 4.0 * 8
    assert shared.grad == 5.0


def test_backward_from_a_leaf_adds_one() -> None:
    a = Value(2.0)
    a.backward()
    a.backward()
    assert a.grad == 2.0


def test_backward_from_the_middle_leaves_what_lies_above_alone() -> None:
    a = Value(2.0)
    b = a * 3
    c = b * 5
    c.backward()
    b.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 1.0, 15.0 + 3.0)


def test_the_graph_stays_to_be_looked_at() -> None:
    a, b = Value(2.0), Value(-3.0)
    y = a * b
    y.backward()
    assert (y.op, y.parents, y.local_grads) == ("*", (a, b), (-3.0, 2.0))
    assert y.ancestors() == {y, a, b}


def test_a_chain_of_100_000_nodes_is_computed_derived_and_deleted() -> None:
    start = Value(1.0)
    y = start
    for _ in range(100_000):
        y = y + 1
    assert y.data == 100_001.0
    y.backward()
    assert start.grad == 1.0
    del y  # frees the chain node by node; a recursive destructor would crash the interpreter here
    assert start.data == 1.0


def test_a_graph_is_freed_by_reference_count_alone() -> None:
    class Watched(Value):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        node = Watched(1.0)
        gone = weakref.ref(node)
        y = node * 2 + node
        y.backward()
        del node, y
        assert gone() is None
    finally:
        gc.enable()


def test_a_deep_graph_with_two_paths_at_each_step_takes_linear_time() -> None:
    y = start = Value(1.0)
    for _ in range(500):
        y = (y + y) * 0.5  # 2^500 paths
    y.backward()
    assert start.grad == 1.0


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: Value(1000.0).exp(), math.inf),
        (lambda: Value(-1000.0).exp(), 0.0),
        (lambda: Value(0.0).log(), -math.inf),
        (lambda: Value(-1.0).log(), math.nan),
        (lambda: Value(0.0) / Value(0.0), math.nan),
        (lambda: Value(1.0) / Value(0.0), math.inf),
        (lambda: Value(-1.0) / 0, -math.inf),
        (lambda: 1 / Value(-0.0), -math.inf),
        (lambda: Value(0.0) ** -1, math.inf),
        (lambda: Value(-1.0) ** 0.5, math.nan),
        (lambda: Value(-1.0).sqrt(), math.nan),
        (lambda: Value(1e200) ** 2, math.inf),
        (lambda: Value(math.nan).relu(), math.nan),
        (lambda: Value(math.nan).max(1.0), math.nan),
        (lambda: Value(math.nan) * 0, math.nan),
        (lambda: Value(math.inf) - Value(math.inf), math.nan),
        (lambda: Value(1e4).sigmoid(), 1.0),
        (lambda: Value(-1e4).sigmoid(), 0.0),
        (lambda: Value(1e4).gelu(), 1e4),
        (lambda: Value(-1e4).gelu(), 0.0),
    ],
)
def test_edges_follow_ieee_arithmetic(make: Callable[[], Value], data: float) -> None:
    y = make()
    assert y.data == data or (math.isnan(y.data) and math.isnan(data))
    y.backward()  # may give inf or nan, never an exception


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "gelu", "relu", "abs"])
@pytest.mark.parametrize("x", [1e4, -1e4, 0.0])
def test_squashing_functions_have_finite_slopes_far_out_and_at_zero(name: str, x: float) -> None:
    a = Value(x)
    UNARY[name][0](a).backward()
    assert math.isfinite(a.grad)


def test_the_corners_have_the_slopes_that_their_docstrings_promise() -> None:
    for name, slope in (("relu", 0.0), ("abs", 0.0)):
        a = Value(0.0)
        UNARY[name][0](a).backward()
        assert a.grad == slope
    a, b = Value(1.0), Value(1.0)
    a.max(b).backward()
    assert (a.grad, b.grad) == (1.0, 0.0)


def test_a_value_as_exponent_is_refused_with_the_way_round() -> None:
    with pytest.raises(TypeError, match=r"\(b \* a\.log\(\)\)\.exp\(\)"):
        Value(2.0) ** Value(3.0)  # type: ignore[operator]


def test_python_sum_adds_values() -> None:
    xs = [Value(float(i)) for i in range(4)]
    y = sum(xs)  # starts from the number 0
    assert isinstance(y, Value)
    y.backward()
    assert y.data == 6.0
    assert all(x.grad == 1.0 for x in xs)


def test_a_value_prints_and_converts_as_its_number() -> None:
    assert repr(Value(2.5)) == "Value(data=2.5, grad=0)"
    assert float(Value(2.5)) == 2.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Value(1.0).max(math.nan), math.nan),
        (Value(math.nan).max(1.0), math.nan),
        (Value(-10.0) ** 309, -math.inf),
        (Value(-0.0) ** -1, -math.inf),
        (Value(0.0) ** -2, math.inf),
        (Value(-8.0) ** (1 / 3), math.nan),
        (Value(9) ** 2_000_000, math.inf),
    ],
)
def test_edges_are_those_of_ieee_arithmetic(value: Value, expected: float):
    assert value.data == expected or (math.isnan(value.data) and math.isnan(expected))


def test_slopes_stay_numbers_where_a_curve_has_become_a_line():
    assert (0 ** Value(2.0)).local_grads == (0.0,)
    assert Value(1e200).gelu().local_grads == (1.0,)


@pytest.mark.parametrize("exponent", [0.5, -0.5])
def test_a_root_of_what_is_below_0_is_nan_infinity_too(exponent: float) -> None:
    assert math.isnan((Value(-math.inf) ** exponent).data)
    assert math.isnan(Value(-math.inf).sqrt().data)
    assert math.isnan(Value(-1.0).sqrt().data)
    assert Value(math.inf).sqrt().data == math.inf
    assert math.copysign(1.0, Value(-0.0).sqrt().data) == -1.0


def test_the_slope_of_0_to_the_power_x_is_0_from_0_on() -> None:
    assert (0 ** Value(0.0)).local_grads == (0.0,)
    assert (0 ** Value(-1.0)).local_grads == (-math.inf,)
    assert (2 ** Value(0.0)).local_grads == (math.log(2),)


def test_the_slope_of_the_size_of_nan_is_nan() -> None:
    assert math.isnan(abs(Value(math.nan)).local_grads[0])


@pytest.mark.parametrize("wrong", ["2", None, [1.0], Value(2.0), np.array([1.0, 2.0]), 1j], ids=repr)
def test_what_is_no_number_is_refused_by_the_constructor(wrong):
    with pytest.raises(TypeError, match="a Value holds one number, this is the"):
        Value(wrong)


def test_an_array_that_slipped_in_is_named_where_it_is_used():
    for product in (Value(2.0) * np.array([1.0, 2.0]), Value(2.0) * Tensor([1.0])):
        for use in (repr, Value.backward, "{:.2f}".format):
            with pytest.raises(TypeError, match="a Value holds one number"):
                use(product)


def test_a_value_is_formatted_rounded_and_ordered_by_its_data_and_equal_to_itself_alone():
    a, b = Value(2.345), Value(3.0)
    assert (f"{a:.2f}", f"{a:>8.1f}", f"{a}") == ("2.35", "     2.3", repr(a))
    assert (round(a, 1), round(b)) == (2.3, 3)
    assert max([a, b]) is b
    assert sorted([b, a]) == [a, b]
    assert a < b <= b
    assert b > 2
    assert a >= 2.345
    assert a > 2
    assert Value(1.0) != Value(1.0)
    assert math.isnan(max(Value(math.nan), a).data), "as for floats: nan is neither above nor below"
