"""Rows to the text of a data file, so that `read_rows` gives the same rows back. Writes no file itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Literal

from ...errors import ConfigError, DataError
from ..chat import Conversation, from_text, to_text
from .content import MESSAGES_FIELD, located
from .rows import DEFAULT_FIELD, Format, Rows

ChatForm = Literal["messages", "text"]


def render_rows(
    rows: Rows, format: Format, chat_form: ChatForm | None = None, *, delimiter: str = ","
) -> Iterator[str]:
    """The pieces of a file of `format` that holds `rows`: texts, or conversations in `chat_form`.

    messages: `{"messages": [{"role", "content"}, ...]}`, the form of JSON unless told otherwise.  text: the string
    `User: ... Assistant: ... </s>`, the only one of CSV and plain text. `delimiter` stands in a CSV. Raises DataError,
    naming the row, for what would not come back as it is; ConfigError for a form that there is not.
    """
    is_json = format in ("json", "jsonl")
    if chat_form and not rows.is_chat:
        raise ConfigError(
            f"chat_form={chat_form!r} is for conversations, and {rows.origin} holds texts: leave it out",
            settings=(("chat_form", chat_form),),
        )
    if chat_form == "messages" and not is_json:
        raise ConfigError(
            f"chat_form='messages' needs JSON, and {format} holds strings: write .json or .jsonl",
            settings=(("chat_form", "messages"),),
        )
    if rows.is_chat and is_json and chat_form != "text":
        return _json_lines(map(_messages, rows.conversations), format)
    texts = enumerate(_strings(rows) if rows.is_chat else rows.documents, start=1)
    if is_json:
        return _json_lines(({DEFAULT_FIELD: text} if format == "jsonl" else text for _, text in texts), format)
    if format == "csv":
        return _csv_lines((_fit_for_csv(text, f"{rows.origin}, row {i}") for i, text in texts), delimiter)
    return (_fit_for_a_line(text, f"{rows.origin}, row {i}", is_first=i == 1) + "\n" for i, text in texts)


def _messages(conversation: Conversation) -> dict[str, Any]:
    return {MESSAGES_FIELD: [{"role": message.role, "content": message.content} for message in conversation]}


def _strings(rows: Rows) -> Iterator[str]:
    """Each conversation as one string, sure to be read as the same again."""
    for i, conversation in enumerate(rows.conversations, start=1):
        where = f"{rows.origin}, row {i}"
        text: str = located(where, partial(to_text, conversation))
        if from_text(text) != conversation:
            raise DataError(
                f"{where}: a message begins or ends with white space, which `User: ...` does not keep: "
                "remove it, or write messages"
            )
        yield text


def _json_lines(values: Iterable[Any], format: Format) -> Iterator[str]:
    """One row a line in both formats: a diff shows rows, and a message can say at which line one stands."""
    before = "[\n" if format == "json" else ""
    for value in values:
        yield before + json.dumps(value, ensure_ascii=False)
        before = ",\n" if format == "json" else "\n"
    yield "\n]\n" if format == "json" else "\n"


def _csv_lines(texts: Iterable[str], delimiter: str) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow([DEFAULT_FIELD])
    for text in texts:
        writer.writerow([text])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _fit_for_csv(text: str, where: str) -> str:
    if "\r" in text:
        raise DataError(f"{where}: {_begin(text)} holds a carriage return, which CSV does not keep: write .jsonl")
    return text


def _fit_for_a_line(text: str, where: str, *, is_first: bool) -> str:
    reason = ""
    if "\n" in text or "\r" in text:
        reason = "holds a line end, which would cut it in two"
    elif text != text.strip():
        reason = "begins or ends with white space, which a line of text does not keep"
    elif is_first and text.startswith("\ufeff"):
        reason = "begins with a byte order mark, which no text keeps there"
    if reason:
        raise DataError(f"{where}: {_begin(text)} {reason}: write .jsonl, .json or .csv")
    return text


def _begin(text: str) -> str:
    return repr(text) if len(text) <= 40 else repr(text[:40]) + "..."
