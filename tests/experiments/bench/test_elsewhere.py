"""A contender in a process of its own answers for what happens there, and ends with who asks."""

from __future__ import annotations

from contextlib import closing
from multiprocessing import active_children

import pytest

from nanochat.errors import GuardError
from nanochat.experiments.bench.contenders import SHAPES, contender
from nanochat.experiments.bench.elsewhere import Elsewhere
from nanochat.experiments.bench.pairs import take_turns


def test_a_contender_elsewhere_takes_its_turns_and_ends():
    before = set(active_children())
    with closing(Elsewhere(contender, SHAPES[0], "ours")) as away:
        spent = away.cpu_s()
        pairs = take_turns({"away": away, "here": lambda: None}, rounds=2, seconds=0, rest=0)
        (process,) = set(active_children()) - before
        assert away.cpu_s() - spent >= sum(took.cpu for took in pairs.rounds["away"]) > 0
        assert away.peak_bytes() >= 0
    assert process.exitcode is not None


def test_a_contender_that_is_killed_is_named():
    before = set(active_children())
    with closing(Elsewhere(contender, SHAPES[0], "ours")) as away:
        (process,) = set(active_children()) - before
        process.kill()
        with pytest.raises(GuardError, match="ended before its time"):
            away.time(1)
