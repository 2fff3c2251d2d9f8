"""Packing: rows filled with whole documents, every token that counts asked once an epoch, and no look at neighbours."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.batches import Batches
from nanochat.data.packing import fill_rows, lay_side_by_side
from nanochat.data.tokens import TokenArray
from nanochat.errors import ConfigError, DataError
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig

LISTS = st.lists(st.lists(st.integers(1, 50), max_size=20), min_size=1, max_size=12)
SIZES = st.integers(1, 9)
PACKINGS = st.sampled_from(["none", "isolated", "joined"])
PACKED = st.sampled_from(["isolated", "joined", "bestfit"])


def stream_of(documents, counted=None):
    """The documents; `counted` draws which of their tokens count."""
    arrays = [np.array(ids, dtype=np.int64) for ids in documents]
    if counted is None:
        return TokenArray.from_documents(arrays, dtype=np.uint16)
    return TokenArray.from_answers([(ids, [bool(i % counted == 0) for i in ids]) for ids in arrays], dtype=np.uint16)


def distinct(lengths):
    """Documents of ids that tell their place."""
    ids = iter(range(1, 10_000))
    return [[next(ids) for _ in range(n)] for n in lengths]


def model_of(config, mode):
    """A model whose weights are all random, those that start as zeros too."""
    rng = np.random.default_rng(3)
    model = build_model(config, mode, "float64", rng)
    model.load_state_dict({name: rng.normal(0, 0.3, p.shape) for name, p in config.parameters().items()})
    return model


def epoch_of(batches, epoch):
    """All batches of an epoch; with one row a batch they hold nothing of another."""
    assert batches.batch_size == 1
    return [batches.batch(p) for p in range(batches.n_batches(epoch), batches.n_batches(epoch + 1))]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(9, 20))
def test_rows_are_filled_in_order_as_long_as_documents_fit_whole(lengths, block_size):
    bounds = fill_rows(np.array(lengths), block_size).tolist()
    assert bounds[0] == 0
    assert bounds[-1] == len(lengths)
    for begin, end in pairwise(bounds):
        assert 0 < sum(lengths[begin:end]) <= block_size
        assert end == len(lengths) or sum(lengths[begin : end + 1]) > block_size


def test_documents_lie_side_by_side_with_padding_behind():
    at, segments = lay_side_by_side(np.array([10, 40, 20]), np.array([2, 1, 4]), np.array([0, 0, 1]))
    assert at.tolist() == [[10, 11, 40, -1], [20, 21, 22, 23]]
    assert segments.tolist() == [[0, 0, 1, -1], [0, 0, 0, 0]]


def test_a_packed_row_is_bos_and_document_in_turn():
    stream = stream_of([[1, 2], [3], [4, 5]])
    batch = Batches(stream, kind="documents", block_size=16, batch_size=1, seed=0, packing="isolated").batch(0)
    order = np.random.default_rng(np.random.SeedSequence((0, 0))).permutation(3)
    documents = [[[1, 2], [3], [4, 5]][i] for i in order]
    assert batch.inputs[0].tolist() == [id_ for document in documents for id_ in [0, *document]]
    assert batch.targets[0].tolist() == [id_ for document in documents for id_ in [*document, 0]]
    assert batch.segments[0].tolist() == [i for i, document in enumerate(documents) for _ in [0, *document]]


@given(LISTS, PACKINGS, SIZES, st.integers(0, 3), st.sampled_from([None, 2, 3]))
def test_every_token_that_counts_is_asked_exactly_once_an_epoch(documents, packing, block_size, epoch, counted):
    stream = stream_of([*documents, [6]], counted)  # 6 counts in every case: no corpus is without a target
    batches = Batches(stream, kind="documents", block_size=block_size, batch_size=1, seed=7, packing=packing)
    asked = [int(i) for batch in epoch_of(batches, epoch) for i in batch.targets[batch.targets >= 0]]
    count = (stream.ids[1:] >= 0) if stream.counted is None else stream.counted[1:]
    assert sorted(asked) == sorted(stream.ids[1:][count].tolist())


@given(LISTS, PACKED, SIZES, SIZES, st.integers(0, 2**40), st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_a_packed_batch_is_the_same_whatever_was_asked_before(documents, packing, block_size, batch_size, seed, places):
    def batches():
        sizes = {"block_size": block_size, "batch_size": batch_size, "seed": seed}
        return Batches(stream_of(documents), kind="documents", **sizes, packing=packing)

    used = batches()
    for position in places:
        for a, b in zip(used.batch(position), batches().batch(position), strict=True):
            assert np.array_equal(a, b)


@given(LISTS, PACKED, SIZES)
def test_padding_is_a_segment_of_its_own_and_asks_nothing(documents, packing, block_size):
    batches = Batches(
        stream_of(documents), kind="documents", block_size=block_size, batch_size=3, seed=1, packing=packing
    )
    batch = batches.batch(0)
    assert batch.inputs.shape[1] <= block_size
    if packing != "isolated":
        assert batch.segments is None
        return
    padding = batch.segments == -1
    assert (batch.targets[padding] == -1).all()
    assert (batch.inputs[padding] == 0).all()
    assert (np.diff(batch.segments)[~padding[:, 1:]] >= 0).all()


def test_epochs_pack_other_neighbours_together():
    batches = Batches(
        stream_of(distinct([3] * 40)), kind="documents", block_size=8, batch_size=1, seed=1, packing="joined"
    )
    first, second = ({frozenset(b.inputs[0].tolist()) for b in epoch_of(batches, epoch)} for epoch in (0, 1))
    assert len(first & second) < 10


@given(LISTS, PACKINGS, SIZES, SIZES, st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 2.7]))
def test_n_batches_is_the_first_position_at_which_the_epochs_are_complete(documents, packing, block, batch, epochs):
    batches = Batches(
        stream_of(documents), kind="documents", block_size=block, batch_size=batch, seed=1, packing=packing
    )
    n = batches.n_batches(epochs)
    assert batches.epoch(n) >= epochs - 1e-9
    assert n == 0 or batches.epoch(n - 1) < epochs


def test_n_batches_of_windows_counts_tokens():
    text = TokenArray.from_text(np.arange(81, dtype=np.int32))
    batches = Batches(text, kind="windows", block_size=8, batch_size=5, seed=1)
    assert [batches.n_batches(epochs) for epochs in (0, 0.5, 0.6, 1, 2)] == [0, 1, 2, 2, 4]


@pytest.mark.parametrize("positions", ["none", "rope"])
@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_isolated_documents_cost_what_they_cost_in_rows_of_their_own(mode, positions):
    """Learned and sinusoidal positions go on through a row, so there the two differ by intention."""
    config = GPTConfig(vocab_size=40, block_size=12, n_embd=8, n_head=2, n_layer=2, positions=positions)
    model = model_of(config, mode)
    stream = stream_of(distinct([3, 5, 2, 7, 2, 11]), counted=2)

    def loss(packing):
        batches = Batches(stream, kind="documents", block_size=12, batch_size=1, seed=5, packing=packing)
        parts = [(batch.n_targets, float(model.loss(*batch))) for batch in epoch_of(batches, 0)]
        return sum(n * x for n, x in parts) / sum(n for n, _ in parts), len(parts)

    (alone, n_alone), (packed, n_packed) = loss("none"), loss("isolated")
    assert packed == pytest.approx(alone, rel=1e-12)  # float64, the same sums in another order
    assert n_packed < n_alone == 6


def test_joined_documents_see_those_before_them():
    config = GPTConfig(vocab_size=40, block_size=16, n_embd=8, n_head=2, positions="rope")
    model = model_of(config, "tensor")
    joined, isolated = (
        Batches(
            stream_of(distinct([4, 4, 4])), kind="documents", block_size=16, batch_size=1, seed=1, packing=packing
        ).batch(0)
        for packing in ("joined", "isolated")
    )
    assert np.array_equal(joined.inputs, isolated.inputs)
    assert abs(float(model.loss(*joined)) - float(model.loss(*isolated))) > 1e-3


def test_rows_and_windows_without_a_target_are_never_drawn():
    stream = stream_of([[1, 1, 1, 1, 1, 2], [1, 1, 1]], counted=2)
    batches = Batches(stream, kind="documents", block_size=3, batch_size=1, seed=1)
    assert [batches.batch(p).targets.tolist() for p in range(3)] == [[[-1, -1, 2]]] * 3
    windows = Batches(stream, kind="windows", block_size=2, batch_size=20, seed=1).batch(0)
    assert (windows.targets == 2).any(axis=1).all()
    assert windows.n_targets == 20


def test_a_text_without_a_target_is_refused():
    with pytest.raises(DataError, match="no token of this text counts as a target"):
        Batches(stream_of([[1, 1]], counted=2), kind="documents", block_size=3, batch_size=1, seed=1)


def test_packing_of_windows_and_unknown_packing_are_refused():
    text = TokenArray.from_text(np.arange(20))
    with pytest.raises(ConfigError, match="packing='joined' has no meaning for windows"):
        Batches(text, kind="windows", block_size=8, batch_size=4, seed=1, packing="joined")
    with pytest.raises(ConfigError, match="packing='tight' is unknown: choose one of none, isolated, joined, bestfit"):
        Batches(stream_of([[1]]), kind="documents", block_size=8, batch_size=4, seed=1, packing="tight")
