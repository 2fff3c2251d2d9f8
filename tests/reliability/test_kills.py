"""kill -9 while saving, in small numbers; measure.py does it a thousand times."""

import json

import pytest
from amount import amount
from kills import CAN_FORK, Saver, kill_at_random, kill_before_every_call
from savers import every_saver, file_saver, folder_saver, same_step_saver

from nanochat.errors import CheckpointError

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="this system has no fork: its processes take a second to start")
SAVERS = list(every_saver())


@pytest.mark.parametrize("saver", SAVERS, ids=lambda saver: saver.name)
def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path, saver):
    tally = kill_at_random(saver, tmp_path / "kills", amount(2, 4))
    assert (tally.n, tally.failures) == (amount(2, 4), [])


@pytest.mark.parametrize(  # a .json is written by the calls that write a .json.gz
    "saver",
    [
        pytest.param(one, marks=[] if "one file" in one.name else pytest.mark.slow)
        for one in SAVERS
        if " .json," not in one.name
    ],
    ids=lambda saver: saver.name,
)
def test_a_kill_before_any_single_call_loses_nothing(tmp_path, saver):
    tally = kill_before_every_call(saver, tmp_path / "kills")
    assert tally.n > 5
    assert tally.failures == []


@pytest.mark.slow
@pytest.mark.parametrize("make", [folder_saver, same_step_saver, file_saver])
def test_forty_megabytes_survive_kills(tmp_path, make):
    assert kill_at_random(make(".safetensors", 40), tmp_path / "kills", 3).failures == []


def test_the_harness_sees_a_save_that_writes_in_place(tmp_path):
    def save(folder, version):
        with (folder / "f.json").open("w", encoding="utf-8") as file:
            for part in (f'{{"version": {version}, "weights": [', "0.5, " * 10_000, "0.5]}"):
                file.write(part)
                file.flush()

    def newest(folder):
        try:
            return json.loads((folder / "f.json").read_text(encoding="utf-8"))["version"]
        except ValueError as error:
            raise CheckpointError(f"f.json is damaged: {error}") from error

    tally = kill_before_every_call(Saver("in place", save, newest), tmp_path / "kills")
    assert tally.n_failed >= 2


def test_the_harness_sees_a_save_that_is_acknowledged_too_early(tmp_path):
    def save(folder, version):
        if version % 2:
            (folder / "f").write_text(str(version), encoding="utf-8")

    saver = Saver("every second one", save, lambda folder: int((folder / "f").read_text(encoding="utf-8") or 0))
    assert kill_at_random(saver, tmp_path / "kills", 10).n_failed > 0
