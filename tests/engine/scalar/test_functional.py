"""Laws of the functions on lists of Values: sums, shifts, limits, and that a fused node is its composition."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nanochat.engine.scalar import Value
from nanochat.engine.scalar import functional as F

numbers = st.floats(-3, 3)
vectors = st.lists(numbers, min_size=1, max_size=6)
logits = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8)

Function = Callable[[list[Value]], list[Value]]


def leaves(xs: Sequence[float]) -> list[Value]:
    return [Value(x) for x in xs]


def floats(ys: Sequence[Value]) -> list[float]:
    return [y.data for y in ys]


def pairs(size: int = 6) -> st.SearchStrategy[list[tuple[float, float]]]:
    return st.lists(st.tuples(numbers, numbers), min_size=1, max_size=size)


def gradients(function: Function, xs: Sequence[float], weights: Sequence[float]) -> tuple[list[float], list[float]]:
    """(outputs, gradient of their weighted sum): the sum is taken with + and * only."""
    x = leaves(xs)
    ys = function(x)
    total = Value(0.0)
    for y, weight in zip(ys, weights, strict=False):
        total = total + y * weight
    total.backward()
    return floats(ys), [v.grad for v in x]


def assert_same(ours: Function, composed: Function, xs: Sequence[float], weights: Sequence[float]) -> None:
    y, dx = gradients(ours, xs, weights)
    y_composed, dx_composed = gradients(composed, xs, weights)
    assert y == pytest.approx(y_composed, rel=1e-10, abs=1e-12)  # another order of adding, nothing else
    assert dx == pytest.approx(dx_composed, rel=1e-9, abs=1e-10)


# **** fused nodes are their compositions


def chain(terms: Sequence[Value]) -> Value:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


@given(vectors)
def test_sum_is_a_chain_of_additions(xs: list[float]) -> None:
    assert_same(lambda x: [F.sum(x)], lambda x: [chain(x)], xs, [1.5])


@given(vectors)
def test_mean_is_the_sum_over_n(xs: list[float]) -> None:
    assert_same(lambda x: [F.mean(x)], lambda x: [chain(x) / len(x)], xs, [1.5])


@given(pairs())
def test_dot_is_products_added_up(xy: list[tuple[float, float]]) -> None:
    n = len(xy)
    xs = [x for x, _ in xy] + [y for _, y in xy]
    assert_same(
        lambda v: [F.dot(v[:n], v[n:])],
        lambda v: [chain([a * b for a, b in zip(v[:n], v[n:], strict=True)])],
        xs,
        [-0.7],
    )


def test_dot_of_a_vector_with_itself_has_twice_it_as_gradient() -> None:
    x = leaves([1.0, -2.0, 3.0])
    F.dot(x, x).backward()
    assert [v.grad for v in x] == [2.0, -4.0, 6.0]


@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_linear_is_dot_products_and_a_bias(data: st.DataObject, n_in: int, n_out: int, bias: bool) -> None:
    size = n_in + n_in * n_out + n_out
    xs = data.draw(st.lists(numbers, min_size=size, max_size=size))

    def split(v: list[Value]) -> tuple[list[Value], list[list[Value]], list[Value] | None]:
        rows = [v[n_in * (i + 1) : n_in * (i + 2)] for i in range(n_out)]
        return v[:n_in], rows, v[-n_out:] if bias else None

    def composed(v: list[Value]) -> list[Value]:
        x, rows, b = split(v)
        y = [chain([w * a for w, a in zip(row, x, strict=True)]) for row in rows]
        return y if b is None else [y_i + b_i for y_i, b_i in zip(y, b, strict=True)]

    assert_same(lambda v: F.linear(*split(v)), composed, xs, [0.3, -1.1, 2.0, 0.9])


@given(logits, st.data())
def test_cross_entropy_is_minus_log_softmax(z: list[float], data: st.DataObject) -> None:
    z = [v / 2000 for v in z]  # -5 to 5: the composition takes a log of p, which must not underflow
    target = data.draw(st.integers(0, len(z) - 1))
    assert_same(lambda x: [F.cross_entropy(x, target)], lambda x: [-F.softmax(x)[target].log()], z, [1.0])


def test_a_row_of_a_linear_layer_is_one_node() -> None:
    x, weight = leaves([1.0, 2.0]), [leaves([3.0, 4.0]), leaves([5.0, 6.0])]
    for y in F.linear(x, weight):
        assert len(y.parents) == 4
        assert not any(parent.parents for parent in y.parents)


@pytest.mark.parametrize("call", [
    lambda: F.dot(leaves([1.0]), leaves([1.0, 2.0])),
    lambda: F.linear(leaves([1.0]), [leaves([1.0, 2.0])]),
    lambda: F.add(leaves([1.0]), leaves([1.0, 2.0])),
    lambda: F.attention(leaves([1.0]), [leaves([1.0])], [leaves([1.0]), leaves([2.0])]),
])  # fmt: skip
def test_lengths_that_differ_are_an_error(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"length|numbers|argument"):
        call()


# **** softmax and cross-entropy


@given(logits)
def test_softmax_sums_to_one_and_stays_between_0_and_1(z: list[float]) -> None:
    p = floats(F.softmax(leaves(z)))
    assert math.fsum(p) == pytest.approx(1.0, abs=1e-12)
    assert all(0.0 <= v <= 1.0 for v in p)


@given(st.lists(numbers, min_size=1, max_size=8), st.floats(-100, 100))
def test_softmax_does_not_change_when_all_logits_shift(z: list[float], shift: float) -> None:
    shifted = F.softmax(leaves([v + shift for v in z]))
    assert floats(F.softmax(leaves(z))) == pytest.approx(floats(shifted), abs=1e-12)


@given(logits, st.data())
def test_gradients_of_softmax_and_cross_entropy_sum_to_zero(z: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(z) - 1))  # a shift of all logits changes nothing, so its slope is 0
    for function in (lambda x: [F.softmax(x)[target]], lambda x: [F.cross_entropy(x, target)]):
        _, dz = gradients(function, z, [1.0])
        assert all(math.isfinite(g) for g in dz)
        assert math.fsum(dz) == pytest.approx(0.0, abs=1e-12)


def test_softmax_keeps_order_and_is_uniform_for_equal_logits() -> None:
    p = floats(F.softmax(leaves([1.0, 3.0, 2.0])))
    assert p[1] > p[2] > p[0]
    assert floats(F.softmax(leaves([7.0] * 4))) == [0.25] * 4


def test_extreme_logits_give_exact_limits() -> None:
    z = [1e4, -1e4, 0.0]
    assert floats(F.softmax(leaves(z))) == [1.0, 0.0, 0.0]
    assert F.cross_entropy(leaves(z), 0).data == 0.0
    assert F.cross_entropy(leaves(z), 1).data == 2e4
    x = leaves(z)
    F.cross_entropy(x, 1).backward()
    assert [v.grad for v in x] == [1.0, -1.0, 0.0]


@given(logits, st.data())
def test_cross_entropy_is_never_negative_and_bounded_by_the_gap(z: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(z) - 1))
    loss = F.cross_entropy(leaves(z), target).data
    gap = max(z) - z[target]
    assert -1e-12 <= loss <= gap + math.log(len(z)) + 1e-9


def test_cross_entropy_of_equal_logits_is_log_of_the_vocabulary() -> None:
    assert F.cross_entropy(leaves([0.3] * 27), 5).data == pytest.approx(math.log(27), abs=1e-14)


@pytest.mark.parametrize("z", [[math.nan, 0.0], [math.inf, 0.0]])
def test_logits_that_diverged_give_a_loss_that_is_not_finite(z: list[float]) -> None:
    assert not math.isfinite(F.cross_entropy(leaves(z), 1).data)


# **** norms

spread = st.lists(numbers, min_size=2, max_size=8).filter(lambda xs: max(xs) - min(xs) > 0.1)


@given(spread)
def test_layer_norm_has_mean_0_and_variance_1(xs: list[float]) -> None:
    y = floats(F.layer_norm(leaves(xs), eps=1e-12))
    mean = math.fsum(y) / len(y)
    assert mean == pytest.approx(0.0, abs=1e-9)
    assert math.fsum((v - mean) ** 2 for v in y) / len(y) == pytest.approx(1.0, rel=1e-6)


@given(spread, st.floats(-10, 10))
def test_layer_norm_does_not_see_a_shift(xs: list[float], shift: float) -> None:
    shifted = F.layer_norm(leaves([x + shift for x in xs]))
    assert floats(F.layer_norm(leaves(xs))) == pytest.approx(floats(shifted), abs=1e-8)


@given(spread)
def test_rms_norm_has_mean_square_1(xs: list[float]) -> None:
    y = floats(F.rms_norm(leaves(xs), eps=1e-12))
    assert math.fsum(v * v for v in y) / len(y) == pytest.approx(1.0, rel=1e-6)


@given(spread, st.floats(0.5, 50))
def test_rms_norm_does_not_see_a_positive_factor(xs: list[float], factor: float) -> None:
    scaled = F.rms_norm(leaves([x * factor for x in xs]), eps=1e-15)
    assert floats(F.rms_norm(leaves(xs), eps=1e-15)) == pytest.approx(floats(scaled), abs=1e-9)


def test_norms_of_zeros_are_zeros() -> None:
    assert floats(F.rms_norm(leaves([0.0] * 3))) == [0.0] * 3
    assert floats(F.layer_norm(leaves([0.0] * 3))) == [0.0] * 3


def test_gain_multiplies_and_bias_shifts() -> None:
    x, gain, bias = leaves([1.0, -1.0]), leaves([2.0, 3.0]), leaves([10.0, 20.0])
    assert floats(F.layer_norm(x, gain, bias, eps=1e-15)) == pytest.approx([12.0, 17.0])
    assert floats(F.rms_norm(x, gain, eps=1e-15)) == pytest.approx([2.0, -3.0])
    assert floats(F.dyt(leaves([0.0, 0.0]), Value(0.5), gain, bias)) == [10.0, 20.0]


@given(vectors)
def test_dyt_stays_between_minus_1_and_1(xs: list[float]) -> None:
    assert floats(F.dyt(leaves(xs), Value(2.0))) == [math.tanh(2.0 * x) for x in xs]


# **** attention and rotary positions


@given(st.lists(numbers, min_size=4, max_size=4), st.lists(numbers, min_size=4, max_size=4), vectors)
def test_attention_over_one_key_returns_its_value(q: list[float], k: list[float], value: list[float]) -> None:
    assert floats(F.attention(leaves(q), [leaves(k)], [leaves(value)])) == value


@given(
    st.lists(numbers, min_size=3, max_size=3),
    st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=5),
)
def test_attention_over_equal_keys_is_the_mean_of_the_values(q: list[float], values: list[list[float]]) -> None:
    keys = [leaves([0.3, -0.2, 1.0]) for _ in values]
    means = [math.fsum(column) / len(values) for column in zip(*values, strict=True)]
    assert floats(F.attention(leaves(q), keys, [leaves(v) for v in values])) == pytest.approx(means, abs=1e-12)


@given(st.permutations(range(4)), st.lists(numbers, min_size=18, max_size=18))
def test_attention_does_not_depend_on_the_order_of_the_keys(order: list[int], xs: list[float]) -> None:
    q, keys, values = (
        xs[:2],
        [xs[2 + 2 * i : 4 + 2 * i] for i in range(4)],
        [xs[10 + 2 * i : 12 + 2 * i] for i in range(4)],
    )
    first = F.attention(leaves(q), [leaves(k) for k in keys], [leaves(v) for v in values])
    other = F.attention(leaves(q), [leaves(keys[i]) for i in order], [leaves(values[i]) for i in order])
    assert floats(first) == pytest.approx(floats(other), abs=1e-12)


@given(st.lists(numbers, min_size=6, max_size=6), st.integers(0, 10_000))
def test_rope_keeps_the_length_of_each_pair(xs: list[float], position: int) -> None:
    y = floats(F.rope(leaves(xs), position))
    for i in range(0, 6, 2):
        assert math.hypot(y[i], y[i + 1]) == pytest.approx(math.hypot(xs[i], xs[i + 1]), abs=1e-12)


@given(
    st.lists(numbers, min_size=4, max_size=4),
    st.lists(numbers, min_size=4, max_size=4),
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 100),
)
def test_rope_products_depend_on_the_distance_alone(q: list[float], k: list[float], s: int, t: int, shift: int) -> None:
    near = F.dot(F.rope(leaves(q), s), F.rope(leaves(k), t))
    far = F.dot(F.rope(leaves(q), s + shift), F.rope(leaves(k), t + shift))
    assert near.data == pytest.approx(far.data, abs=1e-10)


def test_rope_leaves_position_0_alone() -> None:
    assert floats(F.rope(leaves([1.0, 2.0, 3.0, 4.0]), 0)) == [1.0, 2.0, 3.0, 4.0]


# **** every function against finite differences

FUNCTIONS: dict[str, tuple[int, Function]] = {
    "sum": (4, lambda x: [F.sum(x)]),
    "mean": (4, lambda x: [F.mean(x)]),
    "dot": (4, lambda x: [F.dot(x[:2], x[2:])]),
    "linear": (8, lambda x: F.linear(x[:2], [x[2:4], x[4:6]], x[6:])),
    "linear without bias": (6, lambda x: F.linear(x[:2], [x[2:4], x[4:]])),
    "add": (4, lambda x: F.add(x[:2], x[2:])),
    "scale": (3, lambda x: F.scale(x[:2], x[2])),
    "rms_norm": (6, lambda x: F.rms_norm(x[:3], x[3:])),
    "layer_norm": (9, lambda x: F.layer_norm(x[:3], x[3:6], x[6:])),
    "dyt": (7, lambda x: F.dyt(x[:2], x[2], x[3:5], x[5:])),
    "softmax": (4, F.softmax),
    "cross_entropy": (4, lambda x: [F.cross_entropy(x, 2)]),
    "attention": (10, lambda x: F.attention(x[:2], [x[2:4], x[4:6]], [x[6:8], x[8:]])),
    "rope": (4, lambda x: F.rope(x, 3)),
    "relu": (3, F.relu),
    "relu2": (3, F.relu2),
    "gelu": (3, F.gelu),
    "silu": (3, F.silu),
    "swiglu": (4, F.swiglu),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(data=st.data())
def test_gradient_equals_finite_differences(name: str, data: st.DataObject) -> None:
    size, function = FUNCTIONS[name]
    h = 1e-5
    away_from_0 = st.floats(0.01, 2) | st.floats(-2, -0.01)  # relu has a corner at 0
    xs = data.draw(st.lists(away_from_0, min_size=size, max_size=size))
    assume(name != "layer_norm" or max(abs(xs[0] - xs[1]), abs(xs[0] - xs[2])) > 0.1)  # else the curvature is 1/eps
    weights = [0.7, -1.3, 0.4]
    _, analytic = gradients(function, xs, weights)

    def weighted(xs: list[float]) -> float:
        return math.fsum(y.data * w for y, w in zip(function(leaves(xs)), weights, strict=False))

    for i in range(size):
        up, down = [*xs[:i], xs[i] + h, *xs[i + 1 :]], [*xs[:i], xs[i] - h, *xs[i + 1 :]]
        numeric = (weighted(up) - weighted(down)) / (2 * h)
        assert analytic[i] == pytest.approx(numeric, rel=1e-5, abs=1e-6), f"d{name}/dx_{i}"


def test_every_public_function_is_in_the_table() -> None:
    public = {
        name
        for name, item in vars(F).items()
        if callable(item) and getattr(item, "__module__", "") == F.__name__ and not name.startswith("_")
    }
    assert public <= {name.split()[0] for name in FUNCTIONS}


# **** what is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.linear(leaves([1, 2]), [leaves([1, 1]), leaves([1, 1, 5])]), "row 1 of the weight takes 3"),
        (lambda: F.linear(leaves([1, 2]), [leaves([1, 1]), leaves([1])]), "row 1 of the weight takes 1"),
        (lambda: F.linear(leaves([1]), [leaves([1])], leaves([1, 2])), "1 rows and the bias 2"),
        (lambda: F.linear(leaves([1]), [leaves([1]), leaves([1])], leaves([1])), "2 rows and the bias 1"),
        (lambda: F.mean([]), "mean of no number"),
        (lambda: F.rms_norm([]), "of no number"),
        (lambda: F.layer_norm([]), "of no number"),
        (lambda: F.cross_entropy([], 0), "of no logits"),
        (lambda: F.attention(leaves([1]), [], []), "over no key"),
        (lambda: F.rope(leaves([1, 2, 3]), 1), "no pairs"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_sentence(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("target", [-2, -5, -100, 3])
def test_a_target_that_is_no_class_is_refused(target: int) -> None:
    with pytest.raises(IndexError, match=rf"target {target} is no class: give 0 to 2, or -1 to ignore"):
        F.cross_entropy(leaves([1, 2, 3]), target)


def test_a_target_of_minus_1_is_ignored() -> None:
    z = leaves([1, math.nan, 3])
    loss = F.cross_entropy(z, -1)
    loss.backward()
    assert loss.data == 0.0
    assert [v.grad for v in z] == [0.0] * 3


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_nan_anywhere_makes_loss_and_slopes_nan(place: int, target: int) -> None:
    z = [1.0, 2.0, 3.0]
    z[place] = math.nan
    loss = F.cross_entropy(leaves(z), target)
    assert all(map(math.isnan, [loss.data, *loss.local_grads]))


def test_nothing_but_minus_infinity_is_nan_and_some_of_it_is_impossible() -> None:
    assert math.isnan(F.cross_entropy(leaves([-math.inf] * 2), 0).data)
    loss = F.cross_entropy(leaves([0.0, -math.inf]), 1)
    assert (loss.data, loss.local_grads) == (math.inf, (1.0, -1.0))


def test_softmax_of_nothing_is_nothing() -> None:
    assert F.softmax([]) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.sum(x),
        lambda x: F.mean(x),
        lambda x: F.dot(x, x),
        lambda x: F.linear(x, [leaves([1.0, 2.0, 3.0])])[0],
        lambda x: F.rms_norm(x)[0],
        lambda x: F.layer_norm(x)[0],
        lambda x: F.softmax(x)[2],
        lambda x: F.cross_entropy(x, 1),
        lambda x: F.attention(x, [x, x], [x, x])[0],
        lambda x: F.relu(x)[1],
        lambda x: F.relu2(x)[2],
        lambda x: F.gelu(x)[0],
        lambda x: F.silu(x)[0],
        lambda x: F.swiglu([*x, 1.0])[0],
    ],
)
def test_numbers_stand_where_values_do(call):
    """Some, or all of them: arithmetic mixes the two, so lists do."""
    numbers = [1.0, -2.0, 3.0]
    expected = call([Value(x) for x in numbers])
    for some in (numbers, [Value(1.0), -2.0, 3.0], [1.0, -2.0, Value(3.0)]):
        assert float(call(some)) == float(expected)


def test_a_list_of_something_else_is_named():
    with pytest.raises(TypeError, match="this is the str 'a'"):
        F.softmax(["a", "b"])
