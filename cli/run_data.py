"""`nanochat data`: whether rows are good, what they are like, and the same rows in another format."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..data.files.csv_rows import delimiter_of
from ..data.files.description import Description, describe
from ..data.files.formats import ENDINGS, format_of
from ..data.files.rows import Counts, RowOptions, Rows
from ..data.files.text import foreign
from ..data.files.writing import render_rows
from ..data.load import find_source_problems, read_source
from ..errors import DataError, GuardError, UsageError
from ..plain import shown_path
from ..storage.atomic import write_text
from .commands_text import DataConvertCommand, DataStatsCommand, DataValidateCommand
from .console import print_json, print_result, print_table, say
from .folders import check_free_file
from .options import name_flags

_MOST_PROBLEMS = 20
_TEXT_ENDINGS = (".txt", ".text", ".md", "")


def execute(command: DataValidateCommand | DataStatsCommand | DataConvertCommand) -> None:
    """A summary line, tables, or a file."""
    if isinstance(command, DataValidateCommand):
        _validate(command)
    elif isinstance(command, DataStatsCommand):
        _stats(command)
    else:
        _convert(command)


def _convert(command: DataConvertCommand) -> None:
    target = command.target
    if other := foreign(str(target), b""):
        raise UsageError(f"{target} cannot be written as {other}")
    if target.suffix.lower() not in (*ENDINGS, *_TEXT_ENDINGS):
        raise UsageError(f"{target} names no format that is written: end it in {', '.join((*ENDINGS, '.txt'))}")
    if not command.force:
        check_free_file(target)
    elif target.exists() and not target.is_file():  # a rename would put a file in the place of /dev/null
        raise GuardError(f"{target} is no regular file, and is not replaced: name a file")
    rows, format = read_source(command.source, command.options), format_of(target)
    write_text(target, "".join(render_rows(rows, format, command.chat_form, delimiter=delimiter_of(str(target)))))
    say(f"{_name(rows)}: {_remarks(rows.counts, command.options)}")
    print_result(f"rows={len(rows)} format={format} out={shown_path(target)}")


def _validate(command: DataValidateCommand) -> None:
    problems = []
    if command.all:
        found = find_source_problems(command.source, command.options, limit=_MOST_PROBLEMS)
        problems = [name_flags(str(problem), problem.settings, ["data"]) for problem in found]
    if problems:
        _show_problems(command, problems)
        number = f"{len(problems)} problems{' or more' * (len(problems) == _MOST_PROBLEMS)}"
        raise DataError(f"{command.source} has {number if len(problems) > 1 else 'one problem'}: mend what is listed")
    try:
        rows = read_source(command.source, command.options)
    except DataError as error:
        if command.json:
            _show_problems(command, [name_flags(str(error), error.settings, ["data"])])
        raise
    if command.json:
        print_json({**_facts(rows), "valid": True, "n_kept": len(rows), **asdict(rows.counts)})
    else:
        print_result(f"{_name(rows)}: {_remarks(rows.counts, command.options)}")
    if len(rows) == 1 and (rows.format != "text" or command.options.layout in ("documents", "chat")):
        say(f"{command.source} holds one row: nanochat train needs one to learn from and another to validate on")


def _show_problems(command: DataValidateCommand, problems: list[str]) -> None:
    if command.json:
        print_json({"source": command.source, "valid": False, "problems": problems})
        return
    for problem in problems:
        print_result(problem)


def _stats(command: DataStatsCommand) -> None:
    rows = read_source(command.source, command.options)
    description = describe(rows)
    if command.json:
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


def _facts(rows: Rows) -> dict[str, Any]:
    return {
        "source": rows.origin,
        "format": rows.format,
        "holds": "conversations" if rows.is_chat else "documents",
        "text_field": rows.text_field,
        "unused_fields": list(rows.unused_fields),
    }


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
