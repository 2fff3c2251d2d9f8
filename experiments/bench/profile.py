"""Where the time of a training step goes: time, bytes and arithmetic of every op, forward and backward together.

Times come from cProfile over several steps, sizes from the graph that one forward pass leaves. An op that another op
calls is part of it.
"""

from __future__ import annotations

import cProfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...engine.tensor import ops

_OPS = "engine/tensor/ops/"


@dataclass
class OpProfile:
    """One kind of op in one training step."""

    name: str
    calls: int = 0
    seconds: float = 0.0
    """Forward and backward."""
    n_bytes: int = 0
    """Arrays read and written going forward."""
    flops: float = 0.0
    """Of matrix products, backward included; 0 for elementwise ops."""


def profile_ops(loss: Callable[[], Any], *, n_steps: int = 5) -> tuple[list[OpProfile], float]:
    """The ops of `loss().backward()`, those that take longest first, and the seconds of a whole step.

    `loss` builds a fresh graph and returns its end, a Tensor.
    """
    for _ in range(2):
        loss().backward()
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(n_steps):
        loss().backward()
    profiler.disable()
    seconds: defaultdict[str, float] = defaultdict(float)
    total = 0.0
    for entry in profiler.getstats():
        if not hasattr(entry.code, "co_filename"):
            continue  # a built-in function, part of its caller
        total += entry.inlinetime
        for call in entry.calls or ():
            name = _op_of(call.code)
            if name and not _op_of(entry.code):  # called by the graph, not by another op
                seconds[name] += call.totaltime / n_steps
        total += sum(call.inlinetime for call in entry.calls or () if not hasattr(call.code, "co_filename"))
    profiles = {name: OpProfile(name, seconds=time) for name, time in seconds.items()}
    for node in _nodes(loss()):
        profile = profiles.setdefault(_name(node._vjp), OpProfile(_name(node._vjp)))
        inputs = [parent for parent in node._parents if parent is not None]
        profile.calls += 1
        profile.n_bytes += node.data.nbytes + sum(parent.data.nbytes for parent in inputs)
        profile.flops += _flops(profile.name, node, inputs)
    return sorted(profiles.values(), key=lambda profile: -profile.seconds), total / n_steps


def _op_of(code: Any) -> str | None:
    """The op that a code object belongs to, itself or its vjp; None for everything else."""
    path = getattr(code, "co_filename", "").replace("\\", "/")
    if _OPS not in path:
        return None
    name = str(code.co_qualname).split(".")[0]
    return name if hasattr(ops, name) else None  # what ops/ does not offer is a part of what calls it


def _name(vjp: Any) -> str:
    function = getattr(vjp, "func", vjp)
    return str(getattr(function, "__qualname__", type(function).__name__)).split(".")[0]


def _nodes(end: Any) -> list[Any]:
    """Every node of the graph below `end` that an op made."""
    found, frontier = {id(end): end}, [end]
    while frontier:
        parents = [p for node in frontier for p in node._parents if p is not None and id(p) not in found]
        frontier = list({id(parent): parent for parent in parents}.values())
        found |= {id(parent): parent for parent in frontier}
    return [node for node in found.values() if node._vjp is not None]


def _flops(name: str, node: Any, inputs: list[Any]) -> float:
    """Three products for each: forward, and one for the gradient of each side."""
    if name in ("linear", "matmul") and len(inputs) >= 1:
        return 3 * 2.0 * node.data.size * inputs[0].data.shape[-1]
    if name in ("attention", "self_attention"):
        T = node.data.shape[-2]
        return 3 * 2.0 * 2.0 * node.data.size * (T + 1) / 2  # half a square: keys up to the query
    return 0.0
