"""No claim of a safetensors header is believed: each is refused in one sentence, at once, in next to no memory."""

import json
import re
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.checkpoints.formats.arrays import read_arrays, write_arrays
from nanochat.checkpoints.formats.binary import read_binary
from nanochat.errors import CheckpointError
from nanochat.storage.reading import reading


def entry(shape=(1,), start=0, end=4, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def file_of(header, body=b"", n_bytes=None) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(head) if n_bytes is None else n_bytes).to_bytes(8, "little") + head + body


SOUND = file_of({"w": entry((2,), 0, 8)}, bytes(8))
DEEP = b"[" * 200_000 + b"]" * 200_000
REFUSED = {
    "nothing": (b"", "0 bytes are no safetensors file"),
    "seven bytes": (bytes(7), "7 bytes are no safetensors file"),
    "a header of 2^63 bytes": (file_of({}, n_bytes=1 << 63), "announces a header of 9,223,372,036,854,775,808 bytes"),
    "a header of 99 MB in a short file": (file_of({}, n_bytes=99_000_000), "announces a header of 99,000,000 bytes"),
    "a header longer by one": (file_of({}, n_bytes=3), "announces a header of 3 bytes and has 2 left"),
    "no JSON": (file_of(b"{"), "cannot be read as JSON"),
    "two documents": (file_of(b"{}{}"), "Extra data"),
    "a list": (file_of([]), "its header is no JSON object"),
    "nested deep": (file_of(DEEP), "cannot be read as JSON (it is nested too deep)"),
    "objects nested deep": (file_of(b'{"a":' * 200_000), "more than 32,768 tensors"),
    "a name twice": (file_of(b'{"w":1,"w":1}'), "key 'w' stands twice"),
    "dtype twice": (file_of(b'{"w":{"dtype":"F32","dtype":"F32"}}'), "key 'dtype' stands twice"),
    "NaN": (file_of(b'{"w":NaN}'), "NaN is no JSON number"),
    "Latin-1": (file_of(b'{"\xe9":1}'), "invalid continuation byte"),
    "half a surrogate pair": (file_of(b'{"\\ud800":' + json.dumps(entry()).encode() + b"}", bytes(4)), "surrogates"),
    "no object for a tensor": (file_of({"w": 1}), "is not described by dtype, shape and data_offsets alone"),
    "no shape": (file_of({"w": {"dtype": "F32", "data_offsets": [0, 0]}}), "is not described by"),
    "one key more": (file_of({"w": entry() | {"x": 1}}, bytes(4)), "is not described by"),
    "an unknown dtype": (file_of({"w": entry(dtype="F33")}, bytes(4)), "has dtype 'F33', and the format has F4, "),
    "half a byte": (file_of({"w": entry(dtype="F4", end=1)}, bytes(1)), "of shape (1,) does not take bytes 0 to 1"),
    "whole numbers of another size": (file_of({"w": entry(dtype="I64")}, bytes(4)), "does not take bytes 0 to 4"),
    "a list for a dtype": (file_of({"w": entry(dtype=["F32"])}, bytes(4)), "has dtype"),
    "a number for a shape": (file_of({"w": entry() | {"shape": 1}}, bytes(4)), "no list of up to 32 sizes"),
    "a negative size": (file_of({"w": entry((-1, -1))}, bytes(4)), "no list of up to 32 sizes"),
    "a size of true": (file_of({"w": entry((True,))}, bytes(4)), "no list of up to 32 sizes"),
    "half a row": (file_of({"w": entry((1.0,))}, bytes(4)), "no list of up to 32 sizes"),
    "33 dimensions": (file_of({"w": entry((1,) * 33)}, bytes(4)), "no list of up to 32 sizes"),
    "a shape that overflows to 4 bytes": (file_of({"w": entry(((1 << 62) + 1, 4), 0, 16)}, bytes(16)), "too large"),
    "0 x 2^62": (file_of({"w": entry((0, 1 << 62), 0, 0)}), "too large"),
    "three offsets": (file_of({"w": entry() | {"data_offsets": [0, 4, 8]}}, bytes(4)), "has offsets"),
    "negative offsets": (file_of({"w": entry((1,), -4, 0)}, bytes(4)), "has offsets"),
    "offsets with a point": (file_of({"w": entry((1,), 0.0, 4.0)}, bytes(4)), "has offsets"),
    "offsets the wrong way round": (file_of({"w": entry((1,), 4, 0)}, bytes(4)), "does not take bytes 4 to 0"),
    "too few bytes for the shape": (file_of({"w": entry((2,))}, bytes(4)), "of shape (2,) does not take bytes 0 to 4"),
    "a terabyte in 16 bytes": (file_of({"w": entry((1 << 38,), 0, 1 << 40)}, bytes(16)), "take 1,099,511,627,776"),
    "an overlap": (file_of({"a": entry((2,), 0, 8), "b": entry((2,), 4, 12)}, bytes(12)), "'b' starts at byte 4"),
    "a hole": (file_of({"a": entry(), "b": entry((1,), 8, 12)}, bytes(12)), "'b' starts at byte 8, not at 4"),
    "a late start": (file_of({"a": entry((1,), 4, 8)}, bytes(8)), "'a' starts at byte 4, not at 0"),
    "bytes after the last": (SOUND + b"\0", "take 8 bytes, and 9 are there"),
    "a byte too few": (SOUND[:-1], "take 8 bytes, and 7 are there"),
    "metadata that are a list": (file_of({"__metadata__": []}), "metadata are not texts by name"),
    "metadata that are numbers": (file_of({"__metadata__": {"a": 1}}), "metadata are not texts by name"),
    "our key no JSON": (file_of({"__metadata__": {"nanochat": "{"}}), "cannot be read as JSON"),
    "our key a list": (file_of({"__metadata__": {"nanochat": "[]"}}), "its header is no JSON object"),
    "our key infinite": (file_of({"__metadata__": {"nanochat": '{"a": 1e999}'}}), "not JSON compliant"),
    "our key half a pair": (file_of({"__metadata__": {"nanochat": '{"a": "\\ud800"}'}}), "surrogates not allowed"),
    "our key nested deep": (file_of({"__metadata__": {"nanochat": DEEP.decode()}}), "cannot be read as JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_header_that_lies_is_refused_in_one_sentence(tmp_path, name):
    content, part = REFUSED[name]
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape(part)) as refused:
        read_arrays(path)
    assert str(path) in str(refused.value)


OTHER_TYPES = {  # of the format, with the bits of a number
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16"), 16),
    **dict.fromkeys(("U32", "I32"), 32),
    **dict.fromkeys(("U64", "I64", "C64"), 64),
}


@pytest.mark.parametrize("dtype", OTHER_TYPES)
def test_a_whole_file_of_a_type_that_is_no_weight_is_not_called_damaged(tmp_path, dtype):
    n_bytes = OTHER_TYPES[dtype]
    path = tmp_path / "m.safetensors"
    header = {"x": entry((8,), 0, n_bytes, dtype), "w": entry((1,), n_bytes, n_bytes + 4)}
    path.write_bytes(file_of(header, bytes(n_bytes + 4)))
    with pytest.raises(
        CheckpointError, match=f"holds 'x' as {dtype}, which is not read: save it as F64, F32"
    ) as refused:
        read_arrays(path)
    assert "damaged" not in str(refused.value)
    with reading(path) as source:
        arrays, _ = read_binary(source, leave_out=lambda name: name == "x")
    assert arrays.keys() == {"w"}


def test_the_file_that_the_others_are_lies_about_is_read(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(SOUND)
    assert read_arrays(tmp_path / "m.safetensors")[0]["w"].tolist() == [0, 0]


@pytest.mark.parametrize("n_tensors", [100_000, 1_000_000])
def test_a_header_of_tensors_without_end_costs_neither_time_nor_memory(tmp_path, n_tensors):
    lines = b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(n_tensors))
    path = tmp_path / "m.safetensors"
    path.write_bytes(file_of(b"{" + lines + b"}"))
    del lines
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(CheckpointError, match="more than 32,768 tensors"):
        read_arrays(path)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 0.1
    assert peak < 32 << 20


def test_ten_thousand_tensors_are_read(tmp_path):
    arrays = {f"t{i}": np.full(1, i, np.float32) for i in range(10_000)}
    write_arrays(tmp_path / "m.safetensors", arrays)
    assert read_arrays(tmp_path / "m.safetensors")[0] == arrays


@given(data=st.data())
@settings(max_examples=200)
def test_a_file_with_anything_changed_is_read_or_refused(tmp_path_factory, data):
    raw = bytearray(REFUSED["an overlap"][0] if data.draw(st.booleans()) else SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.mktemp("mutant") / "m.safetensors"
    path.write_bytes(raw)
    try:
        arrays, header = read_arrays(path)
    except CheckpointError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(raw)
    assert isinstance(header, dict)
