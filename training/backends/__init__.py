"""The engines that a run can be computed by, by the mode that names them: the one place where one is chosen."""

from collections.abc import Mapping

from ...models.base import Mode
from .base import Backend
from .numpy import NumpyBackend
from .scalar import ScalarBackend

__all__ = ["BACKENDS", "Backend"]

BACKENDS: Mapping[Mode, Backend] = {"scalar": ScalarBackend(), "tensor": NumpyBackend()}
