"""What a question is: a text with gaps, numbers for them, and the key from the same numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Draw = Callable[[random.Random], Any]
Key = tuple[float | str, ...]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question of the bank."""

    name: str
    lesson: int
    text: str
    """With {gaps} for what is drawn."""
    numbers: Mapping[str, Draw]
    answer: Callable[..., Any]
    """The numbers -> what is right."""

    def drawn(self, rng: random.Random) -> dict[str, Any]:
        """Numbers for the gaps."""
        return {name: draw(rng) for name, draw in self.numbers.items()}

    def asked(self, numbers: Mapping[str, Any]) -> str:
        """The question with its numbers; less 2 where it would say plus -2."""
        return self.text.format(**{name: shown(value) for name, value in numbers.items()}).replace("+ -", "- ")

    def key(self, numbers: Mapping[str, Any]) -> Key:
        """What is right, in the order in which it is asked for."""
        found = self.answer(**numbers)
        return found if isinstance(found, tuple) else (found,)


def shown(value: Any) -> str:
    """As it stands in a question or a key: four figures, lists in brackets, a minus that is no hyphen's neighbour."""
    if isinstance(value, float):
        return f"{value + 0.0:.4g}"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(shown, value))})"
    return str(value)


def questions(lesson: int, into: list[Item]) -> Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """`@ask(text, a=draw, ...)` before a function from the numbers to the key, whose name is the question's."""

    def ask(text: str, **numbers: Draw) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def keep(answer: Callable[..., Any]) -> Callable[..., Any]:
            name = answer.__name__.replace("_", "-")
            into.append(Item(name=name, lesson=lesson, text=text, numbers=numbers, answer=answer))
            return answer

        return keep

    return ask


def whole(low: int, high: int) -> Draw:
    """A whole number from low to high, both included."""
    return lambda rng: rng.randint(low, high)


def signed(high: int) -> Draw:
    """A whole number other than 0, from -high to high."""
    return lambda rng: rng.choice((-1, 1)) * rng.randint(1, high)


def one_of(*values: Any) -> Draw:
    """One of these."""
    return lambda rng: rng.choice(values)


def several(n: int, draw: Draw) -> Draw:
    """A list of n."""
    return lambda rng: [draw(rng) for _ in range(n)]


def different(n: int, values: Sequence[Any]) -> Draw:
    """n different ones, in an order that is drawn."""
    return lambda rng: rng.sample(list(values), n)
