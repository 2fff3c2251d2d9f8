"""The table of specimens against instruments is true: what is named finds, what is called blind does not."""

import warnings

import pytest

from nanochat.course.zoo.catalogue import SOUND, specimens
from nanochat.course.zoo.instruments import LAW_NAMES, find, habitat, laws_on, rows, subject_of
from nanochat.course.zoo.specimen import injected

SPECIMENS = specimens()


@pytest.mark.parametrize("name", SPECIMENS)
def test_the_instruments_that_are_named_find_it_and_those_that_are_blind_do_not(name):
    specimen = SPECIMENS[name]
    with injected(specimen):
        found = find(specimen, (*specimen.found_by, *specimen.blind))
    assert [one for one in specimen.found_by if not found[one]] == []
    assert [one for one in specimen.blind if found[one]] == []


def test_without_a_specimen_no_law_is_broken_and_afterwards_again():
    def broken():
        return [name for name, finding in laws_on(subject_of(habitat())).items() if finding.verdict == "fail"]

    assert broken() == []
    with injected(SPECIMENS["B4"]):
        assert broken() != []
    assert broken() == []


def test_every_law_of_health_has_a_specimen_that_it_finds():
    found = {one for specimen in SPECIMENS.values() for one in specimen.found_by}
    assert set(LAW_NAMES) - found == set()


def test_every_lab_has_specimens_and_three_are_traps():
    assert {one.lab for one in SPECIMENS.values()} == {"engine", "model", "training", "decoding"}
    traps = [one for one in SPECIMENS.values() if not one.fault]
    assert [one.name for one in traps] == [SOUND] * 3
    assert all(not one.found_by and one.blind for one in traps)


def test_names_are_unique_and_instruments_known():
    names = [one.name for one in SPECIMENS.values() if one.fault]
    assert len(set(names)) == len(names) >= 30
    known = {*LAW_NAMES, *rows()}
    assert [n for one in SPECIMENS.values() for n in (*one.found_by, *one.blind) if n not in known] == []


def test_a_symptom_does_not_tell_the_name():
    told = [one.id for one in SPECIMENS.values() if one.fault and one.name.replace("-", " ") in one.symptom.lower()]
    assert told == []


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
