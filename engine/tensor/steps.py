"""The steps of a run: by a graph, or by a replay where a shape repeats.

Batches of a run have few shapes, and a step of a shape is the same calls of NumPy on other numbers. So the first step
of a shape is worked out by the graph, since it may be the only one; the second is recorded as it runs; the third is
worked out both ways, and where loss and gradients are the same bits, no graph is made from the fourth on. It does not
matter when a run goes over: a resumed run, which begins with graphs again, has the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..module import Module
from .allocator import give_back, give_back_freed_pages
from .recording import Array, Call, Recording, Unrecordable
from .replay import Replay
from .tensor import Tensor

MOST_SHAPES = 64
"""A run of more goes by graphs alone: each shape has too few steps to be worth its record."""

Shape = tuple[Any, ...]
"""What a record holds for: whether the weight is 1 (then nothing is multiplied), and shape and type of each part."""


class Record(NamedTuple):
    """A step that was recorded: its calls, what they leave, and where its batch and weight go."""

    calls: list[Call]
    outputs: list[Any]
    inputs: list[Array | None]
    weight: Array | None


class Step(NamedTuple):
    """A record that is replayed."""

    replay: Replay
    inputs: list[Array | None]
    weight: Array | None


class Steps:
    """Loss and gradients of a model, batch after batch."""

    def __init__(
        self,
        model: Any,
        leaves: Sequence[Tensor],
        streams: Sequence[np.random.Generator] = (),
        *,
        repeats: bool = True,
    ) -> None:
        """leaves: the model's parameters; where their `data` are other arrays than before, all records are forgotten.

        streams: what the model draws random numbers from. repeats: its loss depends on weights, batch and streams
        alone, so that a step may be recorded; else all is worked out by graphs.
        """
        self.model, self.leaves, self.streams, self.repeats = model, leaves, streams, repeats
        self.homes: Sequence[Array | None] = ()
        """Where replays are to leave the leaves' gradients."""
        self.refused: dict[Shape, str] = {}
        """Why steps of a shape are not replayed."""
        self._forget()

    def run(self, batch: Sequence[Any], weight: float, seeds: Sequence[int] = ()) -> float:
        """The loss of a batch of arrays or None; until the next run weight times its gradient is in the leaves' `grad`.

        seeds: one for each stream. Raises what the model's loss raises.
        """
        if not self.repeats:
            return self._graph(batch, weight, seeds)
        if any(leaf.data is not array for leaf, array in zip(self.leaves, self._weights, strict=True)):
            self._forget()
        shape = (weight == 1, *[None if part is None else (part.shape, part.dtype) for part in batch])
        known = self._known.get(shape)
        if shape not in self._known or shape in self.refused:
            if len(self._known) == MOST_SHAPES and shape not in self._known:
                self.repeats = False
                self._forget()
            self._known[shape] = None
            return self._graph(batch, weight, seeds)
        try:
            if type(known) is Step:
                return self._replay(known, batch, weight, seeds)
            if type(known) is Record:
                del known  # which holds arrays that are needed no more
                return self._compare(shape, batch, weight, seeds)
            return self._record(shape, batch, weight, seeds)
        except Exception as error:  # noqa: BLE001  the model's own, or of what only behaves as an array
            loss = self._graph(batch, weight, seeds)  # raises the model's own again
            self._known[shape] = None
            self.refused[shape] = str(error) if isinstance(error, Unrecordable) else repr(error)
            return loss

    @property
    def n_replayed(self) -> int:
        """Shapes whose steps are replayed."""
        return sum(type(known) is Step for known in self._known.values())

    def give_back(self) -> None:
        """The memory of the replays, until the next."""
        if self._memory is not None:
            give_back(self._memory)

    def _forget(self) -> None:
        self._weights = [leaf.data for leaf in self.leaves]
        self._known: dict[Shape, Step | Record | None] = {}  # None after the first step, and where it is refused
        self._memory: Array | None = None

    def _graph(self, batch: Sequence[Any], weight: float, seeds: Sequence[int]) -> float:
        """By the graph, whose memory and that of the replays are taken one at a time."""
        self._seed(seeds)
        self.give_back()
        for leaf in self.leaves:
            leaf.grad = None  # the first gradient is kept as it comes: nothing to fill, nothing to add
        loss = self._backward(batch, weight)
        if self._memory is not None:
            give_back_freed_pages()  # now that the graph is gone
        return loss

    def _backward(self, batch: Sequence[Any], weight: float) -> float:
        loss = self.model.loss(*batch)
        (loss if weight == 1 else loss * weight).backward()
        return float(loss)

    def _record(self, shape: Shape, batch: Sequence[Any], weight: float, seeds: Sequence[int]) -> float:
        """By the graph, of arrays that are recorded; what it leaves are arrays again."""
        self._seed(seeds)
        self.give_back()
        before = _attributes(self.model)
        inputs = [None if part is None else np.array(part, order="C") for part in batch]
        made = record(Recording(), self.model, self.leaves, inputs, weight)
        loss, *gradients = [getattr(output, "array", output) for output in made.outputs]
        for leaf, g in zip(self.leaves, gradients, strict=True):
            leaf.grad = g
        if _attributes(self.model) == before:
            self._known[shape] = made
        else:
            self.refused[shape] = "the model changes as it computes"
        return float(loss)

    def _compare(self, shape: Shape, batch: Sequence[Any], weight: float, seeds: Sequence[int]) -> float:
        """Both ways, on another batch than that of the record: what it takes for constant must be so."""
        step = self._ready(shape)
        loss = self._graph(batch, weight, seeds)
        gradients = [leaf.grad for leaf in self.leaves]
        replayed = self._replay(step, batch, weight, seeds)
        if _same(loss, replayed) and all(_same(leaf.grad, g) for leaf, g in zip(self.leaves, gradients, strict=True)):
            self._known[shape] = step
        else:
            self.refused[shape] = "a replay gives other numbers"
            for leaf, g in zip(self.leaves, gradients, strict=True):
                leaf.grad = g
        del gradients
        give_back_freed_pages()
        return loss

    def _ready(self, shape: Shape) -> Step:
        """A shape's record as a replay; the arrays that were recorded are let go."""
        made, self._known[shape] = self._known[shape], None
        assert type(made) is Record
        replay = Replay(made.calls, made.outputs, self._memory, [None, *self.homes])
        if replay.memory is not self._memory:  # the largest is that of all: what lies elsewhere is recorded anew
            self._known = {shape: None if type(known) is Step else known for shape, known in self._known.items()}
            self._memory = replay.memory
        return Step(replay, made.inputs, made.weight)

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


def record(
    recording: Recording, model: Any, leaves: Sequence[Tensor], batch: list[Array | None], weight: float = 1.0
) -> Record:
    """The model's loss and d(weight * loss)/d(leaf) of each leaf, worked out on arrays that `recording` records."""
    weights = [leaf.data for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.data, leaf.grad = recording.outside(leaf.data), None  # type: ignore[assignment]  # it behaves as one
        loss = model.loss(*[None if part is None else recording.outside(part) for part in batch])
        factor = None if weight == 1 else np.array(weight, loss.dtype)
        (loss if factor is None else loss * recording.outside(factor)).backward()
        return Record(recording.calls, [loss.data, *[leaf.grad for leaf in leaves]], batch, factor)
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
