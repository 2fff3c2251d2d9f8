"""Small files that ask for much; every fourth in `make test`."""

import json

import pytest
from amount import amount
from bombs import Bomb, explode, lay_file
from bombs_folders import folder_bombs
from bombs_tensors import tensor_bombs
from bombs_text import text_bombs
from hazards import plant
from mutations import Bench, Reader
from readers import readers
from tally import Tally


@pytest.mark.parametrize("bombs", [tensor_bombs, text_bombs, folder_bombs])
def test_every_bomb_is_refused_at_once(tmp_path, bombs):
    some = list(bombs())[:: amount(4, 1)]
    tally = explode("bombs", some, tmp_path)
    assert tally.n >= amount(4, 15)
    assert tally.failures == []


def test_what_is_no_json_is_refused_wherever_it_stands(tmp_path):
    for reader in [reader for reader in readers(tmp_path) if reader.cost == 1]:
        bench = Bench(reader, tmp_path)
        tally = Tally(reader.name)
        plant(bench, tally, every=amount(53, 17))
        assert tally.failures == [], reader.name


def test_the_harness_sees_a_bomb_that_goes_off(tmp_path):
    def swell(folder):
        return json.loads((folder / "f.json").read_bytes()) * (1 << 28)

    tally = explode("planted", [Bomb("swelling", lay_file("f.json", b'"0123456789"'), swell)], tmp_path)
    assert "MemoryError" in tally.failures[0]


def test_the_harness_sees_what_pythons_reader_takes_for_json(tmp_path):
    def read(folder):
        return json.loads((folder / "f.json").read_text(encoding="utf-8"))

    reader = Reader("planted", lambda folder: (folder / "f.json").write_bytes(b'{"a": 1}\n'), read)
    tally = Tally("planted")
    plant(Bench(reader, tmp_path), tally)
    failures = " ".join(tally.failures)
    for part in ("NaN at a", "1e999 at a", 'key "a" twice', "UnicodeDecodeError"):
        assert part in failures
