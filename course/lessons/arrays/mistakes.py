"""The products of exercise 5a, and known wrong answers, beside the right spellings that they are changed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as every
from typing import Any

import numpy as np

from ...exercise import Answer, Wrong
from .spelling import Array, Op, Vjp


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


def looped(v: Product) -> Answer:
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


def answer_with(v: Product, product: Op | None = None, add: Op | None = None) -> Answer:
    return {"product": product or times(v), "add": add or plus(summed)}


def _with_back(change: Callable[[Array, Array, Array], Sequence[Any]]) -> Callable[[Product], Answer]:
    """The right product, its gradients changed by change(g, da, db)."""

    def answer(v: Product) -> Answer:
        def product(a: Array, b: Array) -> tuple[Array, Vjp]:
            y, vjp = times(v)(a, b)
            return y, lambda g: tuple(change(g, *vjp(g)))

        return answer_with(v, product)

    return answer


def _with_ones(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        y, vjp = times(v)(a, b)
        return y, lambda g: vjp(np.ones_like(g))

    return answer_with(v, product)


def _mean(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        n = a.shape[v.left.index("k")]
        y, vjp = times(v)(a, b)
        return y / n, lambda g: vjp(g / n)

    return answer_with(v, product)


def _wrote_into_a(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        y, back = times(v)(a, b)

        def vjp(g: Array) -> tuple[Array, ...]:
            da, db = back(g)
            a[...] = da
            return da, db

        return y, vjp

    return answer_with(v, product)


def _wrote_into_g(g: Array, da: Array, db: Array) -> tuple[Array, Array]:
    g *= 0.5
    return da, db


def _double(v: Product) -> Answer:
    def product(a: Array, b: Array) -> tuple[Array, Vjp]:
        return times(v)(a.astype(np.float64), b)

    return answer_with(v, product)


def _dotted(v: Product) -> Answer:
    """g @ b.T and a.T @ g where b is a vector, whose .T it is itself."""
    return answer_with(v, lambda a, b: (a @ b, lambda g: (g @ b.T, a.T @ g)))


def _turned(array: Array) -> Array:
    return array.swapaxes(-1, -2) if array.ndim > 1 else array


def _adding(back: Callable[[Array, tuple[int, ...]], Any]) -> Callable[[Product], Answer]:
    return lambda v: answer_with(v, add=plus(back))


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
