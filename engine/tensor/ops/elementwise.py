"""Arithmetic and functions of each number on its own, with NumPy's broadcasting.

op(*arrays, **static) -> (y, vjp): positional arguments are differentiable, keywords are not. vjp(g) returns one
gradient for each positional argument, where g = dL/dy. An op writes neither into its inputs nor into g, and gives
float32 for float32. A closure keeps only what its gradient needs, so that memory is freed early.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

Array = np.ndarray
Vjp = Callable[[Array], tuple[Array | None, ...]]


def add(a: Array, b: Array) -> tuple[Array, Vjp]:
    """y = a + b, broadcast"""
    y, a_shape, b_shape = a + b, a.shape, b.shape
    if a_shape == b_shape:
        return y, lambda g: (g, g)
    return y, lambda g: (unbroadcast(g, a_shape), unbroadcast(g, b_shape))


def sub(a: Array, b: Array) -> tuple[Array, Vjp]:
    """y = a - b, broadcast"""
    a_shape, b_shape = a.shape, b.shape
    return a - b, lambda g: (unbroadcast(g, a_shape), unbroadcast(-g, b_shape))


def mul(a: Array, b: Array) -> tuple[Array, Vjp]:
    """y = a * b, broadcast"""
    return a * b, lambda g: (unbroadcast(g * b, a.shape), unbroadcast(g * a, b.shape))


def div(a: Array, b: Array) -> tuple[Array, Vjp]:
    """y = a / b, broadcast"""
    y = a / b
    return y, lambda g: (unbroadcast(g / b, a.shape), unbroadcast(g * (-y / b), b.shape))


def maximum(a: Array, b: Array) -> tuple[Array, Vjp]:
    """y = the larger of a and b, broadcast; where they are equal the slope goes to a"""

    def vjp(g: Array) -> tuple[Array, Array]:
        to_a = np.greater_equal(a, b)
        return unbroadcast(g * to_a, a.shape), unbroadcast(g * ~to_a, b.shape)

    return np.maximum(a, b), vjp


def scale(x: Array, *, factor: float) -> tuple[Array, Vjp]:
    """y = factor x, a Python number (a NumPy float64 scalar would promote float32 arrays)"""
    return x * factor, lambda g: (g * factor,)


def shift(x: Array, *, by: float) -> tuple[Array, Vjp]:
    """y = x + by, a Python number"""
    return x + by, lambda g: (g,)


def neg(x: Array) -> tuple[Array, Vjp]:
    """y = -x"""
    return -x, lambda g: (-g,)


def power(x: Array, *, exponent: float) -> tuple[Array, Vjp]:
    """y = x^exponent, a Python number"""

    def vjp(g: Array) -> tuple[Array]:
        return (g * (_power(x, exponent - 1.0) * exponent) if exponent else np.zeros_like(g),)

    return _power(x, exponent), vjp


def exp(x: Array) -> tuple[Array, Vjp]:
    """y = e^x"""
    y = np.exp(x)
    return y, lambda g: (g * y,)


def log(x: Array) -> tuple[Array, Vjp]:
    """y = ln x"""
    return np.log(x), lambda g: (g / x,)


def sqrt(x: Array) -> tuple[Array, Vjp]:
    """y = x^(1/2)"""
    y = np.sqrt(x)
    return y, lambda g: (g / (y + y),)


def tanh(x: Array) -> tuple[Array, Vjp]:
    """y = tanh x"""
    y = np.tanh(x)
    return y, lambda g: (g * (1.0 - y * y),)


def abs(x: Array) -> tuple[Array, Vjp]:  # the name that NumPy and the scalar engine give it
    """y = |x|, with slope 0 at 0"""
    return np.abs(x), lambda g: (g * np.sign(x),)


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum g over the axes along which an array of `shape` was repeated: the transpose of broadcasting."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    repeated = tuple(i + extra for i, size in enumerate(shape) if size == 1 and g.shape[i + extra] != 1)
    return np.add.reduce(g, axis=(*range(extra), *repeated)).reshape(shape)


def _power(x: Array, exponent: float) -> Array:
    """x^exponent by products where they do: x ** 3 of float32 takes 300 times longer than x * x * x."""
    if exponent == 1:
        return x
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    if exponent == 0.5:
        return np.sqrt(x)
    if exponent == -1:
        return 1.0 / x
    if exponent == -0.5:
        return 1.0 / np.sqrt(x)
    y = np.power(np.abs(x), exponent) if exponent == math.floor(exponent) else np.power(x, exponent)
    return np.copysign(y, x) if exponent % 2 == 1 else y


def opaque(function: Callable[..., None]) -> Callable[..., None]:
    """Mark a function that decides by the numbers in its arrays, draws random ones, or raises an error for some.

    A recorded step (engine/tensor/recording.py) repeats calls of NumPy, not decisions: this is one call, made whole and
    anew. It returns nothing, and writes into arrays among its arguments, which go by position, an array first.
    """

    @wraps(function)
    def call(first: Any, *others: Any) -> None:
        if hasattr(first, "record"):  # an array that is being recorded
            first.record(function, first, *others)
        else:
            function(first, *others)

    return call
