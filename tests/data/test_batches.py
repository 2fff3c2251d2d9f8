"""Batches: pure in their position, golden in their shape, and an evaluation that asks for every token once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.batches import Batch, Batches, evaluation_batches
from nanochat.data.tokens import TokenArray
from nanochat.errors import ConfigError, DataError

LISTS = st.lists(st.lists(st.integers(1, 50), max_size=20), min_size=1, max_size=12)
KINDS = st.sampled_from(["windows", "documents"])
SIZES = st.integers(1, 9)


def stream_of(documents):
    return TokenArray.from_documents([np.array(ids, dtype=np.int64) for ids in documents], dtype=np.uint16)


def counted(n):
    """Ids that tell their place, so that a test can see which tokens were asked for."""
    return TokenArray.from_text(np.arange(n, dtype=np.int32))


def equal(a, b):
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.targets, b.targets)


def test_documents_are_joined_with_bos_before_between_and_after():
    stream = stream_of([[5, 6], [], [7]])
    assert stream.ids.tolist() == [0, 5, 6, 0, 0, 7, 0]
    assert stream.marks.tolist() == [0, 3, 4, 6]
    assert stream.n_tokens == 3
    assert stream.ids.dtype == np.uint16


def test_a_text_is_taken_as_it_is():
    stream = counted(5)
    assert stream.ids.tolist() == [0, 1, 2, 3, 4]
    assert stream.n_tokens == 5


@pytest.mark.parametrize(("n", "width"), [(100, 8), (9, 8), (8, 7), (2, 1)])
def test_windows_are_block_size_wide_or_the_whole_text(n, width):
    batch = Batches(counted(n), kind="windows", block_size=8, batch_size=3, seed=1).batch(0)
    assert batch.inputs.shape == batch.targets.shape == (3, width)
    assert batch.inputs.dtype == batch.targets.dtype == np.int64
    assert np.array_equal(batch.targets, batch.inputs + 1)
    assert batch.n_targets == 3 * width
    assert batch.segments is None


def test_windows_start_everywhere_from_the_first_to_the_last_possible_place():
    batches = Batches(counted(12), kind="windows", block_size=8, batch_size=50, seed=1)
    starts = {int(start) for position in range(4) for start in batches.batch(position).inputs[:, 0]}
    assert starts == {0, 1, 2, 3}


def test_documents_are_padded_to_the_longest_of_the_batch():
    batches = Batches(stream_of([[5, 6, 7], [8]]), kind="documents", block_size=16, batch_size=2, seed=3)
    batch = batches.batch(0)
    rows = sorted(zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True))
    assert rows == [([0, 5, 6, 7], [5, 6, 7, 0]), ([0, 8, 0, 0], [8, 0, -1, -1])]
    assert batch.n_targets == 6


def test_a_document_longer_than_the_block_goes_on_in_further_rows():
    batches = Batches(stream_of([[1, 2, 3, 4, 5]]), kind="documents", block_size=4, batch_size=2, seed=3)
    batch = batches.batch(0)
    rows = sorted(zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True))
    assert rows == [([0, 1, 2, 3], [1, 2, 3, 4]), ([4, 5, 0, 0], [5, 0, -1, -1])]


@given(LISTS, KINDS, SIZES, SIZES, st.integers(0, 2**40), st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_a_batch_is_the_same_whatever_was_asked_before(documents, kind, block_size, batch_size, seed, positions):
    sizes = {"kind": kind, "block_size": block_size, "batch_size": batch_size, "seed": seed}
    used = Batches(stream_of(documents), **sizes)
    for position in positions:
        assert equal(used.batch(position), Batches(stream_of(documents), **sizes).batch(position))


@given(st.integers(1, 12), SIZES, st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_of_documents_holds_each_once_also_across_batches(n_documents, batch_size, seed, epoch):
    documents = [[i + 1] for i in range(n_documents)]
    batches = Batches(stream_of(documents), kind="documents", block_size=4, batch_size=batch_size, seed=seed)
    n_batches = -(-(epoch + 1) * n_documents // batch_size)
    drawn = [int(row[1]) for p in range(n_batches) for row in batches.batch(p).inputs]
    of_epoch = drawn[epoch * n_documents : (epoch + 1) * n_documents]
    assert sorted(of_epoch) == [i + 1 for i in range(n_documents)]


def test_seeds_and_positions_give_different_batches():
    def batch(seed, position):
        return Batches(counted(10_000), kind="windows", block_size=8, batch_size=4, seed=seed).batch(position)

    assert not equal(batch(1, 0), batch(2, 0))
    assert not equal(batch(1, 0), batch(1, 1))
    assert equal(batch(1, 1), batch(1, 1))


def test_epochs_are_different_permutations():
    stream = stream_of([[i] for i in range(1, 51)])
    batches = Batches(stream, kind="documents", block_size=4, batch_size=50, seed=1)
    assert not equal(batches.batch(0), batches.batch(1))


def test_epoch_counts_passes_over_the_data():
    documents = Batches(stream_of([[1], [2], [3], [4]]), kind="documents", block_size=4, batch_size=2, seed=1)
    assert [documents.epoch(p) for p in (0, 1, 2, 4)] == [0, 0.5, 1, 2]
    windows = Batches(counted(81), kind="windows", block_size=8, batch_size=5, seed=1)
    assert [windows.epoch(p) for p in (0, 1, 2, 4)] == [0, 0.5, 1, 2]


@given(st.integers(2, 60), SIZES, SIZES)
def test_evaluating_a_text_asks_for_every_token_exactly_once(n, block_size, batch_size):
    batches = list(evaluation_batches(counted(n), kind="windows", block_size=block_size, batch_size=batch_size))
    asked = np.concatenate([batch.targets[batch.targets >= 0] for batch in batches])
    assert asked.tolist() == list(range(1, n))
    assert all(np.array_equal(b.targets[b.targets >= 0], b.inputs[b.targets >= 0] + 1) for b in batches)
    assert all(batch.inputs.shape[0] <= batch_size and batch.inputs.shape[1] <= block_size for batch in batches)


@given(LISTS, SIZES, SIZES)
def test_evaluating_documents_asks_for_every_token_and_every_end_exactly_once(documents, block_size, batch_size):
    batches = evaluation_batches(stream_of(documents), kind="documents", block_size=block_size, batch_size=batch_size)
    asked = [int(i) for batch in batches for i in batch.targets[batch.targets >= 0]]
    assert asked == [i for ids in documents for i in [*ids, 0]]


@given(LISTS, KINDS, SIZES, SIZES, st.integers(1, 100))
def test_a_token_budget_is_kept_unless_one_row_is_more(documents, kind, block_size, batch_size, max_tokens):
    stream = stream_of(documents)
    sizes = {"kind": kind, "block_size": block_size, "batch_size": batch_size}
    batches = list(evaluation_batches(stream, **sizes, max_tokens=max_tokens))
    n_asked = sum(batch.n_targets for batch in batches)
    assert n_asked <= max_tokens or sum(len(batch.inputs) for batch in batches) == 1
    assert n_asked == min(n_asked, len(stream.ids) - 1) > 0


def test_a_token_budget_is_spent_evenly_over_the_text():
    batches = list(evaluation_batches(counted(8001), kind="windows", block_size=8, batch_size=4, max_tokens=80))
    starts = [int(row[0]) for batch in batches for row in batch.inputs]
    assert starts == list(range(0, 8000, 800))


def test_a_batch_is_what_a_model_is_called_with():
    inputs, targets, segments = Batch(np.zeros((1, 2), np.int64), np.array([[1, -1]]))
    assert inputs.shape == targets.shape
    assert segments is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"block_size": 0}, "block_size=0"),
        ({"seed": -1}, "seed=-1 is negative"),
        ({"kind": "rows"}, "kind='rows'"),
        ({"kind": "documents"}, "this one is a single text"),
    ],
)
def test_settingsthat_make_no_sense_are_refused(change, sentence):
    settings = {"kind": "windows", "block_size": 8, "batch_size": 4, "seed": 1} | change
    with pytest.raises(ConfigError, match=sentence):
        Batches(counted(20), **settings)
    if "seed" not in change:
        del settings["seed"]
        with pytest.raises(ConfigError, match=sentence):
            evaluation_batches(counted(20), **settings)


def test_negative_budget_and_position_are_refused():
    with pytest.raises(ConfigError, match="max_tokens=-1"):
        evaluation_batches(counted(20), kind="windows", block_size=8, batch_size=4, max_tokens=-1)
    with pytest.raises(ConfigError, match="position=-1"):
        Batches(counted(20), kind="windows", block_size=8, batch_size=4, seed=1).batch(-1)


@pytest.mark.parametrize("n", [0, 1])
def test_a_text_without_a_pair_is_refused(n):
    with pytest.raises(DataError, match=f"{n} tokens form no pair"):
        Batches(counted(n), kind="windows", block_size=8, batch_size=4, seed=1)
