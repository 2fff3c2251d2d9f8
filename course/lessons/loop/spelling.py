"""The loop of exercise 9b in several ways, right and wrong, and what happens in a step without a finite loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...exercise import Answer

Numbers = list[float]
Result = tuple[Numbers, Numbers]


@dataclass(frozen=True)
class Guard:
    """What happens in a step whose loss is not finite: the end, or no move."""

    goes_on: bool

    @property
    def words(self) -> str:
        """For a starter."""
        return (
            "no weight moves in that step, its loss is kept in the list, and the loop goes on"
            if self.goes_on
            else "train returns at once: the weights and the losses of the steps before"
        )


@dataclass(frozen=True)
class Spelling:
    """The right one; each field is a place where a mistake goes in."""

    keeps_gradient: bool = False
    weighs: bool = True
    clips: Literal["whole", "parts", "never"] = "whole"
    rate: Callable[[int, int], int] = lambda step, micro: step
    number: Callable[[int, int, int], int] = lambda step, micro, part: step * micro + part
    guards: Literal["before", "after", "never"] = "before"
    loss_after: bool = False
    in_place: bool = False

    def __call__(self, v: Guard) -> Callable[..., Result]:
        def train(
            weights: Numbers,
            batch_at: Callable[[int], Any],
            loss_and_gradient: Callable[..., Any],
            lr_at: Callable[[int], float],
            *,
            steps: int,
            micro: int,
            max_norm: float,
        ) -> Result:
            w, losses, before = weights if self.in_place else list(weights), [], [0.0] * len(weights)
            for step in range(steps):
                batches = [batch_at(self.number(step, micro, i)) for i in range(micro)]
                loss, gradient = self._measured([loss_and_gradient(w, one) for one in batches], max_norm)
                is_bad = not math.isfinite(loss)
                if self.guards == "before" and is_bad:
                    if not v.goes_on:
                        break
                    losses.append(loss)
                    continue
                total = _moved(gradient, before, -1.0) if self.keeps_gradient else gradient
                w[:] = _moved(
                    w, _clip(total, max_norm) if self.clips == "whole" else total, lr_at(self.rate(step, micro))
                )
                before = total
                if self.guards == "after" and is_bad and not v.goes_on:
                    break
                if self.loss_after:
                    loss = self._measured([loss_and_gradient(w, one) for one in batches], max_norm)[0]
                losses.append(loss)
            return w, losses

        return train

    def _measured(self, parts: Sequence[tuple[int, float, Numbers]], max_norm: float) -> tuple[float, Numbers]:
        """Loss and gradient of all parts."""
        if self.clips == "parts":
            parts = [(n, loss, _clip(g, max_norm)) for n, loss, g in parts]
        return self._mean([(n, [loss]) for n, loss, _ in parts])[0], self._mean([(n, g) for n, _, g in parts])

    def _mean(self, parts: Sequence[tuple[int, Numbers]]) -> Numbers:
        weights = [n if self.weighs else 1 for n, _ in parts]
        columns = zip(*(row for _, row in parts), strict=True)
        return [sum(n * x for n, x in zip(weights, column, strict=True)) / sum(weights) for column in columns]


def _clip(g: Numbers, max_norm: float) -> Numbers:
    norm = math.sqrt(sum(x * x for x in g))
    return [x * max_norm / norm for x in g] if norm > max_norm else g


def _moved(w: Numbers, g: Numbers, lr: float) -> Numbers:
    return [x - lr * y for x, y in zip(w, g, strict=True)]


def spelled(**changed: Any) -> Callable[[Guard], Answer]:
    loop = replace(Spelling(), **changed)
    return lambda v: {"train": loop(v)}


RIGHT = spelled()


def part_by_part(kept: int) -> Callable[[Guard], Answer]:
    """Every batch of a step moves the weights; the step's loss is that of its part `kept`, 0 or -1."""

    def answer(v: Guard) -> Answer:
        def train(weights: Numbers, *, lr_at: Callable[[int], float], steps: int, micro: int, **given: Any) -> Result:
            given |= {"lr_at": lambda i: lr_at(i // micro), "steps": steps * micro, "micro": 1}
            w, losses = RIGHT(v)["train"](weights, **given)
            return w, losses[kept % micro :: micro]

        return {"train": train}

    return answer


def whole_batches(v: Guard) -> Answer:
    """One pass over all tokens of a step, without parts."""

    def train(
        weights: Numbers, batch_at: Any, loss_and_gradient: Any, lr_at: Any, *, steps: int, micro: int, max_norm: float
    ) -> Result:
        losses: Numbers = []
        for step in range(steps):
            found = [loss_and_gradient(weights, batch_at(i)) for i in range(step * micro, (step + 1) * micro)]
            share = 1 / sum(n for n, _, _ in found)
            loss = math.fsum(n * share * x for n, x, _ in found) if all(math.isfinite(x) for _, x, _ in found) else None
            if loss is None:
                if not v.goes_on:
                    break
                losses.append(sum(n * share * x for n, x, _ in found))
                continue
            g = [math.fsum(n * share * row[i] for n, _, row in found) for i in range(len(weights))]
            factor = min(1.0, max_norm / (math.hypot(*g) or 1.0))
            weights = [x - lr_at(step) * factor * y for x, y in zip(weights, g, strict=True)]
            losses.append(loss)
        return list(weights), losses

    return {"train": train}
