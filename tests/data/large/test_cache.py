"""Tokens kept on disk: the same as fresh ones, and never those of another text."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.data.large.cache import Parts, cached_tokens, digest
from nanochat.data.tokens import TokenArray
from nanochat.errors import GuardError, NanochatWarning, WriteError

cached = partial(cached_tokens, vocab_size=7)
CHAT = json.dumps([f"User: what is {i}? Assistant: number {i}. </s>" for i in range(20)])


def parts(ids=(1, 2, 3), counted=None):
    counted = None if counted is None else np.array(counted)
    return Parts([np.array(ids[:2]), np.array(ids[2:])], np.dtype(np.uint16), np.array([0, 2]), counted)


def fail():
    raise AssertionError("made although it was there")


def equal(a: TokenArray, b: TokenArray):
    same = np.array_equal(a.ids, b.ids) and a.ids.dtype == b.ids.dtype and np.array_equal(a.marks, b.marks)
    return same and (a.counted is None) == (b.counted is None) and (a.counted is None or (a.counted == b.counted).all())


def test_what_was_made_once_is_mapped_the_next_time(tmp_path):
    made = cached(tmp_path, {"text": "a"}, lambda: parts(counted=[True, False, True]))
    found = cached(tmp_path, {"text": "a"}, fail)
    assert equal(made, found)
    assert found.ids.tolist() == [1, 2, 3]
    assert found.ids.dtype == np.uint16
    assert found.counted.tolist() == [True, False, True]
    assert isinstance(found.ids.base, np.memmap)
    assert not found.ids.flags.writeable


def test_empty_arrays_are_kept_too(tmp_path):
    for _ in range(2):
        stream = cached(tmp_path, {}, lambda: Parts([], np.dtype(np.int32)))
    assert (len(stream.ids), len(stream.marks), stream.counted) == (0, 0, None)


def test_another_key_is_another_stream(tmp_path):
    cached(tmp_path, {"text": "a"}, parts)
    assert cached(tmp_path, {"text": "b"}, lambda: parts((4, 5, 6))).ids.tolist() == [4, 5, 6]
    assert cached(tmp_path, {"text": "a"}, fail).ids.tolist() == [1, 2, 3]


def flip(path):
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def change(*, stamp=True, **entries):
    """Other entries in the index, with a checksum that fits or without."""

    def edit(path):
        file = path.parent / "index.json"
        index = json.loads(file.read_text(encoding="utf-8")) | entries
        if stamp:
            del index["sha256"]
            index["sha256"] = digest(json.dumps(index, sort_keys=True).encode())
        file.write_text(json.dumps(index), encoding="utf-8")

    return edit


def array(name, values, dtype, **entries):
    """Other contents, with all checksums that fit: a cache from somebody else."""

    def edit(path):
        raw = np.array(values, dtype).tobytes()
        (path.parent / f"{name}.bin").write_bytes(raw)
        arrays = json.loads((path.parent / "index.json").read_text(encoding="utf-8"))["arrays"]
        entry = {"dtype": dtype, "count": len(values), "sha256": digest(raw)} | entries
        change(arrays=arrays | {name: entry})(path)

    return edit


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (flip, r"ids\.bin differs from its checksum"),
        (lambda path: path.write_bytes(b""), r"ids\.bin differs"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: (path.parent / "index.json").unlink(), "No such file"),
        (lambda path: (path.parent / "index.json").write_text("[]", encoding="utf-8"), r"index\.json differs"),
        (lambda path: (path.parent / "index.json").write_text("{", encoding="utf-8"), "Expecting"),
        (change(version=2), "another text or another version"),
        (change(key={"text": "b"}), "another text or another version"),
        (change(arrays={"ids": {}}), "dtype"),
        (array("ids", [1.0, 2.0, 3.0], "<f4"), "dtype '<f4', not <u2 or <i4"),
        (array("ids", [b"a"], "|S1"), "dtype"),
        (array("ids", [1, 2, 7], "<u2"), "ids from 1 to 7 are not all among the 7 of the vocabulary"),
        (array("ids", [1, -2, 3], "<i4"), "ids from -2 to 3"),
        (array("ids", [1, 2, 3], "<u2", count=10**400), "has not the"),
        (array("ids", [1, 2, 3], "<u2", count=-1), "has not the"),
        (array("ids", [1, 2, 3], "<u2", count=2.0), "has not the"),
        (array("marks", [0, 1], "<i8"), "marks are not the ends of the documents"),
        (array("marks", [0, 0, 2], "<i8"), "marks are not the ends"),
        (array("counted", [True], "|b1"), "counted has 1 entries for 3 ids"),
        (change(stamp=False, arrays={}), r"index\.json differs from its checksum"),
    ],
)
def test_whatever_is_damaged_is_said_and_made_anew(tmp_path, harm, reason):
    cached(tmp_path, {"text": "a"}, parts)
    (ids,) = tmp_path.glob("*/ids.bin")
    harm(ids)
    with pytest.warns(NanochatWarning, match=rf"is damaged \(.*{reason}.*\): it is made anew"):
        assert cached(tmp_path, {"text": "a"}, parts).ids.tolist() == [1, 2, 3]
    assert cached(tmp_path, {"text": "a"}, fail).ids.tolist() == [1, 2, 3]


def test_what_is_not_ours_is_never_removed_with_what_is_damaged(tmp_path):
    cached(tmp_path, {"text": "a"}, parts)
    (ids,) = tmp_path.glob("*/ids.bin")
    flip(ids)
    thesis = ids.with_name("thesis")
    thesis.write_text("ours", encoding="utf-8")
    with pytest.raises(GuardError, match=r"thesis is in the way"):
        cached(tmp_path, {"text": "a"}, parts)
    assert thesis.read_text(encoding="utf-8") == "ours"


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    def pieces():
        yield np.array([1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, {}, lambda: Parts(pieces(), np.dtype(np.int32)))
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(WriteError, match=r"the token cache .* cannot be written \(.*\): choose another folder"):
        cached(tmp_path / "file", {}, parts)


@pytest.mark.parametrize(
    ("name", "content", "tokenizer"),
    [
        ("a.txt", "one text, as a stream", "char"),
        ("a.txt", "".join(f"name{i}\n" for i in range(20)), "char"),
        ("a.json", CHAT, "word"),
    ],
)
@pytest.mark.filterwarnings("ignore:.* are not in the vocabulary")
def test_a_dataset_is_the_same_with_a_cache_and_from_it(tmp_path, name, content, tokenizer):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    plain, first, second = (
        build_dataset(DataConfig(source=path, tokenizer=tokenizer, cache=cache))
        for cache in ("", tmp_path / "cache", tmp_path / "cache")
    )
    for dataset in (first, second):
        assert equal(dataset.train, plain.train)
        assert equal(dataset.val, plain.val)
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.filterwarnings("ignore:.* are not in the vocabulary")
def test_another_text_tokenizer_or_loss_is_tokenised_anew(tmp_path):
    path, cache = tmp_path / "a.json", tmp_path / "cache"
    path.write_text(CHAT, encoding="utf-8")
    build_dataset(DataConfig(source=path, tokenizer="word", cache=cache))
    build_dataset(DataConfig(source=path, tokenizer="bpe", cache=cache))
    assert len(list(cache.iterdir())) == 4
    build_dataset(DataConfig(source=path, tokenizer="word", cache=cache, loss_on="all"))
    assert len(list(cache.iterdir())) == 6
    path.write_text(CHAT.replace("number 0", "number 1"), encoding="utf-8")
    dataset = build_dataset(DataConfig(source=path, tokenizer="word", cache=cache))
    assert len(list(cache.iterdir())) > 6
    assert equal(dataset.train, build_dataset(DataConfig(source=path, tokenizer="word")).train)


def test_what_killed_builds_left_goes_with_the_next_one_of_any_text(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for name in (f".{'0' * 20}.{process.pid}.tmp", f".{'1' * 20}.{os.getppid()}.tmp", f".notes.{process.pid}.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ids.bin").write_bytes(b"half")
    cached(tmp_path, {}, parts)
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))
    assert left == [f".{'1' * 20}.{os.getppid()}.tmp", f".notes.{process.pid}.tmp"]


def test_of_two_builds_of_one_text_the_first_stays(tmp_path):
    def make():
        cached(tmp_path, {}, parts)
        return parts()

    assert cached(tmp_path, {}, make).ids.tolist() == [1, 2, 3]
    assert len(list(tmp_path.iterdir())) == 1
