"""How much memory a run will take, from its config alone, and how much there is: so that one too large never starts.

The constants are measured: the peak of a `nanochat train` process, on Linux with glibc.
"""

from __future__ import annotations

from ...errors import GuardError
from ...machine import available_bytes
from ...models.bigram.config import BigramConfig
from ..config import RunConfig

_PROCESS, _REPORT = 76 << 20, 99 << 20
"""Bytes of a process that trains next to nothing, and of one that then draws a figure of it."""
_TOKEN = {"stream": 8, "documents": 25, "auto": 25, "chat": 25}
"""Bytes of a token of the corpus: its text, a copy of it, its id; short documents are a Python string each."""
_PAIR = 26
"""Bytes of a token that a bigram's counts are taken from."""


def check_memory(config: RunConfig, n_train_tokens: int) -> None:
    """Raises GuardError where the run's predicted peak exceeds what is available; passes where nobody knows."""
    predicted, available = predict_peak_bytes(config, n_train_tokens), available_bytes()
    if available is not None and predicted > available:
        sizes = [f"batch_size={config.training.batch_size}", f"block_size={config.model.block_size}"]
        if not isinstance(config.model, BigramConfig):
            sizes.append(f"n_embd={config.model.n_embd}")
        raise GuardError(
            f"this run would need about {predicted >> 20:,} MiB of memory and {available >> 20:,} MiB are available: "
            f"lower {', '.join(sizes[:-1])} or {sizes[-1]}"
        )


def predict_peak_bytes(config: RunConfig, n_train_tokens: int) -> int:
    """The most memory that the process of this run holds at once, within about a fifth.

    Rows of documents are taken to be as long as block_size.
    """
    a_token = _TOKEN[config.data.layout] + (_PAIR if isinstance(config.model, BigramConfig) else 0)
    T = min(config.model.block_size, n_train_tokens)
    engine = config.engine
    computing = engine.peak_bytes(config.model, config.training, engine.precision(config.dtype), T)
    return max(_REPORT, _PROCESS + n_train_tokens * a_token + computing)
