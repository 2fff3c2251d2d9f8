"""`nanochat tokenizer train`: from data to a vocabulary in a file."""

from __future__ import annotations

from ..data.files.description import texts_of
from ..data.load import read_source
from ..data.vocabulary import BPE_VOCAB_SIZE
from ..plain import shown_path
from ..storage.atomic import make_directory
from ..tokenizers import BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer, save_tokenizer
from ..tokenizers.inspection import measure
from .commands_text import TokenizerTrainCommand
from .console import print_json, print_result, say
from .folders import check_free_file


def execute(command: TokenizerTrainCommand) -> None:
    """Train, write, and say in one line what came of it."""
    if not command.force:
        check_free_file(command.out)
    texts = list(texts_of(read_source(command.source, command.options)))
    tokenizer = _train(command, texts)
    if not command.force:
        check_free_file(command.out)  # training takes minutes, in which another start may have been faster
    make_directory(command.out.parent)
    save_tokenizer(tokenizer, command.out, form=command.form)
    wanted = command.vocab_size or (BPE_VOCAB_SIZE if command.kind == "bpe" else 0)
    if tokenizer.vocab_size < wanted:
        what = "words" if command.kind == "word" else "pairs"
        say(f"the text has no more {what} that are frequent enough: {tokenizer.vocab_size:,} ids instead of {wanted:,}")
    measured = measure(tokenizer, texts)
    result = {
        "kind": command.kind,
        "vocab_size": tokenizer.vocab_size,
        "texts": measured.n_texts,
        "bytes": measured.n_bytes,
        "tokens": measured.n_tokens,
        "bytes_per_token": round(measured.bytes_per_token, 4),
        "unknown": measured.n_unknown,
        "out": shown_path(command.out),
    }
    if command.json:
        print_json(result)
    else:
        print_result(" ".join(f"{name}={value}" for name, value in result.items()))


def _train(command: TokenizerTrainCommand, texts: list[str]) -> Tokenizer:
    unknown = command.unknown or "error"
    if command.kind == "char":
        return CharTokenizer.train(texts, unknown=unknown)
    given = {"vocab_size": command.vocab_size, "min_count": command.min_count}
    sizes = {name: value for name, value in given.items() if value is not None}
    if command.kind == "word":
        return WordTokenizer.train(texts, special_tokens=command.special, unknown=unknown, **sizes)
    sizes.setdefault("vocab_size", BPE_VOCAB_SIZE)
    return BPETokenizer.train(texts, special_tokens=command.special, pattern=command.pattern or "gpt4", **sizes)
