"""state.json: what is written is read, to the last bit; what is damaged is one sentence."""

import json
import math
from collections import deque
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.errors import CheckpointError
from nanochat.training.evaluate import Evaluation
from nanochat.training.folder.state import LAST_N, Progress, fingerprint, read_state, state_of, write_state
from nanochat.training.trainer import StepMetrics

finite = st.floats(allow_nan=False, allow_infinity=False)
steps = st.lists(st.tuples(finite, finite, st.floats(0, 1e300), st.integers(0, 10**9)), max_size=2 * LAST_N)
evaluations = st.dictionaries(st.integers(0, 10**6), st.tuples(finite, finite | st.just(math.nan), st.integers(0, 99)))


def progress_of(steps, evaluations) -> Progress:
    progress = Progress()
    for number, (loss, lr, norm, n_tokens) in enumerate(steps, start=1):
        progress.add_step(StepMetrics(number, loss, lr, norm, n_tokens), micro_batches=3, max_grad_norm=1.0)
    progress.evaluations |= {step: Evaluation(*found) for step, found in evaluations.items()}
    return progress


def state_at(progress, rng):
    streams = {"dropout": rng.bit_generator.state}
    return state_of(progress, data_sha256="0" * 64, streams=streams, optimizer_steps=progress.step, max_grad_norm=1.0)


@given(steps, evaluations, st.integers(0, 2**63))
def test_a_state_survives_its_file_to_the_last_bit(tmp_path_factory, steps, evaluations, seed):
    path = tmp_path_factory.mktemp("state") / "state.json"
    rng = np.random.default_rng(seed)
    rng.standard_normal(3, dtype=np.float32)
    state = state_at(progress_of(steps, evaluations), rng)
    write_state(path, state)
    assert read_state(path) == state
    again = np.random.default_rng()
    again.bit_generator.state = dict(read_state(path).streams["dropout"])
    assert again.random() == rng.random()


@given(steps, evaluations)
def test_a_run_goes_on_with_the_counts_that_it_had(steps, evaluations):
    before = progress_of(steps, {step: found for step, found in evaluations.items() if step < len(steps)})
    after = state_at(before, np.random.default_rng(0)).progress()
    assert repr(vars(after)) == repr(vars(before))  # nan is not equal to itself, but its spelling is


def test_a_validation_of_the_very_step_is_left_to_whoever_goes_on():
    progress = progress_of([(5.0, 0.1, 2.0, 3)], {0: (9.0, 1.0, 1), 1: (4.0, 1.0, 1)})
    state = state_at(progress, np.random.default_rng(0))
    assert [found.step for found in state.evaluations] == [0]
    assert state.best.step == 0


def test_the_state_counts_what_was_clipped_and_knows_the_best():
    progress = progress_of(
        [(5.0, 0.1, 2.0, 3), (4.0, 0.1, 0.5, 3)], {0: (9.0, 1.0, 1), 1: (4.0, 1.0, 1), 2: (4.0, 1.0, 1)}
    )
    state = state_at(progress, np.random.default_rng(0))
    assert (state.step, state.tokens, state.data_position, state.clipping.n_clipped) == (2, 6, 6, 1)
    assert (state.best.step, state.best.val_loss) == (1, 4.0)
    assert progress.best(among={0, 2}) == 2
    assert Progress().best() is None
    assert progress.recent == deque([5.0, 4.0], LAST_N)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": "other"},
        {"version": 2},
        {"step": "3"},
        {"step": -1},
        {"recent_losses": [None]},
        {"clipping": {}},
        {"unheard": 1},
        {"evaluations": [{"step": 1}]},
    ],
)
def test_a_damaged_state_is_one_sentence(tmp_path, damage):
    path = tmp_path / "state.json"
    state = state_at(Progress(), np.random.default_rng(0))
    content = {"format": "nanochat-state", "version": 1, **asdict(state)}
    path.write_text(json.dumps(content | damage), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"state\.json"):
        read_state(path)


def test_a_newer_state_says_to_update(tmp_path):
    (tmp_path / "state.json").write_text('{"format": "nanochat-state", "version": 9}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="format version 9, this program reads 1: update nanochat"):
        read_state(tmp_path / "state.json")


def test_a_fingerprint_is_of_the_ids_of_both_sides():
    dataset = build_dataset(DataConfig(source="builtin:facts"))
    ids = dataset.train.ids.copy()
    same = replace(dataset, train=replace(dataset.train, ids=ids.astype(np.int64)))
    assert fingerprint(same) == fingerprint(dataset)
    ids[5] += 1
    other = replace(dataset, train=replace(dataset.train, ids=ids))
    swapped = replace(dataset, train=dataset.val, val=dataset.train)
    assert len({fingerprint(one) for one in (dataset, other, swapped)}) == 3
