"""What a result is called that no `backward` can walk, and that the two lessons with nodes of one's own say it."""

import math

import pytest

from nanochat.course.judging import judge
from nanochat.course.lessons import find_exercise
from nanochat.course.lessons.nodes import NO_TUPLE, PLAIN_PARENT, VALUE_INSIDE, flaw
from nanochat.engine import Value

X = Value(2.0)
FLAWS = [
    (None, "None"),
    (4.0, "a plain float"),
    (Value(X, (X,), (1.0,)), "a Value inside a Value"),
    (Value(..., (X,), (1.0,)), "a Value of Ellipsis"),
    (Value(4.0, X, (4.0,)), "no tuple"),
    (Value(4.0, (X,), 4.0), "no tuple"),
    (Value(4.0, (2.0,), (4.0,)), "a plain number as its parent"),
    (Value(4.0, (X,), (Value(4.0),)), "a slope that is no number"),
]


@pytest.mark.parametrize(("result", "words"), FLAWS)
def test_a_flaw_is_said_in_words(result, words):
    assert words in flaw(result)


@pytest.mark.parametrize("result", [X, X * X, Value(4, [X], [True]), Value(math.nan, (X,), (math.inf,))])
def test_a_node_has_none_whatever_its_numbers(result):
    assert flaw(result) == ""


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda f, s, x: Value(f, (x), (s)), NO_TUPLE),
        (lambda f, s, x: Value(f, (x,), (s)), NO_TUPLE),
        (lambda f, s, x: Value(f, (x.data,), (s,)), PLAIN_PARENT),
        (lambda f, s, x: Value(Value(f), (x,), (s,)), VALUE_INSIDE),
        (lambda f, s, x: Value(f, (x,), (Value(s),)), VALUE_INSIDE),
        (lambda f, s, x: Value(f, (x), (-s)), NO_TUPLE),
    ],
)
def test_a_node_that_is_none_breaks_the_first_law_and_no_other(make, sentence):
    """The last one is two mistakes: the one of how it is made hides the other, and is told."""
    curve = find_exercise("1a").variants["softplus"]
    bend = {"bend": lambda x: make(curve.f(x.data), curve.slope(x.data), x)}
    report = judge(find_exercise("1a"), bend, "softplus", 1)
    assert [one.state for one in report.verdicts] == ["broken", *["waiting"] * 5]
    assert report.why == sentence


def test_a_formula_that_overflows_hides_no_other_mistake():
    def bend(x):
        return Value(math.log(1 + math.exp(x.data)), (x), (1.0))

    assert judge(find_exercise("1a"), {"bend": bend}, "softplus", 1).why == NO_TUPLE


def test_two_parents_by_way_of_several_nodes_are_called_several_nodes():
    report = judge(find_exercise("1b"), {"join": lambda a, b: a * b / (a + b)}, "harmonic", 1)
    assert [one.broken.got for one in report.verdicts if one.broken] == ["several nodes"]
    assert "several nodes" in report.why


def test_a_long_order_is_cut_between_two_nodes():
    backwards = next(one for one in find_exercise("2b").wrong if one.name == "the other way round")
    report = judge(find_exercise("2b"), backwards.answer(False), "parents first", 1)
    long = next(one.broken.got for one in report.verdicts if one.law == "long" and one.broken)
    assert long.endswith(", n4985, and 4,985 more]")


def test_no_list_of_nodes_is_called_none():
    broken = judge(find_exercise("2b"), {"order": lambda y: None}, "parents first", 1).verdicts[0].broken
    assert broken.got.startswith("None")
