"""Tokenizers on disk: read whichever of three formats a path holds, write two of them, whole or not at all.

{"kind": ...}                what `to_dict` gives: every kind of tokenizer
{"model": {"type": "BPE"}}   Hugging Face's tokenizer.json: byte-level BPE
vocab.json and merges.txt    GPT-2's: byte-level BPE, read only
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..errors import TokenizerError, WriteError
from ..storage.atomic import replace_file
from ..storage.reading import Wording, read_bytes
from ..storage.strict_json import STRICT_JSON
from .base import Tokenizer
from .bpe import BPETokenizer
from .char import CharTokenizer
from .foreign.added_tokens import BESIDE, Beside, read_beside
from .foreign.huggingface import from_gpt2, from_huggingface, to_huggingface
from .word import WordTokenizer

KINDS: dict[str, type[Tokenizer]] = {"char": CharTokenizer, "word": WordTokenizer, "bpe": BPETokenizer}
"""Closed on purpose: a file chooses from this table and can never name code to be imported."""
LIMIT_BYTES = 1 << 28
"""Files above 256 MiB are refused; the largest vocabularies in use take a few tens."""
_REFUSED = "{path!r} cannot be read ({why}): check the path and its permissions"
_WORDING = Wording(
    error=TokenizerError,
    missing="there is no file {path}: check the path",
    irregular="{path} is no regular file: name the file of a tokenizer",
    no_path=_REFUSED,
    too_large="{path} has {size:,} bytes, more than any tokenizer: name another file",
    refused=_REFUSED,
)


def load_tokenizer(path: str | Path, *, bos_token: str | None = None) -> Tokenizer:
    """The tokenizer in a file, or in a folder that holds `tokenizer.json` or `vocab.json` and `merges.txt`.

    bos_token: which special token marks the beginning in a file of another project; without it what
    `tokenizer_config.json` or `special_tokens_map.json` beside it says, else a usual name. Raises TokenizerError,
    naming the file, for everything that is missing, broken or not supported.
    """
    path = Path(path)
    if _there(path, folder=True):
        path = path / (
            "vocab.json" if _there(path / "vocab.json") and not _there(path / "tokenizer.json") else "tokenizer.json"
        )
    elif path.name == "merges.txt":
        path = path.with_name("vocab.json")
    content = _read_json(path)
    try:
        if isinstance(content.get("kind"), str):  # in a vocabulary it is a word like any other, and has a number
            return tokenizer_from_dict(content)
        if isinstance(content.get("model"), dict):
            return from_huggingface(content, bos_token=bos_token, beside=_beside(path))
        if path.name.endswith("vocab.json"):
            merges = path.with_name(path.name.removesuffix("vocab.json") + "merges.txt")
            return from_gpt2(content, _read_text(merges), bos_token=bos_token, beside=_beside(path))
    except TokenizerError as failure:
        raise TokenizerError(f"{path}: {failure}", settings=failure.settings) from None
    raise TokenizerError(
        f"{path} has neither a kind nor a model, so it is no tokenizer: name a tokenizer.json, or a vocab.json that "
        "has its merges.txt beside it"
    )


def tokenizer_from_dict(d: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `to_dict` wrote, of the class that `d["kind"]` names.

    Raises TokenizerError if `d` is no dictionary, its kind is unknown, or an entry is missing, unexpected or wrong.
    """
    if not isinstance(d, Mapping):
        raise TokenizerError(f"a tokenizer is a JSON object, not {type(d).__name__}: restore the file from its run")
    kind = d.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise TokenizerError(f"tokenizer kind {kind!r} is unknown: this version reads {', '.join(KINDS)}")
    return KINDS[kind].from_dict(d)


def save_tokenizer(
    tokenizer: Tokenizer,
    path: str | Path,
    *,
    form: Literal["nanochat", "huggingface"] = "nanochat",
    new: bool = False,
) -> None:
    """Write `tokenizer` to one JSON file, under a temporary name first: the file is the old one or the new one.

    Raises TokenizerError if `form` cannot hold it, WriteError if the file cannot be written, GuardError if it is to be
    `new` and is there.
    """
    if form == "huggingface":
        if not isinstance(tokenizer, BPETokenizer):
            kind = tokenizer.to_dict()["kind"]
            raise TokenizerError(
                f"tokenizer.json of Hugging Face is written for bpe, not for {kind}: leave out the form"
            )
        content = to_huggingface(tokenizer)
    elif form == "nanochat":
        content = tokenizer.to_dict()
    else:
        raise TokenizerError(f"form={form!r} is unknown: choose nanochat or huggingface")
    try:
        replace_file(Path(path), [(json.dumps(content, ensure_ascii=False) + "\n").encode()], new=new)
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path, half a character in a token
        reason = getattr(failure, "strerror", None) or failure
        raise WriteError(f"{str(path)!r} cannot be written ({reason}): choose another place or free the disk") from None


def _beside(path: Path) -> Beside:
    """What the files beside `path` say of its tokens."""
    there = [name for name in BESIDE if _there(path.with_name(name))]
    return read_beside({name: _read_json(path.with_name(name)) for name in there})


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = STRICT_JSON.decode(_read_text(path))
    except (ValueError, RecursionError) as failure:
        if isinstance(failure, TokenizerError):
            raise
        what = "nested too deep" if isinstance(failure, RecursionError) else str(failure)
        raise TokenizerError(f"{path} is no JSON ({what}): restore the file") from None
    if not isinstance(content, dict):
        raise TokenizerError(
            f"{path} holds {type(content).__name__}, and a tokenizer is a JSON object: restore the file"
        )
    return content


def _there(path: Path, *, folder: bool = False) -> bool:
    """Whether `path` is a file, or a folder. What cannot be looked at is not: reading it says why."""
    try:
        return path.is_dir() if folder else path.is_file()
    except (OSError, ValueError):
        return False


def _read_text(path: Path) -> str:
    """The text of a file, without byte order mark. Raises TokenizerError for what a path can do to a reader."""
    try:
        return read_bytes(path, _WORDING, limit=LIMIT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise TokenizerError(f"{path} is not UTF-8 at byte {failure.start}: restore the file") from None
