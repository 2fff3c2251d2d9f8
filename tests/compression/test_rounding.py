"""Rounded weights: how far each number moves, and that rounding twice is rounding once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nanochat.checkpoints.formats.packing import pack, spread
from nanochat.compression.rounding import round_to_nearest

WEIGHTS = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(-4, 4, width=32)
)


@given(weight=WEIGHTS, dtype=st.sampled_from(["int8", "int4"]), group=st.integers(0, 10))
def test_no_number_moves_by_more_than_half_a_scale(weight, dtype, group):
    rounded, stored = round_to_nearest(weight, dtype, group)
    # Half of one unit in the last place of what is added to: a value is at most 127 scales.
    room = np.broadcast_to(spread(stored, weight.shape), weight.shape) * (0.5 + 1e-5)
    assert (np.abs(rounded - weight) <= room).all()


@given(weight=WEIGHTS, dtype=st.sampled_from(["float16", "bfloat16", "int8", "int4"]), group=st.integers(0, 10))
def test_rounding_twice_is_rounding_once_and_can_be_packed(weight, dtype, group):
    rounded, stored = round_to_nearest(weight, dtype, group)
    again, _ = round_to_nearest(rounded, dtype, group)
    if stored.scale is None:
        np.testing.assert_array_equal(again, rounded)
    pack("w", rounded, stored)


@given(weight=WEIGHTS, dtype=st.sampled_from(["int8", "int4"]))
def test_a_group_as_wide_as_a_row_is_a_scale_for_each_output_channel(weight, dtype):
    by_row, stored = round_to_nearest(weight, dtype)
    grouped, also = round_to_nearest(weight, dtype, weight.shape[1])
    np.testing.assert_array_equal(by_row, grouped)
    assert stored.group == also.group == 0


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_a_row_of_zeros_stays_one(dtype):
    rounded, stored = round_to_nearest(np.zeros((2, 3), np.float32), dtype)
    assert not rounded.any()
    assert not stored.scale.any()
