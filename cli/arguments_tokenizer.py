"""`nanochat tokenizer train`, `encode`, `decode`, `inspect`, `compare`: their words, turned into commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..plain import shown_path, typed
from . import commands as c
from . import commands_text as t
from .arguments_data import READING, SOURCE_HELP, row_options
from .options import JsonFlag, check_count
from .root import tokenizer, with_parameters

_FILE_HELP = "A tokenizer's file, a folder with one (a run, GPT-2), or latest."
_Data = typer.Option("--data", help=SOURCE_HELP, metavar="PATH")
_TokenizerFlag = Annotated[str, typer.Option("--tokenizer", help=_FILE_HELP, metavar="FILE")]
_UnknownFlag = Annotated[t.Unknown | None, typer.Option("--unknown", help="What is outside the vocabulary.")]


@tokenizer.command(
    "train",
    epilog="Example: nanochat tokenizer train --kind bpe --vocab-size 512 --data builtin:verse --out bpe.json",
)
@with_parameters(READING)
def _train(
    *,
    data: Annotated[str, _Data],
    out: Annotated[Path, typer.Option("--out", help="File to write.", metavar="FILE", readable=False)],
    kind: Annotated[t.Kind, typer.Option("--kind", help="One id a character, a word, or a frequent run of bytes.")],
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", help="Most ids, all counted: word 50,000, bpe 1,024 unless given.")
    ] = None,
    min_count: Annotated[
        int | None, typer.Option("--min-count", help="Rarer words, or pairs of a bpe, get no id: 1, and 2 for bpe.")
    ] = None,
    unknown: _UnknownFlag = None,
    special: Annotated[
        list[str] | None, typer.Option("--special", help="A mark that is kept whole; repeatable.", metavar="TOKEN")
    ] = None,
    pattern: Annotated[
        t.Pattern | None, typer.Option("--pattern", help="How a bpe cuts text first; gpt4 unless given.")
    ] = None,
    form: Annotated[t.TokenizerForm, typer.Option("--form", help="Of the file; huggingface is for bpe.")] = "nanochat",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Learn a vocabulary from text and write it to a file."""
    for flag, value in (("--vocab-size", vocab_size), ("--min-count", min_count)):
        if value is not None:
            check_count(flag, value, 1)
    useless: dict[str, dict[str, object]] = {
        "char": {"--vocab-size": vocab_size, "--min-count": min_count, "--special": special, "--pattern": pattern},
        "word": {"--pattern": pattern},
        "bpe": {"--unknown": unknown},
    }
    for flag, given in useless[kind].items():
        if given:
            raise UsageError(f"{flag} has no meaning for --kind {kind}: leave it out")
    if form == "huggingface" and kind != "bpe":
        raise UsageError(f"--form huggingface holds bpe only, not {kind}: leave it out")
    return t.TokenizerTrainCommand(
        kind=kind,
        source=shown_path(data),
        options=row_options(**options, on_empty="drop"),
        out=out,
        vocab_size=vocab_size,
        min_count=min_count,
        unknown=unknown,
        special=tuple(special or ()),
        pattern=pattern,
        form=form,
        force=force,
        json=json,
    )


@tokenizer.command("encode", epilog='Example: nanochat tokenizer encode --tokenizer latest "emma"')
def _encode(
    tokenizer: _TokenizerFlag,
    text: Annotated[str | None, typer.Argument(help="Left out: standard input, without its last line end.")] = None,
    unknown: _UnknownFlag = None,
    json: JsonFlag = False,
) -> c.Command:
    """Print the ids of a text.

    Special tokens in it are found, except BOS (of GPT-2 <|endoftext|>): written in a text it is only its letters.
    """
    return t.TokenizerEncodeCommand(
        tokenizer=tokenizer, text=None if text is None else typed(text), unknown=unknown, json=json
    )


@tokenizer.command("decode", epilog="Example: nanochat tokenizer decode --tokenizer latest 5 13 13 1")
def _decode(
    tokenizer: _TokenizerFlag,
    ids: Annotated[list[int] | None, typer.Argument(help="Left out: standard input, between white space.")] = None,
    json: JsonFlag = False,
) -> c.Command:
    """Print the text of ids."""
    return t.TokenizerDecodeCommand(tokenizer=tokenizer, ids=tuple(ids or ()), json=json)


@tokenizer.command("inspect", epilog='Example: nanochat tokenizer inspect latest "emma" --data builtin:names')
@with_parameters(READING)
def _inspect(
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help=_FILE_HELP)],
    text: Annotated[str | None, typer.Argument(help="A text to show cut into its tokens.")] = None,
    data: Annotated[str, _Data] = "",
    longest: Annotated[int, typer.Option("--longest", help="How many of the longest tokens to list.")] = 10,
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Show a vocabulary and how it cuts a text.

    With --data also how well it suits that.
    """
    check_count("--longest", longest, 0)
    return t.TokenizerInspectCommand(
        tokenizer=file,
        text=None if text is None else typed(text),
        source=shown_path(data),
        options=row_options(**options, on_empty="drop"),
        n_longest=longest,
        json=json,
    )


@tokenizer.command("compare", epilog="Example: nanochat tokenizer compare a.json b.json --data builtin:verse")
@with_parameters(READING)
def _compare(
    *,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=_FILE_HELP)],
    data: Annotated[str, _Data],
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Measure tokenizers on the same data.

    Compression, unknown words, speed, and the share of texts that decoding gives back exactly.
    """
    return t.TokenizerCompareCommand(
        tokenizers=tuple(files), source=shown_path(data), options=row_options(**options, on_empty="drop"), json=json
    )
