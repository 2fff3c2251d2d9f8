"""A recorded step made ready, as a list of calls and one piece of memory.

    1 drop     calls whose result nobody reads (`needed`)
    2 lay out  buffers: each lives from the first call that touches it to the last; two that live at once lie apart
               (`lay_out`), but an elementwise result lies where an operand does that is not read again (`_in_place`)
    3 bind     arrays at these places to the calls; to replay is to make the calls, in order

Same functions, same numbers, same order: the bits are those of the graph, and so are overflow, nan and the errors that
an op raises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .allocator import arena
from .recording import Array, Buffer, Call, Place, Recorded, mapped

_ALIGNED = 64
"""Bytes of a cache line, and of the widest vector registers."""


class Replay:
    """Calls that leave what is asked for in `outputs`."""

    def __init__(
        self,
        calls: Sequence[Call],
        outputs: Sequence[Any],
        memory: Array | None = None,
        homes: Sequence[Array | None] = (),
    ) -> None:
        """memory: of another replay, shared if large enough; a run of one then writes over the other's outputs.

        homes: where outputs are to lie, of the first, the second and so on; one that is a part of an array, or lies
        otherwise, stays where it is.
        """
        for output, home in zip(outputs, homes, strict=False):
            if home is not None and isinstance(output, Recorded) and _fits(output.place, home):
                output.buffer.array = home
        last = [output.buffer for output in outputs if isinstance(output, Recorded)]
        kept = needed(calls, last)
        births, deaths = _lives(kept)
        for buffer in last:
            deaths[buffer] = len(kept)
        same = _in_place(kept, births, deaths)
        sizes = {buffer: buffer.n_bytes for buffer in births if buffer.array is None and buffer not in same}
        offsets, self.n_bytes = lay_out(sizes, births, deaths)
        for buffer, earlier in same.items():
            offsets[buffer] = offsets[earlier]
        self.memory = memory if memory is not None and memory.nbytes >= self.n_bytes else arena(self.n_bytes)

        def bind(place: Place) -> Array:
            owner, start = place.buffer.array, 0
            if owner is None:
                owner, start = self.memory, offsets.get(place.buffer, 0)
            return np.ndarray(place.shape, place.dtype, owner, start + place.offset, place.strides)

        self.draws = any(isinstance(x, np.random.Generator) for call in kept for x in call.arguments)
        """Some call draws random numbers."""
        self.calls = [_bound(call.function, mapped(call.arguments, Place, bind)) for call in kept]
        self.outputs = [bind(output.place) if isinstance(output, Recorded) else output for output in outputs]

    def run(self) -> None:
        """Make the calls."""
        for function, arguments in self.calls:
            function(*arguments)


def _fits(place: Place, home: Array) -> bool:
    """The place is a whole buffer of the step, which lies as `home` does."""
    alike = (place.shape, place.strides, place.dtype) == (home.shape, home.strides, home.dtype)
    return alike and place.buffer.array is None and place.buffer.n_bytes == home.nbytes


def _bound(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A call as NumPy takes it: a bound dot is faster, and maximum and minimum deprecate an output by position."""
    if function is np.ndarray.dot:
        return arguments[0].dot, arguments[1:]
    if function in (np.maximum, np.minimum):
        return partial(function, out=arguments[-1]), arguments[:-1]
    return function, arguments


def _buffers(item: Any) -> list[Buffer]:
    """Those of the Places in an item, in its tuples and lists too."""
    if isinstance(item, Place):
        return [item.buffer]
    return [buffer for part in item for buffer in _buffers(part)] if type(item) in (tuple, list) else []


def needed(calls: Sequence[Call], outputs: Sequence[Buffer]) -> list[Call]:
    """The calls that write into an output, into what a later one of them touches, or into an array from outside."""
    read, kept = set(outputs), []
    for call in reversed(calls):
        if any(buffer in read or buffer.array is not None for buffer in call.written):
            read.update(_buffers(call.arguments))
            kept.append(call)
    return kept[::-1]


def _lives(calls: Sequence[Call]) -> tuple[dict[Buffer, int], dict[Buffer, int]]:
    """For each buffer the numbers of the first and of the last call that touches it."""
    births: dict[Buffer, int] = {}
    deaths: dict[Buffer, int] = {}
    for number, call in enumerate(calls):
        for buffer in _buffers(call.arguments):
            births.setdefault(buffer, number)
            deaths[buffer] = number
    return births, deaths


def _in_place(calls: Sequence[Call], births: dict[Buffer, int], deaths: dict[Buffer, int]) -> dict[Buffer, Buffer]:
    """{result: operand} where a ufunc may write over an operand that it reads last; updates the operand's death."""
    same: dict[Buffer, Buffer] = {}
    for number, call in enumerate(calls):
        if not isinstance(call.function, np.ufunc) or call.function.signature is not None:
            continue  # not elementwise: a product of matrices reads an operand again after it has begun to write
        *inputs, out = call.arguments
        if births[out.buffer] != number or out.buffer.array is not None:
            continue
        places = [x for x in inputs if isinstance(x, Place) and x.buffer.array is None]
        for x in places:
            is_last = deaths[x.buffer] == number and all(y == x for y in places if y.buffer is x.buffer)
            if is_last and x[1:] == out[1:] and x.buffer.n_bytes == out.buffer.n_bytes:
                first = same[out.buffer] = same.get(x.buffer, x.buffer)
                deaths[first] = deaths[out.buffer]
                break
    return same


def lay_out(
    sizes: dict[Buffer, int], births: dict[Buffer, int], deaths: dict[Buffer, int]
) -> tuple[dict[Buffer, int], int]:
    """Offsets so that buffers whose lives overlap lie apart, and the bytes of all: best fit, in the order of births."""
    dying: defaultdict[int, list[Buffer]] = defaultdict(list)
    for buffer in sizes:
        dying[deaths[buffer]].append(buffer)
    gaps: list[tuple[int, int]] = []  # (start, size), in order, none beside another
    offsets: dict[Buffer, int] = {}
    end, now = 0, -1
    for buffer in sorted(sizes, key=lambda buffer: births[buffer]):
        for call in range(max(now, 0), births[buffer]):
            for dead in dying.pop(call, []):
                gaps = _merged([*gaps, (offsets[dead], _rounded(sizes[dead]))])
        now = births[buffer]
        size = _rounded(sizes[buffer])
        fitting = [gap for gap in gaps if gap[1] >= size]
        if fitting:
            start, room = min(fitting, key=lambda gap: gap[1])
            gaps.remove((start, room))
            if room > size:
                gaps = _merged([*gaps, (start + size, room - size)])
        elif gaps and sum(gaps[-1]) == end:
            start, _ = gaps.pop()
            end = start + size
        else:
            start, end = end, end + size
        offsets[buffer] = start
    return offsets, end


def _merged(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours as one."""
    merged: list[tuple[int, int]] = []
    for start, size in sorted(gaps):
        if merged and sum(merged[-1]) == start:
            merged[-1] = (merged[-1][0], merged[-1][1] + size)
        else:
            merged.append((start, size))
    return merged


def _rounded(n_bytes: int) -> int:
    return -(-max(n_bytes, 1) // _ALIGNED) * _ALIGNED
