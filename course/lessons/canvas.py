"""A picture for a lesson: boxes, lines and words by their places, as an SVG that is the same bytes each time."""

from __future__ import annotations

from collections.abc import Sequence

from ...plain import html

INK, FAINT, BLUE, RED, GREEN = "#0f172a", "#64748b", "#1d4ed8", "#b91c1c", "#15803d"
Point = tuple[float, float]


class Canvas:
    """x grows to the right, y downward; numbers are rounded to a tenth, so that no machine's last bit shows."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.size, self.title = (width, height), title
        self.parts: list[str] = []

    def box(self, at: Point, size: Point, fill: str, *, line: str = "none") -> None:
        """Its upper left corner is `at`."""
        place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
        self.parts.append(f'<rect {place} fill="{fill}" stroke="{line}"/>')

    def words(self, text: str, at: Point, *, colour: str = INK, size: float = 12, anchor: str = "middle") -> None:
        """One line; `at` is its middle, start or end, on the ground that letters stand on."""
        look = f'font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"'
        self.parts.append(f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" {look}>{html(text)}</text>')

    def path(self, points: Sequence[Point], colour: str, *, width: float = 1.5, dashed: bool = False) -> None:
        """Straight from point to point."""
        steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<path d="M{steps}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dash}/>')

    def arrow(self, start: Point, end: Point, colour: str) -> None:
        """A line with a head."""
        length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5 or 1.0
        u, v = (end[0] - start[0]) / length, (end[1] - start[1]) / length
        self.path([start, end], colour, width=2)
        wings = [(end[0] - 9 * u + s * 4 * v, end[1] - 9 * v - s * 4 * u) for s in (1, -1)]
        self.path([wings[0], end, wings[1]], colour, width=2)

    def svg(self) -> str:
        """The document, on a white ground of its own."""
        width, height = self.size
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} font-family="sans-serif">'
        ground = f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>'
        return "\n".join([head, f"<title>{html(self.title)}</title>", ground, *self.parts, "</svg>"]) + "\n"
