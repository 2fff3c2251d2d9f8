"""Tables of facts to sentences, one a line: the corpus `builtin:facts`. Knows no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEMPLATES: dict[str, tuple[str, ...]] = {
    "countries": ("The capital of {country} is {capital}.", "{country} is a country in {continent}."),
    "elements": ("The chemical symbol of {element} is {symbol}.", "{element} has the atomic number {number}."),
    "planets": ("{planet} is planet number {order} from the Sun.", "{planet} is a {kind} planet."),
    "animals": ("A young {animal} is called a {young}.", "The {animal} is a {group}."),
}
"""What is said of each row of a table; the names in braces are its columns."""


def render_facts(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Every row of every table in every template, in the order of the file: always the same text.

    A table is {"columns": [names], "rows": [[values], ...]}.
    """
    sentences = [
        _capitalised(template.format_map(dict(zip(table["columns"], row, strict=True))))
        for name, table in tables.items()
        for row in table["rows"]
        for template in TEMPLATES[name]
    ]
    return "\n".join(sentences) + "\n"


def _capitalised(sentence: str) -> str:
    """`str.capitalize` would make the rest small."""
    return sentence[0].upper() + sentence[1:]
