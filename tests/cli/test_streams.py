"""Streams that fail: a remark costs itself, a result that is lost ends the command in one sentence."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nanochat.cli.console import Remarks
from nanochat.cli.streams import streams_guarded
from nanochat.errors import WriteError

TINY = "train --preset bigram --steps 3 --eval-every 1 --sample-every 1 --batch-size 2 --set eval_tokens=16".split()


class Failing(io.StringIO):
    """A stream whose device answers every write with one error."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EPIPE, errno.EAGAIN])
def test_a_run_whose_remarks_cannot_be_written_ends_well(nanochat, abab, tmp_path, monkeypatch, number):
    monkeypatch.setattr(sys, "stderr", Failing(number))
    done = nanochat(*TINY, "--data", abab, "--out", "run")
    assert done.code == 0
    assert "steps=3 " in done.out
    assert (tmp_path / "run" / "report.md").is_file()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EPIPE])
def test_rich_and_plain_writes_go_through_one_stream(monkeypatch, number):
    monkeypatch.setattr(sys, "stderr", Failing(number))
    with streams_guarded():
        Remarks().say("by Rich")
        sys.stderr.write("plain\n")
        sys.stderr.flush()


def test_a_result_that_cannot_be_written_is_a_write_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Failing(errno.ENOSPC))
    with pytest.raises(WriteError, match="cannot write the results to stdout: No space left"), streams_guarded():
        sys.stdout.write("loss=1\n")


def test_the_streams_are_as_before_afterwards():
    before = sys.stdout, sys.stderr
    with streams_guarded():
        assert sys.stderr is not before[1]
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_the_exit_code_does_not_depend_on_where_remarks_go(start, abab):
    for words, code in [((*TINY, "--data", abab, "--out", "run"), 0), (("sample", "--run", "nowhere"), 3)]:
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            process = start(*words, stderr=full, stdout=subprocess.DEVNULL)
        assert process.wait() == code
