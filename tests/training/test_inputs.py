"""What a run reads is known by content: another text, tokenizer or model at the same path is another one."""

from dataclasses import replace
from pathlib import Path

import pytest

from nanochat.tokenizers import CharTokenizer
from nanochat.tokenizers.files import save_tokenizer
from nanochat.training import inputs
from nanochat.training.inputs import changed_input, content_sha256, digests_of, paths_of
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training


@pytest.fixture
def config(tmp_path):
    (tmp_path / "text.txt").write_text("ab" * 100, encoding="utf-8")
    save_tokenizer(CharTokenizer.train(["abc"]), tmp_path / "tokenizer.json")
    data = {"source": str(tmp_path / "text.txt"), "tokenizer": str(tmp_path / "tokenizer.json")}
    return resolve({"preset": "bigram", "data": data, "training": {"steps": 1}})


def test_every_setting_that_names_something_to_read_is_known(config, tmp_path):
    assert paths_of(config).keys() == {"data.source", "data.tokenizer"}
    further = replace(config, start_from=str(tmp_path / "run"))
    assert paths_of(further).keys() == {"data.source", "data.tokenizer", "start_from"}
    assert paths_of(resolve({"preset": "bigram"})).keys() == {"data.source"}


@pytest.mark.parametrize("name", ["text.txt", "tokenizer.json"])
def test_another_content_at_the_same_path_is_noticed(config, tmp_path, name):
    known = digests_of(config)
    assert changed_input(config, known) == ""
    path = tmp_path / name
    path.write_text(path.read_text(encoding="utf-8").replace("a", "z"), encoding="utf-8")
    assert changed_input(config, known) == str(path)
    assert changed_input(config, {}) == "", "of an earlier version nothing is known"


def test_the_model_of_a_run_is_that_of_its_last_checkpoint(config, tmp_path):
    run_training(config, out=tmp_path / "run")
    before = content_sha256(str(tmp_path / "run"))
    (tmp_path / "run" / "report.md").write_text("of no weight", encoding="utf-8")
    assert content_sha256(str(tmp_path / "run")) == before is not None
    run_training(replace(config, seed=2), out=tmp_path / "other")
    assert content_sha256(str(tmp_path / "other")) != before


def test_a_folder_is_known_by_all_of_its_files(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "vocab.json").write_text("{}", encoding="utf-8")
    before = content_sha256(str(folder))
    (folder / "merges.txt").write_text("a b", encoding="utf-8")
    assert content_sha256(str(folder)) != before is not None


def test_a_text_of_the_package_is_known_by_content_too(monkeypatch):
    inputs._builtin_sha256.cache_clear()
    before = content_sha256("builtin:world")
    inputs._builtin_sha256.cache_clear()
    monkeypatch.setattr(inputs, "read_builtin", lambda name: "another version of the world")
    assert content_sha256("builtin:world") != before is not None
    inputs._builtin_sha256.cache_clear()


@pytest.mark.parametrize("path", ["nowhere", "a\0b", "builtin:nothing", str(Path("/"))])
def test_what_cannot_be_read_is_left_to_the_run_to_tell(path):
    assert content_sha256(path) is None or path == str(Path("/"))
