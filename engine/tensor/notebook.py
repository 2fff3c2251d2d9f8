"""What a notebook shows of a Tensor: shape, type, the op that made it, its gradient's size, and a small heat map.

Nothing of a notebook is imported; it asks, we answer in HTML.
"""

from __future__ import annotations

import numpy as np

from ...plain import html
from .tensor import Tensor, _raise_freed

_MOST_CELLS = 32
"""Of a row or a column that is drawn."""
_CELL = 14
_NEGATIVE, _ZERO, _POSITIVE, _NOT_FINITE = (29, 78, 216), (255, 255, 255), (185, 28, 28), "#a3a3a3"


def bundle(tensor: Tensor) -> dict[str, str]:
    """Text, and a table of colours of its last two axes."""
    return {"text/plain": repr(tensor), "text/html": f"<p>{html(describe(tensor))}</p>{heat_map(tensor.data)}"}


def describe(tensor: Tensor) -> str:
    """`Tensor (2, 3) float32, computed by matmul` or, for a leaf, the size of its gradient"""
    words = f"Tensor {tensor.shape} {tensor.dtype}"
    if tensor._vjp is _raise_freed:
        return f"{words}, computed; backward() has freed its graph"
    if tensor._vjp is not None:
        return f"{words}, computed by {getattr(tensor._vjp, '__qualname__', '').split('.')[0].strip('_') or 'an op'}"
    if not tensor.requires_grad:
        return f"{words}, a constant"
    if tensor.grad is None:
        return f"{words}, a leaf: backward() not called yet"
    return f"{words}, a leaf: its gradient has norm {float(np.linalg.norm(tensor.grad)):.4g}"


def heat_map(array: np.ndarray) -> str:
    """An SVG of at most 32 x 32 cells, blue below 0, red above; a number over each, for whoever points at it."""
    if not array.size:
        return ""
    shown = array.reshape(1, 1) if array.ndim == 0 else array.reshape(-1, array.shape[-1])
    rows = shown if array.ndim < 2 else shown[: array.shape[-2]]  # the first of leading axes
    cells = rows[:_MOST_CELLS, :_MOST_CELLS].astype(np.float64)
    finite = np.abs(cells[np.isfinite(cells)])
    largest = float(finite.max(initial=0.0))
    shares = cells / (largest or 1.0)
    squares = [
        f'<rect x="{x * _CELL}" y="{y * _CELL}" width="{_CELL}" height="{_CELL}" fill="{_colour(shares[y, x])}">'
        f"<title>[{y}, {x}] {value:.4g}</title></rect>"
        for y, row in enumerate(cells.tolist())
        for x, value in enumerate(row)
    ]
    height, width = (n * _CELL for n in cells.shape)
    note = "" if cells.size == array.size else f"<p>its first {cells.shape[0]} x {cells.shape[1]} numbers</p>"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    what = f"heat map of {cells.shape[0]} x {cells.shape[1]} numbers, the largest of size {largest:.4g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html(what)}" {size}>{"".join(squares)}</svg>'
        + note
    )


def _colour(share: float) -> str:
    """Of a number between -1 and 1"""
    if not np.isfinite(share):
        return _NOT_FINITE
    end, t = (_POSITIVE, share) if share > 0 else (_NEGATIVE, -share)
    r, g, b = (round(zero + (one - zero) * t) for zero, one in zip(_ZERO, end, strict=True))
    return f"#{r:02x}{g:02x}{b:02x}"
