"""The picture of lesson 3: three probabilities before and after one step against the slopes, as bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .formula import Formula

_WIDTH, _HEIGHT, _TALL = 460, 240, 150
_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_BEFORE, _AFTER, _INK, _MUTED = "#94a3b8", "#1d4ed8", "#0f172a", "#475569"


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    formula, logits, target = Formula(), [math.log(1), math.log(2), math.log(5)], 1
    stepped = [x - slope for x, slope in zip(logits, formula.slopes(logits, target), strict=True)]
    return {"step.svg": _bars(formula.softmax(logits), formula.softmax(stepped))}


def _bars(before: Sequence[float], after: Sequence[float]) -> str:
    said = "; ".join(f"p[{i}] {a:.3f}, then {b:.3f}" for i, (a, b) in enumerate(zip(before, after, strict=True)))
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} font-family="{_FONT}">',
        "<title>Probabilities before and after a step</title>",
        f"<desc>{said}</desc>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="#ffffff"/>',
    ]
    for i, pair in enumerate(zip(before, after, strict=True)):
        for k, (p, fill) in enumerate(zip(pair, (_BEFORE, _AFTER), strict=True)):
            x, tall = 40 + 140 * i + 54 * k, _TALL * p
            top = 30 + _TALL - tall
            lines.append(f'<rect x="{x}" y="{top:.1f}" width="48" height="{tall:.1f}" rx="3" fill="{fill}"/>')
            lines.append(_text(f"{p:.3f}", x + 24, top - 6, _INK))
        lines.append(_text(f"p[{i}]" + (", the target" if i == 1 else ""), 91 + 140 * i, 198, _INK))
    lines.append(_text("grey: before, blue: after one step of size 1 against the slopes", _WIDTH / 2, 224, _MUTED))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _text(words: str, x: float, y: float, fill: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" fill="{fill}" text-anchor="middle">{words}</text>'
