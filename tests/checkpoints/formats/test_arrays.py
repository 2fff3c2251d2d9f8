"""Named arrays come back bit for bit from each of three formats, and anyone's reader gets the binary ones."""

import hashlib
import json
import math

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from nanochat.checkpoints.formats.arrays import FORMATS, array_format, read_arrays, write_arrays
from nanochat.errors import CheckpointError, ConfigError

SHAPES = st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
NAMES = st.text(max_size=8).filter(lambda name: name != "__metadata__")
HEADERS = st.dictionaries(
    st.text(max_size=4), st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)


def arrays_of(*, finite: bool):
    """Names to arrays of both precisions, contiguous and not."""

    def of(dtype):
        numbers = st_numpy.from_dtype(dtype, allow_nan=not finite, allow_infinity=not finite)
        return st_numpy.arrays(dtype, SHAPES, elements=numbers)

    array = of(np.dtype(np.float32)) | of(np.dtype(np.float64)) | of(np.dtype(">f4"))
    return st.dictionaries(NAMES, array.map(lambda a: a.T) | array, max_size=4)


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype.newbyteorder("=")
        assert ours[name].shape == array.shape
        assert ours[name].tobytes() == array.astype(ours[name].dtype).tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all examples of a law."""
    return tmp_path_factory.mktemp("arrays")


@pytest.mark.parametrize("ending", FORMATS)
@given(data=st.data(), header=HEADERS)
@settings(max_examples=30)
def test_what_is_read_is_what_was_written(folder, ending, data, header):
    arrays = data.draw(arrays_of(finite=ending != ".safetensors"))
    path = folder / f"a{ending}"
    written = write_arrays(path, arrays, header)
    back, back_header = read_arrays(path, sha256=written["sha256"])
    assert_same(back, arrays)
    assert back_header == header
    content = path.read_bytes()
    assert written == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


EXTREMES = {
    np.float32: [1e-45, 1.1754942e-38, 1.1754944e-38, 3.4028235e38, 0.1, 1 / 3, 16777216.0, 9.999999e-5, 1e-10],
    np.float64: [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3, 2.0**53 + 2, 1e22, 1e23],
}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("dtype", EXTREMES)
def test_the_ends_of_the_range_survive(tmp_path, ending, dtype):
    numbers = np.array([*EXTREMES[dtype], 0.0, -0.0, -1.5], dtype)
    write_arrays(tmp_path / f"a{ending}", {"w": numbers, "one": numbers[0, None][0] * np.ones((), dtype)})
    assert_same(read_arrays(tmp_path / f"a{ending}")[0], {"w": numbers, "one": np.full((), numbers[0])})


def test_every_exponent_of_float32_survives_as_text(tmp_path):
    bits = np.arange(0, 0x7F800000, 0x7FFFF, dtype=np.uint32)  # 4,096 numbers from 0 to the largest
    numbers = bits.view(np.float32)
    write_arrays(tmp_path / "a.json", {"w": numbers, "v": -numbers})
    back = read_arrays(tmp_path / "a.json")[0]
    assert back["w"].tobytes() == numbers.tobytes()
    assert back["v"].tobytes() == (-numbers).tobytes()


@given(arrays=arrays_of(finite=False), header=HEADERS.filter(bool))
@settings(max_examples=30)
def test_the_binary_bytes_are_those_of_the_safetensors_library(folder, arrays, header):
    path = folder / "b.safetensors"
    write_arrays(path, arrays, header)
    text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    plain = {name: np.array(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    assert path.read_bytes() == safetensors.numpy.save(plain, {"nanochat": text})
    assert_same(safetensors.numpy.load_file(path), arrays)


@given(arrays=arrays_of(finite=False))
@settings(max_examples=25)
def test_what_the_safetensors_library_wrote_is_read(folder, arrays):
    plain = {name: np.array(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    safetensors.numpy.save_file(plain, folder / "c.safetensors", {"format": "pt"})
    back, header = read_arrays(folder / "c.safetensors")
    assert_same(back, arrays)
    assert header == {}


def test_half_precision_of_others_is_read_as_float32(tmp_path):
    half = np.array([1.5, -0.0, 65504.0, 6e-8], np.float16)
    safetensors.numpy.save_file({"h": half}, tmp_path / "h.safetensors")
    assert_same(read_arrays(tmp_path / "h.safetensors")[0], {"h": half.astype(np.float32)})
    head = b'{"b":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    (tmp_path / "b.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes.fromhex("803f00c02000"))
    assert read_arrays(tmp_path / "b.safetensors")[0]["b"].tolist() == [1.0, -2.0, np.float32(2.0**-128)]


def test_arrays_at_odd_places_are_read_aligned(tmp_path):
    head = (
        b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"F64","shape":[1],"data_offsets":[2,10]}}'
    )
    content = len(head).to_bytes(8, "little") + head + np.float16(2).tobytes() + np.float64(1 / 3).tobytes()
    (tmp_path / "a.safetensors").write_bytes(content)
    back = read_arrays(tmp_path / "a.safetensors")[0]["b"]
    assert back.flags.aligned
    assert back.tolist() == [1 / 3]


@pytest.mark.parametrize("ending", FORMATS)
def test_the_same_content_gives_the_same_bytes_in_any_order(tmp_path, ending):
    arrays = {name: np.full(3, i, np.float32) for i, name in enumerate("abc")}
    write_arrays(tmp_path / f"a{ending}", arrays, {"x": 1, "y": 2})
    write_arrays(tmp_path / f"b{ending}", dict(reversed(arrays.items())), {"y": 2, "x": 1})
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@pytest.mark.parametrize("other", FORMATS)
def test_there_and_back_through_another_format_gives_the_same_bytes(tmp_path, other):
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(0, 0.02, (5, 7)).astype(np.float32), "v": rng.normal(size=3)}
    write_arrays(tmp_path / "a.safetensors", arrays, {"k": "é"})
    write_arrays(tmp_path / f"b{other}", *read_arrays(tmp_path / "a.safetensors"))
    write_arrays(tmp_path / "c.safetensors", *read_arrays(tmp_path / f"b{other}"))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "c.safetensors").read_bytes()


@pytest.mark.parametrize("ending", FORMATS)
def test_another_sha256_is_refused(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_arrays(path, {"w": np.ones(3)})
    with pytest.raises(CheckpointError, match="differs from its manifest"):
        read_arrays(path, sha256="0" * 64)


@pytest.mark.parametrize("ending", FORMATS)
def test_arrays_that_are_read_can_be_written_into(tmp_path, ending):
    write_arrays(tmp_path / f"a{ending}", {"w": np.ones((2, 3), np.float32)})
    back = read_arrays(tmp_path / f"a{ending}")[0]["w"]
    back += 1
    assert back.flags.c_contiguous
    assert back.sum() == 12


@pytest.mark.parametrize("name", ["a", "a.bin", "a.json.zip", "a.gz", "a.SAFETENSORS"])
def test_another_ending_is_refused_with_those_there_are(tmp_path, name):
    for call in (array_format, read_arrays, lambda path: write_arrays(path, {})):
        with pytest.raises(ConfigError, match=r"ends in \.safetensors or \.json or \.json\.gz"):
            call(tmp_path / name)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("name", "array", "part"),
    [
        ("w", np.arange(3), "w has dtype int64"),
        ("w", np.ones(1, np.int16), "w has dtype int16"),
        ("w", np.array(["a"]), "w has dtype <U1"),
        ("__metadata__", np.ones(1), "keeps for itself"),
        ("\ud800", np.ones(1), "is no text"),
    ],
)
def test_what_no_format_holds_is_not_written(tmp_path, ending, name, array, part):
    with pytest.raises(ConfigError, match=part):
        write_arrays(tmp_path / f"a{ending}", {name: array})
    assert list(tmp_path.iterdir()) == []


SMALL = {
    "half": np.array([0.5, -2], np.float16),
    "brain": np.array([0x3F80, 0xC000], np.uint16),
    "values": np.array([[-127, 3]], np.int8),
    "pairs": np.array([[0x98]], np.uint8),
}


def test_small_types_are_read_by_anyone_from_safetensors(tmp_path):
    from safetensors import safe_open

    write_arrays(tmp_path / "a.safetensors", SMALL)
    ours, _ = read_arrays(tmp_path / "a.safetensors")
    assert {name: array.tolist() for name, array in ours.items()} == {
        "half": [0.5, -2], "brain": [1.0, -2.0], "values": [[-127, 3]], "pairs": [[0x98]],
    }  # fmt: skip
    with safe_open(tmp_path / "a.safetensors", "numpy") as theirs:
        dtypes = {name: theirs.get_slice(name).get_dtype() for name in theirs.keys()}  # noqa: SIM118
        assert theirs.get_tensor("values").tolist() == [[-127, 3]]
    assert dtypes == {"half": "F16", "brain": "BF16", "values": "I8", "pairs": "U8"}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_json_holds_no_small_types(tmp_path, ending, name):
    with pytest.raises(ConfigError, match=f"{name} has dtype"):
        write_arrays(tmp_path / f"a{ending}", {name: SMALL[name]})


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_json_has_no_word_for_what_is_not_finite(tmp_path, ending, bad):
    with pytest.raises(ConfigError, match=r"w holds a number that is not finite.*\.safetensors"):
        write_arrays(tmp_path / f"a{ending}", {"w": np.array([1, bad])})
    assert list(tmp_path.iterdir()) == []
