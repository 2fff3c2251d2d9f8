"""An array that remembers how it was computed. `apply` records one op, `backward` walks the record back.

Where a Value stores a local derivative, a Tensor stores the function g -> g^T J that its op returned. Gradients of
gradients are not offered, nor are in-place changes of a Tensor in a graph.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from importlib import import_module
from itertools import count
from typing import Any

import numpy as np

from . import ops

_next_birth = count().__next__
_new = object.__new__


class _Switch(threading.local):
    """Is the graph recorded? Each thread decides for itself, since replicas run beside an evaluation."""

    recording = True


_switch = _Switch()


@contextmanager
def no_grad() -> Iterator[None]:
    """Within it nothing is recorded, in this thread: results need no memory for a way back."""
    before, _switch.recording = _switch.recording, False
    try:
        yield
    finally:
        _switch.recording = before


def apply(op: Callable[..., Any], *inputs: Any, **static: Any) -> Tensor:
    """The Tensor op(*inputs, **static); the way back is remembered if an input requires a gradient.

    Inputs are Tensors, arrays (constants) or None; op as in `ops`.
    """
    arrays, parents, needed = [], [], False
    for x in inputs:
        if type(x) is Tensor:
            arrays.append(x.data)
            parents.append(x if x.requires_grad else None)
            needed = needed or x.requires_grad
        else:
            arrays.append(x)
            parents.append(None)
    y, vjp = op(*arrays, **static)
    out = _new(Tensor)
    out.data = np.asarray(y) if isinstance(y, np.generic) else y  # x.sum() is a NumPy scalar
    out.grad = None
    out.born = _next_birth()
    if needed and _switch.recording:
        out.requires_grad, out._parents, out._vjp = True, parents, vjp
    else:
        out.requires_grad, out._parents, out._vjp = False, (), None
    return out


class Tensor:
    """`data`, an array, and, for a leaf with requires_grad, `grad` = dL/d(data) after `backward`.

    >>> w = Tensor([[2.0, -1.0]], requires_grad=True)
    >>> ((w * 3.0) ** 2).sum().backward()
    >>> w.grad
    array([[ 36., -18.]])
    """

    __slots__ = ("_parents", "_vjp", "born", "data", "grad", "requires_grad")

    def __init__(self, data: Any, *, requires_grad: bool = False) -> None:
        data = array_of(data) if not isinstance(data, Tensor) else data.data
        self.data: np.ndarray = data if data.dtype.kind == "f" else data.astype(np.float64)
        self.grad: np.ndarray | None = None
        self.requires_grad = requires_grad
        self.born: int = _next_birth()  # parents are older than children: sorting by it is a topological order
        self._parents: Any = ()
        self._vjp: Any = None

    def backward(self, *, retain_graph: bool = False) -> None:
        """Add d(self)/d(leaf) to `grad` of every leaf below that requires it, and free the graph on the way.

        Leaves accumulate over calls, as in PyTorch, so zero them first. Younger nodes go first, so a node's gradient is
        complete when its turn comes. A gradient that arrives alone is kept as it is, without a copy; the next is added
        in place where the memory is ours to write in.

        Raises RuntimeError if self is not one number, needs no gradient, or its graph has been freed by an earlier
        call without retain_graph.
        """
        if self.data.size != 1:
            raise RuntimeError(
                f"backward() starts from one number, this Tensor is {self.shape}: call .sum() or .mean()"
            )
        if not self.requires_grad:
            raise RuntimeError("nothing that this Tensor was computed from requires a gradient")
        waiting: dict[int, list[Any]] = {-self.born: [self, np.ones_like(self.data), True]}
        heap = [-self.born]
        while heap:
            node, g, _ = waiting.pop(heappop(heap))
            parents, vjp = node._parents, node._vjp
            if vjp is None:
                _add_to_leaf(node, g, True)
                continue
            gradients = vjp(g)
            if not retain_graph:
                node._parents, node._vjp = (), _raise_freed
            for parent, gp in zip(parents, gradients):  # noqa: B905 (strict= costs time here)
                if parent is None:
                    continue
                ours = gp is not g and (gp.base is None or _is_apart(gp, g))
                if parent._vjp is None:
                    _add_to_leaf(parent, gp, ours)
                    continue
                key = -parent.born
                entry = waiting.get(key)
                if entry is None:
                    waiting[key] = [parent, gp, ours]
                    heappush(heap, key)
                elif entry[2]:
                    entry[1] += gp
                elif ours:
                    gp += entry[1]
                    entry[1:] = gp, True
                else:
                    entry[1:] = entry[1] + gp, True

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or pickle of a leaf is born anew. Raises TypeError for any other node: its place is in its graph."""
        if self._vjp is not None:
            raise TypeError(
                f"a Tensor that was computed, here {self.shape}, cannot be copied or pickled, since its copy would "
                "share its graph: take Tensor(t.data), or compute it again from copied leaves"
            )
        return _leaf, (self.data, None if self.grad is None else self.grad.copy(), self.requires_grad)

    def item(self) -> float:
        return float(self.data)

    def __float__(self) -> float:
        return float(self.data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def T(self) -> Tensor:
        """All axes in reverse order, as of an array."""
        return self.transpose()

    def __round__(self, n_digits: int | None = None) -> float:
        return round(float(self), n_digits)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else repr(self)

    def __repr__(self) -> str:
        return f"Tensor({self.data!r}{', requires_grad=True' if self.requires_grad else ''})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """For a notebook, which asks: shape and heat map. Beside the core, so by name."""
        return dict(import_module("nanochat.engine.tensor.notebook").bundle(self))

    def __getattr__(self, name: str) -> Any:
        """What is not there: says where it is."""
        where = f": write F.{name}(t), F from nanochat.engine.tensor.functional" if hasattr(ops, name) else ""
        raise AttributeError(f"a Tensor has no {name}{where}")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Tensor:
        """array + Tensor is ours to compute. Raises TypeError for np.exp(t), whose way back would be unknown."""
        if ufunc.__name__ in _ARRAY_ON_THE_LEFT and method == "__call__" and not options:
            return getattr(self, _ARRAY_ON_THE_LEFT[ufunc.__name__])(inputs[0])
        raise TypeError(
            f"np.{ufunc.__name__} knows no gradient: write F.{ufunc.__name__}(t), F from "
            f"nanochat.engine.tensor.functional, where there is one, or np.{ufunc.__name__}(t.data) for a constant"
        )

    # **** arithmetic: with another Tensor, an array or a Python number on either side

    def __add__(self, other: Any) -> Tensor:
        if type(other) is Tensor:
            return apply(ops.add, self, other)
        return apply(ops.shift, self, by=float(other)) if _is_number(other) else apply(ops.add, self, array_of(other))

    def __mul__(self, other: Any) -> Tensor:
        if _is_number(other):
            return apply(ops.scale, self, factor=float(other))
        return apply(ops.mul, self, array_of(other))

    def __sub__(self, other: Any) -> Tensor:
        return apply(ops.shift, self, by=-float(other)) if _is_number(other) else apply(ops.sub, self, array_of(other))

    def __truediv__(self, other: Any) -> Tensor:
        if _is_number(other) and other:
            return apply(ops.scale, self, factor=1 / float(other))
        return apply(ops.div, self, np.asarray(other, self.dtype) if _is_number(other) else array_of(other))

    def __pow__(self, exponent: float) -> Tensor:
        if not _is_number(exponent):
            raise TypeError("** takes a number as its exponent: write exp(b * log(a)) for a ** b")
        return apply(ops.power, self, exponent=float(exponent))

    def __matmul__(self, other: Any) -> Tensor:
        return apply(ops.matmul, self, array_of(other))

    def __neg__(self) -> Tensor:
        return apply(ops.neg, self)

    def __abs__(self) -> Tensor:
        return apply(ops.abs, self)

    def __getitem__(self, index: Any) -> Tensor:
        return apply(ops.getitem, self, index=index)

    def __rsub__(self, other: Any) -> Tensor:
        return -self + other

    def __rtruediv__(self, other: Any) -> Tensor:
        return self**-1 * other

    def __rmatmul__(self, other: Any) -> Tensor:
        return apply(ops.matmul, array_of(other), self)

    __radd__ = __add__
    __rmul__ = __mul__

    # **** functions of one array

    def exp(self) -> Tensor:
        return apply(ops.exp, self)

    def log(self) -> Tensor:
        return apply(ops.log, self)

    def sqrt(self) -> Tensor:
        return apply(ops.sqrt, self)

    def tanh(self) -> Tensor:
        return apply(ops.tanh, self)

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        return apply(ops.sum, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        return apply(ops.mean, self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        return apply(ops.reshape, self, shape=shape[0] if shape and isinstance(shape[0], tuple) else shape)

    def transpose(self, *axes: int) -> Tensor:
        return apply(ops.transpose, self, axes=axes or None)


def _leaf(data: np.ndarray, grad: np.ndarray | None, requires_grad: bool) -> Tensor:
    leaf = Tensor(data, requires_grad=requires_grad)
    leaf.grad = grad
    return leaf


def _add_to_leaf(leaf: Tensor, g: Any, ours: bool) -> None:
    """grad += g, into the array that is there: it may be a view of an optimizer's flat buffer."""
    if leaf.grad is None:
        g = g if ours else g.copy()
        leaf.grad = np.asarray(g) if isinstance(g, np.generic) else g
    else:
        leaf.grad += g


def _is_apart(gp: np.ndarray, g: np.ndarray) -> bool:
    """True if gp, a view, is not one of g: ops return g, views of g, or what shares memory with nothing else."""
    return gp.flags.writeable and not np.may_share_memory(gp, g)


def _raise_freed(g: np.ndarray) -> tuple[np.ndarray, ...]:
    raise RuntimeError(
        "this graph was already used by backward() and freed: run the forward pass again, "
        "or call backward(retain_graph=True) the first time"
    )


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number))  # np.number too, as a float: it would promote float32 arrays


_ARRAY_ON_THE_LEFT = {
    "add": "__radd__",
    "subtract": "__rsub__",
    "multiply": "__rmul__",
    "divide": "__rtruediv__",
    "matmul": "__rmatmul__",
}


def array_of(x: Any) -> Any:
    """np.asarray(x), but Tensors and what is Recorded as they are. Raises TypeError for what holds no numbers."""
    if isinstance(x, (Tensor, np.ndarray)) or hasattr(x, "__array_function__"):
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        what = type(x).__name__ if array.ndim == 0 else f"{type(x).__name__} of {array.dtype}"
        raise TypeError(f"a Tensor holds numbers, this is a {what}: give numbers or arrays; of a Value take v.data")
    return array
