"""What the drawings of the site are written with: text, and an SVG document in the colours of the page."""

from html import escape

SIZE = 13.0
"""Height of the letters."""
WIDTH, LABEL_WIDTH = 0.6 * SIZE, 0.56 * SIZE
"""Room for a character, wide enough for the fonts of any page; labels are smaller."""
_MARGIN = 4.0


def words(text: str, x: float, y: float, kind: str, *, anchor: str = "start") -> str:
    """A line of text; `kind` is its class in nanochat.css."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def document(width: float, height: float, title: str, parts: list[str]) -> str:
    """The drawing; its colours follow the page, light or dark."""
    wide, high = width + 2 * _MARGIN, height + 2 * _MARGIN
    least = 0.8 * wide  # a narrow page may shrink it so far, and can still be read
    size = f'viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" style="min-width: {least:.0f}px"'
    head = f'<svg class="drawing" role="img" {size}>'
    moved = f'<g transform="translate({_MARGIN} {_MARGIN})">'
    return "\n".join([head, f"<title>{escape(title)}</title>", moved, *parts, "</g>", "</svg>"]) + "\n"
