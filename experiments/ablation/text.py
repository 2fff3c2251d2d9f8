"""The loss of a cell over the validation text, block by block: how far a loss depends on the text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...data.batches import evaluation_batches
from ...errors import ConfigError
from ...models.base import Model, logits_array
from ...models.build import build_model
from ...training.evaluate import token_losses
from ...training.prepare import Session

SHORT = 1 << 16
"""A validation text of up to so many tokens is read whole; of a longer one `eval_tokens`, as in training."""


@dataclass(frozen=True)
class TextLoss:
    """Nats a token of consecutive parts of the text, as even as can be: the first ones have a token more."""

    blocks: tuple[float, ...]
    n_tokens: int
    is_whole: bool
    """All of the validation text was read."""

    @property
    def loss(self) -> float:
        """Mean over the tokens."""
        size, longer = divmod(self.n_tokens, len(self.blocks))
        sizes = [size + (i < longer) for i in range(len(self.blocks))]
        return math.fsum(n * loss for n, loss in zip(sizes, self.blocks, strict=True)) / self.n_tokens


def text_loss(session: Session, n_blocks: int) -> TextLoss | None:
    """Of the session's model, on the same tokens whatever the seed; None where a loss is no number."""
    most = tokens_read(session)
    batches = evaluation_batches(
        session.dataset.val,
        kind=session.batches.kind,
        block_size=session.config.model.block_size,
        batch_size=32,
        max_tokens=most,
    )
    model = _in_arrays(session)
    with np.errstate(all="ignore"):
        nats = [token_losses(logits_array(model, batch.inputs), batch.targets)[batch.targets >= 0] for batch in batches]
    losses = np.concatenate(nats)
    blocks = tuple(float(part.mean()) for part in np.array_split(losses, min(n_blocks, len(losses))))
    return TextLoss(blocks, len(losses), most == 0) if all(map(math.isfinite, blocks)) else None


def tokens_read(session: Session) -> int:
    """At most so many tokens of the validation text; 0 is all."""
    n_tokens, wanted = session.dataset.n_val_tokens, session.config.training.eval_tokens
    return 0 if n_tokens <= SHORT or wanted >= n_tokens else wanted


def check_blocks(session: Session, n_blocks: int) -> None:
    """Raises ConfigError where there are more blocks than tokens to fill them."""
    n_tokens = min(tokens_read(session) or session.dataset.n_val_tokens, session.dataset.n_val_tokens)
    if n_blocks > n_tokens:
        raise ConfigError(
            f"eval_blocks={n_blocks:,} are more than the {n_tokens:,} validation tokens that fill them: give fewer"
        )


def _in_arrays(session: Session) -> Model:
    """The same weights where thousands of tokens take no minute; float64 has all digits of Python's floats."""
    config = session.config
    if config.mode == "tensor":
        return session.model
    model = build_model(config.model, "tensor", "float64")
    model.load_state_dict(session.model.state_dict())
    return model
