"""Exercise 5a: a product of arrays and a sum that broadcasts, each with its vector-Jacobian product."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as every
from typing import Any

import numpy as np

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from .spelling import CLOSE, Array, Op, Vjp, first_difference, measured, not_a_pair, seen, words, wrong_shapes

_SIZES = {"b": 2, "i": 2, "k": 2, "j": 1}


@dataclass(frozen=True)
class Product:
    """y[out] = sum of a[left] b[right] over the letters that `out` does not have."""

    left: str
    right: str
    out: str

    @property
    def formula(self) -> str:
        """In indices."""
        summed = "".join(dict.fromkeys(letter for letter in self.left + self.right if letter not in self.out))
        return f"y[{', '.join(self.out)}] = sum over {summed} of a[{', '.join(self.left)}] b[{', '.join(self.right)}]"

    def shape(self, letters: str, sizes: dict[str, int]) -> tuple[int, ...]:
        """(2, 3) of `ik`"""
        return tuple(sizes[letter] for letter in letters)


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
    for name, call, inputs in zip(("product", "add"), _calls(case), _inputs(case), strict=True):
        problem = not_a_pair(answer[name](*inputs))
        if problem:
            return Broken(call=call, expected="an array and a function: (y, vjp)", got=problem)
    return None


def _value(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    """As loops over numbers have it."""
    expected = _looped(v)["product"](case.a, case.b)[0], case.x + case.row
    for name, call, inputs, y in zip(("product", "add"), _calls(case), _inputs(case), expected, strict=True):
        got = answer[name](*inputs)[0]
        if got.shape != y.shape:
            return Broken(call=call, expected=f"y of shape {y.shape}", got=f"shape {got.shape}")
        broken = first_difference(got, y, "y", call, close=1e-9)
        if broken:
            return broken
    return None


def _shape(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for name, call, inputs, g in zip(("product", "add"), _calls(case), _inputs(case), (case.g, case.gx), strict=True):
        broken = wrong_shapes(("da", "db"), answer[name](*inputs)[1](g.copy()), inputs, f"{call}, vjp({words(g)})")
        if broken:
            return broken
    return None


def _slopes(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for name, call, inputs, g in zip(("product", "add"), _calls(case), _inputs(case), (case.g, case.gx), strict=True):
        got = answer[name](*inputs)[1](g.copy())
        for i, gradient in enumerate(got):
            op = answer[name]
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
    for name, call, inputs, g in zip(("product", "add"), _calls(case), _inputs(case), (case.g, case.gx), strict=True):
        given, above = [one.copy() for one in inputs], g.copy()
        answer[name](*given)[1](above)
        for label, before, after in (("a", inputs[0], given[0]), ("b", inputs[1], given[1]), ("g", g, above)):
            if not np.array_equal(before, after):
                return Broken(call=f"{call}, vjp(g)", expected=f"{label} as it was: {words(before)}", got=words(after))
    return None


def _single(answer: Answer, case: Arrays, v: Product) -> Broken | None:
    for name, call, inputs, g in zip(("product", "add"), _calls(case), _inputs(case), (case.g, case.gx), strict=True):
        y, vjp = answer[name](*(one.astype(np.float32) for one in inputs))
        for label, one in zip(("y", "da", "db"), (y, *vjp(g.astype(np.float32))), strict=True):
            if one.dtype != np.float32:
                return Broken(call=f"{call} of float32", expected=f"{label} in float32", got=str(one.dtype))
    return None


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


# **** right answers


def times(v: Product) -> Op:
    """By einsum."""

    def op(a: Array, b: Array) -> tuple[Array, Vjp]:
        def vjp(g: Array) -> tuple[Array, Array]:
            da = np.einsum(f"{v.out},{v.right}->{v.left}", g, b)
            return da, np.einsum(f"{v.out},{v.left}->{v.right}", g, a)

        return np.einsum(f"{v.left},{v.right}->{v.out}", a, b), vjp

    return op


def summed(g: Array, shape: tuple[int, ...]) -> Array:
    """g, added up over the axes along which an array of `shape` was repeated."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(i for i, size in enumerate(shape) if size == 1 and g.shape[i] != 1), keepdims=True)


def plus(back: Callable[[Array, tuple[int, ...]], Any]) -> Op:
    """a + b whose gradients are back(g, shape)."""
    return lambda a, b: (a + b, lambda g: (back(g, a.shape), back(g, b.shape)))


def _looped(v: Product) -> Answer:
    """Number by number, as the scalar engine would."""

    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        sizes = dict(zip(v.left + v.right, a.shape + b.shape, strict=False))
        places = [dict(zip(sizes, at, strict=True)) for at in every(*map(range, sizes.values()))]
        y = np.zeros([sizes[letter] for letter in v.out], a.dtype)
        for at in places:
            y[_at(v.out, at)] += a[_at(v.left, at)] * b[_at(v.right, at)]

        def vjp(g: Array) -> tuple[Array, Array]:
            da, db = np.zeros_like(a), np.zeros_like(b)
            for at in places:
                da[_at(v.left, at)] += g[_at(v.out, at)] * b[_at(v.right, at)]
                db[_at(v.right, at)] += g[_at(v.out, at)] * a[_at(v.left, at)]
            return da, db

        return y, vjp

    return {"product": product, "add": plus(_gathered)}


def _gathered(g: Array, shape: tuple[int, ...]) -> Array:
    """Every entry of g goes where the number that it is of stands."""
    total = np.zeros(shape, g.dtype)
    for at in np.ndindex(g.shape):
        own = at[len(at) - len(shape) :]
        total[tuple(i if size > 1 else 0 for i, size in zip(own, shape, strict=True))] += g[at]
    return total


def _at(letters: str, place: dict[str, int]) -> tuple[int, ...]:
    return tuple(place[letter] for letter in letters)


# **** wrong answers


def _answer(v: Product, product: Op | None = None, add: Op | None = None) -> Answer:
    return {"product": product or times(v), "add": add or plus(summed)}


def _with_back(change: Callable[[Array, Array, Array], Sequence[Any]]) -> Callable[[Product], Answer]:
    """The right product, its gradients changed by change(g, da, db)."""

    def answer(v: Product) -> Answer:
        def product(a: Array, b: Array) -> tuple[Array, Vjp]:
            y, vjp = times(v)(a, b)
            return y, lambda g: tuple(change(g, *vjp(g)))

        return _answer(v, product)

    return answer


def _with_ones(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        y, vjp = times(v)(a, b)
        return y, lambda g: vjp(np.ones_like(g))

    return _answer(v, product)


def _mean(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        n = a.shape[v.left.index("k")]
        y, vjp = times(v)(a, b)
        return y / n, lambda g: vjp(g / n)

    return _answer(v, product)


def _wrote_into_a(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        y, back = times(v)(a, b)

        def vjp(g: Array) -> tuple[Array, ...]:
            da, db = back(g)
            a[...] = da
            return da, db

        return y, vjp

    return _answer(v, product)


def _wrote_into_g(g: Array, da: Array, db: Array) -> tuple[Array, Array]:
    g *= 0.5
    return da, db


def _double(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        return times(v)(a.astype(np.float64), b)

    return _answer(v, product)


def _dotted(v: Product) -> Answer:
    """g @ b.T and a.T @ g where b is a vector, whose .T it is itself."""
    return _answer(v, lambda a, b: (a @ b, lambda g: (g @ b.T, a.T @ g)))


def _turned(array: Array) -> Array:
    return array.swapaxes(-1, -2) if array.ndim > 1 else array


def _adding(back: Callable[[Array, tuple[int, ...]], Any]) -> Callable[[Product], Answer]:
    return lambda v: _answer(v, add=plus(back))


def _leading_only(g: Array, shape: tuple[int, ...]) -> Array:
    return g.sum(tuple(range(g.ndim - len(shape))))


def _averaged(g: Array, shape: tuple[int, ...]) -> Array:
    total = summed(g, shape)
    return total * (total.size / g.size)


def _dropped(g: Array, shape: tuple[int, ...]) -> Array:
    total = summed(g, shape)
    return total.squeeze() if 1 in shape else total


def _first(g: Array, shape: tuple[int, ...]) -> Array:
    g = g[(0,) * (g.ndim - len(shape))]
    return g[tuple(slice(0, size) for size in shape)]


MISTAKES = (
    Wrong(
        name="swapped",
        answer=_with_back(lambda g, da, db: (db, da)),
        sentence="the two gradients are in the wrong order: the first belongs to the first input.",
    ),
    Wrong(
        name="turned",
        answer=_with_back(lambda g, da, db: (_turned(da), _turned(db))),
        sentence="your gradients lie on their side: da[i, k] is how fast L moves with a[i, k], so it has a's shape, "
        "index by index.",
    ),
    Wrong(
        name="g left out",
        answer=_with_ones,
        sentence="g is not in your gradients: that is the slope of the sum of y. What comes from above multiplies.",
    ),
    Wrong(
        name="b stands still",
        answer=_with_back(lambda g, da, db: (da, np.zeros_like(db))),
        sentence="db is 0: b is not learned then. Both inputs move y.",
    ),
    Wrong(
        name="a stands still",
        answer=_with_back(lambda g, da, db: (np.zeros_like(da), db)),
        sentence="da is 0: whatever computed a would learn nothing. Both inputs move y.",
    ),
    Wrong(
        name="mean",
        answer=_mean,
        sentence="you took the mean over k, and a product of arrays takes the sum.",
    ),
    Wrong(
        name="mean of gradients",
        answer=_with_back(lambda g, da, db: (da / len(g), db / len(g))),
        sentence="the gradients are divided by the number of rows: how much each row counts is said by g, which the "
        "loss has divided already.",
    ),
    Wrong(
        name="wrote into g",
        answer=_with_back(_wrote_into_g),
        sentence="g is not yours: another path still needs it. Make a new array.",
    ),
    Wrong(
        name="wrote into a",
        answer=_wrote_into_a,
        sentence="the input was changed: whoever reads a next, reads something else. Make a new array.",
    ),
    Wrong(
        name="double",
        answer=_double,
        sentence="float32 became float64: somewhere a float64 array joined in, and a whole model then takes twice "
        "the memory and the time.",
    ),
    Wrong(
        name="a vector's transpose",
        answer=_dotted,
        sentence="b is a vector, and .T leaves a vector as it is: g @ b.T adds up what should stay apart. Every "
        "da[i, k] is one g times one b; which ones?",
        applies=lambda v: v.right == "k",
    ),
    Wrong(
        name="not added up",
        answer=_adding(lambda g, shape: g),
        sentence="a number that was repeated was used several times, and slopes over several paths add: the gradient "
        "has the shape of the input, summed over what was repeated.",
    ),
    Wrong(
        name="averaged",
        answer=_adding(_averaged),
        sentence="you took the mean over what was repeated: slopes over several paths add (lesson 1).",
    ),
    Wrong(
        name="all of it",
        answer=_adding(lambda g, shape: np.asarray(g.sum())),
        sentence="you added everything up into one number: only the axes that were repeated are summed.",
    ),
    Wrong(
        name="leading axes only",
        answer=_adding(_leading_only),
        sentence="axes in front that are missing are summed, axes of size 1 are not: (2, 1) was repeated, too.",
    ),
    Wrong(
        name="axis dropped",
        answer=_adding(_dropped),
        sentence="the sum is right and an axis is gone: (2, 1) is not (2,). keepdims keeps it.",
    ),
    Wrong(
        name="the first alone",
        answer=_adding(_first),
        sentence="you kept the first of the repeated uses and left out the others: they add.",
    ),
)


def _law(name: str, sentence: str, holds: Callable[..., Broken | None], points: int, *needs: str) -> Law:
    return Law(name=name, sentence=sentence, holds=holds, points=points, needs=needs)


EXERCISE = Exercise(
    title="products and sums of arrays, and back",
    file="product.py",
    asks=("product", "add"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=lambda case: " and ".join(_calls(case)),
    laws=(
        _law("pair", "each function gives an array and a function", _pair, 1),
        _law("value", "y is what loops over numbers compute", _value, 2, "pair"),
        _law("shape", "a gradient has the shape of its input", _shape, 1, "pair"),
        _law("slopes", "the gradients are what nudging measures, entry by entry", _slopes, 3, "value", "shape"),
        _law("adjoint", "a direction weighs the same there and back", _adjoint, 1, "value", "shape"),
        _law("untouched", "inputs and g are as they were", _untouched, 1, "shape"),
        _law("single", "float32 stays float32", _single, 1, "shape"),
    ),
    observe=_observe,
    right=(lambda v: _answer(v), _looped),
    wrong=MISTAKES,
    hints=(
        "Write one entry of y as a sum, and ask of one entry of a: in which entries of y is it, and times what?",
        "da has a's letters; what of g and b is left must be summed. For a matmul that is g @ b.T.",
        "Where add repeats a number along an axis, its gradient sums along it; keepdims=True keeps an axis of size 1.",
    ),
    project="nanochat.engine.tensor.ops.linear:matmul",
    allowed=("numpy",),
)
