"""The steps of a run: by a graph, or by a replay where a shape repeats.

Batches of a run have few shapes, and a step of a shape is the same calls of NumPy on other numbers. So the first step
of a shape is worked out by the graph, since it may be the only one; the second is recorded, and replayed to compare;
from the third on no graph is made. Loss and gradients are those of the graph, so that a resumed run, which begins with
graphs again, has the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..module import Module
from .allocator import give_back, give_back_freed_pages
from .recording import Array, Recording, Unrecordable
from .replay import Replay
from .tensor import Tensor

MOST_SHAPES = 8
"""Those that come first are replayed; where there are many more, each has too few steps to be worth its memory."""

Shape = tuple[Any, ...]
"""What a record holds for: whether the weight is 1 (then nothing is multiplied), and shape and type of each part."""


class Step(NamedTuple):
    """A replay, and where its batch and weight go."""

    replay: Replay
    inputs: list[Array | None]
    weight: Array | None


class Steps:
    """Loss and gradients of a model, batch after batch."""

    def __init__(self, model: Any, leaves: Sequence[Tensor], streams: Sequence[np.random.Generator] = ()) -> None:
        """leaves: the model's parameters; where their `data` are other arrays than before, all records are forgotten.

        streams: what the model draws random numbers from.
        """
        self.model, self.leaves, self.streams = model, leaves, streams
        self.refused: dict[Shape, str] = {}
        """Why steps of a shape are not replayed."""
        self._forget()

    def run(self, batch: Sequence[Any], weight: float, seeds: Sequence[int] = ()) -> float:
        """The loss of a batch of arrays or None; until the next run weight times its gradient is in the leaves' `grad`.

        seeds: one for each stream. Raises what the model's loss raises.
        """
        if any(leaf.data is not array for leaf, array in zip(self.leaves, self._weights, strict=True)):
            self._forget()
        shape = (weight == 1, *[None if part is None else (part.shape, part.dtype) for part in batch])
        step = self._known.get(shape)
        if step is not None:
            return self._replay(step, batch, weight, seeds)
        if shape in self._known and shape not in self.refused:
            return self._record(shape, batch, weight, seeds)
        if len(self._known) < MOST_SHAPES:
            self._known[shape] = None
        return self._graph(batch, weight, seeds)

    @property
    def n_replayed(self) -> int:
        """Shapes whose steps are replayed."""
        return sum(step is not None for step in self._known.values())

    def give_back(self) -> None:
        """The memory of all replays, until the next step."""
        for step in self._known.values():
            if step is not None:
                give_back(step.replay.memory)

    def _forget(self) -> None:
        self._weights = [leaf.data for leaf in self.leaves]
        self._known: dict[Shape, Step | None] = {}  # None after the first step, and where replays are refused
        self._memory: Array | None = None

    def _graph(self, batch: Sequence[Any], weight: float, seeds: Sequence[int]) -> float:
        self._seed(seeds)
        for leaf in self.leaves:
            leaf.grad = None  # the first gradient is kept as it comes: nothing to fill, nothing to add
        loss = self.model.loss(*batch)
        (loss if weight == 1 else loss * weight).backward()
        return float(loss)

    def _record(self, shape: Shape, batch: Sequence[Any], weight: float, seeds: Sequence[int]) -> float:
        """A step that is recorded as it runs, then replayed. Later ones are replayed, too, if the two agree."""
        self._seed(seeds)
        recording, factor = Recording(), None if weight == 1 else np.array(weight, self._weights[0].dtype)
        inputs = [None if part is None else np.array(part, order="C") for part in batch]
        before = _attributes(self.model)
        try:
            outputs = record(recording, self.model, self.leaves, inputs, factor)
        except Exception as error:  # noqa: BLE001  whatever an op makes of what only behaves as an array
            loss = self._graph(batch, weight, seeds)  # raises the error again if it is the model's own
            self.refused[shape] = str(error) if isinstance(error, Unrecordable) else repr(error)
            return loss
        found, states = [getattr(output, "array", output) for output in outputs], self._states()
        give_back_freed_pages()  # what recording has freed, before the replay takes as much
        step = Step(Replay(recording.calls, outputs, self._memory), inputs, factor)
        self._seed(seeds)
        self._replay(step, batch, weight, seeds)
        is_alike = states == self._states() and all(map(_same, found, step.replay.outputs))
        if is_alike and _attributes(self.model) == before:
            self._known[shape], self._memory = step, step.replay.memory
        else:
            self.refused[shape] = "a replay gives other numbers" if not is_alike else "the model changes as it computes"
            for leaf, g in zip(self.leaves, found[1:], strict=True):
                leaf.grad = g
        return float(found[0])

    def _replay(self, step: Step, batch: Sequence[Any], weight: float, seeds: Sequence[int]) -> float:
        if step.replay.draws:
            self._seed(seeds)
        for place, part in zip(step.inputs, batch, strict=True):
            if place is not None:
                np.copyto(place, part)
        if step.weight is not None:
            step.weight[...] = weight
        step.replay.run()
        loss, *gradients = step.replay.outputs
        for leaf, g in zip(self.leaves, gradients, strict=True):
            leaf.grad = g
        return float(loss)

    def _seed(self, seeds: Sequence[int]) -> None:
        for stream, seed in zip(self.streams, seeds, strict=True):
            stream.bit_generator.state = type(stream.bit_generator)(seed).state

    def _states(self) -> list[Any]:
        """Where the streams stand: elsewhere after a replay than after its recording, if a draw was not recorded."""
        return [stream.bit_generator.state for stream in self.streams]


def record(
    recording: Recording, model: Any, leaves: Sequence[Tensor], batch: Sequence[Array | None], weight: Array | None
) -> list[Any]:
    """The model's loss, and d(weight * loss)/d(leaf) of each leaf, worked out on arrays that `recording` records."""
    weights = [leaf.data for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.data, leaf.grad = recording.outside(leaf.data), None  # type: ignore[assignment]  # it behaves as one
        loss = model.loss(*[None if part is None else recording.outside(part) for part in batch])
        (loss if weight is None else loss * recording.outside(weight)).backward()
        return [loss.data, *[leaf.grad for leaf in leaves]]
    finally:
        for leaf, array in zip(leaves, weights, strict=True):
            leaf.data = array


def _attributes(item: Any) -> Any:
    """What a tree of Modules remembers: numbers and words as they are, other objects by their id."""
    if isinstance(item, Module):
        return {name: _attributes(child) for name, child in vars(item).items()}
    if type(item) in (list, tuple):
        return [_attributes(child) for child in item]
    return item if type(item) in (bool, int, float, str) else id(item)


def _same(a: Any, b: Any) -> bool:
    """Equal number by number, a nan to a nan and 0 to -0; None is equal to None."""
    return a is b if a is None or b is None else np.array_equal(a, b, equal_nan=True)
