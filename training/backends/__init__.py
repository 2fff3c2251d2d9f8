"""The engines that a run can be computed by, by the mode that names them: the one place where one is chosen."""

from collections.abc import Mapping

from ...models.base import Mode
from .base import Backend
from .compiled import CompiledBackend
from .numpy import NumpyBackend
from .scalar import ScalarBackend

__all__ = ["BACKENDS", "Backend", "backend_of"]

BACKENDS: Mapping[Mode, Backend] = {"scalar": ScalarBackend(), "tensor": NumpyBackend()}
_COMPILED: Mapping[Mode, Backend] = {"scalar": CompiledBackend()}


def backend_of(mode: Mode, *, compiled: bool) -> Backend:
    """The engine of a mode; one that has nothing to compile says so in `check`."""
    return _COMPILED.get(mode, BACKENDS[mode]) if compiled else BACKENDS[mode]
