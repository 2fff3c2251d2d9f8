"""What a step does, written down as it runs: the calls of NumPy, and the memory that each reads and writes.

Elsewhere this is called tracing or capture. It is not the graph of tensor.py: forward and backward are both recorded.

A `Recorded` stands for an array. Whatever NumPy is asked to do with one, by a function, a method or an operator, is
done, and noted by its `Recording`:

    y = x2.dot(weight.T)         one call of dot; the view weight.T is a place in memory and costs no call
    y += bias                    one call of add, into the same memory
    gate = x[..., :half]         a view: no call

So an op need not know that it is recorded, as long as it makes its arrays with `like=`, calls NumPy by functions,
methods and operators, and leaves what depends on the numbers (a branch, a shape, a random draw) to `opaque` functions.
Where a number would leave the record, as by float(x), Unrecordable is raised: it would be the same at each replay.
Arrays that are not Recorded (masks, tables of angles) are constants: their numbers are the same at each replay.

A call holds `Place`s instead of arrays, so that memory is freed during a recording when it is freed without one.
engine/tensor/replay.py lays the buffers out in one piece of memory and makes the calls again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

Array = np.ndarray


class Unrecordable(Exception):
    """A step does what a record cannot hold; its text says what."""


class Buffer:
    """Memory of the step: of an array that a call made, or of one from outside (a weight, an input)."""

    __slots__ = ("array", "n_bytes")

    def __init__(self, n_bytes: int, array: Array | None = None) -> None:
        self.n_bytes = n_bytes
        self.array = array
        """The array from outside; None where the replay has to find the memory."""


class Place(NamedTuple):
    """An array, as a place in a buffer: offset and strides in bytes."""

    buffer: Buffer
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype


class Call(NamedTuple):
    """function(*arguments), with Places for arrays of the record, anywhere in tuples and lists."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    written: tuple[Buffer, ...]
    """Where it may write."""


class Recording:
    """The calls of a step, in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def outside(self, array: Array) -> Recorded:
        """`array`, Recorded; a replay reads what it then holds. Raises Unrecordable where its memory has gaps."""
        if not array.flags.c_contiguous:
            raise Unrecordable(f"an array of the step, {array.shape}, does not lie in one piece of memory")
        return Recorded(array, Buffer(array.nbytes, array), array.__array_interface__["data"][0], self)

    def note(self, function: Callable[..., Any], arguments: tuple[Any, ...], *written: Recorded) -> None:
        """Add a call that has just been made, and the arrays that it may have written into."""
        places = tuple([_as_places(argument) for argument in arguments])
        self.calls.append(Call(function, places, tuple([array.buffer for array in written])))

    def new(self, array: Any) -> Recorded:
        """`array`, Recorded, in a buffer of its own: a call has just made it."""
        array = np.asarray(array)
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        return Recorded(array, Buffer(owner.nbytes), owner.__array_interface__["data"][0], self)

    def result(self, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """function(*arguments, **options), whatever it is: a view of an argument, or something new that is noted."""
        if any(isinstance(option, Recorded) for option in options.values()):
            raise Unrecordable(f"{_name(function)} takes an array of the step as an option")
        found = function(*_as_arrays(arguments), **options)
        if any(found is plain for plain in (*arguments, *options.values()) if isinstance(plain, np.ndarray)):
            raise Unrecordable(f"{_name(function)} writes into an array {found.shape} that was made without like=")
        if isinstance(found, (tuple, list)):
            views = [self._view(part, arguments) for part in found]
            if any(view is None for view in views):
                raise Unrecordable(f"{_name(function)} makes several arrays")
            return type(found)(views)
        if not isinstance(found, (np.ndarray, np.generic)):
            raise Unrecordable(f"{_name(function)} makes {type(found).__name__} of an array of the step")
        view = self._view(found, arguments)
        if view is not None:
            return view
        out = self.new(found)
        if function in _FILL:
            self.assign(out, arguments[1] if function is np.full else _FILL[function])
        elif function is np.ndarray.reshape and not options:
            self.assign(Recorded(out.array.reshape(arguments[0].shape), out.buffer, out.start, self), arguments[0])
        elif function is np.ndarray.copy and not options:
            self.assign(out, arguments[0])
        elif function not in (np.empty, np.empty_like):
            self.note(_store, (out, partial(function, **options) if options else function, arguments), out)
        return out

    def dot(self, a: Any, b: Any, out: Recorded | None = None) -> Recorded:
        """The product of two matrices or vectors, of which one is of the step."""
        if out is None:
            out = self.new(_as_arrays(a).dot(_as_arrays(b)))
        else:
            _as_arrays(a).dot(_as_arrays(b), out.array)
        self.note(np.ndarray.dot, (a, b, out), out)
        return out

    def assign(self, into: Recorded, value: Any) -> None:
        """into[...] = value; nothing if that is `into` itself, as Python assigns x[1:] to itself after x[1:] += 1."""
        if not (isinstance(value, Recorded) and value.place == into.place):
            np.copyto(into.array, _as_arrays(value))
            self.note(np.copyto, (into, value), into)

    def _view(self, found: Any, arguments: tuple[Any, ...]) -> Recorded | None:
        """`found` as a view of the argument whose memory it shares; None where it shares none."""
        for argument in arguments:
            if isinstance(argument, Recorded) and np.may_share_memory(found, argument.array):
                return Recorded(found, argument.buffer, argument.start, self)
        return None


class Recorded(NDArrayOperatorsMixin):
    """An array of a step that is being recorded; behaves as one."""

    __slots__ = ("_place", "array", "buffer", "recording", "start")

    def __init__(self, array: Array, buffer: Buffer, start: int, recording: Recording) -> None:
        self.array, self.buffer, self.start, self.recording = array, buffer, start, recording
        self._place: Place | None = None

    def record(self, function: Callable[..., None], *arguments: Any) -> None:
        """Make an opaque call as one: it may write into any argument that is an array, and into none within a tuple."""
        function(*[_as_arrays(argument) for argument in arguments])
        self.recording.note(function, arguments, *[a for a in arguments if isinstance(a, Recorded)])

    @property
    def place(self) -> Place:
        """Where it lies."""
        if self._place is None:
            array = self.array
            offset = array.__array_interface__["data"][0] - self.start if array.size else 0
            self._place = Place(self.buffer, offset, array.shape, array.strides, array.dtype)
        return self._place

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "at" and isinstance(inputs[0], Recorded):
            return self.record(ufunc.at, *inputs)
        axis, keepdims = options.get("axis", 0), options.get("keepdims", False)
        is_reduction = method == "reduce" and options.keys() <= {"axis", "keepdims"}
        if ufunc.nout != 1 or not (is_reduction or (method == "__call__" and not options)):
            raise Unrecordable(f"{ufunc.__name__}, method {method}, with {sorted(options)}")
        function: Any = ufunc if method == "__call__" else ufunc.reduce
        values = _as_arrays(inputs)
        if out is None:
            out = self.recording.new(function(*values, **options))
        else:
            (out,) = out
            if not isinstance(out, Recorded):
                raise Unrecordable(f"{ufunc.__name__} writes into an array {out.shape} that was made without like=")
            function(*values, **options, out=out.array)
        rest = (axis, None, out, keepdims) if is_reduction else (out,)
        self.recording.note(function, (*(_in_kind(inputs) if ufunc in _ARITHMETIC else inputs), *rest), out)
        return out

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Any, options: Any) -> Any:
        if function is np.may_share_memory:
            return function(*_as_arrays(arguments))
        if function is np.dot:
            return self.recording.dot(*arguments, **options)
        if function is np.copyto and not options:
            return self.recording.assign(*arguments)
        return self.recording.result(function, arguments, options)

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise Unrecordable(f"an array of the step, {self.shape}, is read otherwise than by functions and operators")

    def __copy__(self) -> Recorded:
        raise Unrecordable(f"a copy of an array of the step, {self.shape}, otherwise than by its method copy")

    def __deepcopy__(self, memo: Any) -> Recorded:
        return self.__copy__()

    def __bool__(self) -> bool:
        raise Unrecordable(f"a decision by the numbers of an array of the step, {self.shape}, outside what is opaque")

    def __float__(self) -> float:
        raise Unrecordable(f"a number of Python is made of an array of the step, {self.shape}, outside what is opaque")

    __complex__ = __float__
    __index__ = __int__ = __float__

    def __getattr__(self, name: str) -> Any:
        """shape, dtype and the like as they are; methods as calls."""
        if name in _FACTS:
            return getattr(self.array, name)
        if name.startswith("__"):
            raise AttributeError(name)  # what NumPy looks for before it reads an array's memory
        if name not in _METHODS:
            raise Unrecordable(f"{name} of an array of the step, {self.shape}")
        method = getattr(np.ndarray, name)
        return lambda *arguments, **options: self.recording.result(method, (self, *arguments), options)

    def dot(self, other: Any, out: Any = None) -> Recorded:
        return self.recording.dot(self, other, out)

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        return self.__array_ufunc__(np.add, "reduce", self, axis=axis, keepdims=keepdims)

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def base(self) -> Buffer | None:
        """None for what has memory of its own, as of an array; the memory itself is not to be had."""
        return None if self.array.base is None else self.buffer

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> Any:
        return self.recording.result(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        into = self.array[_as_arrays(index)]
        if isinstance(into, np.ndarray) and np.may_share_memory(into, self.array):
            self.recording.assign(Recorded(into, self.buffer, self.start, self.recording), value)
        else:
            self.array[_as_arrays(index)] = _as_arrays(value)
            self.recording.note(operator.setitem, (self, index, value), self)


_FILL: dict[Any, Any] = {np.zeros: False, np.zeros_like: False, np.ones: True, np.ones_like: True, np.full: None}
_ARITHMETIC = {np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum}
_FACTS = {"dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size", "strides"}
_METHODS = {"astype", "copy", "reshape", "swapaxes", "take", "transpose", "view"}


def _store(out: Array, function: Callable[..., Array], arguments: tuple[Any, ...]) -> None:
    """out[...] = function(*arguments), for a function that cannot write into a given array."""
    found = function(*arguments)
    if np.shape(found) != out.shape:
        raise Unrecordable(
            f"{_name(function)} made {out.shape} of the numbers of one step, {np.shape(found)} of another"
        )
    np.copyto(out, found)


def mapped(item: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """The item with change(x) for each x of this kind, in its tuples and lists too."""
    if isinstance(item, kind):
        return change(item)
    return type(item)([mapped(part, kind, change) for part in item]) if type(item) in (tuple, list) else item


def _as_arrays(item: Any) -> Any:
    """The item with arrays for what is Recorded."""
    return mapped(item, Recorded, operator.attrgetter("array"))


def _as_places(item: Any) -> Any:
    """The item with Places for what is Recorded."""
    return mapped(item, Recorded, operator.attrgetter("place"))


def _in_kind(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Python's numbers as 0-d arrays of the others' float type, which NumPy would else make of them at each call."""
    if not any(type(x) in (int, float) for x in inputs):
        return inputs
    kinds = {x.dtype for x in inputs if hasattr(x, "dtype")}
    if len(kinds) != 1 or next(iter(kinds)).kind != "f":
        return inputs
    (kind,) = kinds
    return tuple([np.asarray(x, kind) if type(x) in (int, float) else x for x in inputs])


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))
