"""Several models on the same tokens: losses by block of text, and how far each says what the first one says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...data.batches import evaluation_batches
from ...data.dataset import Dataset
from ...errors import ConfigError
from ...inference.language_model import LanguageModel
from ...models.base import logits_array
from ...models.bigram.config import BigramConfig
from ...training.evaluate import token_losses
from ..bench.pairs import Pairs, take_turns
from ..evaluation.against import BLOCKS

_ROWS = 32
"""Of a batch: results do not depend on it, up to rounding."""
_SPEED_ROWS, _DECODED = 12, 32
"""Rows of a forward pass that is timed, and tokens that are drawn one by one."""


@dataclass(frozen=True)
class Measured:
    """One model on the validation text."""

    loss: float
    """Nats a token."""
    blocks: tuple[float, ...]
    """The same by blocks of the text, which weigh alike."""
    bits_per_byte: float | None
    """None where no token has text."""
    n_tokens: int
    kl: float
    """Mean of KL(first model || this one) in nats."""
    argmax_equal: float
    """Share of tokens whose likeliest successor is the first model's."""


def measure(models: Mapping[str, LanguageModel], dataset: Dataset) -> dict[str, Measured]:
    """All of them over the validation text, each beside the first.

    Raises ConfigError where they cut text otherwise, read other lengths, or there are fewer than two tokens.
    """
    first, *others = models.values()
    for other in others:
        if other.tokenizer.to_dict() != first.tokenizer.to_dict() or other.context != first.context:
            raise ConfigError(
                "the two models cut text into other tokens, or read other lengths of it, so their losses a token "
                "cannot be compared: compare the bits per byte that `nanochat eval` gives for each"
            )
    sums = {name: _Sums() for name in models}
    targets = []
    kind = "windows" if isinstance(first.config, BigramConfig) else dataset.kind
    batches = evaluation_batches(dataset.val, kind=kind, block_size=first.context, batch_size=_ROWS)
    for batch in batches:
        counted = batch.targets >= 0
        targets.append(batch.targets[counted])
        reference = None
        for name, model in models.items():
            log_q = _log_softmax(logits_array(model.model, batch.inputs)[counted])
            reference = log_q if reference is None else reference
            sums[name].add(log_q, reference, batch.targets[counted])
    tokens = np.concatenate(targets)
    if len(tokens) < 2:
        raise ConfigError("the validation text has fewer than two tokens, which tell nothing of other text: give more")
    n_bytes = dataset.tokenizer.token_bytes()[tokens]
    return {name: one.measured(n_bytes) for name, one in sums.items()}


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """In float64       (N, V) -> (N, V)"""
    z = logits.astype(np.float64)
    z -= z.max(-1, keepdims=True)
    z -= np.log(np.exp(z).sum(-1, keepdims=True))
    return z


class _Sums:
    """What is kept of the logits while they go by."""

    def __init__(self) -> None:
        self.nats: list[np.ndarray] = []
        self.kl = self.equal = 0.0

    def add(self, log_q: np.ndarray, log_p: np.ndarray, targets: np.ndarray) -> None:
        """log_q of this model, log_p of the first       (N, V), (N, V), (N,)"""
        self.nats.append(token_losses(log_q, targets))
        if log_q is not log_p:
            self.kl += float((np.exp(log_p) * (log_p - log_q)).sum())
        self.equal += int(np.count_nonzero(log_q.argmax(-1) == log_p.argmax(-1)))

    def measured(self, n_bytes: np.ndarray) -> Measured:
        """n_bytes: of the text of each token, 0 of those without."""
        nats = np.concatenate(self.nats)
        total = int(n_bytes.sum())
        bits = float(nats[n_bytes > 0].sum()) / math.log(2)
        blocks = np.array_split(nats, min(BLOCKS, len(nats)))
        return Measured(
            loss=float(nats.mean()),
            blocks=tuple(float(part.mean()) for part in blocks),
            bits_per_byte=bits / total if total else None,
            n_tokens=len(nats),
            kl=self.kl / len(nats),
            argmax_equal=self.equal / len(nats),
        )


@dataclass(frozen=True)
class Speed:
    """Of a result beside its source: medians of CPU time, and quartiles of the ratios of the rounds they took turns in.

    More than 1 is faster.
    """

    forward_tokens_per_s: float
    decode_tokens_per_s: float
    forward: tuple[float, float, float]
    """Lower quartile, median, upper quartile of times as fast."""
    decode: tuple[float, float, float]


def measure_speed(source: LanguageModel, result: LanguageModel, *, rounds: int = 7, seconds: float = 0.15) -> Speed:
    """Whole rows without a cache, and token after token, of both in turn on one BLAS thread's worth of work."""
    ids = np.arange(_SPEED_ROWS * source.context).reshape(_SPEED_ROWS, -1) % source.config.vocab_size

    def turns(work: str) -> Pairs:
        def forward(model: LanguageModel) -> object:
            return logits_array(model.model, ids)

        def decode(model: LanguageModel) -> object:
            return model.generate(max_new_tokens=_DECODED, temperature=0)

        step = forward if work == "forward" else decode
        contenders = {"source": lambda: step(source), "result": lambda: step(result)}
        return take_turns(contenders, rounds=rounds, seconds=seconds, rest=0.05)

    forward, decode = turns("forward"), turns("decode")
    return Speed(
        forward_tokens_per_s=ids.size / forward.seconds("result", "cpu").median,
        decode_tokens_per_s=_DECODED / decode.seconds("result", "cpu").median,
        forward=tuple(forward.ratio("result", "source", "cpu")),  # type: ignore[arg-type]
        decode=tuple(decode.ratio("result", "source", "cpu")),  # type: ignore[arg-type]
    )
