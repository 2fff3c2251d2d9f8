"""Exercise 5a: a product of arrays and a sum that broadcasts, each with its vector-Jacobian product."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...exercise import Answer, Broken, Exercise, Observation, law
from ...judging import digits
from .mistakes import MISTAKES, Product, answer_with, looped
from .spelling import CLOSE, Array, Op, first_difference, measured, not_a_pair, seen, words, wrong_shapes

_SIZES = {"b": 2, "i": 2, "k": 2, "j": 1}


VARIANTS = {
    "matmul": Product("ik", "kj", "ij"),
    "by the transposed": Product("ik", "jk", "ij"),
    "the transposed by": Product("ki", "kj", "ij"),
    "a stack by a stack": Product("bik", "bkj", "bij"),
    "a stack by one": Product("bik", "kj", "bij"),
    "matrix by vector": Product("ik", "k", "i"),
    "row by row": Product("ik", "ik", "i"),
    "a stack by the transposed": Product("bik", "bjk", "bij"),
}


@dataclass(frozen=True)
class Arrays:
    """What product and add are tried on, and what comes back from above."""

    a: Array
    b: Array
    g: Array
    x: Array
    row: Array
    gx: Array


def _starter(v: Product) -> str:
    return f'''"""Exercise 5a: a product of arrays, and a sum that broadcasts, with their ways back.

    {v.formula}

Each function returns (y, vjp). vjp takes g = dL/dy, an array of y's shape, and returns dL/da and dL/db.
Check it with:  nanochat learn check 5a
"""

import numpy as np


def product(a, b):
    """a ({", ".join(v.left)}), b ({", ".join(v.right)}) -> y ({", ".join(v.out)}), and vjp(g) -> (da, db)"""
    ...


def add(a, b):
    """y = a + b, broadcast as NumPy does: (2, 3) + (3,) or + (2, 1) -> (2, 3), and vjp(g) -> (da, db)"""
    ...
'''


def _cases(rng: random.Random, v: Product) -> list[Arrays]:
    """Whole numbers 1, 2, 3, ... first: a = [[1, 2], [3, 4]], b = [[5], [6]], g = [[1], [10]] for a matmul."""
    a = _counting(1, v.shape(v.left, _SIZES))
    b = _counting(a.size + 1, v.shape(v.right, _SIZES))
    g = 10.0 ** _counting(0, v.shape(v.out, _SIZES))
    cases = [Arrays(a, b, g, _counting(1, (2, 3)), _counting(1, (3,)), _counting(1, (2, 3)))]
    for added, row in (((2, 3), (2, 1)), ((3,), (2, 3)), ((2, 2, 3), (2, 1))):
        sizes = {letter: rng.randint(2, 3) for letter in "bikj"}
        shapes = [v.shape(letters, sizes) for letters in (v.left, v.right, v.out)]
        cases.append(Arrays(*(_drawn(rng, shape) for shape in (*shapes, added, row, np.broadcast_shapes(added, row)))))
    return cases


def _counting(start: int, shape: tuple[int, ...]) -> Array:
    return np.arange(start, start + int(np.prod(shape)), dtype=float).reshape(shape)


def _drawn(rng: random.Random, shape: tuple[int, ...]) -> Array:
    """One decimal, so that a message is short."""
    return np.array([round(rng.uniform(-3, 3), 1) for _ in range(int(np.prod(shape)))]).reshape(shape)


def _calls(case: Arrays) -> tuple[str, str]:
    return f"product({words(case.a)}, {words(case.b)})", f"add({words(case.x)}, {words(case.row)})"


# **** laws


def _pair(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for op, call, inputs, _ in _both(answer, case):
        problem = not_a_pair(op(*inputs))
        if problem:
            return Broken(call=call, expected="an array and a function: (y, vjp)", got=problem)
    return None


def _value(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    """As loops over numbers have it."""
    expected = looped(v)["product"](case.a, case.b)[0], case.x + case.row
    for (op, call, inputs, _), y in zip(_both(answer, case), expected, strict=True):
        got = op(*inputs)[0]
        if got.shape != y.shape:
            return Broken(call=call, expected=f"y of shape {y.shape}", got=f"shape {got.shape}")
        broken = first_difference(got, y, "y", call, close=1e-9)
        if broken:
            return broken
    return None


def _shape(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for op, call, inputs, g in _both(answer, case):
        broken = wrong_shapes(("da", "db"), op(*inputs)[1](g.copy()), inputs, f"{call}, vjp({words(g)})")
        if broken:
            return broken
    return None


def _slopes(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for op, call, inputs, g in _both(answer, case):
        for i, gradient in enumerate(op(*inputs)[1](g.copy())):
            expected = measured(lambda *arrays, op=op: op(*arrays)[0], inputs, g, i)
            called, scale = f"{call}, vjp({words(g)})", float(np.abs(expected).max())
            why = ", as nudging measures"
            broken = first_difference(
                gradient, expected, ("da", "db")[i], called, close=CLOSE * max(1.0, scale), why=why
            )
            if broken:
                return broken
    return None


def _adjoint(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    """<g, J d> = <vjp(g), d>, where J d = product(d, b) since a product is linear in a."""
    vjp = answer["product"](case.a.copy(), case.b.copy())[1]
    d = np.cos(np.arange(case.a.size)).reshape(case.a.shape)
    there = float((case.g * answer["product"](d, case.b.copy())[0]).sum())
    back = float((vjp(case.g.copy())[0] * d).sum())
    if abs(there - back) <= 1e-9 * max(1.0, abs(there)):
        return None
    return Broken(
        call=f"{_calls(case)[0]}, one direction",
        expected=f"{digits(there)} on the way there",
        got=f"{digits(back)} on the way back",
    )


def _untouched(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for op, call, inputs, g in _both(answer, case):
        given, above = [one.copy() for one in inputs], g.copy()
        op(*given)[1](above)
        for label, before, after in (("a", inputs[0], given[0]), ("b", inputs[1], given[1]), ("g", g, above)):
            if not np.array_equal(before, after):
                return Broken(call=f"{call}, vjp(g)", expected=f"{label} as it was: {words(before)}", got=words(after))
    return None


def _single(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for op, call, inputs, g in _both(answer, case):
        y, vjp = op(*(one.astype(np.float32) for one in inputs))
        for label, one in zip(("y", "da", "db"), (y, *vjp(g.astype(np.float32))), strict=True):
            if one.dtype != np.float32:
                return Broken(call=f"{call} of float32", expected=f"{label} in float32", got=str(one.dtype))
    return None


def _both(answer: Answer, case: Arrays) -> Iterator[tuple[Op, str, tuple[Array, Array], Array]]:
    """(function, its call in words, its inputs, g) of product and of add."""
    yield from zip((answer["product"], answer["add"]), _calls(case), _inputs(case), (case.g, case.gx), strict=True)


def _inputs(case: Arrays) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    return (case.a.copy(), case.b.copy()), (case.x.copy(), case.row.copy())


def _observe(answer: Answer, case: Arrays, v: Product) -> Observation:
    found: dict[str, float | str] = {}
    for name, inputs, g in zip(("product", "add"), _inputs(case), (case.g.copy(), case.gx.copy()), strict=True):
        before = [one.copy() for one in (*inputs, g)]
        y, vjp = answer[name](*inputs)
        found |= seen({f"{name}: y": y}, {f"{name}: y": g.shape})
        da, db = vjp(g)
        shapes = {f"{name}: da": before[0].shape, f"{name}: db": before[1].shape}
        found |= seen({f"{name}: da": da, f"{name}: db": db}, shapes)
        touched = [
            label for label, old, now in zip("abg", before, (*inputs, g), strict=True) if not np.array_equal(old, now)
        ]
        found[f"{name}: changed"] = " ".join(touched) or "nothing"
        single = answer[name](*(one.astype(np.float32) for one in before[:2]))[0]
        found[f"{name}: of float32"] = str(single.dtype)
    return found


EXERCISE = Exercise(
    title="products and sums of arrays, and back",
    file="product.py",
    asks=("product", "add"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=lambda case: " and ".join(_calls(case)),
    laws=(
        law("pair", "each function gives an array and a function", _pair, 1),
        law("value", "y is what loops over numbers compute", _value, 2, "pair"),
        law("shape", "a gradient has the shape of its input", _shape, 1, "pair"),
        law("slopes", "the gradients are what nudging measures, entry by entry", _slopes, 3, "value", "shape"),
        law("adjoint", "a direction weighs the same there and back", _adjoint, 1, "value", "shape"),
        law("untouched", "inputs and g are as they were", _untouched, 1, "shape"),
        law("single", "float32 stays float32", _single, 1, "shape"),
    ),
    observe=_observe,
    right=(answer_with, looped),
    wrong=MISTAKES,
    hints=(
        "Write one entry of y as a sum, and ask of one entry of a: in which entries of y is it, and times what?",
        "da has a's letters; what of g and b is left must be summed. For a matmul that is g @ b.T.",
        "Where add repeats a number along an axis, its gradient sums along it; keepdims=True keeps an axis of size 1.",
    ),
    project="nanochat.engine.tensor.ops.linear:matmul",
    allowed=("numpy",),
)
