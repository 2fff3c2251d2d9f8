"""A folder for work that is thrown away."""

import stat
import sys

import pytest

from nanochat.storage.scratch import scratch_folder


def test_a_scratch_folder_goes_with_what_is_in_it_even_after_an_error():
    folders = []

    def work():
        with scratch_folder() as folder:
            folders.append(folder)
            (folder / "deep").mkdir()
            (folder / "deep" / "a.txt").write_text("mine", encoding="utf-8")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert not folders[0].exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nobody_else_may_look_into_it():
    with scratch_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
