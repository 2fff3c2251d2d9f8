"""What a run leaves behind has names, and step-N is read in one place."""

from pathlib import Path

import pytest

from nanochat.checkpoints.names import step_folder, step_of


@pytest.mark.parametrize("step", [0, 500, 123_456_789_012])
def test_a_step_has_a_folder_and_a_folder_its_step(step):
    assert step_of(step_folder(Path("run"), step)) == step


@pytest.mark.parametrize("name", ["step-500", "step-", "step-0000050x", ".step-00000500.7.new", "a"])
def test_another_name_is_no_step(name):
    assert step_of(Path(name)) == -1


def test_a_name_that_somebody_shortened_is_still_known_to_whoever_asks():
    assert step_of(Path("step-500"), as_written=False) == 500
