"""A torch.nn.Module as the rest of the house sees a model: arrays in, arrays out, parameters by our names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from ...errors import GuardError
from ..module import Module
from .flat import Flat, to_array


@contextmanager
def enough_memory(device: torch.device, what: str, smaller: str) -> Iterator[None]:
    """Raises GuardError, with what to lower, where the device has no memory left."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise GuardError(f"{device} has no memory left for {what}: lower {smaller}") from error


class Weight:
    """A parameter, read as arrays."""

    def __init__(self, parameter: torch.Tensor) -> None:
        self.parameter = parameter

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.parameter.shape)

    @property
    def data(self) -> np.ndarray:
        """On a processor a view, through which it can be written; elsewhere a copy."""
        return np.asarray(self.parameter.detach().cpu().numpy())

    @property
    def grad(self) -> np.ndarray | None:
        """Likewise."""
        found = self.parameter.grad
        return None if found is None else np.asarray(found.detach().cpu().numpy())


class TorchModel(Module):
    """What trains in the place of a model of arrays. `net` maps ids (B, T) to logits, or with targets to their loss."""

    takes_arrays = True

    def __init__(
        self,
        net: torch.nn.Module,
        config: Any,
        *,
        device: torch.device,
        half: bool = False,
        dropout_rng: np.random.Generator | None = None,
    ) -> None:
        """half: products in bfloat16, around which weights, logits and loss stay float32.

        dropout_rng    Gives each micro-batch the seed of its masks, which are PyTorch's; None where nothing is dropped.
        """
        self.net, self.config, self.device, self.half = net.to(device), config, device, half
        self.dropout_rng, self.run = dropout_rng, self.net
        self.flat: Flat | None = None
        """Of the optimizer: weights and gradients as vectors, once there is one."""

    def use_compiled(self) -> None:
        """From now on the loss is computed by what torch.compile makes of it."""
        self.run = torch.compile(self.net)

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        for name, parameter in self.net.named_parameters():
            yield name, Weight(parameter)

    def state_dict(self) -> dict[str, Any]:
        return {name: to_array(parameter) for name, parameter in self.net.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """In place, bit for bit. Raises ValueError as every model does."""
        staged = _Staged(self.net)
        staged.load_state_dict(state)
        for parameter, weight in zip(self.net.parameters(), staged.weights.values(), strict=True):
            parameter.data.copy_(weight.parameter)

    def loss(self, inputs: np.ndarray, targets: np.ndarray, segments: np.ndarray | None = None) -> torch.Tensor:
        """Mean cross-entropy in nats over the targets that are not -1       inputs, targets (B, T) -> ()"""
        self.net.train()
        marks = None if segments is None else self._placed(segments)
        with self._precision():
            return self.run(self._placed(inputs), self._placed(targets), segments=marks)

    def logits(self, ids: Any, cache: None = None) -> np.ndarray:
        """As `predict`."""
        return self.predict(ids)

    @torch.no_grad()
    def predict(self, ids: Any, cache: None = None) -> np.ndarray:
        """(B, T) -> (B, T, V), an array without a graph"""
        self.net.eval()
        rows, length = np.shape(ids)
        what = f"the logits of {rows} rows of {length} tokens"
        with enough_memory(self.device, what, "model.block_size, model.n_embd or model.n_layer"), self._precision():
            return to_array(self.net(self._placed(np.asarray(ids))))

    def _placed(self, ids: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(ids, np.int64))
        return tensor.to(self.device, non_blocking=True)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else nullcontext()


class _Staged(Module):
    """Its parameters once more, beside a processor: where weights that come in are looked at before one is taken."""

    def __init__(self, net: torch.nn.Module) -> None:
        self.weights = {
            name: Weight(torch.empty_like(parameter, device="cpu", requires_grad=False))
            for name, parameter in net.named_parameters()
        }

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield from self.weights.items()
