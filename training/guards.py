"""What stops a run before it wastes an afternoon: numbers that explode or are none, memory that drifts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from ..errors import DivergedError, GuardError
from ..models.base import Model

_ADVICE = "try a lower --lr, a longer --warmup or --max-grad-norm 1"


def check_loss(
    loss: float, model: Model, step: int, limit: float = 0.0, what: Literal["loss", "validation loss"] = "loss"
) -> None:
    """Raises DivergedError on a loss that is not finite, or above `limit` where one is set (> 0)."""
    if math.isfinite(loss) and not 0 < limit < loss:
        return
    name = _first_not_finite(model, attrgetter("data"))
    if name:
        reason = f", since the weights of {name} are not finite"
    else:
        largest, where = _largest(model, attrgetter("data"))
        reason = f", though every weight is finite, the largest {largest:.3g} in {where}"
    above = f", above training.max_loss={limit:g}" if math.isfinite(loss) else ""
    when = "at" if what == "loss" else "after"
    raise DivergedError(f"the {what} is {loss:.6g} {when} step {step}{above}{reason}: {_ADVICE}")


def check_gradient(grad_norm: float, model: Model, step: int, limit: float = 0.0) -> None:
    """Raises DivergedError on a norm that is not finite, or above `limit` where one is set; it names the tensor."""
    if math.isfinite(grad_norm) and not 0 < limit < grad_norm:
        return
    if not math.isfinite(grad_norm):
        name = _first_not_finite(model, attrgetter("grad")) or "all of them together"
        raise DivergedError(f"the gradient of {name} is not finite at step {step}: {_ADVICE}")
    _, name = _largest(model, attrgetter("grad"))
    raise DivergedError(
        f"the gradient's norm is {grad_norm:.3g} at step {step}, above training.max_gradient={limit:g}, and largest in "
        f"{name}: {_ADVICE}"
    )


def check_weights(model: Model, step: int, limit: float = 0.0, norm: float = math.nan) -> None:
    """Raises DivergedError naming the tensor with a weight that is not finite, or above `limit` where one is set.

    step 0 are the first weights. No weight is larger than the `norm` of them all, so that where it is known, one
    number tells that all are well.
    """
    if norm < (limit or math.inf):
        return
    name = _first_not_finite(model, attrgetter("data"))
    if name:
        raise DivergedError(f"the weights of {name} are not finite after step {step}: {_ADVICE}")
    largest, name = _largest(model, attrgetter("data")) if limit else (0.0, "")
    if largest > limit:
        raise DivergedError(
            f"the weights of {name} reach {largest:.3g} after step {step}, above training.max_weight={limit:g}: "
            f"{_ADVICE}"
        )


def weight_norm(optimizer: Any) -> float:
    """L2 norm of all weights: a product of the flat vector with itself, or of the leaves; nan, inf where one is."""
    if hasattr(optimizer, "flat"):
        return math.sqrt(optimizer.flat.data.dot(optimizer.flat.data))
    return math.hypot(*[leaf.data for leaf in optimizer.leaves])


def _first_not_finite(model: Model, read: Callable[[Any], Any]) -> str | None:
    """Summing is the cheapest look at many numbers: a nan or an inf in the list makes the sum one, too."""
    with np.errstate(all="ignore"):
        for name, parameter in model.named_parameters():
            if not math.isfinite(_total(parameter, read)):
                return str(name)
    return None


def _total(parameter: Any, read: Callable[[Any], Any]) -> float:
    if not isinstance(parameter, (list, tuple)):
        numbers = read(parameter)
        return float(numbers.sum() if hasattr(numbers, "sum") else numbers)
    if parameter and isinstance(parameter[0], (list, tuple)):
        return sum(_total(row, read) for row in parameter)
    return float(sum(map(read, parameter)))


def _largest(model: Model, read: Callable[[Any], Any]) -> tuple[float, str]:
    """(absolute value, tensor) of the largest number."""
    return max((_extreme(parameter, read), str(name)) for name, parameter in model.named_parameters())


def _extreme(parameter: Any, read: Callable[[Any], Any]) -> float:
    if isinstance(parameter, (list, tuple)):
        return max((_extreme(item, read) for item in parameter), default=0.0)
    return float(np.abs(read(parameter)).max(initial=0.0))


class MemoryDriftGuard:
    """Refuses when memory grows: against the least of the last `window` samples, and against the very first.

    The window catches a jump; the first sample catches a leak so slow that the window slides along with it.
    The first sample always passes; a sample that is refused is not remembered.
    """

    def __init__(self, window: int = 8, max_growth: float = 2.0, max_total_growth: float = 4.0) -> None:
        if window < 1:
            raise ValueError(f"window={window} is too small: give 1 or more samples")
        for name, ratio in (("max_growth", max_growth), ("max_total_growth", max_total_growth)):
            if not 1 <= ratio < math.inf:
                raise ValueError(f"{name}={ratio} is not a number of 1 or more")
        self.max_growth, self.max_total_growth = max_growth, max_total_growth
        self.recent: deque[int] = deque(maxlen=window)
        self.first: int | None = None

    def observe(self, n_bytes: int) -> None:
        """Raises GuardError if this sample is too far above the earlier ones."""
        if self.first is None:
            self.first = n_bytes
        bounds: Iterable[tuple[str, int, float]] = [("the first sample", self.first, self.max_total_growth)]
        if self.recent:
            bounds = [("the least of late", min(self.recent), self.max_growth), *bounds]
        for name, base, limit in bounds:
            ratio = n_bytes / base if base else (1.0 if n_bytes == 0 else math.inf)
            if ratio > limit:
                raise GuardError(
                    f"memory grew to {n_bytes / 2**20:.0f} MiB, {ratio:.2f} times {name} (limit {limit:g}): "
                    "make the batch or model smaller, or raise --set training.max_memory_growth"
                )
        self.recent.append(n_bytes)
