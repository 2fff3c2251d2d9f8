"""Text to ids and back. Knows no model and no file format but its own dictionary.

base.py: what every tokenizer can do.  char.py: one id a character.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import TokenizerError
from .base import Tokenizer
from .char import CharTokenizer

__all__ = ["CharTokenizer", "Tokenizer", "tokenizer_from_dict"]

_KINDS: dict[str, type[Tokenizer]] = {"char": CharTokenizer}
"""Closed on purpose: a file chooses from this table and can never name code to be imported."""


def tokenizer_from_dict(d: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `to_dict` wrote, of the class that `d["kind"]` names.

    Raises TokenizerError if `d` is no dictionary, its kind is unknown, or an entry is missing, unexpected or wrong.
    """
    if not isinstance(d, Mapping):
        raise TokenizerError(f"a tokenizer is a JSON object, not {type(d).__name__}: restore the file from its run")
    kind = d.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise TokenizerError(f"tokenizer kind {kind!r} is unknown: this version reads {', '.join(_KINDS)}")
    return _KINDS[kind].from_dict(d)
