"""`nanochat tokenizer encode`, `decode`: a text to ids on one line, and back."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .....errors import DataError, UsageError
from .....plain import typed
from ....console import print_json, print_result, say
from ....options import JsonFlag
from ....parser import Commands
from .find import FILE_HELP, UnknownFlag, find_tokenizer

commands = Commands()
_TokenizerFlag = Annotated[str, typer.Option("--tokenizer", help=FILE_HELP, metavar="FILE")]


@commands.work("encode", 'nanochat tokenizer encode --tokenizer latest "emma"')
def encode(
    name: _TokenizerFlag,
    text: Annotated[str | None, typer.Argument(help="Left out: standard input, without its last line end.")] = None,
    *,
    unknown: UnknownFlag = None,
    json: JsonFlag = False,
) -> None:
    """Print the ids of a text.

    Special tokens in it are found, except BOS (of GPT-2 <|endoftext|>): written in a text it is only its letters.
    """
    from .....tokenizers.inspection import cut, describe_unknown, n_unknown, with_policy

    tokenizer = find_tokenizer(name)
    if unknown:
        tokenizer = with_policy(tokenizer, unknown)
    text = _standard_input("a text").removesuffix("\n") if text is None else typed(text)
    if json:
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


@commands.work("decode", "nanochat tokenizer decode --tokenizer latest 5 13 13 1")
def decode(
    name: _TokenizerFlag,
    ids: Annotated[list[int] | None, typer.Argument(help="Left out: standard input, between white space.")] = None,
    *,
    json: JsonFlag = False,
) -> None:
    """Print the text of ids."""
    tokenizer = find_tokenizer(name)
    text = tokenizer.decode(ids or [_id(word) for word in _standard_input("ids").split()])
    if json:
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
