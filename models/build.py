"""The one place that knows both spellings: builds a model, and reads logits from either as one array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from ..errors import ConfigError
from .bigram.config import BigramConfig
from .gpt.config import GPTConfig
from .presets import Mode

ModelConfig = BigramConfig | GPTConfig
DType = Literal["float32", "float64"]


class Predictor(Protocol):
    """Whatever gives logits: all that sampling asks for. A `KVCache` or `Memory` saves reading ids again, where it is.

    `takes_arrays` and `empty_cache` are asked for by name, since not every model has them.
    """

    def logits(self, ids: Any, cache: Any = None) -> Any:
        """Arrays (B, T) -> (B, T, V), or one row of numbers (T,) -> (T, V)"""
        ...


class Model(Predictor, Protocol):
    """A GPT or a bigram in either spelling, as those who train and save it see it (`engine/module.py` has the rest)."""

    @property
    def config(self) -> ModelConfig:
        """What it was built from."""
        ...

    def loss(self, inputs: Any, targets: Any, segments: Any = None) -> Any:
        """Mean cross-entropy in nats over the targets that are not -1       inputs, targets (B, T) -> ()"""
        ...

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """(name, Tensor or nested list of Values), each once."""
        ...

    def parameters(self) -> list[Any]:
        """The parameters alone."""
        ...

    def n_parameters(self) -> int:
        """How many numbers are learned."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """A copy of every parameter by name."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write `state` into the parameters, in place. Raises ValueError."""
        ...


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


def context_size(config: ModelConfig) -> int:
    """How many of the last tokens the next one depends on."""
    return 1 if isinstance(config, BigramConfig) else config.block_size


def logits_array(model: Predictor, ids: Sequence[Sequence[int]] | np.ndarray, cache: Any = None) -> np.ndarray:
    """Logits of rows of ids as an array, without a graph; with a cache, scalar models take one row.

    (B, T) -> (B, T, V)
    """
    if getattr(model, "takes_arrays", False):
        from ..engine.tensor import no_grad

        with no_grad(), np.errstate(all="ignore"):  # what is not finite is named by whoever reads the logits
            return np.asarray(model.logits(np.asarray(ids), cache).data)
    rows = [model.logits([int(i) for i in row], cache) for row in ids]
    return np.array([[[float(z) for z in position] for position in row] for row in rows])
