"""`nanochat tokenizer encode`, `decode`: a text to ids on one line, and back."""

from __future__ import annotations

import sys

from ..errors import DataError, UsageError
from ..tokenizers.inspection import cut, describe_unknown, n_unknown, with_policy
from .commands_text import TokenizerDecodeCommand, TokenizerEncodeCommand
from .console import print_json, print_result, say
from .tokenizer_files import find_tokenizer


def execute(command: TokenizerEncodeCommand | TokenizerDecodeCommand) -> None:
    """Ids or text on stdout."""
    if isinstance(command, TokenizerEncodeCommand):
        _encode(command)
    else:
        _decode(command)


def _encode(command: TokenizerEncodeCommand) -> None:
    tokenizer = find_tokenizer(command.tokenizer)
    if command.unknown:
        tokenizer = with_policy(tokenizer, command.unknown)
    text = _standard_input("a text").removesuffix("\n") if command.text is None else command.text
    if command.json:
        pieces = cut(tokenizer, text)
        print_json(
            {
                "ids": [piece.id for piece in pieces],
                "tokens": [piece.text for piece in pieces],
                "n_unknown": n_unknown(tokenizer, text),
            }
        )
        return
    print_result(" ".join(map(str, tokenizer.encode(text))))
    if missed := describe_unknown(tokenizer, text):
        say(missed)


def _decode(command: TokenizerDecodeCommand) -> None:
    tokenizer = find_tokenizer(command.tokenizer)
    ids = list(command.ids) or [_id(word) for word in _standard_input("ids").split()]
    text = tokenizer.decode(ids)
    if command.json:
        print_json({"text": text})
    else:
        print_result(text)


def _standard_input(what: str) -> str:
    """All of standard input. Raises UsageError where a person sits at it, DataError if it is no UTF-8."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(f"there are no words to read: give {what}, or pipe {what} in")
    raw = sys.stdin.buffer.read()
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as failure:
        raise DataError(f"standard input is not UTF-8 at byte {failure.start}: convert it first") from None


def _id(word: str) -> int:
    if not word.isdecimal() or len(word) > 18:
        raise DataError(f"{word[:40]!r} on standard input is no id: write whole numbers with spaces between")
    return int(word)
