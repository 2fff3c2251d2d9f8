"""Byte-level BPE in other people's formats: Hugging Face's `tokenizer.json`, and GPT-2's `vocab.json` + `merges.txt`.

Dictionaries and text in, dictionaries out: files.py reads and writes. Does not read other models than BPE, split
expressions other than GPT-2's and GPT-4's, or anything else that would change ids: each is refused by name
(huggingface_parts.py, added_tokens.py), so that a tokenizer that was read gives the ids of the original.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from ...errors import TokenizerError
from ...validation import read_dataclass
from ..bpe import BOS_TOKEN, PATTERNS, BPETokenizer
from ..pieces import ALPHABET, spell, unspell
from .added_tokens import Beside, read_added
from .parts import check_parts, read_pre_tokenizer, refuse, type_of

END_OF_TEXT = "<|endoftext|>"
BEGINNINGS = (BOS_TOKEN, "<|begin_of_text|>", "<s>", "<bos>", "[BOS]", END_OF_TEXT)
"""Names that a file's mark of the beginning goes by, in the order in which they are tried."""

_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_NEUTRAL: dict[str, tuple[Any, ...]] = {  # parts of a model that leave ids alone, as long as they are one of these
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}
_VERSION = "1.0"
LIMIT_IDS = 1 << 20
"""The largest vocabularies in use have a quarter of a million ids; a gap must not ask for more memory than a file."""
_PARTS = "version truncation padding added_tokens normalizer pre_tokenizer post_processor decoder model".split()


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
            "vocab": {token: id_ for id_, token in enumerate(spelled) if token},
            "merges": [f"{spelled[left]} {spelled[right]}" for left, right in tokenizer.merges],
        },
    }


def from_huggingface(
    d: Mapping[str, Any], *, bos_token: str | None = None, beside: Beside | None = None
) -> BPETokenizer:
    """The tokenizer of a `tokenizer.json`, with its ids.

    bos_token: the name of the mark of the beginning, which the format does not say; without it what the files `beside`
    say, the only special token, or one that goes by a usual name. Raises TokenizerError, naming it, for a part that is
    not supported.
    """
    for name in d:
        if name not in _PARTS:
            refuse(str(name), d[name], f"a tokenizer.json has the parts {', '.join(_PARTS)}")
    if d.get("version", _VERSION) != _VERSION:
        refuse("version", d["version"], f"only {_VERSION} is read")
    check_parts(d)
    pattern = read_pre_tokenizer(d)
    model = _read_model(d.get("model"))
    special = read_added(d.get("added_tokens") or [], "added_tokens")
    beside = beside or Beside()
    own = dict(special)  # a token with another role that is added to these is not the beginning, whatever its name
    _add(special, beside, model.vocab)
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else merge for merge in model.merges]
    return _build(model.vocab, merges, special, bos_token or beside.bos_token or _beginning(own or special), pattern)


def from_gpt2(
    vocab: Mapping[str, Any], merges: str, *, bos_token: str | None = None, beside: Beside | None = None
) -> BPETokenizer:
    """The tokenizer of GPT-2's two files: the JSON object of `vocab.json` and the text of `merges.txt`.

    <|endoftext|>, `bos_token` and what the files `beside` name are its special tokens. Raises TokenizerError if
    the files do not fit together.
    """
    ids = read_dataclass(_Model, {"vocab": vocab, "merges": ()}, "vocab.json", TokenizerError).vocab
    lines = [line.rstrip("\r") for line in merges.split("\n")]
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    beside = beside or Beside()
    bos_token = bos_token or beside.bos_token or END_OF_TEXT
    special = {name: ids[name] for name in (END_OF_TEXT, bos_token) if name in ids}
    _add(special, beside, ids)
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
        if name in ALPHABET:
            _refuse_text(name, "a byte")
    by_id: dict[int, str] = {}
    for name, id_ in [*vocab.items(), *special.items()]:
        if by_id.setdefault(id_, name) != name:
            raise TokenizerError(f"tokens {by_id[id_]!r} and {name!r} have the same id {id_}: give each its own")
    for id_ in (min(by_id, default=0), largest := max(by_id, default=0)):
        if not 0 <= id_ < LIMIT_IDS:
            raise TokenizerError(f"token {by_id[id_]!r} has id {id_}: ids run from 0 to {LIMIT_IDS - 1} at most")
    unused = tuple(i for i in range(largest + 1) if i not in by_id)
    tokens = tuple(b"" if i not in by_id or by_id[i] in special else unspell(by_id[i]) for i in range(largest + 1))
    pairs = []
    for n, pair in enumerate(merges):
        if len(pair) != 2 or any(token not in vocab for token in pair):
            raise TokenizerError(
                f"merge {n}, {reprlib.repr(' '.join(pair))}, does not name two tokens of the vocabulary"
            )
        if "".join(pair) in special:
            _refuse_text("".join(pair), f"what merge {n} makes")
        pairs.append((vocab[pair[0]], vocab[pair[1]]))
    return BPETokenizer(tokens, tuple(pairs), dict(special), bos_token, pattern, unused)


def _add(special: dict[str, int], beside: Beside, vocab: Mapping[str, int]) -> None:
    """Add what the files beside say to the special tokens. Raises TokenizerError where they disagree on an id."""
    for name, id_ in beside.added.items():
        if special.setdefault(name, id_) != id_:
            raise TokenizerError(f"{name!r} has id {special[name]}, and {id_} in a file beside it: mend one of them")
    special |= {name: vocab[name] for name in beside.named if name in vocab and name not in special}
    free = 1 + max([-1, *vocab.values(), *special.values()])
    special |= {name: free + i for i, name in enumerate(name for name in beside.named if name not in special)}


def _refuse_text(name: str, what: str) -> NoReturn:
    raise TokenizerError(
        f"special token {name!r} is also {what}, so its id would stand for a mark and for text: name another token"
    )


def _read_model(model: Any) -> _Model:
    """The vocabulary and merges. Raises TokenizerError for everything that would give other ids than plain BPE."""
    kind = type_of(model)
    if kind not in ("BPE", None) or not isinstance(model, Mapping):
        refuse("model.type", kind, "only BPE is read")
    for name, value in model.items():
        if name in _NEUTRAL:
            if value not in _NEUTRAL[name]:
                refuse(f"model.{name}", value, "only files without it are read")
        elif name not in ("type", "vocab", "merges", "unk_token", "fuse_unk"):  # no byte is unknown
            refuse(f"model.{name}", value, "this part is not known")
    content = {name: model[name] for name in ("vocab", "merges") if name in model}
    return read_dataclass(_Model, content, "model", TokenizerError)


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
