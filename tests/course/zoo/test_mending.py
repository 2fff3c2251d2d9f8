"""A specimen's function as a file: with its bug it is refused, mended it passes."""

import pytest

from nanochat.course.running import check
from nanochat.course.zoo.catalogue import specimens
from nanochat.course.zoo.instruments import find, shipped
from nanochat.course.zoo.mending import KEY, check_file, exercise_of, source_of
from nanochat.course.zoo.specimen import injected
from nanochat.errors import DataError, UsageError


@pytest.mark.parametrize("name", [one.id for one in specimens().values() if one.fault])
def test_the_source_stands_alone_and_defines_the_function(name):
    specimen, scope = specimens()[name], {}
    text = source_of(specimen)
    exec(compile(text, "student.py", "exec"), scope)  # noqa: S102 (it is our own)
    assert exercise_of(name).asks[0] in scope
    assert "SPECIMEN" not in text
    assert "from .." not in text


def test_a_file_with_the_bug_breaks_the_laws_and_one_without_keeps_them(tmp_path):
    path = tmp_path / "B4.py"
    path.write_text(source_of(specimens()["B4"]), encoding="utf-8")
    report = check(f"{KEY}B4", path, variant="", seed=1337)
    assert {one.law: one.state for one in report.verdicts} == dict.fromkeys(specimens()["B4"].found_by, "broken")
    mended = path.read_text(encoding="utf-8").replace(
        "    e = np.exp(", "    s = np.where(seen, s, -np.inf)\n    e = np.exp("
    )
    path.write_text(mended, encoding="utf-8")
    assert check(f"{KEY}B4", path, variant="", seed=1337).passed


@pytest.mark.parametrize("name", [one.id for one in specimens().values() if one.fault])
def test_with_what_is_shipped_in_its_place_the_instrument_that_names_it_finds_nothing(name):
    """The others of its row: `python tests/course/zoo/measure.py`."""
    specimen = specimens()[name]
    with injected(specimen, shipped(specimen)):
        assert not any(find(specimen, specimen.found_by[:1]).values())


def test_what_was_trained_before_it_is_examined_is_as_a_run_is():
    """Its threads had copies of the model, with a dropout of their own, and a mended C8 could not pass."""
    specimen = specimens()["C8"]
    with injected(specimen, shipped(specimen)):
        assert not any(find(specimen, specimen.found_by).values())


def test_a_file_of_another_specimen_is_refused(tmp_path):
    with pytest.raises(DataError, match="is of specimen B4, and ada-1 is another one"):
        check_file(specimens()["B3"], source_of(specimens()["B4"]), tmp_path / "B4.py", "ada-1")


def test_a_trap_has_nothing_to_mend():
    with pytest.raises(UsageError, match="nothing is wrong"):
        exercise_of("A13")
