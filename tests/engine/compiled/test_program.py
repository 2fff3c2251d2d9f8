"""A replay gives what the engine gives, whatever numbers and indices it is given after the trace."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest

from nanochat.engine import Value
from nanochat.engine.compiled.program import Open, Program, flat, open_tables
from nanochat.engine.scalar import functional as F
from nanochat.engine.scalar import nn
from nanochat.engine.scalar.value import Largest

TOLERANCE = 1e-12
"""A thousand roundings of float64 at the most: sums are added in another order."""

Formula = Callable[..., Sequence[Value]]


def matrix(array: np.ndarray) -> Any:
    return [matrix(row) for row in array] if array.ndim else Value(float(array))


def by_the_engine(formula: Formula, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs, and the gradient of their sum weighted by 1, 2, 3, ... for each array."""
    inputs = [matrix(array) for array in arrays]
    outputs = list(formula(*inputs))
    F.dot(outputs, [Value(1.0 + i) for i in range(len(outputs))]).backward()
    return [
        np.array([y.data for y in outputs]),
        *(np.array([x.grad for x in flat(p)]).reshape(a.shape) for p, a in zip(inputs, arrays, strict=True)),
    ]


def trace(formula: Formula, *arrays: np.ndarray, samples: int = 1) -> Program:
    """Of the formula at numbers that are not those of the replay."""
    inputs = [matrix(np.full(array.shape, 0.7)) for array in arrays]
    named = [(str(i), x if isinstance(x, list) else [x]) for i, x in enumerate(inputs)]
    return Program(list(formula(*inputs)), named, samples=samples)


def by_replay(program: Program, *arrays: np.ndarray) -> list[np.ndarray]:
    with np.errstate(all="ignore"):
        for place, array in zip(program.weights, arrays, strict=True):
            place[...] = array
        outputs = program.forward()[0].copy()
        gradients = program.backward([1.0 + np.arange(len(outputs))])
    return [outputs, *(g.reshape(a.shape).copy() for g, a in zip(gradients, arrays, strict=True))]


def assert_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


FORMULAS: dict[str, Formula] = {
    "a chain": lambda x: [(x[0] * x[1] + x[2].exp()).tanh() / x[3]],
    "an input that is a result": lambda x: [x[0], x[0] * 2, x[0]],
    "an output that is read again": lambda x: [x[0] * x[1], (x[0] * x[1]).relu(), *F.softmax(x)],
    "sums of several lengths": lambda x: [F.sum(x[:n]) for n in (1, 2, 4)] + [F.mean(x[:n]) for n in (1, 3)],
    "dots of several lengths": lambda x: [F.dot(x[:n], x[-n:]) for n in (1, 2, 4)],
    "a mean beside another reader of its gradient": lambda x: [x[0].exp() + F.mean(x)],
    "squares of few and of many terms": lambda x: [F.dot(x, x), F.dot(x[::-1], x[::-1]).exp() * F.dot(x * 3, x * 3)],
    "softmaxes of several lengths": lambda x: [p * x[0] for n in (1, 2, 3, 4) for p in F.softmax(x[:n])],
    "attention": lambda x: F.attention(x[:2], [x[:2], x[2:]], [x[2:], x[:2]]),
    "norms": lambda x: [*F.rms_norm(x), *F.layer_norm(x, x, x), *F.dyt(x, x[0], x, x)],
    "gates": lambda x: [*F.relu2(x), *F.gelu(x), *F.silu(x), *F.swiglu(x)],
    "rope": lambda x: F.rope(x, 3),
    "cross-entropy": lambda x: [F.cross_entropy(x, 2), F.cross_entropy(x[:3], 0), F.cross_entropy(x, -1)],
    "the largest of what is not read otherwise": lambda x: [x[0] - Largest(x[1:]), x[0] * Largest([x[2].exp(), x[3]])],
    "the largest of what has no slope": lambda x: [x[0] + Largest([(x[1] * 0).sqrt()]), x[1]],
    "what the largest divides": lambda x: [x[0] / Largest(x), Largest(x) / x[1], x[2] - Largest(x[:2])],
    "the largest of nothing": lambda x: [x[0] - Largest([]), x[1] - 2.0],
    "numbers that are no parameters": lambda x: [x[0] * Value(3.0), Value(4.0) + Value(2.0)],
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_replayed_at_other_numbers(name):
    x = np.random.default_rng(1).standard_normal(4)
    assert_equal(by_replay(trace(FORMULAS[name], x), x), by_the_engine(FORMULAS[name], x))


LAYERS: dict[str, tuple[Formula, str]] = {
    "a layer": (lambda x, w, b: F.linear(x, w), "linear"),
    "a layer with a bias": (lambda x, w, b: F.linear(x, w, b), "linear"),
    "a layer on two inputs": (lambda x, w, b: F.linear(x, w, b) + F.linear(x[::-1], w, b), "linear"),
    "a layer twice on one input": (lambda x, w, b: F.linear(x, w, b) + F.linear(x, w, b), "dot+b"),
    "a layer, then a part of it": (lambda x, w, b: F.linear([*F.linear(x, w, b), x[0]], w[1:], b[1:]), "linear"),
    "rows, then the others": (lambda x, w, b: F.linear([*F.linear(x, w[:1]), *x[1:]], w[1:]), "linear"),
    "some rows": (lambda x, w, b: F.linear(x, w[1:]), "linear"),
    "rows from the last to the first": (lambda x, w, b: F.linear(x, w[::-1]), "dot"),
    "every other row": (lambda x, w, b: F.linear(x, w[::2], b[::2]), "dot+b"),
    "biases in another order": (lambda x, w, b: F.linear(x, w, b[::-1]), "dot+b"),
    "the transposed weight": (lambda x, w, b: F.linear(x[:3], [list(c) for c in zip(*w, strict=True)]), "dot"),
    "parts of rows": (lambda x, w, b: F.linear(x[:2], [row[1:3] for row in w]), "dot"),
    "weights with weights": (lambda x, w, b: [F.dot(w[0], w[1]), F.dot(w[1], w[0])], "dot"),
    "inputs with inputs": (lambda x, w, b: [F.dot(F.relu(x), F.gelu(x))], "dot"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_rows_become_a_product_of_matrices_where_they_are_one_and_dots_elsewhere(name):
    (formula, kind), rng = LAYERS[name], np.random.default_rng(2)
    x, w, b = rng.standard_normal(4), rng.standard_normal((3, 4)), rng.standard_normal(3)
    program = trace(formula, x, w, b)
    assert {g.kind for g in program.groups if g.kind in ("linear", "dot", "dot+b")} == {kind}
    assert_equal(by_replay(program, x, w, b), by_the_engine(formula, x, w, b))


def test_a_gradient_starts_at_zero_whatever_was_computed_before():
    program = trace(FORMULAS["norms"], np.zeros(4))
    seeds = np.ones((1, program.outputs.shape[1]))
    program.weights[0][...] = [1.0, 2.0, 3.0, 5.0]
    program.forward()
    first = [g.copy() for g in program.backward(seeds)]
    assert_equal(program.backward(seeds), first)


class Table(nn.Embedding):
    """An embedding whose rows are classified by themselves."""

    def loss(self, ids: Sequence[int], targets: Sequence[int]) -> Value:
        rows = [F.rms_norm(self(index)) for index in ids]
        return F.mean([F.cross_entropy(F.linear(x, self.weight), y) for x, y in zip(rows, targets, strict=True)])


def tables(samples: int) -> tuple[Program, Table]:
    """The loss of two ids and two targets, all four open; and a model to compare with."""
    traced, model = Table(5, 3), Table(5, 3)
    rng = np.random.default_rng(3)
    model.load_state_dict({"weight": rng.standard_normal((5, 3))})
    open_tables(traced)
    loss = traced.loss([Open(0), Open(1)], [Open(2), Open(3)])
    program = Program([loss], traced.named_parameters(), samples=samples)
    program.weights[0][...] = model.state_dict()["weight"]
    return program, model


@pytest.mark.parametrize("indices", [[0, 1, 2, 3], [4, 4, 4, 4], [2, 2, 0, 4]])
def test_open_indices_choose_rows_and_targets_anew(indices):
    program, model = tables(1)
    loss = model.loss(indices[:2], indices[2:])
    loss.backward()
    assert program.forward([indices])[0, 0] == pytest.approx(loss.data, abs=TOLERANCE)
    assert_equal(program.backward([[1.0]]), [np.array([[w.grad for w in row] for row in model.weight])])


def test_samples_side_by_side_are_those_alone():
    together, alone = tables(3)[0], tables(1)[0]
    indices, seeds = np.array([[0, 1, 2, 3], [4, 4, 4, 4], [2, 2, 0, 4]]), np.array([[0.5], [2.0], [-1.0]])
    losses = [alone.forward([row])[0, 0] for row in indices]
    np.testing.assert_allclose(together.forward(indices)[:, 0], losses, atol=TOLERANCE)
    total = np.zeros((5, 3))
    for row, seed in zip(indices, seeds, strict=True):
        alone.forward([row])
        total += alone.backward([seed])[0]
    together.forward(indices)
    assert_equal(together.backward(seeds), [total])


@pytest.mark.parametrize("index", [-1, 5, 1 << 40])
@pytest.mark.parametrize("slot", [0, 3])
def test_an_index_that_the_table_or_the_classes_have_not_is_refused(index, slot):
    indices = [1, 1, 1, 1]
    indices[slot] = index
    with pytest.raises(IndexError, match="out of bounds"):
        tables(1)[0].forward([indices])


def test_a_python_if_is_frozen_as_it_went_in_the_trace():
    """What the docstring warns of, and why whoever replays has to compare with the engine."""

    def branching(x: list[Value]) -> list[Value]:
        return [x[0] * 2 if x[0].data > 0 else x[0] * 3]

    x = np.array([-1.0])
    assert by_replay(trace(branching, x), x)[0] == [-2.0]
    assert by_the_engine(branching, x)[0] == [-3.0]


@pytest.mark.parametrize("power", [lambda x, c: x**c, lambda x, c: c**x], ids=["as the exponent", "as the base"])
def test_a_largest_that_a_power_would_freeze_is_refused(power):
    x = [Value(2.0), Value(3.0)]
    with pytest.raises(ValueError, match=r"write exp\(b \* log\(a\)\)"):
        Program([power(x[0], Largest(x))], [("x", x)])


def test_a_value_that_two_parameters_share_is_refused():
    x = Value(2.0)
    with pytest.raises(ValueError, match="stands twice among the parameters"):
        Program([x * 3], [("x", [x]), ("tied", [x])])


def test_an_open_index_is_no_number_to_calculate_with():
    x = Value(2.0)
    with pytest.raises(ValueError, match="of an open index"):
        Program([x * Open(0)], [("x", [x])])


def test_an_index_into_two_tables_is_bound_by_the_smaller_one():
    small, large = nn.Embedding(2, 1), nn.Embedding(5, 1)
    for table in (small, large):
        open_tables(table)
    for first, second in ((small, large), (large, small)):
        outputs = [*first(Open(0)), *second(Open(0))]
        program = Program(outputs, [("small", small.weight), ("large", large.weight)])
        program.forward([[1]])
        with pytest.raises(IndexError, match="out of bounds"):
            program.forward([[2]])


def test_an_op_without_a_rule_is_refused_by_name():
    x = Value(2.0)
    with pytest.raises(ValueError, match="'cube'"):
        Program([Value(8.0, (x,), (12.0,), "cube")], [("x", [x])])


def test_a_program_that_has_forgotten_its_graph_replays_and_holds_no_value():
    program = trace(FORMULAS["attention"], np.zeros(4))
    assert any(isinstance(item, Value) for item in held(program))
    program.forget()
    assert not any(isinstance(item, Value) for item in held(program))
    assert math.isfinite(by_replay(program, np.arange(4.0))[0][0])


def held(program: Program) -> list[Any]:
    """All that can be reached from its attributes, types and modules aside."""
    found: dict[int, Any] = {}
    frontier: list[Any] = list(vars(program).values())
    while frontier:
        item = frontier.pop()
        if id(item) not in found and not isinstance(item, type | ModuleType | FunctionType):
            found[id(item)] = item
            frontier += gc.get_referents(item)
    return list(found.values())


def test_memory_is_counted_to_within_a_half_of_what_calls_hold():
    small, large = (tables(samples)[0].n_bytes for samples in (1, 64))
    assert 20 * small < large < 64 * small
