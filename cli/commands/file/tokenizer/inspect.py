"""`nanochat tokenizer inspect`, `compare`: a vocabulary looked at, and several measured on the same data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .....plain import shown_path, typed
from ....console import print_json, print_result, print_table
from ....options import JsonFlag, check_count
from ....parser import Commands, Work
from ....row_flags import READING, DataFlag, row_options
from .find import FILE_HELP, find_tokenizer

if TYPE_CHECKING:
    from .....data.files.options import RowOptions
    from .....tokenizers import Tokenizer
    from .....tokenizers.inspection import Measurement, Piece

commands = Commands()


@commands.words("inspect", 'nanochat tokenizer inspect latest "emma" --data builtin:names', last=READING)
def _inspect(
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help=FILE_HELP)],
    text: Annotated[str | None, typer.Argument(help="A text to show cut into its tokens.")] = None,
    data: DataFlag = "",
    longest: Annotated[int, typer.Option("--longest", help="How many of the longest tokens to list.")] = 10,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Show a vocabulary and how it cuts a text.

    With --data also how well it suits that.
    """
    check_count("--longest", longest, 0)
    cut_text = None if text is None else typed(text)
    rows = row_options(**options, on_empty="drop")
    return partial(
        show_vocabulary, file=file, text=cut_text, source=shown_path(data), options=rows, n_longest=longest, json=json
    )


def show_vocabulary(
    *, file: str, text: str | None, source: str, options: RowOptions, n_longest: int, json: bool
) -> None:
    """Tables and a picture of the cut text, or JSON; with a source also how well the tokenizer suits that."""
    from .....tokenizers.inspection import cut, longest_tokens, measure, show_token

    tokenizer = find_tokenizer(file)
    pieces = None if text is None else cut(tokenizer, text)
    measured = measure(tokenizer, _texts(source, options)) if source else None
    longest = [(id_, show_token(tokenizer, id_)) for id_ in longest_tokens(tokenizer, n_longest)]
    facts = _facts(tokenizer)
    if json:
        content = {**facts, "longest_tokens": [{"id": id_, "token": token} for id_, token in longest]}
        if pieces is not None:
            content["pieces"] = [{"id": piece.id, "token": piece.text} for piece in pieces]
        if measured:
            content["measured"] = {"data": source, **_figures(measured)}
        print_json(content)
        return
    if pieces is not None:
        _show_cut(tokenizer, text or "", pieces)
    print_table([{"what": name.replace("_", " "), "found": _shown(value)} for name, value in facts.items()])
    if longest:
        print_result("")
        print_table([{"longest_tokens": token, "id": id_} for id_, token in longest], right=("id",))
    if measured:
        print_result("")
        figures = _figures(measured).items()
        rows = [{f"on {source}": name.replace("_", " "), "figure": value} for name, value in figures]
        print_table(rows, right=("figure",))


def _facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """What is worth knowing of any kind, then what only some have."""
    from .....tokenizers import BPETokenizer
    from .....tokenizers.inspection import special_names

    facts: dict[str, Any] = {
        "kind": tokenizer.to_dict()["kind"],
        "vocab_size": tokenizer.vocab_size,
        "bos_id": tokenizer.bos_id,
        "special_tokens": special_names(tokenizer),
    }
    if isinstance(tokenizer, BPETokenizer):
        return {**facts, "merges": len(tokenizer.merges), "pattern": tokenizer.pattern}
    return {**facts, "unknown": getattr(tokenizer, "unknown", "error")}


def _shown(value: Any) -> Any:
    return ", ".join(f"{name} {id_}" for name, id_ in value.items()) if isinstance(value, dict) else value


def _show_cut(tokenizer: Tokenizer, text: str, pieces: list[Piece]) -> None:
    from .....tokenizers.inspection import n_unknown
    from ....display.pieces import print_pieces

    print_pieces(pieces)
    n_bytes = len(text.encode("utf-8", "surrogatepass"))
    line = f"{len(pieces):,} tokens, {n_bytes:,} bytes, {n_bytes / max(1, len(pieces)):.2f} bytes per token"
    if missed := n_unknown(tokenizer, text):
        line += f", {missed:,} unknown"
    print_result(line)
    print_result("")


@commands.words("compare", "nanochat tokenizer compare a.json b.json --data builtin:verse", last=READING)
def _compare(
    *,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=FILE_HELP)],
    data: DataFlag,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Measure tokenizers on the same data.

    Compression, unknown words, speed, and the share of texts that decoding gives back exactly.
    """
    rows = row_options(**options, on_empty="drop")
    return partial(measure_all, files=tuple(files), source=shown_path(data), options=rows, json=json)


def measure_all(*, files: tuple[str, ...], source: str, options: RowOptions, json: bool) -> None:
    """A row of figures for each tokenizer."""
    from .....tokenizers.inspection import measure

    tokenizers = {name: find_tokenizer(name) for name in files}
    texts = _texts(source, options)
    rows = [
        {"tokenizer": shown_path(name), "kind": tokenizer.to_dict()["kind"], "V": tokenizer.vocab_size}
        | _figures(measure(tokenizer, texts))
        for name, tokenizer in tokenizers.items()
    ]
    if json:
        print_json(rows)
        return
    print_result(f"{source}: {rows[0]['texts']:,} texts, {rows[0]['bytes']:,} bytes")
    print_result("")
    table = [{name: value for name, value in row.items() if name not in ("texts", "bytes")} for row in rows]
    print_table(table, right=tuple(table[0])[2:])


def _texts(source: str, options: RowOptions) -> list[str]:
    from .....data.files.description import texts_of
    from .....data.load import read_source

    return list(texts_of(read_source(source, options)))


def _figures(measured: Measurement) -> dict[str, Any]:
    """A row of the comparison. Where words are unknown, fewer tokens do not mean better compression."""
    return {
        "texts": measured.n_texts,
        "bytes": measured.n_bytes,
        "tokens": measured.n_tokens,
        "bytes_per_token": measured.bytes_per_token,
        "tokens_per_word": measured.tokens_per_word,
        "unknown": measured.n_unknown,
        "restored": f"{measured.n_restored / max(1, measured.n_texts):.1%}",
        "MB_per_s": measured.megabytes_per_s,
    }
