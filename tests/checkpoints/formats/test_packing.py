"""What is packed comes back as it was, anyone's reader sees its arrays, and what nobody packs is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nanochat.checkpoints.formats.packing import (
    LARGEST,
    Stored,
    describe,
    from_half,
    pack,
    pack_pairs,
    packed_bytes,
    to_half,
    unpack,
    unpack_pairs,
)

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 9))


def halves(name, file):
    """As read_arrays gives them: float16 and bfloat16 as float32."""
    return {key: from_half(array) if array.dtype.itemsize == 2 else array for key, array in file.items()}


@st.composite
def stored_weights(draw):
    """A weight that its storage can hold."""
    shape, dtype = draw(SHAPES), draw(st.sampled_from(["float16", "bfloat16", "int8", "int4"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if dtype not in LARGEST:
        return from_half(to_half(rng.standard_normal(shape, np.float32), dtype)), Stored(dtype)
    group = draw(st.integers(0, shape[1]))
    n_groups = -(-shape[1] // group) if group else 1
    scale = rng.choice([0.0, 2.0**-24, 0.01, 3.0], size=(shape[0], n_groups)).astype(np.float16).astype(np.float32)
    values = rng.integers(-LARGEST[dtype], LARGEST[dtype] + 1, size=shape)
    columns = np.arange(shape[1]) // (group or shape[1])
    return (values * scale[:, columns]).astype(np.float32), Stored(dtype, group, scale)


@given(case=stored_weights())
def test_a_weight_comes_back_bit_for_bit_and_takes_the_bytes_it_is_said_to(case):
    weight, stored = case
    file = pack("w", weight, stored)
    back, how = unpack("w", halves("w", file), describe(weight, stored))
    np.testing.assert_array_equal(back, weight)
    assert (how.dtype, how.group) == (stored.dtype, stored.group)
    assert sum(array.nbytes for array in file.values()) == packed_bytes(weight.shape, stored)


@given(values=arrays.arrays(np.int8, SHAPES, elements=st.integers(-7, 7)))
def test_two_values_of_four_bits_share_a_byte(values):
    packed = pack_pairs(values)
    assert packed.nbytes == len(values) * -(-values.shape[1] // 2)
    np.testing.assert_array_equal(unpack_pairs(packed, values.shape[1]), values)
    assert packed[0, 0] & 15 == values[0, 0] + 8


@given(x=arrays.arrays(np.float32, 8, elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_bfloat16_is_the_nearest_number_with_eight_bits_of_fraction(x):
    rounded = from_half(to_half(x, "bfloat16"))
    assert (np.abs(rounded.astype(np.float64) - x) <= np.abs(x.astype(np.float64)) * 2**-8 + 2.0**-133).all()
    np.testing.assert_array_equal(from_half(to_half(rounded, "bfloat16")), rounded)


def test_what_was_trained_on_is_not_packed():
    weight = np.ones((2, 4), np.float32)
    for stored in (Stored("int8", 0, np.full((2, 1), 0.01, np.float32)), Stored("bfloat16")):
        with pytest.raises(ValueError, match=r"w holds numbers that are no .*: round it first"):
            pack("w", weight + np.float32(1e-3), stored)


GOOD = {"w": np.array([[1, -127], [0, 3]], np.int8), "w.scale": np.array([[0.5], [2.0]], np.float32)}
PAIRS = {"w": np.array([[0x88, 0x89]], np.uint8), "w.scale": np.array([[0.5]], np.float32)}


@pytest.mark.parametrize(
    ("arrays", "entry", "part"),
    [
        (GOOD, {"dtype": "int2", "group": 0}, "w is said to be stored as"),
        (GOOD, {"dtype": ["int8"], "group": 0}, "w is said to be stored as"),
        (GOOD, "int8", "w is said to be stored as"),
        (GOOD, {"dtype": "int8"}, "w is described by dtype"),
        (GOOD, {"dtype": "int8", "group": 0, "shape": [2, 2]}, "w is described by dtype, group, shape"),
        (GOOD, {"dtype": "int8", "group": -1}, "'-1' columns to a scale"),
        (GOOD, {"dtype": "int8", "group": 10**12}, "'1000000000000' columns to a scale"),
        (GOOD, {"dtype": "int8", "group": True}, "'True' columns to a scale"),
        (GOOD, {"dtype": "int8", "group": 1}, "no (2, 2) of scales"),
        ({"w": GOOD["w"]}, {"dtype": "int8", "group": 0}, "no (2, 1) of scales"),
        (GOOD | {"w.scale": -GOOD["w.scale"]}, {"dtype": "int8", "group": 0}, "no (2, 1) of scales"),
        (GOOD | {"w.scale": GOOD["w.scale"] + np.float32(1e-6)}, {"dtype": "int8", "group": 0}, "no (2, 1) of scales"),
        ({"w.scale": GOOD["w.scale"]}, {"dtype": "int8", "group": 0}, "w is missing"),
        (GOOD | {"w": GOOD["w"] - np.int8(1)}, {"dtype": "int8", "group": 0}, "w holds -128, and int8 begins at -127"),
        (PAIRS, {"dtype": "int8", "group": 0}, "w is uint8 (1, 2), not the matrix of int8"),
        (PAIRS, {"dtype": "int4", "group": 0, "shape": [1, 5]}, "w is uint8 (1, 2), which holds no (1, 5) of int4"),
        (PAIRS, {"dtype": "int4", "group": 0, "shape": [4]}, "holds no (4,) of int4"),
        (PAIRS | {"w": PAIRS["w"] & 0xF0}, {"dtype": "int4", "group": 0, "shape": [1, 4]}, "w holds -8, and int4"),
        (PAIRS | {"w": PAIRS["w"] + np.uint8(16)}, {"dtype": "int4", "group": 0, "shape": [1, 3]}, "behind its last"),
        ({"w": np.full((2, 2), 0.1, np.float32)}, {"dtype": "float16"}, "w holds numbers that are no float16"),
    ],
)
def test_what_nobody_packs_is_refused_by_name(arrays, entry, part):
    with pytest.raises(ValueError, match="w") as refused:
        unpack("w", arrays, entry)
    assert part in str(refused.value)


def test_int4_of_four_columns_is_read_from_its_bytes():
    weight, _ = unpack("w", PAIRS, {"dtype": "int4", "group": 0, "shape": [1, 4]})
    assert weight.tolist() == [[0.0, 0.0, 0.5, 0.0]]
