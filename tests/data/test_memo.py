"""One process reads, splits and tokenises a text once, and never gives what the text was before."""

import gc
import os
import warnings
import weakref

import numpy as np
import pytest

from nanochat.data import dataset as building
from nanochat.data import memo
from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.data.memo import Memo, inputs_of
from nanochat.errors import NanochatWarning
from nanochat.tokenizers import CharTokenizer, save_tokenizer


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one text and then another one", encoding="utf-8")
    return path


@pytest.fixture
def n_built(monkeypatch):
    """How often a corpus was loaded, as the length of a list."""
    calls, load = [], building.load_corpus
    monkeypatch.setattr(building, "load_corpus", lambda *a, **k: calls.append(a) or load(*a, **k))
    return calls


def test_an_equal_configuration_is_the_same_dataset(path, n_built):
    first = build_dataset(DataConfig(source=path))
    assert build_dataset(DataConfig(source=path)) is first
    assert build_dataset(DataConfig(source=path, packing="joined")) is first  # rows are packed later
    assert len(n_built) == 1


@pytest.mark.parametrize(
    "changes", [{"val_fraction": 0.2}, {"style": "futuristic"}, {"tokenizer": "bpe"}, {"unknown": "unk"}]
)
def test_another_configuration_is_another_dataset(path, changes):
    plain = build_dataset(DataConfig(source=path))
    other = build_dataset(DataConfig(source=path, **changes))
    assert other is not plain
    again = build_dataset(DataConfig(source=path))
    assert again is not plain  # only the last one is kept
    assert np.array_equal(again.train.ids, plain.train.ids)


def test_a_text_that_changes_is_read_anew_whatever_its_size_and_its_times_say(path):
    before, info = build_dataset(DataConfig(source=path)), path.stat()
    path.write_text("two text and then another two", encoding="utf-8")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    after = build_dataset(DataConfig(source=path))
    assert after.sides.train[0].startswith("two text")
    assert before.sides.train[0].startswith("one text")


def test_a_tokenizers_file_that_changes_is_read_anew(path, tmp_path):
    config = DataConfig(source=path, tokenizer=tmp_path / "t.json")
    for chars in ("adehnotrx ", "adehnotrxyz "):
        save_tokenizer(CharTokenizer.train(chars), tmp_path / "t.json")
        assert build_dataset(config).tokenizer.chars == "".join(sorted(chars))


def test_a_given_tokenizer_is_part_of_the_question(path):
    wide, narrow = CharTokenizer.train("adehnotrx z"), CharTokenizer.train("adehnotrx ")
    assert build_dataset(DataConfig(source=path), wide).tokenizer is wide
    assert build_dataset(DataConfig(source=path), narrow).tokenizer is narrow
    assert build_dataset(DataConfig(source=path), narrow, extend=True).tokenizer is not narrow


def test_nobody_can_write_into_what_is_shared():
    dataset = build_dataset(DataConfig(source="builtin:names"))
    for array in (dataset.train.ids, dataset.train.marks, dataset.val.ids):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_text_that_changes_while_it_is_read_is_not_kept(path, monkeypatch):
    split = building.split

    def slow(*arguments):
        path.write_text("what was written meanwhile, another text", encoding="utf-8")
        return split(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(building, "split", slow)
        assert build_dataset(DataConfig(source=path)).sides.train[0].startswith("one text")
    assert build_dataset(DataConfig(source=path)).sides.train[0].startswith("what was")


def test_large_files_and_folders_of_tokens_are_not_kept(path, tmp_path, monkeypatch):
    assert inputs_of(DataConfig(source=path)) is not None
    assert inputs_of(DataConfig(source=path, cache=tmp_path / "cache")) is None
    assert inputs_of(DataConfig(source=tmp_path)) is None
    monkeypatch.setattr(memo, "MOST_BYTES", 10)
    assert inputs_of(DataConfig(source=path)) is None


def test_the_last_one_goes_before_the_next_one_is_built():
    class Value:
        pass

    one = Memo()
    first = weakref.ref(one.get("a", Value))
    gc.collect()
    assert first() is one.get("a", Value)

    def build():
        gc.collect()
        assert first() is None
        return Value()

    one.get("b", build)


def test_remarks_are_made_each_time_also_where_nothing_comes_of_it():
    def build():
        warnings.warn("mind this", NanochatWarning, stacklevel=1)
        return object()

    def fail():
        warnings.warn("and this", NanochatWarning, stacklevel=1)
        raise ValueError("no")

    one = Memo()
    for _ in range(2):
        with pytest.warns(NanochatWarning, match="mind this"):
            one.get("a", build)
    with pytest.warns(NanochatWarning, match="and this"), pytest.raises(ValueError, match="no"):
        one.get("b", fail)
