"""Commands on one folder at once, readers beside a training, links in a folder: a few; measure.py tries them all."""

import pytest
from beside import beside_a_training
from commands import together
from contents import contents_of, difference
from kills import CAN_FORK
from links import KINDS, follow_no_link
from pairs import Ring, collide, commands, crowds, ends, number_folders, share_a_file

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="this system has no fork: its processes take a second to start")
BY_NAME = {command.name: command for command in commands()}


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return Ring(tmp_path_factory.mktemp("ring"))


@pytest.mark.slow
def test_commands_on_one_folder_end_as_in_some_order(ring):
    assert collide(ring, size=2, most=5).failures == []
    assert collide(ring, size=3, most=1).failures == []


@pytest.mark.slow
def test_three_that_name_no_folder_get_one_each(ring):
    assert number_folders(ring, 3).failures == []


@pytest.mark.slow
def test_one_file_is_written_by_one_and_a_cache_filled_by_all(ring):
    assert share_a_file(ring, 4).failures == []


@pytest.mark.slow
def test_a_training_ends_well_beside_readers_and_pruners(tmp_path):
    tally = beside_a_training(tmp_path / "beside", n_runs=1, steps=100)
    assert tally.n > 1
    assert tally.failures == []


@pytest.mark.slow
def test_nothing_outside_is_written_to_through_a_link(tmp_path):
    tallies = list(follow_no_link(tmp_path / "links", every=29))
    assert len(tallies) == len(KINDS)
    assert [failure for tally in tallies for failure in tally.failures] == []


def test_every_pairing_has_somebody_who_writes():
    assert len(crowds(2)) * 3 > 200
    assert all(any(c.writes or "prune" in c.name for c in crowd) for crowd in crowds(2))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train"], {"a"}),
        (["train", "train, another"], set()),  # the second has to be refused
        (["train", "train --force"], {"forced"}),
        (["train --force", "train --force"], {"forced"}),
        (["train", "train --resume"], {"a"}),
        (["train", "ablate"], set()),
        ([], {"nothing"}),
    ],
)
def test_an_outcome_is_allowed_where_some_order_leads_to_it(names, expected):
    assert ends("nothing", [BY_NAME[name] for name in names]) == expected


@pytest.mark.slow
def test_the_harness_sees_a_run_that_another_has_cleared(ring, monkeypatch):
    monkeypatch.setattr("pairs.together", lambda *given: _and_clear(ring, together(*given)))
    problems = list(ring.trial("nothing", [BY_NAME["train"]], [0.0]))
    assert "metrics.jsonl" in " ".join(problems)


def _and_clear(ring, done):
    (ring.x / "metrics.jsonl").write_text("", encoding="utf-8")
    return done


@pytest.mark.slow
def test_two_folders_of_the_same_command_hold_the_same(ring, tmp_path):
    words = BY_NAME["train"].words
    for i in range(2):
        ring.begin("nothing")
        assert together([words], ring.home, ring.logs)[0].code == 0
        ring.x.rename(tmp_path / str(i))
    assert difference(contents_of(tmp_path / "0"), contents_of(tmp_path / "1")) == ""
