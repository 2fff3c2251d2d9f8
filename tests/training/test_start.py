"""A run that begins with the weights of another: what is taken, what is drawn, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.inference.language_model import load
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training
from nanochat.training.transfer import model_settings, read_start

pytestmark = pytest.mark.filterwarnings("ignore:.* also stand in the training text")


@pytest.fixture
def source(tmp_path):
    """A trained mini-GPT on a and b."""
    (tmp_path / "ab.txt").write_text("abba\nabab\nbaba\nbbaa\n" * 10, encoding="utf-8")
    settings = {"data": {"source": str(tmp_path / "ab.txt")}, "training": {"steps": 3, "eval_tokens": 32}}
    run_training(resolve({"preset": "mini-gpt", "mode": "tensor", **settings}), out=tmp_path / "first")
    return tmp_path / "first"


def begin(source, text, *, partial="", **settings):
    below = {} if partial else model_settings(read_start(str(source)))
    (source.parent / "next.txt").write_text(text, encoding="utf-8")
    data = {"source": str(source.parent / "next.txt"), "layout": "documents"}
    training = {"steps": 2, "eval_tokens": 32, **settings.pop("training", {})}
    merged = {**below, **settings, "data": data, "training": training}
    return replace(resolve(merged), start_from=str(source), partial=partial)


def test_the_same_text_begins_with_the_same_weights(source):
    session = prepare(begin(source, "abba\nabab\n" * 10))
    before, now = load(source).model.state_dict(), session.model.state_dict()
    assert all(np.array_equal(before[name], now[name]) for name in before)


def test_new_characters_get_rows_and_the_others_keep_theirs(source):
    session = prepare(begin(source, "abcx\ncabx\n" * 10))
    first, second = load(source), session.language_model
    assert second.tokenizer.vocab_size == first.tokenizer.vocab_size + 2
    for text in "ab":
        (old,), (new,) = first.tokenizer.encode(text), second.tokenizer.encode(text)
        assert np.array_equal(first.model.state_dict()["wte.weight"][old], second.model.state_dict()["wte.weight"][new])


def test_another_architecture_is_refused_with_all_that_does_not_fit(source):
    with pytest.raises(ConfigError, match=r"wte\.weight.*h\.0\.attn\.qkv\.weight.*--partial"):
        prepare(begin(source, "abba\n" * 20, model={"n_embd": 32}))


def test_part_of_the_weights_are_taken_by_name(source):
    session = prepare(begin(source, "xyyx\n" * 20, partial="h.*", preset="mini-gpt", mode="tensor"))
    before, now = load(source).model.state_dict(), session.model.state_dict()
    assert np.array_equal(before["h.0.mlp.fc.weight"], now["h.0.mlp.fc.weight"])
    assert not np.array_equal(before["wpe.weight"], now["wpe.weight"])
    assert session.transferred.skipped["wpe.weight"] == "it does not match h.*"


def test_a_run_that_began_so_goes_on_when_its_source_is_gone(source, tmp_path):
    config = begin(source, "abcx\ncabx\n" * 10, training={"steps": 4})
    whole = run_training(config, out=tmp_path / "whole")
    run_training(config, out=tmp_path / "parts", stop_at=2)
    source.rename(source.with_name("away"))
    assert run_training(resume=tmp_path / "parts").val_loss == whole.val_loss


def test_epochs_become_steps(source):
    config = begin(source, "abba\nabab\n" * 50, training={"epochs": 2.0, "batch_size": 4})
    session = prepare(config)
    assert session.config.training.steps == 45  # 90 documents to train on, 4 a step, twice
    assert session.batches.epoch(45) == 2.0


def test_patience_ends_a_run_that_gets_no_better(source, tmp_path):
    settings = {"steps": 50, "eval_every": 1, "patience": 3, "lr": 1e-12, "lr_schedule": "constant"}
    record = run_training(begin(source, "abba\nabab\n" * 10, training=settings), out=tmp_path / "run")
    assert record.status == "ok"
    assert record.steps < 50
    assert record.reason.startswith(f"stopped early after step {record.steps}: no validation was better than that of")
