"""`nanochat data validate`, `stats`, `convert`: their words, turned into commands."""

from __future__ import annotations

from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..data.config import BUILTIN_HELP
from ..errors import ConfigError, UsageError
from ..plain import shown_path
from . import commands as c
from . import commands_text as t
from .options import JsonFlag, check_count
from .root import data, with_parameters

if TYPE_CHECKING:
    from ..data.files.rows import RowOptions

SOURCE_HELP = f"A .txt, .json, .jsonl or .csv file, or builtin:NAME: {BUILTIN_HELP}."
_Source = Annotated[str, typer.Argument(metavar="PATH", help=SOURCE_HELP)]


def _flag(name: str, kind: Any, default: Any, help: str, metavar: str | None = None) -> Parameter:
    option = typer.Option(f"--{name.replace('_', '-')}", help=help, metavar=metavar)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


READING = [
    _flag("layout", t.RowLayout, "auto", "What the file holds: texts, conversations, or one text as a whole."),
    _flag("text_field", str, "", "Field of objects, or column of a CSV by name or number.", "NAME"),
    _flag("header", Literal["auto", "yes", "no"], "auto", "Whether the first row of a CSV names its columns."),
    _flag("delimiter", str, "", "Between the cells of a CSV; a comma, in a .tsv a tab.", "CHAR"),
]
"""How a data file is read."""

_TREATING = [
    _flag("on_empty", Literal["error", "drop"], "error", "A row without text."),
    _flag("on_duplicate", Literal["keep", "drop", "error"], "keep", "A row equal to an earlier one."),
    _flag("max_chars", int, 0, "More characters are over-long; 0 is no limit."),
    _flag("on_long", Literal["error", "drop", "truncate"], "error", "An over-long row."),
]
"""What is done with its rows."""


@data.command("validate", epilog="Example: nanochat data validate builtin:facts")
@with_parameters([*READING, *_TREATING])
def _validate(
    *,
    source: _Source,
    all: Annotated[bool, typer.Option("--all", help="List up to 20 problems, not only the first.")] = False,
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Check every row, and say which is bad.

    One line if all are good, else the first bad row with its line and field. A row is a text, {"text": "..."}, or a
    conversation: {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    """
    return t.DataValidateCommand(source=shown_path(source), options=row_options(**options), all=all, json=json)


@data.command("stats", epilog="Example: nanochat data stats builtin:names")
@with_parameters(READING)
def _stats(*, source: _Source, json: JsonFlag = False, **options: Any) -> c.Command:
    """Rows, words and characters in figures.

    How many there are and how long they are; in chat, who speaks how much.
    """
    return t.DataStatsCommand(source=shown_path(source), options=row_options(**options, on_empty="drop"), json=json)


@data.command("convert", epilog="Example: nanochat data convert builtin:facts facts.jsonl")
@with_parameters([*READING, *_TREATING])
def _convert(
    *,
    source: _Source,
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="Its ending, as of PATH, is the format to write.", readable=False)
    ],
    chat_form: Annotated[
        t.ChatForm | None, typer.Option("--chat-form", help="Conversations as messages or as `User: ...` strings.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    **options: Any,
) -> c.Command:
    """Write the same rows in another format.

    What that format cannot hold is refused, with the number of its row. A row of JSON is a text, {"text": "..."}, or a
    conversation: {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    """
    return t.DataConvertCommand(
        source=shown_path(source), target=target, options=row_options(**options), chat_form=chat_form, force=force
    )


def row_options(**given: Any) -> RowOptions:
    """How to read a data file; the module is imported only when a command needs it. Raises UsageError."""
    from ..data.files.rows import RowOptions

    check_count("--max-chars", given.get("max_chars", 0), 0)
    try:
        return RowOptions(**given)
    except ConfigError as error:
        raise UsageError(str(error), settings=error.settings) from error
