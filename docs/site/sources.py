"""Names of files in the text as links to their source, and the sign of the house as a link to the title page."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s:#]+)\)")


def module_of(name: str) -> str | None:
    """The dotted module of the file that a text names by its path from the root: models/gpt/tensor.py."""
    if not re.fullmatch(r"(\w+/)*\w+\.py", name) or not (ROOT / name).is_file():
        return None
    return ".".join(["nanochat", *Path(name).with_suffix("").parts]).removesuffix(".__init__")


def within_reports(text: str, folder: Path) -> str:
    """The text of a report with links as MyST reads them, unquoted; to a folder, which has no page, there is none."""

    def link(match: re.Match[str]) -> str:
        goal = unquote(match[2])
        return f"[{match[1]}]({goal})" if (folder / goal).is_file() else match[1]

    return LINK.sub(link, text)


def _read(app: Any, docname: str, content: list[str]) -> None:
    if docname.startswith("results/reference/"):
        content[0] = within_reports(content[0], (ROOT / docname).parent)


def _link(app: Any, doctree: Any, docname: str) -> None:
    from docutils import nodes
    from sphinx import addnodes

    shown = getattr(app.env, "_viewcode_modules", {})

    def uri(module: str) -> str:
        return app.builder.get_relative_uri(docname, f"_modules/{module.replace('.', '/')}")

    for node in list(doctree.findall(nodes.literal)):
        module = module_of(node.astext())
        if module and shown.get(module) and not isinstance(node.parent, nodes.reference):
            link = nodes.reference("", "", internal=True, refuri=uri(module))
            node.replace_self(link)
            link += node
    for node in list(doctree.findall(addnodes.download_reference)):
        goal = (ROOT / Path(docname).parent / node["reftarget"]).resolve()
        module = module_of(goal.relative_to(ROOT).as_posix()) if goal.is_relative_to(ROOT) else None
        if module and shown.get(module):
            node.replace_self(nodes.reference("", "", *node.children, internal=True, refuri=uri(module)))


def _home(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    context["master_doc"] = "index"
    if pagename.startswith("_modules/"):
        context.pop(
            "toctree", None
        )  # 300 pages of source would each carry the whole navigation, and take a third of the build


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", _read)
    app.connect("doctree-resolved", _link)
    app.connect("html-page-context", _home, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
