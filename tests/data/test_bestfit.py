"""Best-fit rows: full, in the order of the rule, each document at most once; and as batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.batches import Batches
from nanochat.data.bestfit import fit_rows
from nanochat.data.tokens import TokenArray

CASES = st.integers(1, 12).flatmap(lambda size: st.tuples(st.just(size), st.lists(st.integers(1, size), min_size=1)))


@given(CASES, st.integers(1, 5))
def test_every_row_but_the_last_is_full_and_no_document_comes_twice(case, buffer):
    size, lengths = case
    order, taken, bounds = fit_rows(np.array(lengths), size, buffer)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (taken <= np.array(lengths)[order]).all()
    widths = np.add.reduceat(taken, bounds[:-1])
    assert (widths[:-1] == size).all()
    assert 0 < widths[-1] <= size


@given(CASES)
def test_only_the_last_document_of_a_full_row_is_cut(case):
    size, lengths = case
    order, taken, bounds = fit_rows(np.array(lengths), size)
    cut = np.flatnonzero(taken < np.array(lengths)[order])
    assert set(cut.tolist()) <= set((bounds[1:] - 1).tolist())


def test_the_longest_that_fits_is_taken_and_the_shortest_is_cut_where_none_does():
    order, taken, bounds = fit_rows(np.array([5, 9, 4, 7, 3]), 10)
    assert order.tolist() == [1, 4, 3, 2, 0]  # 9 and one of 3; 7 and 3 of 4; 5
    assert taken.tolist() == [9, 1, 7, 3, 5]
    assert bounds.tolist() == [0, 2, 4, 5]


def test_documents_beyond_the_buffer_wait():
    order, _, _ = fit_rows(np.array([2, 2, 2, 9]), 10, buffer=2)
    assert order[0] == 1  # of the first two; the 9 is not seen yet


def test_rows_begin_with_bos_and_hold_no_padding():
    documents = [[0, *range(10 * i, 10 * i + 1 + i % 6)] for i in range(1, 60)]
    ids = np.array([id_ for document in documents for id_ in document] + [0])
    marks = np.flatnonzero(ids == 0)
    batches = Batches(TokenArray(ids, marks), kind="documents", block_size=16, batch_size=4, seed=1, packing="bestfit")
    for position in range(batches.n_batches(1) - 1):
        batch = batches.batch(position)
        assert batch.inputs.shape == (4, 16)
        assert (batch.inputs[:, 0] == 0).all()
        assert (batch.targets >= 0).all()
        assert batch.segments is None
        same = batch.inputs[:, 1:] == batch.targets[:, :-1]
        assert (same | (batch.inputs[:, 1:] == 0)).all()
