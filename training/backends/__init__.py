"""The engines that a run can be computed by, by the mode that names them: the one place where one is chosen."""

from collections.abc import Mapping

from ...models.base import Mode
from .base import Backend, Place
from .compiled import CompiledBackend
from .numpy import NumpyBackend
from .scalar import ScalarBackend
from .torch import TorchBackend

__all__ = ["BACKENDS", "Backend", "Place", "backend_of"]

BACKENDS: Mapping[Mode, Backend] = {"scalar": ScalarBackend(), "tensor": NumpyBackend()}


def backend_of(mode: Mode, *, compiled: bool, place: Place = Place()) -> Backend:  # noqa: B008  (frozen)
    """The engine of a mode, at a place; one that has nothing to compile says so in `check`.

    Raises ConfigError where the engine of the mode cannot be at that place.
    """
    if mode == "tensor" and place.backend == "torch":
        return TorchBackend(place)
    place.check_is_plain()
    return CompiledBackend() if mode == "scalar" and compiled else BACKENDS[mode]
