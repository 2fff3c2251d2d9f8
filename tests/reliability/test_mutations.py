"""Changed files, in small numbers; measure.py changes 200,000."""

import json
import random
import time

import pytest
from amount import amount
from mutations import Bench, Reader, change
from readers import readers
from tally import Tally

from nanochat.checkpoints import manifest
from nanochat.errors import CheckpointError

GOOD = b'{"name": "good", "numbers": [1, 2.5, 30]}'


@pytest.fixture(scope="module")
def every_reader(tmp_path_factory):
    return readers(tmp_path_factory.mktemp("readers"))


def test_a_changed_file_is_refused_or_means_something_valid(every_reader, tmp_path):
    for reader in every_reader:
        tally = Tally(reader.name)
        Bench(reader, tmp_path).random_changes(max(amount(2, 5), amount(12, 50) // reader.cost), tally)
        assert tally.failures == [], reader.name


def test_no_single_bit_of_a_format_with_a_checksum_goes_unseen(every_reader, tmp_path):
    checked = [reader for reader in every_reader if reader.is_checksummed]
    assert len(checked) >= 5
    for reader in checked:
        tally = Tally(reader.name)
        Bench(reader, tmp_path).every_bit(tally, every=amount(997, 149) * reader.cost**2)
        assert tally.failures == [], reader.name


def test_a_change_is_the_same_every_time():
    def changes():
        return [change(GOOD, random.Random(i)) for i in range(300)]

    assert changes() == changes()
    assert len({how for _, how in changes()}) == 9
    assert sum(changed != GOOD for changed, _ in changes()) > 280


def failures_of(read, tmp_path, n=400, **options) -> str:
    """What the harness says about a reader of one JSON file."""
    reader = Reader("planted", lambda folder: (folder / "f.json").write_bytes(GOOD), read, **options)
    tally = Tally("planted")
    Bench(reader, tmp_path).random_changes(n, tally)
    return " ".join(tally.failures)


def trusting(folder):
    return json.loads((folder / "f.json").read_bytes())


def lenient(folder):
    try:
        return trusting(folder)["numbers"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"f.json is damaged: {error!s:.80}") from error


def slow(folder):
    if b"good" not in (folder / "f.json").read_bytes():
        end = time.process_time() + 1.1
        while time.process_time() < end:  # at work, as what is slow is
            pass


def greedy(folder):
    return len(bytearray(80 << 20)) if (folder / "f.json").read_bytes() != GOOD else 0


@pytest.mark.parametrize(
    ("read", "options", "complaint"),
    [
        (trusting, {}, "JSONDecodeError"),
        (lenient, {"is_checksummed": True}, "another value, silently"),
        (lenient, {"use": lambda numbers: sum(numbers) / len(numbers)}, "TypeError"),
    ],
    ids=["another exception", "a silent change", "a value that is none"],
)
def test_the_harness_sees_what_is_wrong(tmp_path, read, options, complaint):
    assert complaint in failures_of(read, tmp_path, **options)


def test_the_harness_sees_a_reader_that_takes_time_or_memory(tmp_path):
    assert "takes 1." in failures_of(slow, tmp_path, n=8)
    assert "bytes of memory" in failures_of(greedy, tmp_path, n=1)


def test_the_harness_sees_a_manifest_that_is_not_compared(every_reader, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "file_sha256", lambda path: None)
    reader = next(reader for reader in every_reader if reader.name == "checkpoint .safetensors")
    with pytest.raises(CheckpointError):
        Bench(reader, tmp_path)
