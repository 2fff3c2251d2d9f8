"""What a layer and a model have in common, whichever engine they are written in: named parameters.

A parameter is a Tensor, or a (nested) list of Values: anything whose innermost items have `data` and `grad`.
Its name is the path of attributes to it: `h.0.attn.qkv.weight`. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any


class Module:
    """Base of layers and models. Attributes that are parameters, Modules or lists of Modules are found by name."""

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """(name, parameter) in the order of declaration; a weight that two layers share comes once."""
        seen: set[int] = set()
        for name, parameter in _walk(self, ""):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self) -> list[Any]:
        """The parameters alone, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    def n_parameters(self) -> int:
        """How many numbers are learned; a shared weight counts once."""
        return sum(_count(shape_of(parameter)) for parameter in self.parameters())

    def state_dict(self) -> dict[str, Any]:
        """A copy of every parameter by name: nested lists of floats, or arrays."""
        return {name: _read(parameter) for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write `state` into the parameters, in place; nested lists and arrays are both welcome.

        Raises ValueError, one line for all of them, if a name is missing or unexpected or a shape differs.
        """
        parameters = dict(self.named_parameters())
        problems = [f"{name} is missing" for name in parameters.keys() - state.keys()]
        problems += [f"{name} is unexpected" for name in state.keys() - parameters.keys()]
        for name in parameters.keys() & state.keys():
            ours, theirs = shape_of(parameters[name]), shape_of(state[name])
            if ours != theirs:
                problems.append(f"{name} has shape {theirs}, the model has {ours}")
        if problems:
            raise ValueError("the weights do not fit the model: " + "; ".join(sorted(problems)))
        for name, parameter in parameters.items():
            _write(parameter, state[name])

    def __repr__(self) -> str:
        return str(import_module("nanochat.engine.parts").text(self))  # beside the core, so by name

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return dict(import_module("nanochat.engine.parts").bundle(self))


def shape_of(parameter: Any) -> tuple[int, ...]:
    """(rows, columns) of a nested list, `.shape` of an array or Tensor, () of a number."""
    if hasattr(parameter, "shape"):
        return tuple(parameter.shape)
    if isinstance(parameter, (list, tuple)):
        return (len(parameter), *(shape_of(parameter[0]) if parameter else ()))
    return ()


def _walk(item: Any, key: str) -> Iterator[tuple[str, Any]]:
    if _is_parameter(item):
        yield key, item
    elif isinstance(item, Module):
        for name, child in vars(item).items():
            yield from _walk(child, f"{key}.{name}" if key else name)
    elif isinstance(item, (list, tuple)):
        for i, child in enumerate(item):
            yield from _walk(child, f"{key}.{i}")


def _is_parameter(item: Any) -> bool:
    while isinstance(item, (list, tuple)) and item:
        item = item[0]
    return hasattr(item, "grad") and hasattr(item, "data")


def _count(shape: tuple[int, ...]) -> int:
    n = 1
    for size in shape:
        n *= size
    return n


def _read(parameter: Any) -> Any:
    if isinstance(parameter, (list, tuple)):
        return [_read(item) for item in parameter]
    return parameter.data.copy() if hasattr(parameter, "shape") else parameter.data


def _write(parameter: Any, values: Any) -> None:
    if isinstance(parameter, (list, tuple)):
        for item, value in zip(parameter, values, strict=True):
            _write(item, value)
    elif hasattr(parameter, "shape"):
        parameter.data[...] = values
    else:
        parameter.data = float(values)
