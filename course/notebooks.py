"""A lesson's Markdown as a Jupyter notebook: an example a cell, results left out, pictures inside.

Needs nbformat, the extra `learn`.
"""

from __future__ import annotations

import ast
import base64
import doctest
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import missing_extra
from ..storage.atomic import write_text
from .lessons import Lesson

BLOCK = re.compile(r"^```python\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
"""What runs; other fences are prose."""
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([\w-]+\.svg)\)")


def examples(block: str) -> list[doctest.Example]:
    """The statements of a ```python block: with `>>>` those of a session, else each as one that prints nothing."""
    if ">>>" in block:
        return doctest.DocTestParser().get_examples(block)
    found = []
    for node in ast.parse(block).body:
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        source = "\n".join(block.split("\n")[first - 1 : node.end_lineno])
        found.append(doctest.Example(source + "\n", want="", lineno=first - 1))
    return found


def write_notebook(lesson: Lesson, path: Path, *, new: bool) -> None:
    """Write the lesson's notebook. Raises ConfigError without nbformat, WriteError."""
    write_text(path, to_notebook(lesson), new=new)


def to_notebook(lesson: Lesson) -> str:
    """The notebook as JSON; the same lesson gives the same text. Raises ConfigError without nbformat."""
    try:
        from nbformat import v4, validate
    except ImportError as error:
        raise missing_extra("learn") from error
    figures = lesson.figures()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = v4.new_notebook(metadata={"kernelspec": kernel})
    for i, (kind, text) in enumerate(pieces(lesson.text())):
        cell = v4.new_code_cell(text) if kind == "code" else _prose(v4.new_markdown_cell(text), figures)
        cell["id"] = f"{lesson.word}-{i}"
        book.cells.append(cell)
    validate(book)
    return json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """("text" | "code", its content) in order. A block of definitions stays one cell; a session is one an example."""
    at = 0
    for block in BLOCK.finditer(text):
        if prose := text[at : block.start()].strip():
            yield "text", prose
        if ">>>" in block[1]:
            yield from (("code", example.source.rstrip("\n")) for example in examples(block[1]))
        else:
            yield "code", block[1].rstrip("\n")
        at = block.end()
    if prose := text[at:].strip():
        yield "text", prose


def _prose(cell: Any, figures: dict[str, str]) -> Any:
    """A cell of text that carries the pictures it shows."""
    names = [name for _, name in _PICTURE.findall(cell["source"]) if name in figures]
    if names:
        cell["attachments"] = {
            name: {"image/svg+xml": base64.b64encode(figures[name].encode()).decode()} for name in names
        }
        cell["source"] = _PICTURE.sub(r"![\1](attachment:\2)", cell["source"])
    return cell
