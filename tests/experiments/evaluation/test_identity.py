"""Two evaluations of different things can be told apart, and two of the same cannot."""

from pathlib import Path

import pytest

from nanochat.data.config import DataConfig
from nanochat.experiments.evaluation.identity import identity, weights_sha256
from nanochat.inference.language_model import load
from nanochat.tokenizers import CharTokenizer
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve


@pytest.fixture(scope="module")
def model():
    settings = {"preset": "mini-gpt", "mode": "tensor", "model": {"n_layer": 1, "n_embd": 8, "n_head": 2}}
    return prepare(resolve({**settings, "data": {"source": "builtin:facts"}, "training": {"steps": 0}})).language_model


@pytest.mark.parametrize("ending", ["safetensors", "json", "json.gz"])
def test_the_digest_of_the_weights_is_the_same_in_every_format(model, tmp_path, ending):
    model.save(tmp_path / f"model.{ending}")
    assert weights_sha256(load(tmp_path / f"model.{ending}")) == weights_sha256(model)


def test_one_bit_of_one_weight_is_another_digest(model, tmp_path):
    model.save(tmp_path / "model.json")
    other = load(tmp_path / "model.json")
    dict(other.model.named_parameters())["wte.weight"].data[0, 0] += 1e-6
    assert weights_sha256(other) != weights_sha256(model)


def test_the_text_is_known_by_its_content(model, tmp_path):
    text, path = tmp_path / "text.txt", Path("model.json")
    found = []
    for content in ("one", "other", "one"):
        text.write_text(content, encoding="utf-8")
        found.append(identity(model, path, DataConfig(source=str(text))))
    assert found[0] == found[2] != found[1]


def test_what_nobody_knows_is_none(model):
    """A model that was never trained has no step, and a file is no checkpoint."""
    found = identity(model, Path("model.json"), DataConfig(source="nowhere.txt"))
    assert (found["step"], found["checkpoint"], found["text_sha256"]) == (None, None, None)
    assert isinstance(model.tokenizer, CharTokenizer)
    assert found["unknown"] == model.tokenizer.unknown
