"""`nanochat data validate`, `stats`, `convert`: their words, turned into commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from . import commands as c
from . import commands_text as t
from .options import JsonFlag, check_count
from .root import data

if TYPE_CHECKING:
    from ..data.rows import RowOptions

Source = Annotated[str, typer.Argument(metavar="PATH", help="A .txt, .json, .jsonl or .csv file, or builtin:NAME.")]
LayoutFlag = Annotated[
    t.RowLayout, typer.Option("--layout", help="What the file holds: texts, conversations, or one text as a whole.")
]
FieldFlag = Annotated[
    str, typer.Option("--text-field", help="Field of objects, or column of a CSV by name or number.", metavar="NAME")
]
HeaderFlag = Annotated[
    Literal["auto", "yes", "no"], typer.Option("--header", help="Whether the first row of a CSV names its columns.")
]
DelimiterFlag = Annotated[
    str, typer.Option("--delimiter", help="Between the cells of a CSV; a comma, in a .tsv a tab.", metavar="CHAR")
]
_EmptyFlag = Annotated[Literal["error", "drop"], typer.Option("--on-empty", help="A row without text.")]
_DuplicateFlag = Annotated[
    Literal["keep", "drop", "error"], typer.Option("--on-duplicate", help="A row equal to an earlier one.")
]
_MaxFlag = Annotated[int, typer.Option("--max-chars", help="More characters are over-long; 0 is no limit.")]
_LongFlag = Annotated[Literal["error", "drop", "truncate"], typer.Option("--on-long", help="An over-long row.")]


@data.command("validate", epilog="Example: nanochat data validate builtin:facts")
def _validate(
    source: Source,
    layout: LayoutFlag = "auto",
    text_field: FieldFlag = "",
    header: HeaderFlag = "auto",
    delimiter: DelimiterFlag = "",
    on_empty: _EmptyFlag = "error",
    on_duplicate: _DuplicateFlag = "keep",
    max_chars: _MaxFlag = 0,
    on_long: _LongFlag = "error",
    all: Annotated[bool, typer.Option("--all", help="List up to 20 problems, not only the first.")] = False,
    json: JsonFlag = False,
) -> c.Command:
    """Check every row, and say which is bad.

    One line if all are good, else the first bad row with its line and field.
    """
    check_count("--max-chars", max_chars, 0)
    options = row_options(
        layout=layout,
        text_field=text_field,
        header=header,
        delimiter=delimiter,
        on_empty=on_empty,
        on_duplicate=on_duplicate,
        max_chars=max_chars,
        on_long=on_long,
    )
    return t.DataValidateCommand(source=source, options=options, all=all, json=json)


@data.command("stats", epilog="Example: nanochat data stats builtin:names")
def _stats(
    source: Source,
    layout: LayoutFlag = "auto",
    text_field: FieldFlag = "",
    header: HeaderFlag = "auto",
    delimiter: DelimiterFlag = "",
    json: JsonFlag = False,
) -> c.Command:
    """Rows, words and characters in figures.

    How many there are and how long they are; in chat, who speaks how much.
    """
    options = row_options(layout=layout, text_field=text_field, header=header, delimiter=delimiter, on_empty="drop")
    return t.DataStatsCommand(source=source, options=options, json=json)


@data.command("convert", epilog="Example: nanochat data convert builtin:facts facts.jsonl")
def _convert(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Its ending, as of PATH, is the format to write.")],
    layout: LayoutFlag = "auto",
    text_field: FieldFlag = "",
    header: HeaderFlag = "auto",
    delimiter: DelimiterFlag = "",
    on_empty: _EmptyFlag = "error",
    on_duplicate: _DuplicateFlag = "keep",
    max_chars: _MaxFlag = 0,
    on_long: _LongFlag = "error",
    chat_form: Annotated[
        t.ChatForm | None, typer.Option("--chat-form", help="Conversations as messages or as `User: ...` strings.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
) -> c.Command:
    """Write the same rows in another format.

    What that format cannot hold is refused, with the number of its row.
    """
    check_count("--max-chars", max_chars, 0)
    options = row_options(
        layout=layout,
        text_field=text_field,
        header=header,
        delimiter=delimiter,
        on_empty=on_empty,
        on_duplicate=on_duplicate,
        max_chars=max_chars,
        on_long=on_long,
    )
    return t.DataConvertCommand(source=source, target=target, options=options, chat_form=chat_form, force=force)


def row_options(**given: Any) -> RowOptions:
    """How to read a data file; the module is imported only when a command needs it. Raises ConfigError."""
    from ..data.rows import RowOptions

    return RowOptions(**given)
