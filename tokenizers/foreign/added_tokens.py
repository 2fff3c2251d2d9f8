"""Tokens that files add to a vocabulary: in tokenizer.json itself, and in what lies beside it or beside vocab.json.

    added_tokens.json        {"<pad>": 50257}
    tokenizer_config.json    {"bos_token": "<s>", "added_tokens_decoder": {"50257": {"content": "<pad>", ...}}, ...}
    special_tokens_map.json  {"pad_token": "<pad>", ...}

Each is found whole wherever it stands in a text. What would do more to ids is refused by name.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import TokenizerError
from ...validation import read_dataclass
from ..pieces import special_cutter

ADDED, CONFIG, MAP = BESIDE = ("added_tokens.json", "tokenizer_config.json", "special_tokens_map.json")
"""Files that may lie beside a tokenizer."""
_ROLES = tuple(f"{role}_token" for role in "bos eos unk sep pad cls mask".split())
_MORE = ("additional_special_tokens", "extra_special_tokens")
_CHANGING = ("add_prefix_space", "add_bos_token", "add_eos_token", "split_special_tokens", "do_lower_case")
"""Settings of tokenizer_config.json that give other ids where they are true."""
_FLAGS = ("single_word", "lstrip", "rstrip")


@dataclass(frozen=True, kw_only=True)
class _AddedToken:
    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What the files beside a tokenizer say of its tokens."""

    added: Mapping[str, int] = field(default_factory=dict)
    """Ids by content."""
    named: tuple[str, ...] = ()
    """Tokens with a role; one that the vocabulary lacks gets the next id."""
    bos_token: str | None = None


def read_added(entries: Any, where: str) -> dict[str, int]:
    """Ids by content of a list of added tokens. Raises TokenizerError, naming it, for one that is more than a name."""
    if not isinstance(entries, list):
        raise TokenizerError(f"{where}={reprlib.repr(entries)} is not supported: a list is needed")
    tokens = [read_dataclass(_AddedToken, entry, f"{where}.{i}", TokenizerError) for i, entry in enumerate(entries)]
    found: dict[str, int] = {}
    for i, token in enumerate(tokens):
        _check_flags(token.content, vars(token), f"{where}.{i}")
        if found.setdefault(token.content, token.id) != token.id:
            raise TokenizerError(
                f"{where}.{i}: {token.content!r} has the ids {found[token.content]} and {token.id}: remove one"
            )
    _check_order(tokens, where)
    return found


def read_beside(files: Mapping[str, Mapping[str, Any]]) -> Beside:
    """What those of BESIDE say that are there. Raises TokenizerError, naming file and setting, for what changes ids."""
    config = files.get(CONFIG, {})
    for name in _CHANGING:
        if config.get(name):
            raise TokenizerError(f"{name}={config[name]!r} of {CONFIG} is not supported: it gives other ids")
    table = config.get("added_tokens_decoder") or {}
    if not isinstance(table, Mapping) or not all(isinstance(entry, Mapping) for entry in table.values()):
        raise TokenizerError(f"added_tokens_decoder={reprlib.repr(table)} of {CONFIG} is no table of tokens by id")
    listed = [{"content": name, "id": id_} for name, id_ in files.get(ADDED, {}).items()]
    added = read_added(listed, ADDED)
    decoded = [{**entry, "id": int(id_) if str(id_).isdecimal() else id_} for id_, entry in table.items()]
    for name, id_ in read_added(decoded, f"{CONFIG}: added_tokens_decoder").items():
        if added.setdefault(name, id_) != id_:
            raise TokenizerError(f"{name!r} has id {added[name]} in {ADDED} and {id_} in {CONFIG}: mend one of them")
    named = [(role, name) for file in (CONFIG, MAP) for role, name in _named(files.get(file, {}), file)]
    bos_token = next((name for role, name in named if role == "bos_token"), None)
    in_order = sorted(named, key=lambda pair: (*_ROLES, *_MORE).index(pair[0]))
    return Beside(added=added, named=tuple(dict.fromkeys(name for _, name in in_order)), bos_token=bos_token)


def _named(content: Mapping[str, Any], file: str) -> Iterator[tuple[str, str]]:
    """(role, token) for every role that the file gives to one."""
    for role in (*_ROLES, *_MORE):
        entries = content.get(role)
        several: Any = [entries]
        if role in _MORE:
            several = list(entries.values()) if isinstance(entries, Mapping) else entries or []
            if not isinstance(several, list):
                raise TokenizerError(f"{role}={reprlib.repr(entries)} of {file} is no list of tokens")
        for entry in several:
            name = entry.get("content") if isinstance(entry, Mapping) else entry
            if isinstance(entry, Mapping):
                _check_flags(name, entry, f"{file}: {role}")
            if isinstance(name, str):
                yield role, name
            elif entry is not None:
                raise TokenizerError(f"{role}={reprlib.repr(entry)} of {file} is no token: give its text")


def _check_flags(content: Any, flags: Mapping[str, Any], where: str) -> None:
    for flag in _FLAGS:
        if flags.get(flag):
            raise TokenizerError(f"{where}.{flag}=True is not supported: {content!r} is read only where it is false")


def _check_order(tokens: list[_AddedToken], where: str) -> None:
    """`normalized` ones are looked for in what the others have left; to us all are the same, if none overlap."""
    first = special_cutter(token.content for token in tokens if not token.normalized)
    for i, token in enumerate(tokens):
        if first and token.normalized and first.overlaps(token.content):
            raise TokenizerError(
                f"{where}.{i}.normalized=True is not supported: "
                f"{token.content!r} overlaps with a token where it is false"
            )
