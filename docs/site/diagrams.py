"""Mermaid fences as SVG of our own: GitHub draws them by a script, which a page that loads nothing cannot."""

from typing import Any

import flowchart
import sequence


def draw(source: str) -> str:
    """The SVG of a fence, whichever kind it is."""
    return sequence.draw(source) if source.startswith("sequenceDiagram") else flowchart.draw(source)


def setup(app: Any) -> dict[str, bool]:
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class Mermaid(SphinxDirective):
        has_content = True

        def run(self) -> list[nodes.Node]:
            svg = draw("\n".join(self.content))
            return [nodes.raw("", f'<div class="drawing">{svg}</div>', format="html")]

    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
