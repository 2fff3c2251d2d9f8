"""A compiler for graphs of Values: trace a loss once, then replay it and its gradient as some hundred calls of NumPy.

    (a * b) + (c * d)                     a graph: three nodes, each an object that Python makes, visits and frees
    level 1: a*b, c*d    level 2: +       what nodes of a level need lies in the levels before, never beside them
    multiply([a, c], [b, d]) -> [ab, cd]  so the nodes of a level that share an op, a *group*, are one call
    add([ab], [cd]) -> [loss]

A step of a small transformer has thousands of nodes, but a few dozen levels. `Program` takes such a graph and does
what every compiler does, in four passes (training/backends/replay.py traces one):

    1 sort    nodes into levels, and those of a level into groups (`_groups`). Level 0 is what is copied into `v` one
              number at a time; weights of a linear layer are not: they are multiplied in `p`, where all weights lie
    2 lay out one vector `v` for all values, a group's beside each other, and one vector `e` for all edges (`_allot`):
              a place for each reader of a node, where it leaves its share of the node's gradient
    3 emit    the calls of the way forward, group by group: gather the operands from `v`, work out, write to `v`
    4 emit    the calls of the way back, last group first: a group's gradient is gathered from `e`, where its readers
              left their shares, is multiplied by the slopes, and is left on the edges to its own operands

A call is (function, arrays): the arrays are views of memory that stays where it is. To replay is to put new weights
and indices into that memory and to make the calls again, in order; no Value is touched any more.

What may change between replays: the weights, and indices that were traced as `Open` (tokens, targets). relu, max and
the largest of a softmax look at their numbers anew. What is frozen: the shape of the graph, and with it every Python
`if` on a Value's data, which took one branch in the trace and takes it for ever. Whoever replays has to compare with
the engine now and then.

Several samples of a shape run side by side: each array then has a first axis S; read S as 1 at first. A dot product
has as parents all its x, then all its w, then the bias if it has one. Knows no model and no formula of one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ..module import Module, shape_of
from ..scalar.value import Value
from .rules import EMIT, POWERS, RULES, Array, Back, Calls, Nodes, elementwise, looked_at, n_rows, operands_of, view_of


class Open(int):
    """An index that is chosen anew at each replay: number `slot` of those that the program is given."""

    slot: int

    def __new__(cls, slot: int, value: int = 0) -> Open:
        index = super().__new__(cls, value)
        index.slot = slot
        return index


class Table(list[Any]):
    """A matrix of Values whose row at an Open index stays open: nodes `pick`, each of a column and the index."""

    def __getitem__(self, index: Any) -> Any:
        row = super().__getitem__(index)
        return [Value(x.data, (x,), (1.0,), "pick", index) for x in row] if isinstance(index, Open) else row


def open_tables(model: Any, tables: dict[int, Table] | None = None) -> None:
    """Put a Table in the place of every matrix of a model that is about to be traced; one that is shared stays so."""
    tables = {} if tables is None else tables
    for name, child in vars(model).items():
        children = child if isinstance(child, list) else [child]
        if children and isinstance(children[0], list):
            setattr(model, name, tables.setdefault(id(child), Table(child)))
        for part in children:
            if isinstance(part, Module):
                open_tables(part, tables)


def kind_of(node: Value) -> str:
    """The name of the rule: "x+y" of two Values, "x+c" of a Value and a number, "c-x" of a number and a Value, "exp".

    Raises ValueError for an op without a rule, or one whose rule would freeze a constant that is to be looked at anew.
    """
    op = kind = node.op
    if op in ("+", "-", "*", "/", "max"):
        kind = f"x{op}{'c' if len(node.parents) == 1 else 'y'}"
    elif op.startswith("**"):
        kind = "x**c"
    elif op.endswith(("**", "-", "/")):
        kind = "c**x" if op.endswith("**") else f"c{op[-1]}x"
    if kind not in RULES and kind not in EMIT and kind != "pick":
        raise ValueError(f"a Value was computed by {op!r}, for which there is no rule: add one to RULES (rules.py)")
    if kind in POWERS and looked_at(node):
        raise ValueError(f"{op!r} with the largest of some Values has no rule: write exp(b * log(a)) for a ** b")
    if isinstance(node.constant, Open) and kind not in ("pick", "cross_entropy"):
        raise ValueError(f"{op!r} of an open index has no rule: it chooses a row or a class, and is no number")
    return kind


@dataclass
class Group:
    """Nodes of a level that share an op: one rule for all of them, and what it made of them."""

    level: int
    kind: str
    nodes: list[Value]
    n_nodes: int = 0  # stays when the graph is forgotten, as do the calls below
    n_forward: int = 0
    n_back: int = 0


class Program:
    """The replay of a graph: `outputs` of S samples at once, from weights and indices; and the gradient.

    `parameters` are those of the model that was traced: (name, nested list of Values). Who replays fills `weights`
    and calls `forward`, then `backward` with the slopes that come to the outputs (`seeds`), and copies `gradients`.
    """

    def __init__(
        self, outputs: Nodes, parameters: Iterable[tuple[str, Any]], *, samples: int = 1, gradient: bool = True
    ) -> None:
        """Raises ValueError for an op without a rule. Without `gradient` there is no way back."""
        self.samples = samples
        self._place_weights(dict(parameters))
        self.groups = self._groups(outputs)  # in the order of the calls
        self._allot(outputs)
        with np.errstate(all="ignore"):
            backs = [self._emit_forward(group) for group in self.groups]
            self.outputs = self.forward_calls.gather(self.v, self._places(outputs))
            if gradient:
                self.seeds = self.edges(outputs)
                for group, back in reversed(list(zip(self.groups, backs, strict=True))):
                    self._emit_backward(group, back)

    def forward(self, indices: Any = ()) -> Array:
        """The outputs of each sample, in memory that the next call overwrites.      indices (S, slots) -> (S, outputs)

        Raises IndexError on an index that the table, or the classes of a cross-entropy, has not.
        """
        self.indices[...] = indices
        if not np.less(self.unsigned, self.limits).all():
            raise IndexError(f"an index of {self.indices.tolist()} is out of bounds, which are {self.limits.tolist()}")
        self.forward_calls()
        return self.outputs

    def backward(self, seeds: Any) -> list[Array]:
        """sum_s sum_o seeds[s, o] d output[s, o] / d weight, of the last `forward`      seeds (S, outputs)"""
        self.seeds[...] = seeds
        self.gp.fill(0.0)
        self.backward_calls()
        return self.gradients

    @property
    def n_bytes(self) -> int:
        """Memory that the program holds, the copies of indices in its calls included."""
        owned: dict[int, int] = {}
        for function, arguments in chain(self.forward_calls.calls, self.backward_calls.calls):
            for item in (*arguments, *getattr(function, "keywords", {}).values(), getattr(function, "__self__", None)):
                if isinstance(item, np.ndarray):
                    base = item if item.base is None else item.base
                    owned[id(base)] = getattr(base, "nbytes", item.nbytes)
        return sum(owned.values())

    def forget(self) -> None:
        """Let the graph go: a replay needs none of it."""
        found: list[Any] = [self.at, self.readers, self.leaf, self.matrices, self.learns]
        for kept in (*found, *[group.nodes for group in self.groups]):
            kept.clear()

    # **** before all: where the weights lie, by which pass 1 tells them from other numbers

    def _place_weights(self, parameters: Mapping[str, Any]) -> None:
        """Weights in one vector p, gradients in gp, each with a view by parameter; where each leaf lies in them."""
        self.leaf: dict[Value, int] = {}
        self.matrices: dict[Value, tuple[int, int, str]] = {}  # rows, columns and name of a leaf's parameter
        slices, n = [], 0
        for name, parameter in parameters.items():
            shape, leaves = shape_of(parameter), flat(parameter)
            rows, columns = (shape[0], shape[-1]) if len(shape) == 2 else (1, len(leaves))
            slices.append((slice(n, n + len(leaves)), shape))
            self.matrices |= dict.fromkeys(leaves, (rows, columns, name))
            self.leaf |= {leaf: i for i, leaf in enumerate(leaves, n)}
            n += len(leaves)
        if n > len(self.leaf):
            raise ValueError("a Value stands twice among the parameters: name one that is shared once")
        self.p, self.gp = np.zeros((2, len(self.leaf)))
        self.is_zero = np.ones(len(self.leaf), bool)  # of gp, what nothing was added to so far on the way back
        self.weights, self.gradients = ([a[place].reshape(shape) for place, shape in slices] for a in (self.p, self.gp))

    # **** pass 1: levels and groups

    def _groups(self, outputs: Nodes) -> list[Group]:
        nodes = sorted(_seen_from(outputs, looked_at), key=lambda node: node.born)
        self.learns = _seen_from(outputs, lambda node: ())  # a gradient goes back to them; others were only looked at
        inner = self._inner_groups([node for node in nodes if node.parents and node.op != "pick"])
        read = set(outputs)  # a weight that is read in matrices alone is not among them
        for group in inner:
            read.update(operands_of(group.kind, group.nodes), *map(looked_at, group.nodes))
        loads: defaultdict[tuple[str, bool], list[Value]] = defaultdict(list)
        for node in nodes:
            if node in read and (node.op == "pick" or not node.parents):
                kind = "row" if node.op == "pick" else "weight" if node in self.leaf else "number"
                loads[kind, node in self.learns].append(node)
        loaded = [Group(0, kind, loads[kind, learns]) for kind in _LOADS for learns in (True, False)]
        return [group for group in (*loaded, *inner) if group.nodes]

    def _inner_groups(self, inner: Nodes) -> list[Group]:
        level: defaultdict[Value, int] = defaultdict(int)  # 0 of what is loaded
        found: defaultdict[tuple[Any, ...], list[Value]] = defaultdict(list)
        for node in inner:
            level[node] = 1 + max(map(level.__getitem__, (*node.parents, *looked_at(node))))
            kind = kind_of(node)
            found[level[node], kind, self._what_else(kind, node), node in self.learns].append(node)
        groups = []
        for (depth, kind, what, _), members in sorted(found.items(), key=lambda item: item[0][0]):
            if kind in ("dot", "dot+b") and self._is_layer(members):
                kind = "linear"
            elif what == "no target":
                kind = "no target"
            groups.append(Group(depth, kind, members))
        return groups

    def _what_else(self, kind: str, node: Value) -> Any:
        """What nodes of a group have in common, beside level and kind: what their rule needs to be the same."""
        if kind in ("dot", "dot+b"):
            return self.matrices.get(node.parents[len(node.parents) // 2])  # the parameter that its first w is of
        if kind in POWERS:
            return node.constant
        if kind == "cross_entropy":
            return "no target" if node.constant == -1 else (len(node.parents), isinstance(node.constant, Open))
        return bool(looked_at(node))

    def _is_layer(self, dots: Nodes) -> bool:
        """These dot products are one product of matrices: each x in turn with the same rows, which lie in order in p.

        Asked, not assumed: a model may multiply rows in any order, some of them, or its inputs with each other.
        """
        n, has_bias = divmod(len(dots[0].parents), 2)
        if not n or any(len(dot.parents) != 2 * n + has_bias for dot in dots):
            return False
        first = np.array([[self.leaf.get(w, -1) for w in dot.parents[n : 2 * n]] for dot in dots])
        rows = n_rows(dots)
        if first.min() < 0 or len(dots) % rows:
            return False
        wanted = first[0, 0] + np.tile(np.arange(rows * n).reshape(rows, n), (len(dots) // rows, 1))
        in_order = bool((first == wanted).all())
        if has_bias:
            biases = np.array([self.leaf.get(dot.parents[-1], -1) for dot in dots]).reshape(-1, rows)
            in_order &= bool(biases[0, 0] >= 0) and bool((biases == biases[0, 0] + np.arange(rows)).all())
        return in_order and all(dot.parents[:n] == dots[i - i % rows].parents[:n] for i, dot in enumerate(dots))

    # **** pass 2: where things lie: sample s of node i of a group of k in v at first + s k + i, edges in e likewise

    def _allot(self, outputs: Nodes) -> None:
        """Memory for all values, edges and indices; an edge more for each node, where `_pull` may put the sum."""
        S = self.samples
        self.at: dict[Value, tuple[int, int]] = {}  # its place in v in the first sample, and the step to the next one
        for group in self.groups:
            group.n_nodes, first = len(group.nodes), S * len(self.at)
            self.at |= {node: (first + i, group.n_nodes) for i, node in enumerate(group.nodes)}
        self.v = np.zeros(S * len(self.at))
        n_edges = len(outputs) + len(self.at) + sum(len(operands_of(g.kind, g.nodes)) for g in self.groups if g.level)
        self.e, self.n_edges = np.zeros(S * n_edges), 0
        self.readers: defaultdict[Value, list[tuple[int, int]]] = defaultdict(list)  # in e, a place for each
        opened: defaultdict[int, int] = defaultdict(lambda: 1 << 62)  # of each slot, the fewest rows it chooses from
        for node in chain.from_iterable(group.nodes for group in self.groups):
            if isinstance(node.constant, Open):
                n_choices = self.matrices[node.parents[0]][0] if node.op == "pick" else len(node.parents)
                opened[node.constant.slot] = min(opened[node.constant.slot], n_choices)
        self.limits = np.array([opened[slot] for slot in range(1 + max(opened, default=-1))], np.uint64)
        self.indices = np.zeros((S, len(self.limits)), np.int64)
        self.unsigned = self.indices.view(np.uint64)  # the same memory, in which a negative index is a huge one
        self.forward_calls, self.backward_calls = Calls(), Calls()

    def _samples(self, places: Iterable[tuple[int, int]]) -> Array:
        """(place in the first sample, step to the next) of n numbers -> (S, n) places"""
        first, step = np.array(list(places), int).reshape(-1, 2).T
        return first + step * np.arange(self.samples)[:, None]

    def _places(self, nodes: Nodes) -> Array:
        """(S, n) places in v"""
        return self._samples(self.at[node] for node in nodes)

    def view(self, group: Nodes) -> Array:
        """Where the results of a whole group go       (S, k)"""
        first = self.at[group[0]][0] if group else 0
        return self.v[first : first + self.samples * len(group)].reshape(self.samples, len(group))

    def read(self, nodes: Nodes) -> Array:
        """The values of any nodes       (S, n)"""
        return self.forward_calls.gather(self.v, self._places(nodes))

    def read_indices(self, nodes: Nodes) -> Array:
        """The constants of nodes that are indices, at each replay those that are open       (S, n)"""
        indices = np.tile([int(node.constant or 0) for node in nodes], (self.samples, 1))
        if nodes and isinstance(nodes[0].constant, Open):
            slots = np.array([node.constant.slot for node in nodes])
            self.forward_calls.call(self.indices.take, slots, 1, indices, "clip")
        return indices

    def read_largest(self, nodes: Nodes) -> Array:
        """The constants of nodes that are the largest of some Values, looked at anew       (S, n)"""
        rows = {id(node.constant): looked_at(node) for node in nodes}
        order = {key: i for i, key in enumerate(rows)}
        places = self._places(list(chain(*rows.values())))
        largest = np.empty((self.samples, len(rows)))
        self.forward_calls.reduce(np.maximum, self.v, places, list(map(len, rows.values())), largest)
        out = np.empty((self.samples, len(nodes)))
        self.forward_calls.call(largest.take, np.array([order[id(node.constant)] for node in nodes]), 1, out, "clip")
        return out

    def _new_edges(self, n: int) -> Array:
        """(S, n) places in e that nobody has"""
        first = self.n_edges
        self.n_edges += self.samples * n
        return self.e[first : self.n_edges].reshape(self.samples, n)

    def edges(self, operands: Nodes) -> Array:
        """New places where each operand will find its share of the gradient       (S, n)"""
        places = self._new_edges(len(operands))
        self.pass_on(operands, places, [1] * len(operands))
        return places

    def pass_on(self, operands: Nodes, g: Array, counts: Sequence[int]) -> None:
        """Operands read g as it is, at no cost: the first counts[0] of them g[:, 0], the next counts[1] g[:, 1]."""
        first = (g.ctypes.data - self.e.ctypes.data) // g.itemsize  # g lies in e
        for i, operand in zip(np.repeat(np.arange(len(counts)), counts).tolist(), operands, strict=True):
            self.readers[operand].append((first + i, len(counts)))  # in the first sample, and the step to the next one

    def learn(self, first: int, x: Array, y: Array) -> None:
        """gp += x y for the weights from number `first` on, or gp = x y: level 0, which adds as well, comes later"""
        product, do = x @ y, self.backward_calls.do
        place = slice(first, first + product.size)
        gradient = self.gp[place].reshape(product.shape)
        if self.is_zero[place].all():
            do(np.dot, x, y, out=gradient)
        else:
            do(np.add, gradient, do(np.dot, x, y, out=product), out=gradient)
        self.is_zero[place] = False

    def _pull(self, nodes: Nodes) -> Array:
        """The gradients of nodes, in e: the sum of what lies on their edges       (S, k)"""
        edges = [self.readers[node] for node in nodes]
        places, counts = self._samples(chain.from_iterable(edges)), list(map(len, edges))
        if max(counts) == 1 and (view := view_of(self.e, places)) is not None:
            return view
        out = self._new_edges(len(nodes))
        self.backward_calls.reduce(np.add, self.e, places, counts, out)
        return out

    # **** passes 3 and 4: each method emits the calls of a group forward, and returns what emits those of the way back

    def _emit_forward(self, group: Group) -> Back:
        before = len(self.forward_calls.calls)
        back = (_LOADS.get(group.kind) or EMIT.get(group.kind, elementwise))(self, group.kind, group.nodes)
        group.n_forward = len(self.forward_calls.calls) - before
        return back

    def _emit_backward(self, group: Group, back: Back) -> None:
        before = len(self.backward_calls.calls)
        if group.kind != "number" and group.nodes[0] in self.learns:
            back(self._pull(group.nodes))
        group.n_back = len(self.backward_calls.calls) - before

    def _load_numbers(self, kind: str, numbers: Nodes) -> Back:
        """Numbers that are no weights: they stay as they are."""
        self.view(numbers)[...] = [x.data for x in numbers]
        return lambda g: None

    def _load_weights(self, kind: str, leaves: Nodes) -> Back:
        """Weights that are read one by one"""
        return self._load(leaves, np.tile([self.leaf[leaf] for leaf in leaves], (self.samples, 1)))

    def _load_rows(self, kind: str, picks: Nodes) -> Back:
        """Weights of rows that the indices choose: index times columns after the place in row 0"""
        do, leaves = self.forward_calls.do, [pick.parents[0] for pick in picks]
        columns = np.tile([self.matrices[leaf][1] for leaf in leaves], (self.samples, 1))
        first = np.array([self.leaf[leaf] for leaf in leaves]) - columns * [int(pick.constant) for pick in picks]
        return self._load(picks, do(np.add, do(np.multiply, self.read_indices(picks), columns), first))

    def _load(self, nodes: Nodes, places: Array) -> Back:
        """The weights at places (S, n) of p. Several nodes may read one: add.at adds, twice as fast when flat."""
        self.forward_calls.call(self.p.take, places, None, self.view(nodes), "clip")
        return lambda g: self.backward_calls.call(np.add.at, self.gp, places.reshape(-1), g.reshape(-1))


_LOADS = {"row": Program._load_rows, "weight": Program._load_weights, "number": Program._load_numbers}
"""Groups of level 0, in the order of the calls."""


def _seen_from(outputs: Nodes, looked: Callable[[Value], Nodes]) -> set[Value]:
    """The outputs and all that they were computed from, with what `looked` says that a node looked at besides."""
    found, frontier = set(outputs), set(outputs)
    while frontier:
        frontier = set().union(*[node.parents for node in frontier], *map(looked, frontier)) - found
        found |= frontier
    return found


def flat(parameter: Any) -> list[Value]:
    """The Values of a nested list, row by row."""
    return [x for item in parameter for x in flat(item)] if isinstance(parameter, (list, tuple)) else [parameter]
