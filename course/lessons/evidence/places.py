"""Where a student's own function goes into a GPT, in both spellings, and its row of a certificate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from ....engine.scalar import functional as F
from ....engine.scalar.value import Value
from ....engine.tensor.tensor import Tensor, apply
from ....experiments.certify.case import Case, Side, both_sides, gradient_of
from ....experiments.certify.compare import relative_error, slope_errors
from ....experiments.certify.finding import Finding
from ....experiments.certify.models import model_case
from ....models.gpt.config import GPTConfig
from ...zoo.attention import attention_with
from ...zoo.specimen import Specimen, Swaps, injected, op
from ..arrays.spelling import Array

Place = Literal["activation", "norm", "weights"]
Scalar = Callable[[list[Value]], list[Value]]
"""A list of Values to as many."""
Spelled = Callable[[Array], tuple[Array, Any]]
"""x -> (y, vjp), row by row along the last axis."""

SMALL = GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=4, zero_init_proj=False)
"""A GPT that a certificate takes milliseconds for. Its activation is relu2 and its norm rms, as in microgpt."""


@dataclass(frozen=True)
class Change:
    """A function of one's own, in both spellings."""

    place: Place
    scalar: Scalar
    tensor: Spelled

    def case(self) -> Case:
        """The row of a certificate: both spellings on the same random numbers."""
        shape = (2, 4, 4) if self.place == "weights" else (3, 6)
        scalar = self._triangles if self.place == "weights" else lambda x: [self.scalar(row) for row in x]

        def build(rng: np.random.Generator) -> tuple[Side, Side]:
            return both_sides({"x": rng.standard_normal(shape)}, scalar, partial(apply, self.op), rng)

        return Case(kind="op", name=self.place, remark=f"{shape}", build=build)

    def op(self, x: Array) -> tuple[Array, Callable[[Array], tuple[Array]]]:
        """As the ops of arrays are called; of weights, keys that come after the query are hidden first."""
        if self.place != "weights":
            y, vjp = self.tensor(x)
            return y, lambda g: (first_of(vjp(g)),)
        return self._weights(x, np.broadcast_to(np.tri(x.shape[-1], dtype=bool), x.shape))

    def swaps(self) -> Swaps:
        """What is put in the place of the project's own, while the change is in."""
        if self.place == "activation":
            return {"engine.scalar.functional:relu2": self.scalar, **op("relu2")(self.op)}
        if self.place == "norm":
            norm = lambda x, weight=None, *, eps=1e-5: self.op(x)  # noqa: E731
            scalar = lambda x, weight=None, *, eps=1e-5: self.scalar(list(x))  # noqa: E731
            return {"engine.scalar.functional:rms_norm": scalar, **op("rms_norm")(norm)}
        return {"engine.scalar.functional:attention": self._attention, **attention_with("weights")(self._weights)}

    def specimen(self) -> Specimen:
        """It goes into the program as the zoo's mistakes do."""
        about: dict[str, Any] = dict.fromkeys(("title", "case", "symptom"), "")
        return Specimen(
            id="B0", name=self.place, found_by=(), blind=(), fault=self.scalar, into=lambda _: self.swaps(), **about
        )

    def _weights(self, s: Array, seen: Array) -> tuple[Array, Callable[[Array], tuple[Array]]]:
        with np.errstate(all="ignore"):
            p, vjp = self.tensor(np.where(seen, s, -np.inf).astype(s.dtype))
        return p, lambda g: (np.where(seen, first_of(vjp(g)), 0.0).astype(s.dtype),)

    def _attention(
        self,
        q: Sequence[Value],
        keys: Sequence[Sequence[Value]],
        values: Sequence[Sequence[Value]],
        *,
        scale: float = 1.0,
    ) -> list[Value]:
        q = F.scale(q, scale / math.sqrt(len(q)))
        p = self.scalar([F.dot(q, k) for k in keys])
        return [F.dot(p, column) for column in zip(*values, strict=True)]

    def _triangles(self, batch: list[list[list[Value]]]) -> list[Any]:
        """Row t of scores has t + 1 that are seen."""
        rows = [[(self.scalar(row[: t + 1]), len(row) - t - 1) for t, row in enumerate(rows)] for rows in batch]
        return [[[*p, *(Value(0.0) for _ in range(hidden))] for p, hidden in one] for one in rows]


def first_of(found: Any) -> Array:
    """dx, or the one of a tuple."""
    return np.asarray(found[0] if isinstance(found, (tuple, list)) else found)


def certified(change: Change, seed: int) -> Finding:
    """Both spellings and differences of the function alone: a row of a certificate, without a replay."""
    scalar, tensor = change.case().build(np.random.default_rng(seed))
    return _compared(scalar, tensor, slopes=seed)


def certified_model(change: Change, seed: int) -> Finding:
    """Loss and gradients of a small GPT with the change in it, in both spellings."""
    with injected(change.specimen()):
        scalar, tensor = model_case("yours", SMALL).build(np.random.default_rng(seed))
        return _compared(scalar, tensor)


def _compared(scalar: Side, tensor: Side, slopes: int | None = None) -> Finding:
    ours, theirs = scalar.loss(), tensor.loss()
    ours.backward()
    theirs.backward()
    assert isinstance(theirs, Tensor)
    return Finding(
        kind="op" if slopes is not None else "model",
        name="yours",
        remark="",
        n_numbers=0,
        loss=float(ours),
        loss_error=relative_error(float(theirs), float(ours)),
        gradient_errors={
            name: relative_error(gradient_of(parameter), gradient_of(scalar.parameters[name]))
            for name, parameter in tensor.parameters.items()
        },
        slope_errors={} if slopes is None else slope_errors(tensor, slopes),
        scalar_slope_errors={} if slopes is None else slope_errors(scalar, slopes),
        compiled_error=0.0,
    )
