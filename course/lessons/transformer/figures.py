"""The picture of lesson 8: a GPT from ids to logits, with what each part learns."""

from __future__ import annotations

from ....models.gpt.config import GPTConfig
from ..canvas import BLUE, FAINT, GREEN, INK, RED, Canvas

TOUR = GPTConfig(vocab_size=27, block_size=16, n_layer=1, n_head=4, n_embd=16, tie_lm_head=False)
"""The GPT of the README."""


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"parts.svg": _parts()}


def _parts() -> str:
    canvas = Canvas(700, 330, "a GPT: ids, tables, a stream that attention and MLP add to, a head; 4,192 numbers")
    sizes = {name: parameter.size for name, parameter in TOUR.parameters().items()}
    y = 170.0
    _box(canvas, (20, y - 45), "wte[id]", sizes["wte.weight"], GREEN)
    _box(canvas, (20, y + 5), "wpe[t]", sizes["wpe.weight"], GREEN)
    canvas.arrow((112, y), (585, y), BLUE)
    canvas.words("the stream: C = 16 channels a token", (330, y + 18), colour=BLUE)
    for left, first, middle, last in ((150, "attn.qkv", "heads", "attn.proj"), (360, "mlp.fc", "bend", "mlp.proj")):
        into, out = (sizes[f"h.0.{name}.weight"] for name in (first, last))
        _branch(canvas, left, y, [("norm", 0), (first.split(".")[1], into), (middle, 0)], out)
    _box(canvas, (590, y - 20), "head", sizes["lm_head.weight"], GREEN)
    canvas.words("27 logits", (636, y + 42), colour=INK)
    canvas.words("gather from the past", (240, 36), colour=INK)
    canvas.words("think by oneself", (450, 36), colour=INK)
    canvas.words(f"numbers that are learned, {sum(sizes.values()):,} in all, in red", (350, 270), colour=RED)
    canvas.words("a block is both branches; deeper models repeat it, each with weights of its own", (350, 296), size=12)
    return canvas.svg()


def _box(canvas: Canvas, at: tuple[float, float], name: str, size: int, colour: str) -> None:
    canvas.box(at, (92, 40), "#f8fafc", line=colour)
    canvas.words(name, (at[0] + 46, at[1] + 17))
    canvas.words(f"{size:,}", (at[0] + 46, at[1] + 33), colour=RED, size=11)


def _branch(canvas: Canvas, x: float, y: float, steps: list[tuple[str, int]], projection: int) -> None:
    """Leaves the stream at x, goes through boxes and a projection, and is added 185 further on."""
    top = y - 110
    canvas.path([(x, y), (x, top + 40)], FAINT)
    for i, (name, size) in enumerate(steps):
        left = x - 10 + 64 * i
        canvas.box((left, top), (58, 40), "#f8fafc", line=FAINT)
        canvas.words(name, (left + 29, top + 17 if size else top + 24))
        if size:
            canvas.words(f"{size:,}", (left + 29, top + 33), colour=RED, size=11)
    canvas.path([(x + 176, top + 20), (x + 185, top + 20), (x + 185, y - 9)], FAINT)
    canvas.words("proj", (x + 178, y - 40), anchor="end")
    canvas.words(f"{projection:,}", (x + 178, y - 25), colour=RED, size=11, anchor="end")
    canvas.box((x + 177, y - 8), (16, 16), "#ffffff", line=BLUE)
    canvas.words("+", (x + 185, y + 5), colour=BLUE, size=15)
