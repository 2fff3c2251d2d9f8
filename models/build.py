"""The one place that knows both spellings: builds a model, and reads logits from either as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..errors import ConfigError
from .bigram.config import BigramConfig
from .gpt.config import GPTConfig
from .presets import Mode

ModelConfig = BigramConfig | GPTConfig
DType = Literal["float32", "float64"]


def build_model(
    config: ModelConfig, mode: Mode, dtype: DType = "float32", dropout_rng: np.random.Generator | None = None
) -> Any:
    """A model whose weights are still to be loaded: they are zero.

    Scalar models compute in Python floats, whatever the dtype.

    Raises ConfigError where the mode cannot do what the config asks for.
    """
    if mode == "tensor":
        from .bigram import tensor as bigram
        from .gpt import tensor as gpt

        if isinstance(config, BigramConfig):
            return bigram.Bigram(config, None, dtype=np.dtype(dtype))
        return gpt.GPT(config, None, dtype=np.dtype(dtype), dropout_rng=dropout_rng)
    if isinstance(config, BigramConfig):
        from .bigram.scalar import Bigram

        return Bigram(config, None)
    if config.dropout:
        raise ConfigError(f"dropout={config.dropout} is for arrays: use --mode tensor, or --set model.dropout=0")
    from .gpt.scalar import GPT

    return GPT(config, None)


def context_size(config: ModelConfig) -> int:
    """How many of the last tokens the next one depends on."""
    return 1 if isinstance(config, BigramConfig) else config.block_size


def logits_array(model: Any, ids: Sequence[Sequence[int]] | np.ndarray, cache: Any = None) -> np.ndarray:
    """Logits of rows of ids as an array, without a graph; with a cache, scalar models take one row.

    (B, T) -> (B, T, V)
    """
    if getattr(model, "takes_arrays", False):
        from ..engine.tensor import no_grad

        with no_grad(), np.errstate(all="ignore"):  # what is not finite is named by whoever reads the logits
            return np.asarray(model.logits(np.asarray(ids), cache).data)
    rows = [model.logits([int(i) for i in row], cache) for row in ids]
    return np.array([[[float(z) for z in position] for position in row] for row in rows])
