"""Contenders take turns, and what is said of them are quartiles of pairs; none of their times is asserted."""

from __future__ import annotations

import pytest

from nanochat import machine
from nanochat.experiments.bench import pairs
from nanochat.experiments.bench.pairs import Pairs, Seconds, spread, take_turns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """A machine on which time passes only where somebody lets it: clock(cpu, wall)."""
    now = {"cpu": 0.0, "wall": 0.0}
    monkeypatch.setattr(pairs, "cpu_s", lambda: now["cpu"])
    monkeypatch.setattr(pairs.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(pairs.time, "sleep", lambda seconds: None)

    def passes(cpu: float, wall: float) -> None:
        now["cpu"] += cpu
        now["wall"] += wall

    return passes


def test_each_round_is_begun_by_another_and_every_call_counts_alike(clock):
    order: list[str] = []

    def contender(name: str, seconds: float):
        def step() -> None:
            order.append(name)
            clock(seconds, 2 * seconds)

        return step

    found = take_turns({"a": contender("a", 1.0), "b": contender("b", 4.0)}, rounds=3, seconds=0)
    assert "".join(order) == "abbaab"
    assert found.rounds["a"] == [Seconds(1.0, 2.0)] * 3
    assert found.ratio("a", "b") == (4.0, 4.0, 4.0)
    assert found.ratio("b", "a", "cpu") == (0.25, 0.25, 0.25)


def test_short_calls_are_repeated_for_the_length_of_a_turn(clock):
    calls = []
    found = take_turns({"a": lambda: calls.append(clock(0.25, 0.5))}, rounds=2, seconds=5.0)
    assert len(calls) == 5 + 2 * (1 + 10)  # to learn that ten fit, then twice one that does not count and ten
    assert found.seconds("a") == (0.5, 0.5, 0.5)


def test_what_prepares_a_call_does_not_count(clock):
    found = take_turns({"a": lambda: clock(1, 1)}, rounds=2, seconds=0, before=lambda name: clock(9, 9))
    assert found.seconds("a", "cpu").median == 1


def test_a_ratio_is_of_pairs_and_not_of_medians():
    found = Pairs(
        {"a": [Seconds(1, 1), Seconds(8, 8), Seconds(2, 2)], "b": [Seconds(2, 2), Seconds(8, 8), Seconds(6, 6)]}, None
    )
    assert found.ratio("a", "b").median == 2
    assert found.seconds("b").median / found.seconds("a").median == 3


def test_quartiles_are_of_the_values_that_are_there():
    assert spread([3.0]) == (3.0, 3.0, 3.0)
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_the_work_of_others_is_that_of_the_machine_without_ours(clock, monkeypatch):
    worked = iter([100.0, 106.0])
    monkeypatch.setattr(pairs, "worked_s", lambda: next(worked))
    monkeypatch.setattr(pairs, "cores", lambda: 4)
    found = take_turns({"a": lambda: clock(2.0, 1.0)}, rounds=2, seconds=0)
    assert found.others == 1.0  # 6 s of cores in 2 s, and 4 of them are ours


def test_a_contender_that_is_elsewhere_has_clocks_of_its_own(clock, monkeypatch):
    class Away:
        spent = 7.0

        def __call__(self) -> None:
            self.time(1)

        def time(self, n: int) -> Seconds:
            clock(0, 5)  # it passes here, too
            self.spent += 4.0 * n
            return Seconds(4.0, 3.0)

        def cpu_s(self) -> float:
            return self.spent

    worked = iter([100.0, 115.0])
    monkeypatch.setattr(pairs, "worked_s", lambda: next(worked))
    monkeypatch.setattr(pairs, "cores", lambda: 4)
    found = take_turns({"here": lambda: clock(2.0, 1.0), "away": Away()}, rounds=1, seconds=0)
    assert found.rounds["away"] == [Seconds(4.0, 3.0)]
    assert found.ratio("here", "away") == (3.0, 3.0, 3.0)
    assert found.others == 1.5  # 15 s of cores in 6 s, and 2 and 4 of them are the contenders'


def test_a_machine_that_does_not_say_how_busy_it_is_is_no_error(tmp_path, monkeypatch):
    assert machine.worked_s(tmp_path) is None
    monkeypatch.setattr(pairs, "worked_s", lambda: None)
    assert take_turns({"a": lambda: None}, rounds=1, seconds=0, rest=0).others is None
