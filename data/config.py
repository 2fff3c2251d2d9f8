"""What a model reads: every setting of the data, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError
from ..plain import path_of, shown_path
from ..setting import check_bounds, setting

BUILTIN_HELP = "names, verse, tales, facts, world, world-chat, world-rehearsal (the worlds -small and -large, too)"
"""The texts of the package, spelled out: importing the table of them, data/builtin, costs --help 200 ms."""

_TEXT = "it changes the validation text, and losses on different texts cannot be compared"
_TOKENS = "it changes the tokens, and losses of different tokens cannot be compared"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What the model reads. A path with a byte that is no text is file:caf%E9.txt, of source, tokenizer and cache."""

    source: str = setting(
        "builtin:names",
        "A file of text, JSON, JSON Lines or CSV, or builtin:NAME, a text of data/builtin such as builtin:names.",
        flag="--data",
        short=f"Text, JSON, JSONL or CSV, or builtin:NAME: {BUILTIN_HELP}.",
        no_axis=_TEXT,
    )
    layout: Literal["auto", "documents", "stream", "chat"] = setting(
        "auto",
        "One document a line or row, one stream, or conversations; auto decides by the rows, or by the lines' lengths.",
        flag="--layout",
        short="One document a line or row, one text, or conversations.",
        no_axis=_TEXT,
    )
    text_field: str = setting(
        "", 'Field of JSON objects or column of a CSV that holds the text; "" where that is clear.', no_axis=_TEXT
    )
    tokenizer: str = setting(
        "char", "char, word, bpe, or the path of a tokenizer's file.", flag="--tokenizer", no_axis=_TOKENS
    )
    vocab_size: int = setting(
        0,
        "The most ids of word or bpe, special ones included; 0: every word, or 1,024.",
        flag="--vocab-size",
        least=0,
        no_axis=_TOKENS,
    )
    min_count: int = setting(
        0, "How often a word or a pair of bpe must occur; 0: once, or twice.", least=0, no_axis=_TOKENS
    )
    loss_on: Literal["answers", "all"] = setting(
        "answers",
        "Of conversations: which tokens are targets.",
        flag="--loss-on",
        no_axis="it changes which tokens count, and losses on different tokens cannot be compared",
    )
    packing: Literal["none", "isolated", "joined", "bestfit"] = setting(
        "none",
        "Of documents and conversations: one a row, or several, that do not attend to each other or do; bestfit cuts "
        "some off so that rows are full.",
        flag="--packing",
        short="Documents in a row.",
    )
    cache: str = setting(
        "",
        'Folder of tokenised texts for the next run, and for a text larger than memory; "" is none.',
        no_axis="it changes what a run keeps, not what is learned",
    )
    style: Literal["classic", "futuristic"] = setting(
        "classic",
        "futuristic adds four sentences of another world to the training text.",
        flag="--style",
        no_axis=_TEXT,
    )
    val_fraction: float = setting(0.1, "Share kept for validation.", above=0, below=1, no_axis=_TEXT)
    unknown: Literal["auto", "error", "skip", "unk"] = setting(
        "auto",
        "What a character or word outside the vocabulary does; auto: a character is an error, a word reads <UNK>.",
        flag="--unknown",
        short="Characters and words outside the vocabulary.",
        no_axis=_TEXT,
    )

    def __post_init__(self) -> None:
        check_bounds(self, "data")
        for name in ("source", "tokenizer", "cache"):  # paths, whose bytes may be no text
            object.__setattr__(self, name, shown_path(getattr(self, name)))
        if "\0" in str(path_of(self.cache)):
            raise ConfigError(f"cache={self.cache!r} holds a NUL, which no path may: name a folder")
        for name in ("vocab_size", "min_count"):
            value = getattr(self, name)
            if value and self.tokenizer not in ("word", "bpe"):
                raise ConfigError(
                    f"{name}={value} has no meaning for tokenizer={self.tokenizer}: leave it out, or choose word or bpe"
                )
        if self.tokenizer == "bpe" and self.unknown != "auto":
            raise ConfigError(f"unknown={self.unknown} has no meaning for bpe, which spells every text: leave it out")
