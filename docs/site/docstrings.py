"""Docstrings as they are written here, plain text with `names`, made into the markup that autodoc reads.

A paragraph stays one; columns become lines; what is indented stays as it stands; >>> is an example.
"""

import re
from typing import Any

_COLUMNS = re.compile(r"(?<=\S) {3,}(?=\S)")
"""Between a formula, its shapes and its source, which stand on one line."""
_SPECIAL = re.compile(r"([\\*|_`])")


def markup(lines: list[str]) -> list[str]:
    """reStructuredText of a docstring."""
    written: list[str] = []
    for block in "\n".join(lines).expandtabs().strip("\n").split("\n\n"):
        rows = block.split("\n")
        if rows[0].startswith(">>> "):
            written += [*rows, ""]
        elif all(re.match(r"\S", row) for row in rows) and any(_COLUMNS.search(row) for row in rows):
            written += [*(f"| {_line(part)}" for row in rows for part in _COLUMNS.split(row.strip())), ""]
        elif any(_is_table(row) for row in rows):
            written += ["::", "", *("   " + row for row in rows), ""]
        else:
            written += [*(_line(row) for row in rows), ""]
    return written


def _is_table(row: str) -> bool:
    """Whether the row means its spaces: it is indented, or an item."""
    return bool(row[:1] == " " or re.match(r"([-*+]|\d+[.)]|\|) ", row))


def _line(row: str) -> str:
    """A row of running text: what stands in backticks is a literal, all else is itself."""
    parts = re.split(r"(?<!`)`([^`\s](?:[^`]*[^`\s])?)`(?!`)", row)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            parts[i] = _SPECIAL.sub(r"\\\1", part)
        else:  # "\ " is nothing, and lets a literal stand beside a letter
            parts[i] = f"\\ ``{part}``\\ "
    return "".join(parts).removeprefix("\\ ").removesuffix("\\ ")


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = markup(lines)


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
