"""All that does not fit a model is said at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nanochat.checkpoints.weights import structure_problems

EXPECTED = {"a": (2, 3), "b": (3,), "c": ()}
TABLES = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.integers(0, 3), max_size=2).map(tuple))


def weights(dtype=np.float32, **shapes):
    return {name: np.zeros(shape, dtype) for name, shape in shapes.items()}


def test_what_fits_has_no_problem():
    assert structure_problems(EXPECTED, weights(**EXPECTED)) == []
    assert structure_problems(EXPECTED, weights(**EXPECTED), dtype="float32") == []


def test_each_kind_of_problem_is_named():
    found = weights(a=(3, 2), b=(3,), x=(1,)) | {"b": np.zeros(3, np.int64)}
    assert structure_problems(EXPECTED, found) == [
        "c () is missing",
        "x (1,) is unexpected",
        "a has shape (3, 2), the model has (2, 3)",
        "b is int64, the model floating point",
    ]


def test_another_precision_is_a_problem_where_one_is_asked_for():
    found = weights(**EXPECTED) | {"b": np.zeros(3)}
    assert structure_problems(EXPECTED, found) == []
    assert structure_problems(EXPECTED, found, dtype="float32") == ["b is float64, the model float32"]


@given(expected=TABLES, found=TABLES)
def test_there_is_a_line_for_every_difference_and_no_other(expected, found):
    lines = structure_problems(expected, weights(**found))
    different = {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
    assert sorted(line.split()[0] for line in lines) == sorted(different)
