"""Tokenizers on disk: read whichever of three formats a path holds, write two of them, whole or not at all.

{"kind": ...}                what `to_dict` gives: every kind of tokenizer
{"model": {"type": "BPE"}}   Hugging Face's tokenizer.json: byte-level BPE
vocab.json and merges.txt    GPT-2's: byte-level BPE, read only
"""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from ..errors import TokenizerError, WriteError
from ..storage.drafts import draft_name, give_name, remove_stale
from ..validation import STRICT_JSON
from .base import Tokenizer
from .bpe import BPETokenizer
from .foreign.added_tokens import BESIDE, Beside, read_beside
from .foreign.huggingface import from_gpt2, from_huggingface, to_huggingface
from .kinds import tokenizer_from_dict

LIMIT_BYTES = 1 << 28
"""Files above 256 MiB are refused; the largest vocabularies in use take a few tens."""


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
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # the rename would put a file in the place of /dev/null
            raise WriteError(f"{str(path)!r} cannot be written (it is no regular file): choose another place")
        remove_stale(path.parent, re.escape(path.name))
        draft = draft_name(path, "tmp")
        try:
            with draft.open("x", encoding="utf-8", newline="\n") as file:  # x follows no link
                file.write(json.dumps(content, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            give_name(draft, path, new=new)
        finally:
            with suppress(OSError, ValueError):
                draft.unlink()
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
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
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise TokenizerError(f"{path} is no regular file: name the file of a tokenizer")
        if info.st_size > LIMIT_BYTES:
            raise TokenizerError(f"{path} has {info.st_size:,} bytes, more than any tokenizer: name another file")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise TokenizerError(f"there is no file {path}: check the path") from None
    except UnicodeDecodeError as failure:
        raise TokenizerError(f"{path} is not UTF-8 at byte {failure.start}: restore the file") from None
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
        if isinstance(failure, TokenizerError):
            raise
        reason = getattr(failure, "strerror", None) or failure
        raise TokenizerError(f"{str(path)!r} cannot be read ({reason}): check the path and its permissions") from None
