"""Finite differences against backward(), for either engine: is the derivative the slope?

Works on Values, nested lists of Values and Tensors alike: anything whose innermost items have `data` and `grad`, and a
function of them whose result has backward() and float(). Use double precision. Imports the standard library only.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class GradientError(AssertionError):
    """A gradient differs from the finite difference; the message prints both."""


def check_gradients(
    f: Callable[..., Any], *inputs: Any, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-6
) -> None:
    """Compare each number of the gradients of f(*inputs) with (f(x + eps) - f(x - eps)) / (2 eps).

    f returns one number (a Value, or a Tensor of one element). Allowed: |analytic - numeric| <= atol + rtol |numeric|.

    Raises GradientError naming the worst entry: which input, where in it, analytic, numeric.

    >>> from nanochat.engine import Value
    >>> check_gradients(lambda a, b: (a * b).tanh(), Value(0.3), Value(-2.0))
    """
    cells = [(f"input {i}{where}", cell) for i, item in enumerate(inputs) for where, cell in _cells(item)]
    _clear(inputs)
    f(*inputs).backward()
    analytic = [cell.grad for _, cell in cells]
    worst, message = 0.0, ""
    for (where, cell), slope in zip(cells, analytic, strict=True):
        numeric = _difference(lambda: float(f(*inputs)), [(cell, 1.0)], eps)
        excess = abs(slope - numeric) / (atol + rtol * abs(numeric))
        if not excess <= max(worst, 1.0):  # so that nan fails
            worst = excess
            message = f"{where}: analytic {slope:.10g}, numeric {numeric:.10g}, difference {abs(slope - numeric):.3g}"
    if message:
        raise GradientError(f"the gradient is not the slope at {message}, allowed {atol:g} + {rtol:g} |numeric|")


def directional_error(
    loss: Callable[[], Any],
    parameters: Mapping[str, Any],
    n_directions: int = 32,
    rng: random.Random | None = None,
    eps: float = 1e-5,
) -> dict[str, float]:
    """The worst |a - b| / max(1, |b|) of each parameter over random unit directions d

    a = gradient . d as backward() says, b = (loss(p + eps d) - loss(p - eps d)) / (2 eps). One number tests a whole
    parameter, so whole models can be checked. `loss` takes nothing and builds its graph anew at each call; the
    parameters keep their values, and the gradient of the loss in `grad`. A nan in either makes the error nan.
    """
    rng = rng or random.Random(0)
    _clear(parameters.values())
    loss().backward()
    errors = {}
    for name, parameter in parameters.items():
        cells = [cell for _, cell in _cells(parameter)]
        found = []
        for _ in range(n_directions):
            direction = [rng.gauss(0.0, 1.0) for _ in cells]
            length = math.sqrt(math.fsum(d * d for d in direction)) or 1.0
            steps = [(cell, d / length) for cell, d in zip(cells, direction, strict=True)]
            a = math.fsum(cell.grad * d for cell, d in steps)
            b = _difference(lambda: float(loss()), steps, eps)
            found.append(abs(a - b) / max(1.0, abs(b)))
        errors[name] = math.nan if any(map(math.isnan, found)) else max(found, default=0.0)
    return errors


class _Entry:
    """One number of a Tensor, to be read and written as if it were a Value."""

    def __init__(self, tensor: Any, i: int) -> None:
        self.tensor, self.i = tensor, i

    @property
    def data(self) -> float:
        return float(self.tensor.data.flat[self.i])

    @data.setter
    def data(self, x: float) -> None:
        self.tensor.data.flat[self.i] = x

    @property
    def grad(self) -> float:
        return 0.0 if self.tensor.grad is None else float(self.tensor.grad.flat[self.i])


def _difference(f: Callable[[], float], steps: list[tuple[Any, float]], eps: float) -> float:
    """(f(x + eps d) - f(x - eps d)) / (2 eps), where steps = [(cell of x, entry of d)]; x is put back exactly."""
    before = [cell.data for cell, _ in steps]
    ends = []
    for sign in (1.0, -1.0):
        for (cell, d), x in zip(steps, before, strict=True):
            cell.data = x + sign * eps * d
        ends.append(f())
    for (cell, _), x in zip(steps, before, strict=True):
        cell.data = x
    return (ends[0] - ends[1]) / (2 * eps)


def _cells(item: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """(index, number with data and grad) of everything that requires a gradient"""
    if isinstance(item, (list, tuple)):
        for i, child in enumerate(item):
            yield from _cells(child, f"{where}[{i}]")
    elif hasattr(item, "shape"):
        if item.requires_grad:
            for i in range(math.prod(item.shape)):
                yield f"{where}{_index(i, item.shape)}", _Entry(item, i)
    else:
        yield where, item


def _index(i: int, shape: tuple[int, ...]) -> str:
    """5 in (2, 3) -> '[1, 2]'"""
    places: list[int] = []
    for size in reversed(shape):
        i, place = divmod(i, size)
        places.insert(0, place)
    return f"{places}" if shape else ""


def _clear(items: Any) -> None:
    """Set every gradient to zero."""
    for item in items:
        if isinstance(item, (list, tuple)):
            _clear(item)
        elif hasattr(item, "shape"):
            if item.grad is not None:
                item.grad[...] = 0.0  # in place: it may be a view of an optimizer's vector
        else:
            item.grad = 0.0
