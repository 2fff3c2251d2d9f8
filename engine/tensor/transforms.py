"""What may be done to gradients before a step, as strategies that can be combined: transforms=(Centralize(), ...).

Each is called with the Flat parameters and changes `grad` in place; the order is the caller's. The usual one is
centralisation, adaptive clipping, global norm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .flat import Flat


@dataclass(frozen=True, kw_only=True)
class ClipGlobalNorm:
    """g = g max_norm / |g| where |g|, over all parameters, exceeds max_norm   Pascanu et al. 2013, arXiv:1211.5063

    Nothing is clipped by a norm of nan or infinity, here and below.
    """

    max_norm: float = 1.0

    def __call__(self, flat: Flat) -> None:
        norm = flat.grad_norm()
        if self.max_norm < norm < math.inf:
            flat.grad *= self.max_norm / norm


@dataclass(frozen=True, kw_only=True)
class AdaptiveClip:
    """g_i = g_i threshold max(|w_i|, eps) / |g_i|, for each output unit i where that is a shortening

    A unit is a row of a weight (out, in); a vector is one unit.       Brock et al. 2021, arXiv:2102.06171
    As the paper advises, the final layer is left alone: `skip` holds the names of layers.
    """

    threshold: float = 0.01
    eps: float = 1e-3
    skip: tuple[str, ...] = ("lm_head",)

    def __call__(self, flat: Flat) -> None:
        for name, parameter in flat.parameters.items():
            if parameter.grad is not None and not set(name.split(".")) & set(self.skip):
                g, w = _units(parameter.grad), _units(parameter.data)
                longest = np.maximum(_lengths(w), self.eps) * self.threshold
                lengths = _lengths(g)
                factor = longest / np.maximum(lengths, np.finfo(g.dtype).tiny)
                g *= np.where((lengths > longest) & (lengths < math.inf), factor, 1.0).astype(g.dtype)[:, None]


@dataclass(frozen=True)
class Centralize:
    """g_i = g_i - mean(g_i), for each row i of the gradient of a weight (out, in): the mean over the fan-in

    Parameters of one dimension are left alone.       Yong et al. 2020, arXiv:2004.01461
    """

    def __call__(self, flat: Flat) -> None:
        for parameter in flat.parameters.values():
            if parameter.grad is not None and parameter.ndim >= 2:
                g = _units(parameter.grad)
                g -= g.mean(axis=1, keepdims=True)


def _units(x: np.ndarray) -> np.ndarray:
    """(out, fan-in), a view; a vector is one unit"""
    return x.reshape(len(x), -1) if x.ndim >= 2 else x.reshape(1, -1)


def _lengths(x: np.ndarray) -> np.ndarray:
    """The L2 norm of each row"""
    return np.sqrt(np.vecdot(x, x))
