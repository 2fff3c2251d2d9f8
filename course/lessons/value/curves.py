"""The smooth curves of exercise 1a: for each a formula in words, and value and slope in two spellings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Real = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """A function of one number that no x overflows."""

    formula: str
    f: Real
    slope: Real
    f_again: Real
    slope_again: Real


def _sigmoid(x: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * x))


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _softplus_again(x: float) -> float:
    return x if x > 40 else math.log1p(math.exp(x))


def _log_cosh_again(x: float) -> float:
    return abs(x) - math.log(2) if abs(x) > 20 else math.log(math.cosh(x))


CURVES = {
    "softplus": Curve("log(1 + exp(x))", _softplus, _sigmoid, _softplus_again, _logistic),
    "softplus of -x": Curve(
        "log(1 + exp(-x))",
        lambda x: _softplus(-x),
        lambda x: -_sigmoid(-x),
        lambda x: _softplus_again(-x),
        lambda x: _logistic(x) - 1.0,
    ),
    "log cosh": Curve(
        "log((exp(x) + exp(-x)) / 2)",
        lambda x: abs(x) + math.log1p(math.exp(-2 * abs(x))) - math.log(2),
        math.tanh,
        _log_cosh_again,
        lambda x: 2 * _logistic(2 * x) - 1,
    ),
    "swish": Curve(
        "x / (1 + exp(-x))",
        lambda x: x * _sigmoid(x),
        lambda x: _sigmoid(x) + x * _sigmoid(x) * (1 - _sigmoid(x)),
        lambda x: x * _logistic(x),
        lambda x: _logistic(x) * (1 + x * _logistic(-x)),
    ),
    "pseudo-Huber": Curve(
        "sqrt(1 + x^2) - 1",
        lambda x: math.hypot(1.0, x) - 1,
        lambda x: x / math.hypot(1.0, x),
        lambda x: math.sqrt(1 + x * x) - 1,
        lambda x: x / math.sqrt(1 + x * x),
    ),
    "a soft sign": Curve(
        "x / sqrt(1 + x^2)",
        lambda x: x / math.hypot(1.0, x),
        lambda x: math.hypot(1.0, x) ** -3,
        lambda x: math.sin(math.atan(x)),
        lambda x: math.cos(math.atan(x)) ** 3,
    ),
    "erf": Curve(
        "erf(x), which Python has as math.erf; its slope is 2/sqrt(pi) at 0",
        math.erf,
        lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x),
        lambda x: -math.erf(-x),
        lambda x: math.exp(-(x**2)) / math.gamma(1.5),
    ),
    "arctan": Curve(
        "arctan(x), which Python has as math.atan",
        math.atan,
        lambda x: 1 / (1 + x * x),
        lambda x: math.atan2(x, 1.0),
        lambda x: math.cos(math.atan(x)) ** 2,
    ),
    "Cauchy": Curve(
        "log(1 + x^2)",
        lambda x: math.log1p(x * x),
        lambda x: 2 * x / (1 + x * x),
        lambda x: 2 * math.log(math.hypot(1.0, x)),
        lambda x: math.sin(2 * math.atan(x)),
    ),
    "tanh of softplus": Curve(
        "tanh(log(1 + exp(x)))",
        lambda x: math.tanh(_softplus(x)),
        lambda x: (1 - math.tanh(_softplus(x)) ** 2) * _sigmoid(x),
        lambda x: 1 - 2 * _logistic(-2 * _softplus(x)),
        lambda x: 4 * _logistic(2 * _softplus(x)) * _logistic(-2 * _softplus(x)) * _logistic(x),
    ),
}
