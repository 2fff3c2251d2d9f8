"""What a specimen is, and the one way in which it gets into the program: attributes are swapped, and put back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Literal

from ...engine.tensor.tensor import apply

Lab = Literal["engine", "model", "training", "decoding"]
Swaps = Mapping[str, Any]
"""Place -> what is put there. A place is `module:attribute` below the package: `training.schedule:_shape`."""
_PACKAGE = __name__.removesuffix(".course.zoo.specimen")
_CULPRIT = "experiments.certify.installed:what_changed"
"""Whom a certificate asks, before it calls a failure a bug of ours."""


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One bug of public code as one function of ours, and what is known of it."""

    id: str
    """A1: the lab's letter and a number. Traps have one, too."""
    name: str
    """What it is called in answers."""
    title: str
    case: str
    """Where it was seen: project and thread."""
    symptom: str
    """What somebody who has it sees, measured; it does not tell what it is."""
    found_by: tuple[str, ...]
    """Instruments that find it: laws of `nanochat health` by name, rows of `nanochat certify` as `op layer_norm`."""
    blind: tuple[str, ...]
    """Instruments that one would try and that see nothing."""
    fault: Callable[..., Any] | None = None
    """The function with the bug; None for a trap, where nothing is wrong."""
    into: Callable[[Any], Swaps] = lambda fault: {}
    """Where the function goes."""
    model: Mapping[str, Any] = field(default_factory=dict)
    """Settings without which it cannot be seen."""
    training: Mapping[str, Any] = field(default_factory=dict)
    n_steps: int = 0
    """Steps to train before it is examined."""

    @property
    def lab(self) -> Lab:
        """Where it is looked for."""
        labs: dict[str, Lab] = {"A": "engine", "B": "model", "C": "training", "D": "decoding"}
        return labs[self.id[0]]

    @property
    def places(self) -> tuple[str, ...]:
        """What is swapped."""
        return tuple(self.into(self.fault)) if self.fault else ()


def at(place: str) -> Callable[[Any], Swaps]:
    """Into one place."""
    return lambda fault: {place: fault}


def op(name: str) -> Callable[[Any], Swaps]:
    """In place of an op on arrays, and of the function on Tensors that it was lifted to."""
    return lambda fault: {
        f"engine.tensor.ops:{name}": fault,
        f"engine.tensor.functional:{name}": partial(apply, fault),
    }


@contextmanager
def injected(specimen: Specimen, fault: Callable[..., Any] | None = None, *, called: str = "") -> Iterator[None]:
    """The program with the bug, or with another function in its place, inside the block. No file is touched.

    A certificate that fails says so then, and asks nobody to report a bug; `called` is the id where that must not be.
    """
    function, undo = fault or specimen.fault, list[Callable[[], None]]()
    swaps = dict(specimen.into(function)) if function else {}
    if swaps:
        swaps[_CULPRIT] = lambda: f"specimen {called or specimen.id} is in the program, and this is what it does"
    try:
        for place, new in swaps.items():
            undo.append(_swap(place, new))
        yield
    finally:
        for put_back in reversed(undo):
            put_back()


def _swap(place: str, new: Any) -> Callable[[], None]:
    """Put `new` there, and wherever a module of ours has imported the old one to; returns what puts it back."""
    module, _, attribute = place.partition(":")
    *classes, name = attribute.split(".")
    owner: Any = import_module(f"{_PACKAGE}.{module}")
    for one in classes:
        owner = getattr(owner, one)
    old = getattr(owner, name)
    if classes:
        setattr(owner, name, new)
        return lambda: setattr(owner, name, old)
    _replace(name, old, new)
    return lambda: _replace(name, new, old)


def _replace(name: str, old: Any, new: Any) -> None:
    """In every module of the program that holds the old one by this name, outside the zoo."""
    for key, module in list(sys.modules.items()):
        if key.startswith(_PACKAGE) and not key.startswith(f"{_PACKAGE}.course") and vars(module).get(name) is old:
            setattr(module, name, new)
