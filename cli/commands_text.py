"""What `nanochat data` and `nanochat tokenizer` are asked for, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..data.files.rows import RowOptions  # NumPy, that --help need not pay

ChatForm = Literal["messages", "text"]
RowLayout = Literal["auto", "stream", "documents", "chat"]
Unknown = Literal["error", "skip", "unk"]
Kind = Literal["char", "word", "bpe"]
Pattern = Literal["gpt2", "gpt4"]
TokenizerForm = Literal["nanochat", "huggingface"]


@dataclass(frozen=True, kw_only=True)
class DataValidateCommand:
    """`nanochat data validate`"""

    source: str
    options: RowOptions
    all: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class DataStatsCommand:
    """`nanochat data stats`"""

    source: str
    options: RowOptions
    json: bool


@dataclass(frozen=True, kw_only=True)
class DataConvertCommand:
    """`nanochat data convert`"""

    source: str
    target: Path
    options: RowOptions
    chat_form: ChatForm | None
    force: bool


@dataclass(frozen=True, kw_only=True)
class TokenizerTrainCommand:
    """`nanochat tokenizer train`; None is what the kind has by default."""

    kind: Kind
    source: str
    options: RowOptions
    out: Path
    vocab_size: int | None
    min_count: int | None
    unknown: Unknown | None
    special: tuple[str, ...]
    pattern: Pattern | None
    form: TokenizerForm
    force: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class TokenizerEncodeCommand:
    """`nanochat tokenizer encode`; text None is standard input."""

    tokenizer: str
    text: str | None
    unknown: Unknown | None
    json: bool


@dataclass(frozen=True, kw_only=True)
class TokenizerDecodeCommand:
    """`nanochat tokenizer decode`; no ids are standard input."""

    tokenizer: str
    ids: tuple[int, ...]
    json: bool


@dataclass(frozen=True, kw_only=True)
class TokenizerInspectCommand:
    """`nanochat tokenizer inspect`; text None is none to cut, source "" none to measure on."""

    tokenizer: str
    text: str | None
    source: str
    options: RowOptions
    n_longest: int
    json: bool


@dataclass(frozen=True, kw_only=True)
class TokenizerCompareCommand:
    """`nanochat tokenizer compare`"""

    tokenizers: tuple[str, ...]
    source: str
    options: RowOptions
    json: bool


TextCommand = (
    DataValidateCommand
    | DataStatsCommand
    | DataConvertCommand
    | TokenizerTrainCommand
    | TokenizerEncodeCommand
    | TokenizerDecodeCommand
    | TokenizerInspectCommand
    | TokenizerCompareCommand
)
