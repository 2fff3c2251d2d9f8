"""Laws of a comparison: a model is identical to itself, order turns the signs of nothing, distances are distances."""

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from nanochat.checkpoints.difference import compare
from nanochat.checkpoints.weights import Snapshot

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def snapshot(weights, **changed) -> Snapshot:
    content = {"model_kind": "gpt", "mode": "tensor", "dtype": "float64", "model": {"n_layer": 1}, "tokenizer": {}}
    return Snapshot(**content | {"stops_at_bos": True} | changed, weights=weights)


@given(numbers=st.lists(FLOATS))
def test_a_model_is_identical_to_itself(numbers):
    found = compare(*(snapshot({"a": np.array(numbers), "b": np.float64(1)}) for _ in "ab"))
    assert found.identical
    assert [(w.n_equal, w.max_abs, w.relative) for w in found.weights] == [(len(numbers), 0.0, 0.0), (1, 0.0, 0.0)]


@given(numbers=st.lists(st.tuples(FLOATS, FLOATS), min_size=1))
@example(numbers=[(0.0, -0.0), (1.0, 1.0)])
def test_both_orders_find_the_same_distance(numbers):
    a, b = (snapshot({"x": np.array(side)}) for side in zip(*numbers, strict=True))
    one, other = compare(a, b).weights[0], compare(b, a).weights[0]
    assert (one.n_equal, one.max_abs) == (other.n_equal, other.max_abs)
    assert one.n_equal == sum(x.hex() == y.hex() for x, y in numbers)
    assert one.max_abs == max(abs(x - y) for x, y in numbers)
    assert compare(a, b).identical == (one.n_equal == len(numbers))


def test_the_distance_is_relative_to_the_first():
    zero, three, six = (snapshot({"x": np.full(4, value)}) for value in (0.0, 3.0, 6.0))
    assert compare(three, six).weights[0].relative == 1.0
    assert compare(six, three).weights[0].relative == 0.5
    assert compare(zero, six).weights[0].relative == math.inf


def test_numbers_of_float32_models_are_compared_as_such():
    a = snapshot({"x": np.array([0.1])}, dtype="float32")
    b = snapshot({"x": np.array([0.1], np.float32)}, dtype="float32")
    assert compare(a, b).identical
    scalar = snapshot({"x": np.array([0.1])}, mode="scalar")
    assert compare(a, scalar).fields.keys() == {"mode", "dtype"}
    assert compare(b, scalar).weights[0].n_equal == 0


def test_settings_are_named_by_their_place():
    a = snapshot({}, model={"n_layer": 1, "n_head": 2}, origin={"step": 3})
    b = snapshot({}, model={"n_layer": 2, "window": 2}, origin={})
    assert compare(a, b).fields == {
        "model.n_layer": (1, 2),
        "model.n_head": (2, None),
        "model.window": (None, 2),
        "origin.step": (3, None),
    }


def test_weights_without_a_counterpart_are_listed_with_their_shapes():
    a = snapshot({"x": np.zeros((2, 3)), "y": np.zeros(2)})
    b = snapshot({"x": np.zeros((3, 2)), "z": np.zeros(())})
    found = compare(a, b)
    assert found.unmatched == {"x": ((2, 3), (3, 2)), "y": ((2,), None), "z": (None, ())}
    assert found.weights == ()
    assert not found.identical
