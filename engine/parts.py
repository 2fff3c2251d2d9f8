"""The named parts of a model, each with its shapes, how many numbers it learns and the size of its gradient.

As text, and as the table that a notebook shows. Imports the standard library only, as module.py does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..plain import html
from .module import Module, shape_of

_MOST_ROWS = 60


@dataclass(frozen=True)
class Part:
    """A layer, or what a model holds beside its layers, with the parameters that are its own."""

    name: str
    """`h.0.attn.qkv`; "" for the model itself."""
    kind: str
    """Its class: Linear, RMSNorm, ..."""
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    """Of each parameter, by its last name."""
    n_numbers: int
    grad_norm: float
    """sqrt(sum of squared dL/dp): 0 before backward()."""

    @property
    def sizes(self) -> str:
        """`weight (27, 16), bias (27,)`"""
        return ", ".join(f"{name} {shape}" for name, shape in self.shapes)


def parts_of(model: Module) -> list[Part]:
    """In the order of declaration, which is that of the forward pass; what has no parameter of its own is left out."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for name, parameter in model.named_parameters():
        part, _, last = name.rpartition(".")
        found.setdefault(part, []).append((last, parameter))
    return [_part(model, name, parameters) for name, parameters in found.items()]


def text(model: Module) -> str:
    """The model in a line, then a line a part."""
    parts = parts_of(model)
    width = max((len(part.name) for part in parts), default=0)
    lines = [f"  {part.name:{width}}  {part.kind}: {part.sizes}, {part.n_numbers:,} numbers" for part in parts]
    return "\n".join([_title(model), *_cut(lines)])


def bundle(model: Module) -> dict[str, str]:
    """For a notebook: the same as text and as a table, with the size of each gradient."""
    parts = parts_of(model)
    asked = any(part.grad_norm for part in parts)
    rows = [
        f"<tr><td>{html(part.name)}</td><td>{html(part.kind)}</td><td>{html(part.sizes)}</td>"
        f"<td>{part.n_numbers:,}</td>{f'<td>{part.grad_norm:.4g}</td>' if asked else ''}</tr>"
        for part in parts
    ]
    head = "<tr><th>part</th><th>layer</th><th>shapes</th><th>numbers</th>" + ("<th>gradient</th>" if asked else "")
    note = "" if asked else "<p>backward() not called yet: no part has a gradient.</p>"
    table = f"<p>{html(_title(model))}</p><table>{head}</tr>{''.join(_cut(rows))}</table>{note}"
    return {"text/plain": text(model), "text/html": table}


def norm_of(parameter: Any) -> float:
    """sqrt(sum of squared dL/dp) of a Tensor or a nested list of Values"""
    return math.sqrt(math.fsum(g * g for g in _gradients(parameter)))


def _part(model: Module, name: str, parameters: list[tuple[str, Any]]) -> Part:
    shapes = tuple((last, shape_of(parameter)) for last, parameter in parameters)
    return Part(
        name=name,
        kind=type(_at(model, name)).__name__,
        shapes=shapes,
        n_numbers=sum(math.prod(shape) for _, shape in shapes),
        grad_norm=math.hypot(*(norm_of(parameter) for _, parameter in parameters)),
    )


def _at(model: Any, name: str) -> Any:
    for step in name.split(".") if name else ():
        model = model[int(step)] if isinstance(model, (list, tuple)) else getattr(model, step)
    return model


def _gradients(item: Any) -> Iterator[float]:
    if isinstance(item, (list, tuple)):
        for child in item:
            yield from _gradients(child)
    elif hasattr(item, "shape"):
        yield from () if item.grad is None else map(float, item.grad.reshape(-1))
    else:
        yield item.grad


def _title(model: Module) -> str:
    n = model.n_parameters()
    return f"{type(model).__name__}: {n:,} {'number is' if n == 1 else 'numbers are'} learned"


def _cut(lines: list[str]) -> list[str]:
    """The first and last of many."""
    if len(lines) <= _MOST_ROWS:
        return lines
    half, cell = _MOST_ROWS // 2, lines[0].startswith("<")
    more = f"{len(lines) - 2 * half:,} more"
    return [*lines[:half], f"<tr><td>... {more}</td></tr>" if cell else f"  ... {more}", *lines[-half:]]
