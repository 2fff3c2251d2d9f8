"""The one place that knows both spellings of each model."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from .base import DType, Mode, Model, ModelConfig
from .bigram.config import BigramConfig


def build_model(
    config: ModelConfig, mode: Mode, dtype: DType = "float32", dropout_rng: np.random.Generator | None = None
) -> Model:
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
