"""How a data file is read and what is done with its rows, as flags: each field of RowOptions has one."""

from __future__ import annotations

from inspect import Parameter
from typing import Annotated, Any, get_type_hints

import typer

from ..data.config import BUILTIN_HELP
from ..data.files.options import RowOptions
from ..errors import ConfigError, UsageError
from ..setting import Setting, settings_of

SOURCE_HELP = f"A .txt, .json, .jsonl or .csv file, or builtin:NAME: {BUILTIN_HELP}."
DataFlag = Annotated[str, typer.Option("--data", help=SOURCE_HELP, metavar="PATH")]


def _parameters(*names: str) -> list[Parameter]:
    """As Typer wants to read them."""
    kinds = get_type_hints(RowOptions)

    def annotation(name: str, known: Setting) -> Any:
        return Annotated[kinds[name], typer.Option(known.flag, help=known.help, metavar=known.metavar or None)]

    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation(name, known))
        for name, known, default in settings_of(RowOptions)
        if name in names
    ]


READING = _parameters("layout", "text_field", "header", "delimiter")
"""How a data file is read."""
TREATING = _parameters("on_empty", "on_duplicate", "max_chars", "on_long")
"""What is done with its rows."""


def row_options(**given: Any) -> RowOptions:
    """The options that flags of these ask for. Raises UsageError."""
    for name, known, default in settings_of(RowOptions):
        if problem := known.problem(given.get(name, default), default):
            raise UsageError(f"{known.flag} {given[name]} {problem}")
    try:
        return RowOptions(**given)
    except ConfigError as error:
        raise UsageError(str(error), settings=error.settings) from error
