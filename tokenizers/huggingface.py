"""Byte-level BPE in other people's formats: Hugging Face's `tokenizer.json`, and GPT-2's `vocab.json` + `merges.txt`.

Dictionaries and text in, dictionaries out: files.py reads and writes. Does not read normalizers, prefix spaces, other
models than BPE, split expressions other than GPT-2's and GPT-4's, or anything else that would change ids: each is
refused by name, so that a tokenizer that was read gives the ids of the original.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

from ..errors import TokenizerError
from ..validation import read_dataclass
from .bpe import BOS_TOKEN, PATTERNS, BPETokenizer
from .spelling import spell, unspell

END_OF_TEXT = "<|endoftext|>"
BEGINNINGS = (BOS_TOKEN, "<|begin_of_text|>", "<s>", "<bos>", "[BOS]", END_OF_TEXT)
"""Names that a file's mark of the beginning goes by, in the order in which they are tried."""

_EXPRESSIONS = {  # spellings of the same splits that are found in files
    **{expression: name for name, expression in PATTERNS.items()},
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
}
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_NEUTRAL: dict[str, tuple[Any, ...]] = {  # parts of a model that leave ids alone, as long as they are one of these
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}
_VERSION = "1.0"
_PARTS = "version truncation padding added_tokens normalizer pre_tokenizer post_processor decoder model".split()


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
class _Model:
    vocab: dict[str, int]
    merges: tuple[str | tuple[str, str], ...]


def to_huggingface(tokenizer: BPETokenizer) -> dict[str, Any]:
    """What Hugging Face's `tokenizers` reads from `tokenizer.json`. There BOS, too, is found in text.

    Raises TokenizerError if a special token is spelled like a plain one, which that format cannot tell apart.
    """
    names = {id_: name for name, id_ in tokenizer.special_tokens.items()}
    spelled = [names.get(id_) or spell(token) for id_, token in enumerate(tokenizer.tokens)]
    counts = Counter(spelled)
    for name in names.values():
        if counts[name] > 1:
            raise TokenizerError(f"special token {name!r} is also a plain token, so tokenizer.json cannot hold both")
    if tokenizer.pattern == "gpt2":
        pre_tokenizer: dict[str, Any] = _BYTE_LEVEL
    else:
        pattern = {"Regex": PATTERNS[tokenizer.pattern]}
        split = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
        pre_tokenizer = {"type": "Sequence", "pretokenizers": [split, _BYTE_LEVEL | {"use_regex": False}]}
    marks = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": _VERSION,
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id_, "content": names[id_], **marks} for id_ in sorted(names)],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": _BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: id_ for id_, token in enumerate(spelled)},
            "merges": [f"{spelled[left]} {spelled[right]}" for left, right in tokenizer.merges],
        },
    }


def from_huggingface(d: Mapping[str, Any], *, bos_token: str | None = None) -> BPETokenizer:
    """The tokenizer of a `tokenizer.json`, with its ids.

    bos_token: the name of the mark of the beginning, which the format does not say; without it the only special
    token, or one that goes by a usual name. Raises TokenizerError, naming it, for a part that is not supported.
    """
    for name in d:
        if name not in _PARTS:
            _refuse(str(name), d[name], f"a tokenizer.json has the parts {', '.join(_PARTS)}")
    if d.get("version", _VERSION) != _VERSION:
        _refuse("version", d["version"], f"only {_VERSION} is read")
    for name in ("truncation", "padding", "normalizer"):
        if d.get(name) is not None:
            _refuse(name, d[name], "only files without one are read")
    pattern = _read_pre_tokenizer(d.get("pre_tokenizer"))
    if d.get("post_processor") is not None and _type(d["post_processor"]) != "ByteLevel":
        _refuse("post_processor", d["post_processor"], "only none or ByteLevel is read: remove it from the file")
    if _type(d.get("decoder")) != "ByteLevel":
        _refuse("decoder", d.get("decoder"), "only ByteLevel is read")
    model = _read_model(d.get("model"))
    added = d.get("added_tokens") or []
    if not isinstance(added, list):
        _refuse("added_tokens", added, "a list is needed")
    special: dict[str, int] = {}
    for i, entry in enumerate(added):
        token = read_dataclass(_AddedToken, entry, f"added_tokens.{i}", TokenizerError)
        for flag in ("single_word", "lstrip", "rstrip"):
            if getattr(token, flag):
                _refuse(f"added_tokens.{i}.{flag}", True, f"{token.content!r} is read only where it is false")
        special[token.content] = token.id
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else merge for merge in model.merges]
    return _build(model.vocab, merges, special, bos_token or _beginning(special), pattern)


def from_gpt2(vocab: Mapping[str, Any], merges: str, *, bos_token: str = END_OF_TEXT) -> BPETokenizer:
    """The tokenizer of GPT-2's two files: the JSON object of `vocab.json` and the text of `merges.txt`.

    `bos_token` and <|endoftext|> are its special tokens. Raises TokenizerError if the files do not fit together.
    """
    ids = read_dataclass(_Model, {"vocab": vocab, "merges": ()}, "vocab.json", TokenizerError).vocab
    lines = [line.rstrip("\r") for line in merges.split("\n")]
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    special = {name: ids[name] for name in (END_OF_TEXT, bos_token) if name in ids}
    if bos_token not in special:
        raise TokenizerError(f"vocab.json has no token {bos_token!r} for the beginning of a text: name it by bos_token")
    return _build(ids, pairs, special, bos_token, "gpt2")


def _build(
    vocab: Mapping[str, int],
    merges: Iterable[tuple[str, ...]],
    special: Mapping[str, int],
    bos_token: str,
    pattern: Literal["gpt2", "gpt4"],
) -> BPETokenizer:
    """The tokenizer of spelled tokens and merges. The vocabulary may list special tokens too."""
    for name, id_ in special.items():
        if vocab.get(name, id_) != id_:
            raise TokenizerError(f"special token {name!r} has id {id_} and, in the vocabulary, {vocab[name]}: mend one")
    by_id: dict[int, str] = {}
    for name, id_ in [*vocab.items(), *special.items()]:
        if by_id.setdefault(id_, name) != name:
            raise TokenizerError(f"tokens {by_id[id_]!r} and {name!r} have the same id {id_}: give each its own")
    missing = next((i for i in range(len(by_id)) if i not in by_id), None)
    if missing is not None:
        raise TokenizerError(
            f"id {missing} has no token though others have ids up to {max(by_id)}: ids must run from 0 without gaps"
        )
    tokens = tuple(b"" if by_id[i] in special else unspell(by_id[i]) for i in range(len(by_id)))
    pairs = []
    for n, pair in enumerate(merges):
        if len(pair) != 2 or any(token not in vocab for token in pair):
            raise TokenizerError(
                f"merge {n}, {reprlib.repr(' '.join(pair))}, does not name two tokens of the vocabulary"
            )
        pairs.append((vocab[pair[0]], vocab[pair[1]]))
    return BPETokenizer(tokens, tuple(pairs), dict(special), bos_token, pattern)


def _read_model(model: Any) -> _Model:
    """The vocabulary and merges. Raises TokenizerError for everything that would give other ids than plain BPE."""
    kind = _type(model)
    if kind not in ("BPE", None) or not isinstance(model, Mapping):
        _refuse("model.type", kind, "only BPE is read")
    for name, value in model.items():
        if name in _NEUTRAL:
            if value not in _NEUTRAL[name]:
                _refuse(f"model.{name}", value, "only files without it are read")
        elif name not in ("type", "vocab", "merges", "unk_token", "fuse_unk"):  # no byte is unknown
            _refuse(f"model.{name}", value, "this part is not known")
    content = {name: model[name] for name in ("vocab", "merges") if name in model}
    return read_dataclass(_Model, content, "model", TokenizerError)


def _read_pre_tokenizer(part: Any) -> Literal["gpt2", "gpt4"]:
    """The name of the split. Raises TokenizerError if it is not one of PATTERNS in a known spelling."""
    steps = part.get("pretokenizers") if _type(part) == "Sequence" else [part]
    if not isinstance(steps, list) or not steps or _type(steps[-1]) != "ByteLevel":
        _refuse("pre_tokenizer", part, "only ByteLevel, or Split and then ByteLevel, is read")
    if steps[-1].get("add_prefix_space", True) is not False:
        _refuse("pre_tokenizer.add_prefix_space", steps[-1].get("add_prefix_space"), "only false is read")
    by_regex = steps[-1].get("use_regex", True)
    if len(steps) == 1 and by_regex is True:
        return "gpt2"
    if len(steps) != 2 or by_regex is not False or _type(steps[0]) != "Split":
        _refuse("pre_tokenizer", part, "only ByteLevel, or Split and then ByteLevel, is read")
    if steps[0].get("behavior") != "Isolated" or steps[0].get("invert", False) is not False:
        _refuse("pre_tokenizer.behavior", steps[0].get("behavior"), "only Isolated, not inverted, is read")
    pattern = steps[0].get("pattern")
    expression = pattern.get("Regex") if isinstance(pattern, Mapping) else None
    if not isinstance(expression, str) or expression not in _EXPRESSIONS:
        _refuse("pre_tokenizer.pattern", pattern, f"only the splits of {' and '.join(PATTERNS)} are read")
    return cast("Literal['gpt2', 'gpt4']", _EXPRESSIONS[expression])


def _beginning(special: Mapping[str, int]) -> str:
    """The special token that marks the beginning."""
    if len(special) == 1:
        return next(iter(special))
    for name in BEGINNINGS:
        if name in special:
            return name
    raise TokenizerError(
        f"none of the {len(special)} special tokens of the file goes by a usual name for the beginning of a text: "
        "name one by bos_token"
    )


def _type(part: Any) -> Any:
    """What kind of thing a part says it is; None if it says nothing."""
    return part.get("type") if isinstance(part, Mapping) else None


def _refuse(name: str, value: Any, hint: str) -> NoReturn:
    raise TokenizerError(f"{name}={reprlib.repr(value)} of this tokenizer.json is not supported: {hint}")
