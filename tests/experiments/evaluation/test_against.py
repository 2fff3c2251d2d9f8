from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.evaluation.against import measure_against
from nanochat.experiments.evaluation.evaluate import evaluate_model
from nanochat.training.prepare import prepare


def model_of(config, **fields):
    return prepare(replace(config, **fields)).language_model


def test_two_runs_differ_by_their_losses_on_the_whole_text(tiny_run):
    one, other = model_of(tiny_run), model_of(tiny_run, seed=8)
    found = measure_against(one, other, tiny_run.data)
    alone = [evaluate_model(model, tiny_run.data).text for model in (one, other)]
    assert [found.loss, found.other_loss] == pytest.approx([text.loss for text in alone], rel=1e-12)
    assert found.n_tokens == alone[0].n_tokens
    # Blocks of one token more weigh as much as the others: the mean of blocks is that of the text up to that.
    assert found.difference.mean == pytest.approx(found.loss - found.other_loss, abs=found.difference.half_width / 2)
    assert found.difference.low < found.difference.mean < found.difference.high


def test_a_run_does_not_differ_from_itself(tiny_run):
    found = measure_against(model_of(tiny_run), model_of(tiny_run), tiny_run.data).difference
    assert (found.mean, found.low, found.high) == (0, 0, 0)


def test_runs_of_different_tokens_are_refused(tiny_run, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("xyzxzy" * 40, encoding="utf-8")
    stranger = model_of(tiny_run, data=replace(tiny_run.data, source=str(other)))
    with pytest.raises(ConfigError, match="cut text into different tokens"):
        measure_against(model_of(tiny_run), stranger, tiny_run.data)
