"""Numbers in words: losses, differences, p and counts, in as many digits as are read. Knows no Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence


def digits(number: float) -> str:
    """A loss: four decimals; few digits where these would be none, or a run exploded; a dash where there is none."""
    if math.isnan(number):
        return "-"
    return f"{number:.4f}" if 5e-5 <= abs(number) < 1e4 or number == 0 else f"{number:.2e}"


def signed(number: float) -> str:
    """As `digits`, with the sign; 0 has none."""
    if math.isnan(number):
        return "-"
    return ("+" if number > 0 else "-" if number < 0 else "") + digits(abs(number))


def rough(number: float, figures: int = 2) -> str:
    """As many figures as a sentence needs: `0.76`, `0.036`, `12`; a dash where there is none."""
    if not math.isfinite(number):
        return "-"
    text = f"{number:.{figures}g}"
    return f"{float(text):,.0f}" if "e+" in text and abs(number) < 1e6 else text


def p_text(p: float, equals: str = "") -> str:
    """Two figures after `equals`: `0.023`, `0.0078`, `1`; `< 0.0001` below that; a dash for nan."""
    return "-" if math.isnan(p) else f"{equals}{p:.2g}" if p >= 0.0001 else "< 0.0001"


def count(number: float) -> str:
    """A number that is no loss: three figures, or whole with separators; a dash for nan."""
    if math.isnan(number):
        return "-"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def span(words: Sequence[str]) -> str:
    """`39 to 278` of the lowest and the highest, one of them where they read the same."""
    return " to ".join(dict.fromkeys(words))


def range_of(values: Sequence[float]) -> str:
    """`-0.4004 to +0.0024`, the lowest and the highest; one of them where they read the same."""
    return span([signed(min(values)), signed(max(values))])
