"""state.json: what is written is read, to the last bit; what is damaged is one sentence."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.errors import CheckpointError
from nanochat.training.evaluate import Evaluation
from nanochat.training.folder.checkpoint import LAST_N, Progress, fingerprint, read_state, write_state
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


def written(folder, progress) -> Path:
    write_state(folder / "state.json", progress)
    return folder / "state.json"


@given(steps, evaluations, st.integers(0, 2**63))
def test_a_state_survives_its_file_to_the_last_bit(tmp_path_factory, steps, evaluations, seed):
    rng = np.random.default_rng(seed)
    rng.standard_normal(3, dtype=np.float32)
    progress = progress_of(steps, {step: found for step, found in evaluations.items() if step < len(steps)})
    progress.streams = {"dropout": rng.bit_generator.state}
    read = read_state(written(tmp_path_factory.mktemp("state"), progress))
    assert repr(read) == repr(progress)  # nan is not equal to itself, but its spelling is
    again = np.random.default_rng()
    again.bit_generator.state = dict(read.streams["dropout"])
    assert again.random() == rng.random()


def test_a_validation_of_the_very_step_is_left_to_whoever_goes_on(tmp_path):
    progress = progress_of([(5.0, 0.1, 2.0, 3)], {0: (9.0, 1.0, 1), 1: (4.0, 1.0, 1)})
    path = written(tmp_path, progress)
    assert list(read_state(path).evaluations) == [0]
    assert json.loads(path.read_text())["best"] == {"step": 0, "val_loss": 9.0}


def test_the_state_counts_what_was_clipped_and_knows_the_best(tmp_path):
    progress = progress_of(
        [(5.0, 0.1, 2.0, 3), (4.0, 0.1, 0.5, 3)], {0: (9.0, 1.0, 1), 1: (4.0, math.nan, 1), 2: (4.0, 1.0, 1)}
    )
    state = json.loads(written(tmp_path, progress).read_text())
    assert (state["step"], state["tokens"], state["data_position"], state["clipping"]["n_clipped"]) == (2, 6, 6, 1)
    assert state["best"] == {"step": 1, "val_loss": 4.0}
    assert [found["bits_per_byte"] for found in state["evaluations"]] == [1.0, None]  # JSON has no nan
    assert progress.best(among={0, 2}) == 2
    assert Progress().best() is None
    assert progress.recent_losses == [5.0, 4.0]


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
        {"evaluations": {"step": 1}},
    ],
)
def test_a_damaged_state_is_one_sentence(tmp_path, damage):
    path = written(tmp_path, Progress())
    path.write_text(json.dumps(json.loads(path.read_text()) | damage), encoding="utf-8")
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
