"""From the value of a row to its text or its conversation: which field holds it, and whether it is what it should be.

What the first row is decides how all are read, so that a file is never read half in one way and half in another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import DataError
from ..chat import Conversation, Message, check_conversation, from_text
from .rows import DEFAULT_FIELD, Content, Format, Row, RowOptions, find_column

MESSAGES_FIELD = "messages"
_NAME = re.compile(r"\s*(User|System):")
_MESSAGE = '{"role": "user", "content": "..."}'
_USUAL = {DEFAULT_FIELD: MESSAGES_FIELD, MESSAGES_FIELD: DEFAULT_FIELD}
"""The fields that are read where nothing else is said, each with the other one."""


@dataclass
class ContentReader:
    """How the rows of one file are read: made from its first row, then asked for each, the first among them."""

    text_field: str | None
    """Where objects hold their text or messages; None where rows are no objects."""
    is_messages: bool
    """Lists of messages, rather than strings."""
    is_chat: bool | None
    """Conversations, be they messages or strings; None until the first string that is not empty tells."""
    is_inferred: bool
    """Whether only the rows say that strings are conversations or not, so that all must agree."""
    excluded: str | None = None
    """A field that would say something else than `text_field`; None where only one of them is asked for."""
    unused: set[str] = field(default_factory=set)
    """Fields seen beside `text_field`."""

    @classmethod
    def from_first(cls, row: Row, options: RowOptions, format: Format) -> ContentReader:
        """Raises DataError where the first row does not tell, or tells otherwise than the options."""
        name = _choose_field(row, options, numbered=format == "csv")
        value = row.value[name] if name is not None and isinstance(row.value, Mapping) else row.value
        is_messages, excluded = isinstance(value, list), None
        if name is not None and name in _USUAL and not options.text_field and format != "csv":
            is_messages = name == MESSAGES_FIELD
            excluded = _USUAL[name] if options.layout == "auto" else None
        if is_messages and options.layout == "documents":
            raise DataError(
                f"{row.where}: messages are no document: choose layout='chat', or a field with text",
                settings=(("layout", "chat"),),
            )
        is_inferred = not is_messages and options.layout == "auto" and format != "text"
        is_chat = None if is_inferred else is_messages or options.layout == "chat"
        return cls(name, is_messages, is_chat, is_inferred, excluded)

    def read(self, row: Row) -> Content:
        """The text or the conversation, "" for an empty one. Raises DataError, naming the field, if it is none."""
        value, where = row.value, row.where
        if self.text_field is not None:
            if not isinstance(value, Mapping):
                raise DataError(f"{where}: {_type(value)}, and the first row is an object: write every row alike")
            if self.text_field not in value:
                raise DataError(
                    f"{where}: there is no field {self.text_field}, only {_list(value)}: give every row this field"
                )
            if self.excluded in value:
                raise _both(where)
            self.unused.update(value.keys())
            where, value = f"{where}, field {self.text_field}", value[self.text_field]
        if self.is_messages:
            return _read_messages(value, where)
        if not isinstance(value, str):
            raise DataError(f"{where}: {_type(value)} is no text: write a string")
        check_text(value, where)
        if not value.strip():
            return ""
        if self.is_inferred:
            self._agree(looks_like_chat(value), where)
        return located(where, lambda: from_text(value)) if self.is_chat else value

    def _agree(self, looks_like_chat: bool, where: str) -> None:
        if self.is_chat is None:
            self.is_chat = looks_like_chat
        if looks_like_chat != self.is_chat:
            this, first = ("a conversation", "none") if looks_like_chat else ("no conversation", "one")
            hint = "choose layout='chat' or layout='documents'"
            raise DataError(
                f"{where}: looks like {this} where the rows before are {first}: {hint}",
                settings=(("layout", "chat"), ("layout", "documents")),
            )


def check_text(text: str, where: str) -> None:
    """Raises DataError for characters that no text file can hold."""
    at = text.find("\0")
    if at >= 0:
        raise DataError(f"{where}: character {at} is a NUL, which is no text: remove it")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as failure:
            raise DataError(
                f"{where}: character {failure.start} is {text[failure.start]!r}, half of a surrogate pair, "
                "which no UTF-8 file can hold: write the whole character"
            ) from None


def _choose_field(row: Row, options: RowOptions, *, numbered: bool) -> str | None:
    """The field to read, None where rows are texts or lists of messages themselves."""
    value, wanted = row.value, options.text_field
    if not isinstance(value, Mapping):
        if wanted and not (numbered and wanted == "1"):
            raise DataError(
                f"{row.where}: {_type(value)} has no field: leave out text_field={wanted!r}",
                settings=(("text_field", wanted),),
            )
        return None
    names = [str(name) for name in value]
    if numbered and (column := find_column(wanted or DEFAULT_FIELD, names)) is not None:
        return column
    if wanted:
        if wanted not in value and numbered and wanted.isdecimal() and 1 <= int(wanted) <= len(names):
            return names[int(wanted) - 1]
        if wanted not in value:
            raise DataError(f"{row.where}: there is no field {wanted!r}: choose one of {_list(names)}")
        return wanted
    usual = [] if numbered else [name for name in _USUAL if name in value]
    if options.layout != "auto" and len(usual) == 2:
        usual = [MESSAGES_FIELD if options.layout == "chat" else DEFAULT_FIELD]
    if len(usual) == 1:
        return usual[0]
    if usual:
        raise _both(row.where)
    if {"role", "content"} <= value.keys():
        raise DataError(f"{row.where}: a message by itself: put the messages of each conversation into a list")
    if len(names) == 1:
        return names[0]
    if not names:
        raise DataError(f"{row.where}: an object without fields: write the text into a field {DEFAULT_FIELD}")
    wanted = f"column is called {DEFAULT_FIELD}" if numbered else f"field is called {DEFAULT_FIELD} or {MESSAGES_FIELD}"
    raise DataError(
        f"{row.where}: no {wanted}: name the one to read with text_field=NAME ({_list(names)})",
        settings=(("text_field", "NAME"),),
    )


def _both(where: str) -> DataError:
    hint = "choose text_field='text' or text_field='messages'"
    return DataError(
        f"{where}: fields {DEFAULT_FIELD} and {MESSAGES_FIELD} both: {hint}",
        settings=(("text_field", "text"), ("text_field", "messages")),
    )


def _read_messages(value: object, where: str) -> Conversation:
    if not isinstance(value, list):
        raise DataError(f"{where}: {_type(value)} where a list of messages is due: write [{_MESSAGE}, ...]")
    if not value:
        return ()
    messages = tuple(_read_message(entry, f"{where}, message {i}") for i, entry in enumerate(value, start=1))
    located(where, lambda: check_conversation(messages))
    return messages


def _read_message(entry: object, where: str) -> Message:
    if not isinstance(entry, Mapping):
        raise DataError(f"{where}: {_type(entry)} is no message: write {_MESSAGE}")
    for name in ("role", "content"):
        if name not in entry:
            raise DataError(f"{where}: there is no field {name}: a message has role and content")
        if not isinstance(entry[name], str):
            raise DataError(f"{where}, field {name}: {_type(entry[name])} where a string is due: write {_MESSAGE}")
    for name in entry:
        if name not in ("role", "content"):
            raise DataError(f"{where}: field {name!r:.40} is not read: a message has role and content only")
    check_text(entry["content"], f"{where}, field content")
    return located(where, lambda: Message(entry["role"], entry["content"]))


def located(where: str, make: Callable[[], Any]) -> Any:
    """What `make` gives; its DataError with the place before it."""
    try:
        return make()
    except DataError as failure:
        raise DataError(f"{where}: {failure}", settings=failure.settings) from None


def looks_like_chat(text: str) -> bool:
    """The rule of layout auto: begins with `User:` or `System:` and holds an `Assistant:`."""
    return _NAME.match(text) is not None and "Assistant:" in text


def _type(value: object) -> str:
    """What JSON calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value!r:.30}"
    return "a string" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"


def _list(names: Any) -> str:
    shown = ", ".join(str(name)[:30] or "''" for name in list(names)[:8])
    return (shown or "none") if len(names) <= 8 else f"{shown}, ... ({len(names)} in all)"
