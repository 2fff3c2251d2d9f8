"""Models side by side: the figures of one are those that it has alone."""

from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.compression.measure import measure, measure_speed
from nanochat.experiments.evaluation.against import measure_against
from nanochat.training.evaluate import evaluate
from nanochat.training.prepare import prepare


def session_of(config, **fields):
    return prepare(replace(config, **fields))


def test_losses_are_those_of_each_alone_and_of_a_comparison(tiny_run):
    whole = replace(tiny_run.training, eval_tokens=0)
    one, other = session_of(tiny_run, training=whole), session_of(tiny_run, seed=8, training=whole)
    found = measure({"one": one.language_model, "other": other.language_model}, one.dataset)
    for name, session in (("one", one), ("other", other)):
        alone = evaluate(session.model, session.validation(), session.dataset.tokenizer.token_bytes())
        assert found[name].loss == pytest.approx(alone.loss, rel=1e-5)  # other rows a batch round otherwise
        assert found[name].bits_per_byte == pytest.approx(alone.bits_per_byte, rel=1e-5)
        assert found[name].n_tokens == alone.n_tokens
    against = measure_against(other.language_model, one.language_model, tiny_run.data)
    differences = np.array(found["other"].blocks) - np.array(found["one"].blocks)
    assert differences.mean() == pytest.approx(against.difference.mean, rel=1e-9)


def test_a_model_says_what_it_says(tiny_run):
    one, other = session_of(tiny_run), session_of(tiny_run, seed=8)
    found = measure({"one": one.language_model, "same": one.language_model, "other": other.language_model}, one.dataset)
    assert (found["same"].kl, found["same"].argmax_equal) == (0, 1)
    assert found["other"].kl > 0
    assert found["other"].argmax_equal < 1


def test_models_of_other_tokens_are_not_compared(tiny_run, tmp_path):
    (tmp_path / "other.txt").write_text("xyzxzy" * 40, encoding="utf-8")
    one = session_of(tiny_run)
    stranger = session_of(tiny_run, data=replace(tiny_run.data, source=str(tmp_path / "other.txt")))
    with pytest.raises(ConfigError, match="cut text into other tokens"):
        measure({"one": one.language_model, "stranger": stranger.language_model}, one.dataset)


def test_a_model_takes_its_turns_beside_itself(tiny_run):
    model = session_of(tiny_run).language_model
    speed = measure_speed(model, model, rounds=1, seconds=0)
    assert speed.forward_tokens_per_s > 0
    assert speed.decode_tokens_per_s > 0
    assert len(speed.forward) == len(speed.decode) == 3
