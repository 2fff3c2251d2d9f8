"""Contenders that take turns: CPU and wall time of each, round by round, and how busy the machine was beside them.

A machine that slows down slows all of them down, so what is quoted are medians of the ratios of a round, with their
quartiles. Knows nothing of what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from ...machine import cores, cpu_s, worked_s

Step = Callable[[], object]
Clock = Literal["cpu", "wall"]


@runtime_checkable
class Timed(Protocol):
    """A contender that is elsewhere, and has clocks of its own."""

    def __call__(self) -> object: ...
    def time(self, n: int) -> Seconds: ...
    def cpu_s(self) -> float: ...


class Spread(NamedTuple):
    """The middle of some figures, and the quarter below and above which they lie."""

    lower: float
    median: float
    upper: float


class Seconds(NamedTuple):
    """Of one call."""

    cpu: float
    """Of all threads of the process, and of processes that work for it."""
    wall: float


@dataclass(frozen=True)
class Pairs:
    """What each contender took for a call in each round."""

    rounds: Mapping[str, Sequence[Seconds]]
    others: float | None
    """Cores, of all that there are, that other processes kept busy meanwhile; None where the system does not say."""

    def seconds(self, name: str, clock: Clock = "wall") -> Spread:
        """Of a call of this contender."""
        return spread([getattr(took, clock) for took in self.rounds[name]])

    def ratio(self, name: str, base: str, clock: Clock = "wall") -> Spread:
        """How many times as fast as `base` this contender was, round by round."""
        pairs = zip(self.rounds[base], self.rounds[name], strict=True)
        return spread([getattr(b, clock) / getattr(a, clock) for b, a in pairs])


def spread(values: Sequence[float]) -> Spread:
    """Quartiles; of a single value that value three times."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    return Spread(*quantiles(values, n=4, method="inclusive"))


def take_turns(
    contenders: Mapping[str, Step | Timed],
    *,
    rounds: int = 7,
    seconds: float = 0.4,
    rest: float = 0.25,
    before: Callable[[str], object] = lambda name: None,
) -> Pairs:
    """Each in turn for about `seconds` but once at least, `rounds` times, each round begun by the next of them.

    Each runs before it counts: once, or where `seconds` are many calls as often as tells how many; and once at each
    turn that is no longer than those, since what the others left in the caches is not its own. `rest`: seconds in
    which the threads of the last one settle. `before`: called with the name before each call that counts, uncounted.
    """
    counts = {name: _calls_in(seconds, contender) for name, contender in contenders.items()}
    took: dict[str, list[Seconds]] = {name: [] for name in contenders}
    names, worked, cpu, wall = list(contenders), worked_s(), _spent_s(contenders), time.perf_counter()
    for first in range(rounds):
        for name in names[first % len(names) :] + names[: first % len(names)]:
            step, n = contenders[name], counts[name]
            time.sleep(rest)
            before(name)
            if n > 1:
                step()  # caches and threads wake up
            took[name].append(_time(step, n))
    cpu, wall, now = _spent_s(contenders) - cpu, time.perf_counter() - wall, worked_s()
    others = None if worked is None or now is None else min(float(cores()), max(0.0, (now - worked - cpu) / wall))
    return Pairs(took, others)


def _calls_in(seconds: float, step: Step | Timed) -> int:
    """How many calls take about so long, one at least, after one that does not count."""
    if not seconds:
        return 1
    step()
    once = _time(step, 1).wall
    if once >= seconds:
        return 1
    return max(1, round(seconds / max(1e-7, _time(step, 3).wall)))


def _time(step: Step | Timed, n: int) -> Seconds:
    """Mean of n calls, by the clocks of the process that makes them."""
    return step.time(n) if isinstance(step, Timed) else time_calls(step, n)


def time_calls(step: Step, n: int) -> Seconds:
    """Mean of n calls in this process; what the last one returns is gone before the next contender."""
    cpu, wall = cpu_s(), time.perf_counter()
    for _ in range(n):
        step()
    return Seconds((cpu_s() - cpu) / n, (time.perf_counter() - wall) / n)


def _spent_s(contenders: Mapping[str, Step | Timed]) -> float:
    """Processor time of this process and of those of contenders, so far."""
    return cpu_s() + sum(step.cpu_s() for step in contenders.values() if isinstance(step, Timed))
