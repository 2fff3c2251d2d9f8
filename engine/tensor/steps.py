"""The steps of a run: by a graph, or by a replay where a shape repeats.

Batches of a run have few shapes, and a step of a shape is the same calls of NumPy on other numbers. So the first step
of a shape is worked out by the graph, the second is recorded as it runs, a replay of the third is compared with the
graph, and from then on no graph is made. Its bits are the same, so it does not matter when a run goes over: a resumed
run begins with graphs again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .recording import Array, Recording, Unrecordable
from .replay import Replay
from .tensor import Tensor

MOST_SHAPES = 8
"""Those that come first are replayed; where there are many more, each has too few steps to be worth its memory."""

Shape = tuple[Any, ...]
"""Is the weight 1, and shape and type of each part of the batch."""


class Step(NamedTuple):
    """A replay, and where its batch and weight go."""

    replay: Replay
    inputs: list[Array | None]
    weight: Array
    is_compared: bool = False


class Steps:
    """Loss and gradients of a model, batch after batch."""

    def __init__(self, model: Any, leaves: Sequence[Tensor], begin: Callable[[], None] = lambda: None) -> None:
        """leaves: the model's parameters; where their `data` are other arrays than before, all records are forgotten.

        begin: called before a step is worked out, which may be twice: sets the random streams that the model draws from
        """
        self.model, self.leaves, self.begin = model, leaves, begin
        self.refused: dict[Shape, str] = {}
        """Why steps of a shape are not replayed."""
        self._forget()

    def run(self, batch: Sequence[Any], weight: float) -> float:
        """The loss of a batch of arrays or None; its gradient, times weight, is in `grad` of the leaves until the next.

        Raises what the model's loss raises.
        """
        if any(leaf.data is not array for leaf, array in zip(self.leaves, self._weights, strict=True)):
            self._forget()
        shape = (weight == 1, *[None if part is None else (part.shape, part.dtype) for part in batch])
        step = self._known.get(shape)
        if step is not None and step.is_compared:
            return self._replay(step, batch, weight)
        if step is not None:
            return self._compare(shape, step, batch, weight)
        if shape in self.refused:
            return self._graph(batch, weight)
        if shape in self._known:
            return self._record(shape, batch, weight)
        if len(self._known) < MOST_SHAPES:
            self._known[shape] = None
        return self._graph(batch, weight)

    @property
    def n_replayed(self) -> int:
        """Shapes whose steps are replayed."""
        return sum(step is not None and step.is_compared for step in self._known.values())

    def _forget(self) -> None:
        self._weights = [leaf.data for leaf in self.leaves]
        self._known: dict[Shape, Step | None] = {}
        self._memory: Array | None = None

    def _graph(self, batch: Sequence[Any], weight: float) -> float:
        self.begin()
        for leaf in self.leaves:
            leaf.grad = None  # the first gradient is kept as it comes: nothing to fill, nothing to add
        loss = self.model.loss(*batch)
        (loss if weight == 1 else loss * weight).backward()
        return float(loss)

    def _record(self, shape: Shape, batch: Sequence[Any], weight: float) -> float:
        """A step that is written down as it runs."""
        self.begin()
        recording, factor = Recording(), np.array(weight, self._weights[0].dtype)
        inputs = [None if part is None else np.array(part, order="C") for part in batch]
        try:
            for leaf, array in zip(self.leaves, self._weights, strict=True):
                leaf.data, leaf.grad = recording.outside(array), None  # type: ignore[assignment]  # it behaves as one
            loss = self.model.loss(*[None if part is None else recording.outside(part) for part in inputs])
            (loss if weight == 1 else loss * recording.outside(factor)).backward()
            replay = Replay(recording.calls, [loss.data, *[leaf.grad for leaf in self.leaves]], self._memory)
        except Exception as error:  # noqa: BLE001  whatever an op makes of what only behaves as an array
            self.refused[shape] = str(error) if isinstance(error, Unrecordable) else repr(error)
        finally:
            for leaf, array in zip(self.leaves, self._weights, strict=True):
                leaf.data = array
        if shape in self.refused:
            return self._graph(batch, weight)  # which has the same error, or none
        for leaf in self.leaves:
            leaf.grad = getattr(leaf.grad, "array", leaf.grad)
        self._memory = replay.memory
        self._known[shape] = Step(replay, inputs, factor)
        return float(loss.data.array)

    def _compare(self, shape: Shape, step: Step, batch: Sequence[Any], weight: float) -> float:
        """The graph's step, and whether its replay gives the same bits: then it holds nothing that should change."""
        loss = self._graph(batch, weight)
        gradients = [leaf.grad for leaf in self.leaves]
        replayed = self._replay(step, batch, weight)
        pairs = zip([loss, *gradients], [replayed, *[leaf.grad for leaf in self.leaves]], strict=True)
        if all(_same(a, b) for a, b in pairs):
            self._known[shape] = step._replace(is_compared=True)
        else:
            self.refused[shape] = "its replay gave other numbers than its graph"
            del self._known[shape]
        for leaf, g in zip(self.leaves, gradients, strict=True):
            leaf.grad = g
        return loss

    def _replay(self, step: Step, batch: Sequence[Any], weight: float) -> float:
        if step.replay.draws:
            self.begin()
        for place, part in zip(step.inputs, batch, strict=True):
            if place is not None:
                np.copyto(place, part)
        step.weight[...] = weight
        step.replay.run()
        loss, *gradients = step.replay.outputs
        for leaf, g in zip(self.leaves, gradients, strict=True):
            leaf.grad = g
        return float(loss)


def _same(a: Any, b: Any) -> bool:
    """Equal to the bit, but for what a nan holds besides; None is equal to None."""
    return a is b if a is None or b is None else np.array_equal(a, b, equal_nan=True)
