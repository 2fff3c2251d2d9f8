"""Formulas as MathML, which every browser draws by itself: no script, no fonts."""

from typing import Any

from latex2mathml.converter import convert
from sphinx.errors import ExtensionError


def mathml(latex: str, display: str) -> str:
    """The <math> element of a formula in LaTeX; display is inline or block."""
    try:
        return convert(latex, display=display)
    except Exception as error:  # its parser has many errors of its own, and a page with a hole is no page
        raise ExtensionError(f"cannot set the formula {latex!r} ({error!r}): write it in simpler LaTeX") from error


def _inline(self: Any, node: Any) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise _skip()


def _block(self: Any, node: Any) -> None:
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise _skip()


def _skip() -> Exception:
    from docutils.nodes import SkipNode

    return SkipNode()


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
