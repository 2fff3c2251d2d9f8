"""`nanochat tokenizer inspect`, `compare`: a vocabulary looked at, and several measured on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..data.files.description import texts_of
from ..data.files.rows import RowOptions
from ..data.load import read_source
from ..plain import shown_path
from ..tokenizers import BPETokenizer, Tokenizer
from ..tokenizers.inspection import (
    Measurement,
    Piece,
    cut,
    longest_tokens,
    measure,
    n_unknown,
    show_token,
    special_names,
)
from .commands_text import TokenizerCompareCommand, TokenizerInspectCommand
from .console import print_json, print_result, print_table
from .display.pieces import print_pieces
from .tokenizer_files import find_tokenizer


def execute(command: TokenizerInspectCommand | TokenizerCompareCommand) -> None:
    """Tables and a picture, or JSON."""
    if isinstance(command, TokenizerInspectCommand):
        _inspect(command)
    else:
        _compare(command)


def _inspect(command: TokenizerInspectCommand) -> None:
    tokenizer = find_tokenizer(command.tokenizer)
    pieces = None if command.text is None else cut(tokenizer, command.text)
    measured = measure(tokenizer, _texts(command.source, command.options)) if command.source else None
    longest = [(id_, show_token(tokenizer, id_)) for id_ in longest_tokens(tokenizer, command.n_longest)]
    facts = _facts(tokenizer)
    if command.json:
        content = {**facts, "longest_tokens": [{"id": id_, "token": token} for id_, token in longest]}
        if pieces is not None:
            content["pieces"] = [{"id": piece.id, "token": piece.text} for piece in pieces]
        if measured:
            content["measured"] = {"data": command.source, **_figures(measured)}
        print_json(content)
        return
    if pieces is not None:
        _show_cut(tokenizer, command.text or "", pieces)
    print_table([{"what": name.replace("_", " "), "found": _shown(value)} for name, value in facts.items()])
    if longest:
        print_result("")
        print_table([{"longest_tokens": token, "id": id_} for id_, token in longest], right=("id",))
    if measured:
        print_result("")
        figures = _figures(measured).items()
        rows = [{f"on {command.source}": name.replace("_", " "), "figure": value} for name, value in figures]
        print_table(rows, right=("figure",))


def _compare(command: TokenizerCompareCommand) -> None:
    tokenizers = {name: find_tokenizer(name) for name in command.tokenizers}
    texts = _texts(command.source, command.options)
    rows = [
        {"tokenizer": shown_path(name), "kind": tokenizer.to_dict()["kind"], "V": tokenizer.vocab_size}
        | _figures(measure(tokenizer, texts))
        for name, tokenizer in tokenizers.items()
    ]
    if command.json:
        print_json(rows)
        return
    print_result(f"{command.source}: {rows[0]['texts']:,} texts, {rows[0]['bytes']:,} bytes")
    print_result("")
    table = [{name: value for name, value in row.items() if name not in ("texts", "bytes")} for row in rows]
    print_table(table, right=tuple(table[0])[2:])


def _texts(source: str, options: RowOptions) -> Sequence[str]:
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


def _facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """What is worth knowing of any kind, then what only some have."""
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
    print_pieces(pieces)
    n_bytes = len(text.encode("utf-8", "surrogatepass"))
    line = f"{len(pieces):,} tokens, {n_bytes:,} bytes, {n_bytes / max(1, len(pieces)):.2f} bytes per token"
    if missed := n_unknown(tokenizer, text):
        line += f", {missed:,} unknown"
    print_result(line)
    print_result("")
