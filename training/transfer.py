"""Weights of one model as the start of another: by name, and rows of the vocabulary by the text of their tokens.

    source: ids of its tokenizer      model: ids of another one
    <BOS> a b c                  ->   <BOS> b c d        rows of <BOS>, b and c are taken, that of d stays as it was

What does not fit is skipped with the reason; nothing is cut or padded but the tables of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..checkpoints.find import read_model
from ..checkpoints.weights import Snapshot
from ..errors import ConfigError
from ..models.base import Model, ModelConfig
from ..models.bigram.config import BigramConfig
from ..models.presets import PRESETS
from ..plain import path_of
from ..tokenizers.base import Tokenizer
from ..tokenizers.files import tokenizer_from_dict
from .config import RunConfig

VOCABULARY = ("wte.weight", "lm_head.weight", "lm_head.bias", "value_embed.weight")
"""Endings of tables with one row for each token."""
Token = tuple[str, bytes]
"""What an id stands for: ("text", its bytes), ("special", the name of a mark), ("bos", b""), ("unknown", b""), or
("unused", its number)."""


@dataclass(frozen=True)
class Transfer:
    """What became of each weight, of the model's and of the source's."""

    loaded: tuple[str, ...]
    """Taken as they are."""
    remapped: tuple[str, ...]
    """Tables whose rows were matched by token."""
    skipped: Mapping[str, str]
    """The others, with the reason."""
    n_tokens: int
    """Tokens of the model that the source knows."""


def transfer(
    model: Model, model_config: ModelConfig, tokenizer: Tokenizer, source: Snapshot, pattern: str = "*"
) -> Transfer:
    """Write the weights of `source` whose names match `pattern` into `model`, in place, where they fit.

    Rows of the vocabulary without a counterpart keep the values that they have. Raises ConfigError where the pattern
    (as in a shell: `h.0.*`) matches no weight of the model, TokenizerError where the source's tokenizer is damaged.
    """
    names = list(model_config.parameters())
    if not any(fnmatchcase(name, pattern) for name in names):
        raise ConfigError(f"--partial {pattern!r} matches no weight of the model: it has {', '.join(names)}")
    there = tokenizer_from_dict(dict(source.tokenizer))
    ours, theirs = pair_tokens(tokenizer, there)
    same = len(ours) == tokenizer.vocab_size == there.vocab_size and np.array_equal(ours, theirs)
    square = isinstance(model_config, BigramConfig) and source.model_kind == "bigram"
    state = model.state_dict()
    loaded, remapped, skipped = [], [], {}
    for name in dict.fromkeys([*names, *source.weights]):
        if name not in state or name not in source.weights:
            skipped[name] = "the model has no such weight" if name not in state else "the source has no such weight"
            continue
        before, given = np.asarray(state[name]), np.asarray(source.weights[name])
        if not fnmatchcase(name, pattern):
            skipped[name] = f"it does not match {pattern}"
        elif name.endswith(VOCABULARY) and not same and (square or before.shape[1:] == given.shape[1:]):
            state[name] = _with_rows(before, given, ours, theirs, square=square)
            remapped.append(name)
        elif before.shape != given.shape:
            skipped[name] = f"it has shape {given.shape} in the source, the model has {before.shape}"
        else:
            state[name] = given
            loaded.append(name)
    model.load_state_dict(state)
    return Transfer(tuple(loaded), tuple(remapped), skipped, len(ours))


def pair_tokens(tokenizer: Tokenizer, source: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the tokens that both know, in the order of the first: (n,) there and (n,) in the source."""
    there: dict[Token, int] = {}
    for id_, token in enumerate(tokens_of(source)):
        there.setdefault(token, id_)
    pairs = [(id_, there[token]) for id_, token in enumerate(tokens_of(tokenizer)) if token in there]
    ours, theirs = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return ours, theirs


def tokens_of(tokenizer: Tokenizer) -> list[Token]:
    """What each id stands for, the same whatever the kind: the letter a of one is the byte a of another.

    >>> from nanochat.tokenizers import CharTokenizer
    >>> tokens_of(CharTokenizer("aé", "unk", has_unk=True))
    [('bos', b''), ('text', b'a'), ('text', b'\\xc3\\xa9'), ('unknown', b'')]
    """
    special = {id_: ("special", name.encode("utf-8")) for name, id_ in getattr(tokenizer, "special_ids", {}).items()}
    special[tokenizer.bos_id] = ("bos", b"")  # whatever its name
    special |= {id_: ("unused", b"%d" % id_) for id_ in getattr(tokenizer, "unused_ids", ())}
    read = getattr(tokenizer, "decode_bytes", lambda ids: tokenizer.decode(ids).encode("utf-8"))
    sizes = tokenizer.token_bytes()
    return [
        special.get(id_) or (("text", read([id_])) if sizes[id_] else ("unknown", b""))
        for id_ in range(tokenizer.vocab_size)
    ]


def _with_rows(
    before: np.ndarray, given: np.ndarray, ours: np.ndarray, theirs: np.ndarray, *, square: bool
) -> np.ndarray:
    """`before` with its rows `ours` replaced by the rows `theirs` of `given`       (V, ...), (V', ...) -> (V, ...)

    square: a bigram's columns, as many as its tokens, go the same way, and in the rows that are replaced those of new
    tokens become 0: so old tokens after old tokens have the logits of the source.
    """
    table = before.copy()
    if square:
        table[ours] = 0.0
        table[np.ix_(ours, ours)] = given[np.ix_(theirs, theirs)]
    else:
        table[ours] = given[theirs]
    return table


def read_start(path: str) -> Snapshot:
    """The model that a run is to begin with. Raises ConfigError, also for a quantised one, and CheckpointError."""
    if not path_of(path).exists():
        raise ConfigError(f"--from {path} does not exist: give a run, a checkpoint or a model file")
    start = read_model(path_of(path))[1]
    if start.storage:
        raise ConfigError(
            f"{path} is a quantised model, and training would undo its rounding: begin with the model that it was made "
            f"of, or with its rounded weights as floats by `nanochat checkpoint convert {path} floats.json`"
        )
    return start


def model_settings(start: Snapshot) -> dict[str, Any]:
    """The settings of a run whose model is this one."""
    preset = start.origin.get("preset")
    named = {"preset": preset} if preset in PRESETS and PRESETS[preset].model_kind == start.model_kind else {}
    return {
        **named,
        "model_kind": start.model_kind,
        "mode": start.mode,
        "dtype": start.dtype,
        "model": dict(start.model),
    }


def start_tokenizer(config: RunConfig, start: Snapshot | None) -> Tokenizer | None:
    """Its own, to be extended by what the new text needs; None where the text makes its own, as with `partial`."""
    return None if start is None or config.partial else tokenizer_from_dict(dict(start.tokenizer))


def load_start(start: Snapshot, model: Model, config: RunConfig, tokenizer: Tokenizer) -> Transfer:
    """Write its weights into the model, rows of the vocabulary by token.

    Raises ConfigError, naming every weight that does not fit, unless `partial` says that some may stay behind.
    """
    transferred = transfer(model, config.model, tokenizer, start, config.partial or "*")
    if transferred.skipped and not config.partial:
        problems = "; ".join(f"{name}: {reason}" for name, reason in transferred.skipped.items())
        raise ConfigError(
            f"the model at {config.start_from} is another one ({problems}): leave the model's settings as they are "
            "there, or pass --partial '*' to take what fits"
        )
    return transferred
