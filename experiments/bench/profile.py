"""Where the time of a replayed training step goes: what each op's calls of NumPy take, touch and multiply."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ...engine.tensor import ops
from ...engine.tensor.recording import Place, Recorded, Recording
from ...engine.tensor.replay import Replay, needed
from ...engine.tensor.steps import record

_OPS = "engine/tensor/ops/"
MEETING = "sum of gradients"
"""What the graph itself computes, where an array has several readers."""


@dataclass
class OpProfile:
    """One kind of op in one training step, forward and backward."""

    name: str
    calls: int = 0
    """Of NumPy, or of what an op has recorded as one call."""
    seconds: float = 0.0
    n_bytes: int = 0
    """Arrays that the calls read or write."""
    flops: float = 0.0
    """Of matrix products, one of two axes or of stacks; those within an `opaque` call are not counted."""


class StepProfile(NamedTuple):
    """A training step without its optimizer."""

    ops: list[OpProfile]
    """Those that take longest first."""
    graph_s: float
    """Of the step by its graph."""
    replay_s: float
    """Of the replay; what it takes beyond its ops is Python's, from call to call."""
    n_bytes: int
    """Memory of the replay."""


class _Named(Recording):
    """A record that knows which op made a call."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[int, str] = {}

    def note(self, function: Callable[..., Any], arguments: tuple[Any, ...], *written: Recorded) -> None:
        super().note(function, arguments, *written)
        self.names[id(self.calls[-1])] = _op_of(sys._getframe(1))


def profile_step(model: Any, batch: tuple[Any, ...], *, n_steps: int = 20) -> StepProfile:
    """The model's step on this batch, medians of n_steps; the gradients of its parameters are overwritten."""
    leaves, recording = list(model.parameters()), _Named()

    def graph() -> None:
        for leaf in leaves:
            leaf.grad = None
        model.loss(*batch).backward()

    graph_s = _seconds(graph, n_steps)
    made = record(recording, model, leaves, list(batch))
    kept = needed(made.calls, [output.buffer for output in made.outputs if isinstance(output, Recorded)])
    replay = Replay(made.calls, made.outputs)
    replay_s = _seconds(replay.run, n_steps)
    times = np.median([_times(replay) for _ in range(n_steps)], axis=0)
    found: dict[str, OpProfile] = {}
    for call, (function, arguments), seconds in zip(kept, replay.calls, times, strict=True):
        profile = found.setdefault(recording.names[id(call)], OpProfile(recording.names[id(call)]))
        arrays = [x for x in arguments if isinstance(x, np.ndarray)]
        profile.calls += 1
        profile.seconds += float(seconds)
        profile.n_bytes += _bytes(call.arguments)
        profile.flops += _flops(function, arrays)
    return StepProfile(sorted(found.values(), key=lambda op: -op.seconds), graph_s, replay_s, replay.n_bytes)


def _bytes(item: Any) -> int:
    """Of the arrays among a call's arguments."""
    if isinstance(item, Place):
        return math.prod(item.shape) * item.dtype.itemsize
    if isinstance(item, (tuple, list)):
        return sum(map(_bytes, item))
    return item.nbytes if isinstance(item, np.ndarray) else 0


def _times(replay: Replay) -> list[float]:
    """Seconds of each call, less those of looking at the clock."""
    clock, times = time.perf_counter, []
    for function, arguments in replay.calls:
        start = clock()
        function(*arguments)
        times.append(clock() - start)
    look = min([-(clock() - clock()) for _ in range(5)])
    return [max(0.0, seconds - look) for seconds in times]


def _seconds(step: Callable[[], None], n: int) -> float:
    """The median of n calls, after two that do not count."""
    times = []
    for _ in range(n + 2):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return median(times[2:])


def _op_of(frame: FrameType | None) -> str:
    """The op that asked for a call: of those on the stack the outermost, since ops call each other."""
    name = MEETING
    while frame is not None:
        if _OPS in frame.f_code.co_filename.replace("\\", "/"):
            first = frame.f_code.co_qualname.split(".")[0]
            name = first if hasattr(ops, first) else name
        frame = frame.f_back
    return name


def _flops(function: Any, arrays: list[np.ndarray]) -> float:
    """2 K for each number of a product's result."""
    if getattr(function, "__name__", "") == "dot":
        return 2.0 * arrays[-1].size * function.__self__.shape[-1]
    return 2.0 * arrays[-1].size * arrays[0].shape[-1] if function is np.matmul else 0.0
