"""What a vocabulary of byte pairs has to be: every byte, every id once, merges that make tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..errors import TokenizerError
from .merges import Pair


def check_special(special_tokens: Mapping[str, int], bos_token: str, tokens: Sequence[bytes]) -> None:
    """Raises TokenizerError unless BOS is there and each special token has a name, and an id that is its alone."""
    if bos_token not in special_tokens:
        raise TokenizerError(f"bos_token={bos_token!r} is not among the special tokens: add it to them")
    for name, id_ in special_tokens.items():
        if not name or any("\ud800" <= ch <= "\udfff" for ch in name):
            raise TokenizerError(f"special token {name!r} is empty or no UTF-8: give it a name like <|end|>")
        if not 0 <= id_ < len(tokens) or tokens[id_]:
            raise TokenizerError(
                f"special token {name!r} has id {id_}, which is a plain token or outside 0 to "
                f"{len(tokens) - 1}: restore the file"
            )
    if len(set(special_tokens.values())) < len(special_tokens):
        raise TokenizerError("two special tokens have the same id: give each its own")


def check_tokens(tokens: Sequence[bytes], empty: Collection[int]) -> None:
    """Raises TokenizerError unless every id but those of `empty` stands for bytes of its own, and each byte has one."""
    first: dict[bytes, int] = {}
    for i, token in enumerate(tokens):
        if not token and i not in empty:
            raise TokenizerError(f"id {i} stands for nothing: a vocabulary has a token for every id below its size")
        if token and first.setdefault(token, i) != i:
            raise TokenizerError(f"token {token!r} has the ids {first[token]} and {i}: give each token one id")
    wrong = [i for i in empty if not 0 <= i < len(tokens) or tokens[i]]
    if wrong:
        raise TokenizerError(
            f"id {wrong[0]} is listed as unused and is a token or outside 0 to {len(tokens) - 1}: mend it"
        )
    missing = [b for b in range(256) if bytes([b]) not in first]
    if missing:
        raise TokenizerError(
            f"the vocabulary has no token for byte 0x{missing[0]:02x} ({len(missing)} of 256 are missing): "
            "only byte-level vocabularies, which can spell any text, are read"
        )


def check_merges(merges: Sequence[Pair], tokens: Sequence[bytes]) -> None:
    """Raises TokenizerError unless each joins two tokens to a third, and none does so twice."""
    known = frozenset(tokens)
    seen: set[Pair] = set()
    for n, pair in enumerate(merges):
        if not all(0 <= id_ < len(tokens) and tokens[id_] for id_ in pair):
            raise TokenizerError(f"merge {n} joins the ids {pair}, and not both are tokens: restore the file")
        joined = tokens[pair[0]] + tokens[pair[1]]
        if joined not in known:
            raise TokenizerError(f"merge {n} makes {joined!r}, which is not in the vocabulary: restore the file")
        if pair in seen:
            raise TokenizerError(f"merge {n} joins the ids {pair} a second time: restore the file")
        seen.add(pair)
