"""`nanochat tokenizer train`: from data to a vocabulary in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .....errors import UsageError
from .....plain import shown_path
from ....console import print_json, print_result, say
from ....options import JsonFlag, check_count
from ....parser import Commands, Work
from ....row_flags import READING, DataFlag, row_options
from .find import UnknownFlag

if TYPE_CHECKING:
    from .....data.files.options import RowOptions

commands = Commands()
Kind = Literal["char", "word", "bpe"]
Pattern = Literal["gpt2", "gpt4"]
Form = Literal["nanochat", "huggingface"]


@commands.words(
    "train", "nanochat tokenizer train --kind bpe --vocab-size 512 --data builtin:verse --out bpe.json", last=READING
)
def _train(
    *,
    data: DataFlag,
    out: Annotated[
        Path, typer.Option("--out", help="File to write.", metavar="FILE", readable=False, rich_help_panel="Output")
    ],
    kind: Annotated[Kind, typer.Option("--kind", help="One id a character, a word, or a frequent run of bytes.")],
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", help="Most ids, all counted: word 50,000, bpe 1,024 unless given.")
    ] = None,
    min_count: Annotated[
        int | None, typer.Option("--min-count", help="Rarer words, or pairs of a bpe, get no id: 1, and 2 for bpe.")
    ] = None,
    unknown: UnknownFlag = None,
    special: Annotated[
        list[str] | None, typer.Option("--special", help="A mark that is kept whole; repeatable.", metavar="TOKEN")
    ] = None,
    pattern: Annotated[
        Pattern | None, typer.Option("--pattern", help="How a bpe cuts text first; gpt4 unless given.")
    ] = None,
    form: Annotated[Form, typer.Option("--form", help="Of the file; huggingface is for bpe.")] = "nanochat",
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE if it exists.", rich_help_panel="Output")
    ] = False,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Learn a vocabulary from text and write it to a file."""
    from .....data.vocabulary import BPE_VOCAB_SIZE

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
    chosen = {"vocab_size": vocab_size, "min_count": min_count, "pattern": pattern, "unknown": unknown}
    settings: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if kind == "bpe":
        settings.setdefault("vocab_size", BPE_VOCAB_SIZE)
    if special:
        settings["special_tokens"] = tuple(special)
    rows = row_options(**options, on_empty="drop")
    return partial(
        work,
        kind=kind,
        settings=settings,
        source=shown_path(data),
        options=rows,
        out=out,
        form=form,
        force=force,
        json=json,
    )


def work(
    *,
    kind: Kind,
    settings: Mapping[str, Any],
    source: str,
    options: RowOptions,
    out: Path,
    form: Form,
    force: bool,
    json: bool,
) -> None:
    """Train a tokenizer with these settings, write it, and say in one line what came of it."""
    from .....data.files.description import texts_of
    from .....data.load import read_source
    from .....storage.atomic import make_directory
    from .....tokenizers import BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer, save_tokenizer
    from .....tokenizers.inspection import measure
    from ....folders import check_free_file

    if not force:
        check_free_file(out)
    texts = list(texts_of(read_source(source, options)))
    trainers: dict[Kind, Callable[..., Tokenizer]] = {
        "char": CharTokenizer.train,
        "word": WordTokenizer.train,
        "bpe": BPETokenizer.train,
    }
    tokenizer = trainers[kind](texts, **settings)
    make_directory(out.parent)
    save_tokenizer(tokenizer, out, form=form, new=not force)
    wanted = settings.get("vocab_size", 0)
    if tokenizer.vocab_size < wanted:
        what = "words" if kind == "word" else "pairs"
        say(f"the text has no more {what} that are frequent enough: {tokenizer.vocab_size:,} ids instead of {wanted:,}")
    measured = measure(tokenizer, texts)
    result = {
        "kind": kind,
        "vocab_size": tokenizer.vocab_size,
        "texts": measured.n_texts,
        "bytes": measured.n_bytes,
        "tokens": measured.n_tokens,
        "bytes_per_token": round(measured.bytes_per_token, 4),
        "unknown": measured.n_unknown,
        "out": shown_path(out),
    }
    if json:
        print_json(result)
    else:
        print_result(" ".join(f"{name}={value}" for name, value in result.items()))
