"""Two single runs on the same text: how far their losses differ there, and would on other text of its kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.batches import Kind, evaluation_batches
from ...data.config import DataConfig
from ...data.dataset import build_dataset
from ...data.tokens import TokenArray
from ...errors import ConfigError
from ...inference.language_model import LanguageModel
from ...models.base import logits_array
from ...models.bigram.config import BigramConfig
from ...training.evaluate import token_losses
from ..statistics.crossed import CrossedInterval, crossed_interval

BLOCKS = 64
"""Parts of the text whose differences are a sample of those on other text."""


@dataclass(frozen=True)
class Against:
    """Losses in nats a token over the whole validation text, and the first minus the second by blocks of it."""

    loss: float
    other_loss: float
    difference: CrossedInterval
    n_tokens: int
    n_blocks: int


def measure_against(one: LanguageModel, other: LanguageModel, data: DataConfig, *, batch_size: int = 32) -> Against:
    """Both models on the validation text of `data`.

    Raises DataError, TokenizerError, and ConfigError where their tokens differ, so that losses a token say nothing, or
    there are fewer than two.
    """
    if one.tokenizer.to_dict() != other.tokenizer.to_dict():
        raise ConfigError(
            "the two runs cut text into different tokens, so their losses a token cannot be compared: compare the bits "
            "per byte that `nanochat eval` gives for each"
        )
    dataset = build_dataset(data, one.tokenizer)
    (losses, targets), (other_losses, other_targets) = (
        _token_losses(model, dataset.val, dataset.kind, batch_size) for model in (one, other)
    )
    if not np.array_equal(targets, other_targets):
        raise ConfigError("the two runs are validated on different tokens of the text: train both on it alike")
    if len(losses) < 2:
        raise ConfigError("the validation text has fewer than two tokens, which tell nothing of other text: give more")
    n_blocks = min(BLOCKS, len(losses))
    blocks = np.array([part.mean() for part in np.array_split(losses - other_losses, n_blocks)])
    return Against(
        float(losses.mean()), float(other_losses.mean()), crossed_interval(blocks[None]), len(losses), n_blocks
    )


def _token_losses(
    model: LanguageModel, stream: TokenArray, kind: Kind, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nats of every token that counts, and which tokens these are.  -> (N,), (N,)"""
    kind = "windows" if isinstance(model.config, BigramConfig) else kind
    nats, targets = [], []
    for batch in evaluation_batches(stream, kind=kind, block_size=model.context, batch_size=batch_size):
        counted = batch.targets >= 0
        nats.append(token_losses(logits_array(model.model, batch.inputs), batch.targets)[counted])
        targets.append(batch.targets[counted])
    return np.concatenate(nats), np.concatenate(targets)
