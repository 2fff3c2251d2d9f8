"""Rows of a cache join and leave, and each keeps what it has read."""

from __future__ import annotations

import numpy as np
import pytest

from nanochat.models.gpt.cache import KEYS
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.tensor import GPT

CONFIG = GPTConfig(block_size=6, zero_init_proj=False, init_scale=0.5)
MODEL = GPT(CONFIG, dtype=np.float64)


def read(*texts: list[int]):
    """A cache of one row for each text, which has read it."""
    cache = MODEL.empty_cache(0)
    for text in texts:
        one = MODEL.empty_cache()
        MODEL.predict(np.array([text]), one)
        cache.join(one)
    return cache


def test_rows_that_joined_and_left_go_on_as_if_they_were_read_together():
    cache = read([1, 2, 3], [4], [5, 6], [4])
    cache.leave(1)
    expected = read([1, 2, 3], [4], [5, 6])  # the last one took its place
    np.testing.assert_array_equal(cache.lengths, [3, 1, 2])
    ids = np.array([[7], [8], [9]])
    np.testing.assert_array_equal(MODEL.predict(ids, cache), MODEL.predict(ids, expected))


def test_a_row_that_joined_is_a_copy():
    one, cache = read([1, 2]), read([3])
    cache.join(one)
    MODEL.predict(np.array([[4]]), one)
    np.testing.assert_array_equal(cache.lengths, [1, 2])
    assert not np.shares_memory(cache.keys, one.keys)


def test_who_joins_takes_the_room_of_who_left_and_others_stay_where_they_are():
    cache = read([1, 2, 3], [4], [5, 6])
    before = cache.keys
    cache.leave(2)
    cache.join(read([7, 8]))
    assert np.shares_memory(cache.keys[:, 2], before[:, 2])
    expected = read([1, 2, 3], [4], [7, 8])
    for found, wanted in ((cache.keys, expected.keys), (cache.values, expected.values)):
        np.testing.assert_array_equal(found, wanted)


def test_when_all_have_left_others_can_join():
    cache = read([1, 2])
    cache.leave(0)
    assert (cache.longest, len(cache.lengths)) == (0, 0)
    cache.join(read([3]))
    np.testing.assert_array_equal(MODEL.predict(np.array([[4]]), cache), MODEL.predict(np.array([[4]]), read([3])))


@pytest.mark.parametrize(
    "other", [GPT(CONFIG, dtype=np.float32), GPT(GPTConfig(block_size=5)), GPT(GPTConfig(block_size=6, n_layer=2))]
)
def test_rows_of_another_model_are_refused(other):
    with pytest.raises(ValueError, match="both caches must be of one model"):
        read([1]).join(other.empty_cache())


@pytest.mark.parametrize("row", [2, -1])
def test_a_row_that_is_not_there_cannot_leave(row):
    with pytest.raises(IndexError, match=f"row {row} cannot leave a batch of 2 rows"):
        read([1], [2]).leave(row)


@pytest.mark.parametrize("lengths", [[1, 2, 3], [7, 0], [-1, 0], [[1, 1]]])
def test_lengths_that_no_row_can_have_are_refused(lengths):
    cache = read([1, 2], [3])
    with pytest.raises(ValueError, match="are not 2, each of 0 to block_size=6"):
        cache.set_lengths(np.array(lengths))
    np.testing.assert_array_equal(cache.lengths, [2, 1])


def test_the_room_of_a_row_is_a_multiple_of_keys_and_its_length_is_not():
    cache = read([1, 2, 3, 4, 5, 6])
    assert cache.keys.shape[3] == KEYS
    with pytest.raises(ValueError, match="7 tokens do not fit in block_size=6"):
        cache.positions(1)
