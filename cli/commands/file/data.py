"""`nanochat data`: whether rows are good, what they are like, and the same rows in another format."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....errors import DataError, GuardError, UsageError
from ....plain import shown_path
from ...console import print_json, print_result, print_table, say
from ...options import JsonFlag, name_flags
from ...parser import Commands, Work
from ...row_flags import READING, SOURCE_HELP, TREATING, row_options

if TYPE_CHECKING:
    from ....data.files.description import Description
    from ....data.files.options import RowOptions
    from ....data.files.rows import Counts, Rows

ChatForm = Literal["messages", "text"]

commands = Commands("Data files: checked, counted, converted.", "nanochat data stats builtin:names")
_MOST_PROBLEMS = 20
_TEXT_ENDINGS = (".txt", ".text", ".md", "")
_Source = Annotated[str, typer.Argument(metavar="PATH", help=SOURCE_HELP)]


@commands.words("validate", "nanochat data validate builtin:facts", last=[*READING, *TREATING])
def _validate(
    *,
    source: _Source,
    all: Annotated[bool, typer.Option("--all", help="List up to 20 problems, not only the first.")] = False,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Check every row, and say which is bad.

    One line if all are good, else the first bad row with its line and field. A row is a text, {"text": "..."}, or a
    conversation: {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    """
    return partial(check_rows, source=shown_path(source), options=row_options(**options), all=all, json=json)


def check_rows(*, source: str, options: RowOptions, all: bool, json: bool) -> None:
    """A summary line. Raises DataError for the first bad row, or for all after they were listed."""
    from ....data.load import find_source_problems, read_source

    problems = []
    if all:
        found = find_source_problems(source, options, limit=_MOST_PROBLEMS)
        problems = [name_flags(str(problem), problem.settings, ["data"]) for problem in found]
    if problems:
        _show_problems(source, problems, json=json)
        number = f"{len(problems)} problems{' or more' * (len(problems) == _MOST_PROBLEMS)}"
        raise DataError(f"{source} has {number if len(problems) > 1 else 'one problem'}: mend what is listed")
    try:
        rows = read_source(source, options)
    except DataError as error:
        if json:
            _show_problems(source, [name_flags(str(error), error.settings, ["data"])], json=True)
        raise
    if json:
        print_json({**_facts(rows), "valid": True, "n_kept": len(rows), **asdict(rows.counts)})
    else:
        print_result(f"{_name(rows)}: {_remarks(rows.counts, options)}")
    if len(rows) == 1 and (rows.format != "text" or options.layout in ("documents", "chat")):
        say(f"{source} holds one row: nanochat train needs one to learn from and another to validate on")


def _show_problems(source: str, problems: list[str], *, json: bool) -> None:
    if json:
        print_json({"source": source, "valid": False, "problems": problems})
        return
    for problem in problems:
        print_result(problem)


@commands.words("stats", "nanochat data stats builtin:names", last=READING)
def _stats(*, source: _Source, json: JsonFlag = False, **options: Any) -> Work:
    """Rows, words and characters in figures.

    How many there are and how long they are; in chat, who speaks how much.
    """
    rows = row_options(**options, on_empty="drop")
    return partial(show_figures, source=shown_path(source), options=rows, json=json)


def show_figures(*, source: str, options: RowOptions, json: bool) -> None:
    """Tables of how many rows there are, how long they are, and who speaks."""
    from ....data.files.description import describe
    from ....data.load import read_source

    rows = read_source(source, options)
    description = describe(rows)
    if json:
        print_json({**_facts(rows), **asdict(rows.counts), **asdict(description)})
        return
    print_result(_name(rows))
    print_result("")
    print_table(_figures(rows, description), right=("figure",))
    spreads = {"characters": description.chars_per_row, "words": description.words_per_row}
    if description.messages_per_row:
        spreads["messages"] = description.messages_per_row
    lengths = [{"in each row": name, **asdict(spread)} for name, spread in spreads.items()]
    print_result("")
    print_table(lengths, right=("min", "median", "p95", "max"))
    if description.roles:
        print_result("")
        print_table(_roles(description), right=("messages", "characters", "a_message", "share"))


def _figures(rows: Rows, description: Description) -> list[dict[str, Any]]:
    figures = {
        "rows": description.n_rows,
        "repeated rows": rows.counts.n_duplicates,
        "empty rows, left out": rows.counts.n_empty,
        "blank lines": rows.counts.n_blank_lines,
        "characters": description.n_chars,
        "distinct characters": description.n_distinct_chars,
        "bytes of UTF-8": description.n_bytes,
        "words": description.n_words,
        "distinct words": description.n_unique_words,
    }
    return [{"what": name, "figure": figure} for name, figure in figures.items()]


def _roles(description: Description) -> list[dict[str, Any]]:
    return [
        {
            "role": role,
            "messages": voice.n_messages,
            "characters": voice.n_chars,
            "a_message": f"{voice.n_chars / voice.n_messages:.1f}",
            "share": f"{voice.n_chars / description.n_chars:.1%}",
        }
        for role, voice in (description.roles or {}).items()
    ]


@commands.words("convert", "nanochat data convert builtin:facts facts.jsonl", last=[*READING, *TREATING])
def _convert(
    *,
    source: _Source,
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="Its ending, as of PATH, is the format to write.", readable=False)
    ],
    chat_form: Annotated[
        ChatForm | None, typer.Option("--chat-form", help="Conversations as messages or as `User: ...` strings.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE if it exists.", rich_help_panel="Output")
    ] = False,
    **options: Any,
) -> Work:
    """Write the same rows in another format.

    What that format cannot hold is refused, with the number of its row. A row of JSON is a text, {"text": "..."}, or a
    conversation: {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    """
    return partial(
        convert_rows,
        source=shown_path(source),
        target=target,
        options=row_options(**options),
        chat_form=chat_form,
        force=force,
    )


def convert_rows(*, source: str, target: Path, options: RowOptions, chat_form: ChatForm | None, force: bool) -> None:
    """Write the rows to a file whose ending names the format."""
    from ....data.files.csv_rows import delimiter_of
    from ....data.files.formats import ENDINGS, format_of
    from ....data.files.text import foreign
    from ....data.files.writing import render_rows
    from ....data.load import read_source
    from ....storage.atomic import write_text
    from ...folders import check_free_file

    if other := foreign(str(target), b""):
        raise UsageError(f"{target} cannot be written as {other}")
    if target.suffix.lower() not in (*ENDINGS, *_TEXT_ENDINGS):
        raise UsageError(f"{target} names no format that is written: end it in {', '.join((*ENDINGS, '.txt'))}")
    if not force:
        check_free_file(target)
    elif target.exists() and not target.is_file():  # a rename would put a file in the place of /dev/null
        raise GuardError(f"{target} is no regular file, and is not replaced: name a file")
    rows, format = read_source(source, options), format_of(target)
    text = "".join(render_rows(rows, format, chat_form, delimiter=delimiter_of(str(target))))
    write_text(target, text, new=not force)
    say(f"{_name(rows)}: {_remarks(rows.counts, options)}")
    print_result(f"rows={len(rows)} format={format} out={shown_path(target)}")


def _facts(rows: Rows) -> dict[str, Any]:
    return {
        "source": rows.origin,
        "format": rows.format,
        "holds": "conversations" if rows.is_chat else "documents",
        "text_field": rows.text_field,
        "unused_fields": list(rows.unused_fields),
    }


def _name(rows: Rows) -> str:
    """What was read, in a few words: `facts.jsonl: 400 documents in field text (not read: id)`."""
    what = "conversation" if rows.is_chat else "document"
    text = f"{rows.origin}: {len(rows):,} {what}{'s' * (len(rows) != 1)}"
    if rows.text_field:
        text += f" in {'column' if rows.format == 'csv' else 'field'} {rows.text_field}"
    elif rows.format == "csv":
        text += ", no header"
    return text + (
        f" (not read: {', '.join(name or repr(name) for name in rows.unused_fields)})" if rows.unused_fields else ""
    )


def _remarks(counts: Counts, options: RowOptions) -> str:
    """What was found, and what was done with it: `2 repeated (kept), 0 empty, 1 over-long (dropped), 0 blank lines`."""
    found = {
        "repeated": (counts.n_duplicates, options.on_duplicate),
        "empty": (counts.n_empty, options.on_empty),
        "over-long": (counts.n_long, options.on_long),
    }
    done = {"keep": " (kept)", "drop": " (dropped)", "truncate": " (truncated)"}
    remarks = [f"{n:,} {what}{done.get(choice, '') if n else ''}" for what, (n, choice) in found.items()]
    return ", ".join([*remarks, f"{counts.n_blank_lines:,} blank lines"])
