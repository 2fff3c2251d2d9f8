"""A formula as a graph: forward in order, backward in the steps of `Value.backward`."""

from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine.scalar.pictures.expression import ExpressionError, evaluate

pytest.importorskip("starlette", reason="needs the extra serve: requirements/serve.txt")

from nanochat.serving.views.graph import MOST_NODES, graph

NUMBERS = st.floats(-9, 9).map(lambda x: round(x, 2))
FORMULAS = st.recursive(
    st.sampled_from(["a", "b", "2", "0.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda three: f"({' '.join(three)})"),
        inner.map(lambda one: f"tanh({one})"),
        inner.map(lambda one: f"({one})**2"),
    ),
    max_leaves=8,
)


@given(FORMULAS, NUMBERS, NUMBERS)
def test_the_steps_end_with_the_gradients_of_backward(formula, a, b):
    values = {name: value for name, value in (("a", a), ("b", b)) if name in formula.replace("tanh", "")}
    found = graph(formula, values)
    root, _ = evaluate(formula, **values)
    root.backward()
    nodes = sorted(root.ancestors(), key=attrgetter("born"))
    assert [node["value"] for node in found["nodes"]] == [node.data for node in nodes]
    gradients = [0.0] * (len(nodes) - 1) + [1.0]
    for step in found["backward"]:
        assert step["gradient"] == gradients[step["node"]]
        for add in step["adds"]:
            edge = found["edges"][add["edge"]]
            assert (edge["source"], edge["target"], edge["local"]) == (add["source"], step["node"], add["local"])
            gradients[add["source"]] += add["local"] * step["gradient"]
            assert add["total"] == gradients[add["source"]]
    assert gradients == [node["gradient"] for node in found["nodes"]] == [node.grad for node in nodes]


def test_every_arrow_leads_from_an_input_to_what_is_computed_from_it():
    found = graph("tanh(a*b + relu(c)) + a**2", {"a": 2, "b": -3, "c": 10})
    for i, node in enumerate(found["nodes"]):
        assert node["inputs"] == [edge["source"] for edge in found["edges"] if edge["target"] == i]
        assert all(source < i for source in node["inputs"])
        left, top, right, bottom = node["box"]
        assert 0 <= left < right <= found["width"]
        assert 0 <= top < bottom <= found["height"]
    assert [node["title"] for node in found["nodes"] if node["kind"] == "leaf"] == ["a", "b", "c"]
    assert [node["kind"] for node in found["nodes"]].index("result") == len(found["nodes"]) - 1


def test_more_nodes_than_can_be_looked_at_are_refused():
    n = MOST_NODES // 2
    assert len(graph("+".join(["a"] * n), {"a": 1})["nodes"]) <= MOST_NODES
    with pytest.raises(ExpressionError, match="the limit is 200"):
        graph("+".join(["2*a"] * (n + 1)), {"a": 1})


@pytest.mark.parametrize(
    ("expression", "values"),
    [("a +", {"a": 1}), ("a", {}), ("a", {"a": 1, "b": 2}), ("__import__('os')", {}), ("(" * 500, {}), ("", {})],
)
def test_what_is_no_formula_is_refused_in_one_sentence(tiny, expression, values):
    answer = tiny.post("/api/graph", {"expression": expression, "values": values})
    assert (answer.status, answer.error["code"]) == (400, "invalid_expression")


def test_what_is_not_finite_is_told_as_null(tiny):
    answer = tiny.post("/api/graph", {"expression": "exp(a) * exp(a)", "values": {"a": 700}})
    assert answer.status == 200
    assert answer.json["nodes"][-1]["value"] is None
