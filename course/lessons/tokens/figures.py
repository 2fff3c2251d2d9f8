"""The pictures of lesson 11: how a word grows together, and how merges shorten a text and fill a vocabulary."""

from __future__ import annotations

from functools import cache

from ....data.builtin import read_builtin
from ..canvas import BLUE, FAINT, GREEN, INK, Canvas
from .mistakes import Rule, joined, learned

_TEXT = "aaabdaaabac"
_SIZES = (0, 25, 50, 100, 150)


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"growing.svg": _growing(), "shorter.svg": _shorter()}


def _growing() -> str:
    """A row of boxes a merge."""
    canvas = Canvas(560, 230, "aaabdaaabac: eleven letters, nine, seven, five symbols as three pairs are joined")
    symbols = list(_TEXT)
    merges = learned(Rule("lowest"))({_TEXT: 1}, 3)
    for i in range(len(merges) + 1):
        x, y = 130.0, 30 + 46.0 * i
        name = "letters" if i == 0 else " + ".join(merges[i - 1])
        canvas.words(name, (110, y + 20), colour=FAINT if i == 0 else BLUE, anchor="end")
        for symbol in symbols:
            width = 30.0 * len(symbol)
            fill = "#dbeafe" if len(symbol) > 1 else "#f8fafc"
            canvas.box((x, y), (width - 3, 30), fill, line=BLUE if len(symbol) > 1 else FAINT)
            canvas.words(symbol, (x + width / 2 - 1.5, y + 20), colour=INK)
            x += width
        canvas.words(str(len(symbols)), (x + 14, y + 20), colour=GREEN)
        symbols = joined(symbols, merges[i]) if i < len(merges) else symbols
    canvas.words("green: how many symbols are left", (300, 222), colour=FAINT)
    return canvas.svg()


@cache
def shortened(n_names: int = 300) -> dict[int, float]:
    """Number of merges -> symbols a letter, of the first names of the built-in list."""
    words = dict.fromkeys(read_builtin("names").split()[:n_names], 1)
    merges = learned(Rule("lowest"))(words, max(_SIZES))
    texts, found = [list(word) for word in words], {}
    n_letters = sum(map(len, texts))
    for i in range(len(merges) + 1):
        if i in _SIZES:
            found[i] = sum(map(len, texts)) / n_letters
        if i < len(merges):
            texts = [joined(symbols, merges[i]) for symbols in texts]
    return found


def _shorter() -> str:
    canvas = Canvas(500, 250, "symbols a letter of 300 names fall from 1 to a half as 150 merges are learned")
    found = shortened()

    def place(n: float, share: float) -> tuple[float, float]:
        return 60 + 2.6 * n, 210 - 170 * share

    for share in (0.0, 0.5, 1.0):
        canvas.path([place(0, share), place(160, share)], "#e2e8f0")
        canvas.words(f"{share:g}", (48, place(0, share)[1] + 4), colour=FAINT, anchor="end")
    canvas.path([place(n, share) for n, share in found.items()], BLUE, width=2.5)
    for n, share in found.items():
        canvas.words(f"{share:.2f}", (place(n, share)[0] + 4, place(n, share)[1] - 8), colour=BLUE, size=10)
        canvas.words(str(n), (place(n, 0)[0], 228), colour=FAINT)
    canvas.words("symbols a letter", (120, 24), colour=FAINT, anchor="start")
    canvas.words("merges, each of them one more row of the embedding", (260, 246), colour=FAINT)
    return canvas.svg()
