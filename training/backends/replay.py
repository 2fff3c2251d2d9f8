"""A scalar model that is replayed: its loss and logits are programs (engine/compiled), traced once for each shape.

Weights are Tensors of float64, which optimizers of arrays move. The engine's own spelling of the model stays beside
them: a replay is compared with it, since a program freezes what a Python `if` on a Value's data did in the trace.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...data.batches import IGNORED, Batch
from ...engine.compiled.program import Open, Program, open_tables
from ...engine.module import Module, shape_of
from ...engine.tensor import Tensor
from ...errors import GuardError
from ...models.base import Model

MOST_BYTES = 1 << 27
"""Of all programs of a thread, 128 MiB; the one at work stays, however large it is."""
TOLERANCE = 1e-6
"""Of max|a - b| / max(1, max|b|), replay against engine: a thousandth of what a wrong branch does to a usual net, and
a million roundings or more."""
NO_REPLAY = (
    "a model that branches on a Value's data cannot be replayed, and a run keeps its mode: begin another without "
    "--compile (--from takes the weights along)"
)
_ROWS = 16
"""Rows of logits side by side: a row alone takes as long as three among sixteen."""


class Programs(threading.local):
    """What was traced in this process; of a thread's programs those that were used last stay.

    The cells of a study share them: a program knows shapes, not weights.
    """

    def __init__(self) -> None:
        self.kept: dict[Any, tuple[Program, int]] = {}
        self.n_traced = 0

    def get(self, key: Any, trace: Callable[[], Program]) -> Program:
        """The program that `trace` gives, or gave for this key."""
        found = self.kept.pop(key, None)
        if found is not None:
            self.kept[key] = found  # the last to go
            return found[0]
        program = trace()
        self.kept[key] = program, program.n_bytes
        self.n_traced += 1
        for old in list(self.kept)[:-1]:
            if self.n_bytes <= MOST_BYTES:
                break
            del self.kept[old]
        return program

    @property
    def n_bytes(self) -> int:
        """Memory of all of them."""
        return sum(size for _, size in self.kept.values())


PROGRAMS = Programs()


class Shape(NamedTuple):
    """What is frozen in the program of a row's loss."""

    length: int
    """Tokens until the last one whose target counts."""
    counted: tuple[int, ...]
    """Positions whose targets count."""
    segments: tuple[int, ...]
    """Equal numbers may attend to each other; () where all may."""


class Row(NamedTuple):
    """A row of a batch."""

    shape: Shape
    indices: list[int]
    """Its tokens, then the targets that count."""


class Replayed(Module):
    """A model that is replayed. `loss` is the engine's, to compare with; `replay` and `predict` are what is used."""

    takes_arrays = True

    def __init__(self, engine: Any) -> None:
        """engine: a scalar model; `type(engine)(engine.config, None)` builds another, to be traced."""
        self.engine, self.config = engine, engine.config
        self.weights = {
            name: Tensor(np.zeros(shape_of(parameter)), requires_grad=True)
            for name, parameter in engine.named_parameters()
        }
        self.load_state_dict(engine.state_dict())
        self._compared: set[tuple[int, int]] = set()
        """Length and rows of logits that were those of the engine."""

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield from self.weights.items()

    def loss(self, inputs: Any, targets: Any, segments: Any = None) -> Any:
        """The engine's loss with the weights as they are now: a Value.       inputs, targets (B, T) -> ()"""
        self.engine.load_state_dict(self.state_dict())
        return self.engine.loss(inputs, targets, segments)

    def replay(self, rows: Sequence[Row], weights: Sequence[float]) -> float:
        """sum_i weights[i] loss_i; its gradient is added to that of the weights."""
        groups: defaultdict[Shape, list[int]] = defaultdict(list)
        for i, row in enumerate(rows):
            groups[row.shape].append(i)
        total = 0.0
        for shape, members in groups.items():
            for part in _powers_of_two(members):
                program = self._loss_program(shape, len(part))
                seeds = np.array([[weights[i]] for i in part])
                total += float(np.vdot(program.forward([rows[i].indices for i in part]), seeds))
                for weight, gradient in zip(self.weights.values(), program.backward(seeds), strict=True):
                    weight.grad = gradient.copy() if weight.grad is None else np.add(weight.grad, gradient, weight.grad)
        return total

    def predict(self, ids: np.ndarray, cache: None = None) -> np.ndarray:
        """Logits, each token's of those before it and itself       (B, T) -> (B, T, V)

        Rows are filled up to a power of two, since no token sees those after it, so that few lengths are traced.
        Raises TypeError for ids that are no integers, IndexError for those that are no token.
        """
        B, T = ids.shape
        length = max(T, min(1 << (T - 1).bit_length(), self.config.block_size))
        S = 1 if B == 1 else _ROWS
        program = self._program("logits", length, S)
        filled = np.zeros((-(-max(B, 1) // S) * S, length), np.int64)
        np.copyto(filled[:B, :T], ids)  # which refuses floats
        logits = [program.forward(filled[i : i + S]).reshape(S, length, -1).copy() for i in range(0, len(filled), S)]
        if (length, S) not in self._compared and B:
            self._compare(logits[0][0], filled[0])
            self._compared.add((length, S))
        return np.concatenate(logits)[:B, :T]

    logits = predict

    def _compare(self, found: np.ndarray, ids: np.ndarray) -> None:
        """Raises GuardError where the engine gives other logits       found (T, V), ids (T,)"""
        self.engine.load_state_dict(self.state_dict())
        expected = np.array([[z.data for z in position] for position in self.engine.logits(ids.tolist())])
        error = error_of(found, expected)
        if error > TOLERANCE:
            raise GuardError(f"the replayed logits of {len(ids)} tokens are {error:.1e} off the engine's: {NO_REPLAY}")

    def _loss_program(self, shape: Shape, samples: int) -> Program:
        return self._program("loss", shape, samples)

    def _program(self, what: str, shape: Any, samples: int) -> Program:
        """From the memo, with the weights of now."""
        key = (type(self.engine), self.config, what, shape, samples)
        trace = trace_loss if what == "loss" else _trace_logits
        program = PROGRAMS.get(key, lambda: trace(type(self.engine)(self.config, None), shape, samples))
        for place, weight in zip(program.weights, self.weights.values(), strict=True):
            place[...] = weight.data
        return program


def rows_of(batch: Batch) -> Iterator[Row]:
    """The rows of a batch in which a target counts; what follows the last of them is padding."""
    for i, (ids, targets) in enumerate(zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True)):
        counted = tuple([position for position, target in enumerate(targets) if target != IGNORED])
        if counted:
            length = counted[-1] + 1
            segments = () if batch.segments is None else _numbered(batch.segments[i, :length].tolist())
            indices = [*ids[:length], *[target for target in targets if target != IGNORED]]
            yield Row(Shape(length, counted, segments), indices)


def _numbered(segments: list[int]) -> tuple[int, ...]:
    """0 for the first, 1 for the next that differs from all before, ...; () where all are one."""
    order = {segment: i for i, segment in enumerate(dict.fromkeys(segments))}
    return tuple(order[segment] for segment in segments) if len(order) > 1 else ()


def _powers_of_two(members: list[int]) -> Iterator[list[int]]:
    """13 of them as 8, 4 and 1: a program is for a number of samples, and there shall be few."""
    while members:
        size = 1 << (len(members).bit_length() - 1)
        yield members[:size]
        members = members[size:]


def trace_loss(model: Any, shape: Shape, samples: int) -> Program:
    """The program of the mean loss of rows of this shape. The model is spent: its tables are open from now on."""
    open_tables(model)
    targets = [IGNORED] * shape.length
    for slot, position in enumerate(shape.counted, shape.length):
        targets[position] = Open(slot)
    ids = [Open(slot) for slot in range(shape.length)]
    loss = model.loss([ids], [targets], [shape.segments] if shape.segments else None)
    return _compiled([loss], model, samples, gradient=True)


def _trace_logits(model: Any, length: int, samples: int) -> Program:
    open_tables(model)
    logits = model.logits([Open(slot) for slot in range(length)])
    return _compiled([z for position in logits for z in position], model, samples, gradient=False)


def _compiled(outputs: Sequence[Any], model: Model, samples: int, *, gradient: bool) -> Program:
    program = Program(outputs, model.named_parameters(), samples=samples, gradient=gradient)
    program.forget()
    return program


def error_of(found: np.ndarray, expected: np.ndarray) -> float:
    """max|a - b| / max(1, max|b|); nan and infinity count as equal to themselves, and as infinitely far from others."""
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    if same.all():
        return 0.0
    gap = np.where(same, 0.0, np.abs(found - expected))
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
    return float(np.where(np.isfinite(gap), gap, np.inf).max()) / float(scale)
