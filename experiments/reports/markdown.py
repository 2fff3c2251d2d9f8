"""The pieces of Markdown that every report is made of: tables, blocks of code, lists, values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ...plain import markdown, terminal


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] | set[int] = frozenset()) -> str:
    """A Markdown table of cells that are Markdown; the columns in `right` are flushed right."""
    lines = [header, ["--:" if i in right else ":--" for i in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fenced(text: str, language: str = "") -> str:
    """A block of code whatever the text holds: the fence is longer than any inside."""
    text = terminal(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def bullets(lines: Sequence[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def setting(value: Any) -> str:
    """A value as one would write it in JSON, words bare."""
    return markdown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def document(parts: Sequence[str]) -> str:
    """Parts with a blank line between, the empty ones left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
