"""Exercise 2b: the order in which the nodes of a graph may speak."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits


class _Shape(NamedTuple):
    """A graph: each row is the numbers of a node's parents, which come before it; the last node is the result."""

    parents: tuple[tuple[int, ...], ...]

    def build(self) -> list[Node]:
        nodes: list[Node] = []
        for i, row in enumerate(self.parents):
            nodes.append(Node(f"n{i}", [nodes[j] for j in row]))
        return nodes


class Node:
    """A node with a name and parents, and nothing else to go by."""

    def __init__(self, name: str, parents: Sequence[Node]) -> None:
        self.name, self.parents = name, tuple(parents)

    def __repr__(self) -> str:
        return self.name


def _starter(is_backward: bool) -> str:
    says, ends = (
        ("every child before its parents", "begins") if is_backward else ("every parent before its children", "ends")
    )
    return f'''"""Exercise 2b: an order to speak in.

order(y) is the list of all nodes below y and y itself, each once, {says}; so it {ends} with y.
A node has `parents`, a tuple of nodes, and nothing else that helps. Do it without calling order again.
Check it with:  nanochat learn check 2b
"""


def order(y):
    ...
'''


def _cases(rng: random.Random, is_backward: bool) -> list[_Shape]:
    hand = [_Shape(((),)), _Shape(((), (0,))), _Shape(((), (0, 0))), _Shape(((), (0,), (1,), (1, 2)))]
    hand += [_Shape(((), (0,), (1,), (2, 0))), _Shape(((), (), (0, 1), (2, 0), (3, 2, 1)))]
    return hand + [_draw(rng, n) for n in range(4, 16)]


def _draw(rng: random.Random, n: int) -> _Shape:
    """Every node but the last is somebody's parent, so that all lie below the result."""
    rows = [tuple(rng.sample(range(i), min(i, rng.randint(0, 2)))) for i in range(n - 1)]
    used = {j for row in rows for j in row}
    return _Shape((*rows, tuple(j for j in range(n - 1) if j not in used)))


def _long(rng: random.Random, is_backward: bool) -> list[_Shape]:
    return [_Shape(((), *((i,) for i in range(4999))))]


def _call(shape: _Shape) -> str:
    if len(shape.parents) > 20:
        return f"a chain of {len(shape.parents):,} nodes"
    rows = [f"n{i}({', '.join(f'n{j}' for j in row)})" for i, row in enumerate(shape.parents)]
    return f"order(n{len(shape.parents) - 1}) of {' '.join(rows)}"


def _shown(found: list[Any], most: int = 15) -> str:
    more = len(found) - most
    return f"[{', '.join(map(str, found[:most]))}{f', and {more:,} more' if more > 0 else ''}]"


def _complete(answer: Answer, shape: _Shape, is_backward: bool) -> Broken | None:
    nodes = shape.build()
    found = answer["order"](nodes[-1])
    if found is None:
        return Broken(call=_call(shape), expected="a list of nodes", got=digits(found))
    found = list(found)
    if sorted(map(id, found)) == sorted(map(id, nodes)):
        return None
    return Broken(call=_call(shape), expected=f"{len(nodes)} nodes, each once", got=_shown(found))


def _ordered(answer: Answer, shape: _Shape, is_backward: bool) -> Broken | None:
    found = list(answer["order"](shape.build()[-1]))
    place = {id(node): i for i, node in enumerate(found)}
    for node in found:
        for parent in node.parents:
            if (place[id(parent)] < place[id(node)]) == is_backward:
                first = f"{node} before {parent}" if is_backward else f"{parent} before {node}"
                return Broken(call=_call(shape), expected=first, got=_shown(found))
    return None


def _observe(answer: Answer, shape: _Shape, is_backward: bool) -> Observation:
    return {"order": " ".join(map(str, answer["order"](shape.build()[-1])))}


def _finish(found: list[Any], is_backward: bool) -> list[Any]:
    return found[::-1] if is_backward else found


def _counted(is_backward: bool) -> Answer:
    """Kahn 1962: a node is free once everything computed from it has spoken."""

    def order(y: Any) -> list[Any]:
        waiting = {id(y): 0}
        todo = [y]
        for node in todo:
            for parent in node.parents:
                if id(parent) not in waiting:
                    waiting[id(parent)] = 0
                    todo.append(parent)
                waiting[id(parent)] += 1
        free, found = [y], []
        while free:
            node = free.pop()
            found.append(node)
            for parent in node.parents:
                waiting[id(parent)] -= 1
                if not waiting[id(parent)]:
                    free.append(parent)
        return _finish(found[::-1], is_backward)

    return {"order": order}


def _stacked(is_backward: bool) -> Answer:
    """A depth-first walk that keeps its own stack: a node is done when its parents are."""

    def order(y: Any) -> list[Any]:
        found, seen, stack = [], set(), [(y, False)]
        while stack:
            node, is_done = stack.pop()
            if is_done:
                found.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack += [(parent, False) for parent in node.parents]
        return _finish(found, is_backward)

    return {"order": order}


def _met(is_backward: bool) -> Answer:
    def order(y: Any) -> list[Any]:
        found = {y: None}
        row = [y]
        for node in row:
            row += [one for one in dict.fromkeys(node.parents) if one not in found]
            found |= dict.fromkeys(node.parents)
        return _finish(row[::-1], is_backward)

    return {"order": order}


def _every_road(is_backward: bool) -> Answer:
    def order(y: Any) -> list[Any]:
        found = [y]
        for node in found:
            found += node.parents
        return _finish(found[::-1], is_backward)

    return {"order": order}


def _recursive(is_backward: bool) -> Answer:
    def order(y: Any) -> list[Any]:
        found: dict[Any, None] = {}

        def visit(node: Any) -> None:
            if node not in found:
                for parent in node.parents:
                    visit(parent)
                found[node] = None

        visit(y)
        return _finish(list(found), is_backward)

    return {"order": order}


EXERCISE = Exercise(
    title="an order to speak in",
    file="order.py",
    asks=("order",),
    starter=_starter,
    variants={"parents first": False, "children first": True},
    cases=_cases,
    call=_call,
    laws=(
        Law(name="complete", sentence="every node is there, once", holds=_complete, points=2),
        Law(
            name="order",
            sentence="no node stands on the wrong side of a parent",
            holds=_ordered,
            points=3,
            needs=("complete",),
        ),
        Law(name="long", sentence="a chain of 5,000 nodes works", holds=_ordered, needs=("complete",), cases=_long),
    ),
    observe=_observe,
    right=(_counted, _stacked),
    wrong=(
        Wrong(
            name="as met",
            answer=_met,
            sentence="a node stands where it was first met. A shorter road may lead to it than the one that has to be "
            "waited for.",
        ),
        Wrong(
            name="every road",
            answer=_every_road,
            sentence="a node that several others use is listed once for each of them.",
        ),
        Wrong(
            name="recursion",
            answer=_recursive,
            sentence="it calls itself once for each node on the way down, and Python's stack is not 5,000 deep.",
        ),
        Wrong(
            name="the other way round",
            answer=lambda is_backward: _counted(not is_backward),
            sentence="the order is a right one, read from the other end.",
        ),
    ),
    hints=(
        "A node is ready once everything computed from it is listed. How do you know when that is?",
        "Count for each node how many others use it, in a first walk. In a second one, count down.",
        "Or keep the stack of a recursive walk in a list: push a node again, marked, below its parents.",
    ),
    project="nanochat.engine.scalar.value:Value.ancestors",
)
