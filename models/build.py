"""The one place that knows both spellings of each model."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from .base import DType, Mode, Model, ModelConfig
from .bigram.config import BigramConfig
from .gpt.upstream.config import UpstreamConfig


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
        from .gpt.upstream import tensor as upstream

        if isinstance(config, BigramConfig):
            return bigram.Bigram(config, None, dtype=np.dtype(dtype))
        if isinstance(config, UpstreamConfig):
            return upstream.GPT(config, None, dtype=np.dtype(dtype), dropout_rng=dropout_rng)
        return gpt.GPT(config, None, dtype=np.dtype(dtype), dropout_rng=dropout_rng)
    if isinstance(config, BigramConfig):
        from .bigram.scalar import Bigram

        return Bigram(config, None)
    if config.dropout:
        raise ConfigError(f"dropout={config.dropout} is for arrays: use --mode tensor, or --set model.dropout=0")
    from .gpt import scalar
    from .gpt.upstream import scalar as upstream_scalar

    return upstream_scalar.GPT(config, None) if isinstance(config, UpstreamConfig) else scalar.GPT(config, None)
