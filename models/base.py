"""What every model can do, and which models there are. Knows their configs, no spelling; loads NumPy when asked to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from .bigram.config import BigramConfig
from .gpt.config import GPTConfig

if TYPE_CHECKING:
    import numpy as np

Mode = Literal["scalar", "tensor"]
ModelKind = Literal["bigram", "mini-gpt", "gpt", "upstream"]
DType = Literal["float32", "float64"]
ModelConfig = BigramConfig | GPTConfig


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


def logits_array(model: Predictor, ids: Sequence[Sequence[int]] | np.ndarray, cache: Any = None) -> np.ndarray:
    """Logits of rows of ids as an array, without a graph; with a cache, scalar models take one row.

    (B, T) -> (B, T, V)
    """
    import numpy as np  # not for those who want a word of this file: `nanochat --help` does without

    if getattr(model, "takes_arrays", False):
        return np.asarray(cast("Any", model).predict(np.asarray(ids), cache))
    rows = [model.logits([int(i) for i in row], cache) for row in ids]
    return np.array([[[float(z) for z in position] for position in row] for row in rows])
