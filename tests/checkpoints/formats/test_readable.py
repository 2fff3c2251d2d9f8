"""Weights as JSON for eyes: few digits, a row a line; anything else is one sentence, and no gzip bomb goes off."""

import gzip
import json
import re
import time
import tracemalloc
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from nanochat.checkpoints.formats import readable
from nanochat.checkpoints.formats.arrays import read_arrays, write_arrays
from nanochat.errors import CheckpointError, TooLargeError
from nanochat.storage.strict_json import parse_json

ARRAYS = {
    "wte.weight": np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 1 / 3]], np.float32),
    "one": np.array(2.5),
    "none": np.zeros((0, 3), np.float32),
}
TEXT = """{
"format": "nanochat-arrays",
"version": 1,
"header": {
 "name": "ü"
},
"arrays": {
"none": {"dtype": "float32", "shape": [0, 3], "values": []},
"one": {"dtype": "float64", "shape": [], "values": [
2.5]},
"wte.weight": {"dtype": "float32", "shape": [2, 3], "values": [
0.1, 0.2, 0.3,
0.4, 0.5, 0.33333334]}
}
}
"""


def test_a_matrix_is_a_row_a_line(tmp_path):
    write_arrays(tmp_path / "a.json", ARRAYS, {"name": "ü"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == TEXT


def test_what_is_packed_is_the_same_text(tmp_path):
    write_arrays(tmp_path / "a.json.gz", ARRAYS, {"name": "ü"})
    assert gzip.decompress((tmp_path / "a.json.gz").read_bytes()).decode() == TEXT


def test_what_gzip_packed_is_read_too(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(TEXT.encode()))
    arrays, header = read_arrays(tmp_path / "a.json.gz")
    assert arrays.keys() == ARRAYS.keys()
    assert header == {"name": "ü"}


def test_a_float32_has_the_digits_that_numpy_prints(tmp_path):
    numbers = np.random.default_rng(0).normal(0, 0.02, 20_000).astype(np.float32)
    write_arrays(tmp_path / "a.json", {"w": numbers})
    digits = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["arrays"]["w"]["values"]
    shortest = [float(str(number)) for number in numbers]
    assert sum(len(repr(a)) > len(repr(b)) for a, b in zip(digits, shortest, strict=True)) == 0


def test_rows_longer_than_what_is_written_at_once_survive(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(3, 70_000)).astype(np.float32)
    write_arrays(tmp_path / "a.json", {"w": numbers, "v": numbers.reshape(-1, 7), "u": numbers.reshape(-1)})
    back = read_arrays(tmp_path / "a.json")[0]
    assert back["w"].tobytes() == back["v"].tobytes() == back["u"].tobytes() == numbers.tobytes()


@pytest.mark.slow
def test_writing_takes_memory_for_a_piece_not_for_the_text(tmp_path):
    numbers = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    tracemalloc.start()
    written = write_arrays(tmp_path / "a.json", {"w": numbers})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written["bytes"] > 4_000_000
    assert peak < 8 << 20  # 64 Ki numbers as Python floats, and their text; 400,000 would take 20 MB


def content(**changes):
    one = {"dtype": "float32", "shape": [2], "values": [0.5, 1]}
    whole = {"format": "nanochat-arrays", "version": 1, "header": {}, "arrays": {"w": one | changes.pop("w", {})}}
    return whole | changes


def test_whole_numbers_are_numbers(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(content()), encoding="utf-8")
    assert read_arrays(tmp_path / "a.json")[0]["w"].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ([], "is no nanochat model or arrays"),
        (7, "is no nanochat model or arrays"),
        (content(format="other"), "is no nanochat model or arrays"),
        (content(version=2), "has format version 2, this program reads up to 1: update nanochat"),
        (content(version=0), "is damaged (format, version, header or arrays)"),
        (content(version=True), "is damaged (format, version, header or arrays)"),
        (content(version="1"), "is damaged (format, version, header or arrays)"),
        (content(extra=1), "is damaged (format, version, header or arrays)"),
        (content(header=[]), "its header is no JSON object"),
        (content(header={"a": {"dtype": 1, "shape": 1, "values": [1.5]}}), "not JSON serializable"),
        (content(arrays=[]), "it has no arrays by name"),
        (content(arrays={"w": [0.5]}), "'w': it is not described by dtype, shape and values alone"),
        (content(w={"x": 1}), "it is not described by"),
        (content(w={"dtype": "float16"}), "dtype 'float16' is neither float32 nor float64"),
        (content(w={"dtype": None}), "dtype 'None' is neither"),
        (content(w={"dtype": "int32"}), "dtype 'int32' is neither"),
        (content(w={"shape": [3]}), "cannot reshape"),
        (content(w={"shape": [-1]}), "no list of up to 32 sizes"),
        (content(w={"shape": [2.0]}), "no list of up to 32 sizes"),
        (content(w={"shape": [0, 1 << 62], "values": []}), "too large"),
        (content(w={"values": [0.5, True]}), "its values are no list of numbers"),
        (content(w={"values": [0.5, None]}), "its values are no list of numbers"),
        (content(w={"values": [0.5, "1"]}), "its values are no list of numbers"),
        (content(w={"values": [[0.5], [1]]}), "its values are no list of numbers"),
        (content(w={"values": 0.5}), "its values are no list of numbers"),
        (content(w={"values": [0.5, 10**400]}), "its values are no list of numbers that float64 can hold"),
        (content(w={"values": [0.5, 1e39]}), "it holds a number that float32 cannot"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, ending, wrong, part):
    path = tmp_path / f"a{ending}"
    text = json.dumps(wrong).encode()
    path.write_bytes(gzip.compress(text) if ending == ".json.gz" else text)
    with pytest.raises(CheckpointError, match=re.escape(part)) as refused:
        read_arrays(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000])
def test_numbers_that_are_none_are_refused(tmp_path, bad):
    text = json.dumps(content()).replace("0.5", bad)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError):
        read_arrays(tmp_path / "a.json")


@pytest.mark.parametrize("place", ["header", "name"])
def test_half_a_surrogate_pair_is_no_text(tmp_path, place):
    text = json.dumps(content(header={"k": "\ud800"}) if place == "header" else content(arrays={"\ud800": 1}))
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match="surrogates not allowed"):
        read_arrays(tmp_path / "a.json")


PACKED = gzip.compress(TEXT.encode(), mtime=0)


@pytest.mark.parametrize(
    "raw", [b"", b"\x1f\x8b", PACKED[:-1], PACKED[:40], PACKED + b"\0", PACKED + PACKED, TEXT.encode(), b"\0" * 100]
)
def test_what_is_no_gzip_file_of_one_member_is_refused(tmp_path, raw):
    (tmp_path / "a.json.gz").write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"a\.json\.gz"):
        read_arrays(tmp_path / "a.json.gz")


def bomb(n_bytes, claim=None) -> bytes:
    """A gzip file of zeros; `claim` is what its last four bytes say of the size."""
    packer, zeros = zlib.compressobj(9, zlib.DEFLATED, -15), bytes(1 << 20)
    packed = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # may stand any number of times
    checksum = zlib.crc32(bytes(n_bytes)).to_bytes(4, "little")
    said = n_bytes if claim is None else claim
    return gzip.compress(b"")[:10] + packed * (n_bytes >> 20) + packer.flush() + checksum + said.to_bytes(4, "little")


@pytest.mark.parametrize("claim", [None, 0, 100, 1 << 20, (1 << 32) - 1])
def test_a_gzip_bomb_does_not_go_off(tmp_path, claim):
    path = tmp_path / "a.json.gz"
    path.write_bytes(bomb(100 << 20, claim))
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(CheckpointError):
        read_arrays(path)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 0.1
    assert peak < 32 << 20


def test_what_we_pack_is_never_taken_for_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(readable, "_UNPACKED", 0)
    zeros = np.zeros(200_000, np.float32)  # which gzip would make a thousand times smaller
    written = write_arrays(tmp_path / "a.json.gz", {"w": zeros})
    assert written["bytes"] > 200_000 * len("0.0, ") / 9
    assert read_arrays(tmp_path / "a.json.gz")[0]["w"].tobytes() == zeros.tobytes()
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(gzip.decompress((tmp_path / "a.json.gz").read_bytes())))
    with pytest.raises(CheckpointError, match=r"unpacks to 1,000,.* restore it from a copy"):
        read_arrays(tmp_path / "b.json.gz")


def test_want_of_memory_is_no_damage(tmp_path, monkeypatch):
    def end(*_):
        raise MemoryError

    write_arrays(tmp_path / "a.json.gz", ARRAYS)
    with pytest.raises(TooLargeError, match="needs more memory than there is"):
        parse_json('{"a": 1}', tmp_path / "a.json", end)
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: SimpleNamespace(decompress=end))
    with pytest.raises(TooLargeError, match="bytes of memory: there are fewer"):
        read_arrays(tmp_path / "a.json.gz")
