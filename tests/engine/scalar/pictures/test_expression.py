"""Formulas are read by a closed list; whatever is not on it is named, with its column."""

from __future__ import annotations

import math
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine import Value
from nanochat.engine.scalar.pictures.expression import FUNCTIONS, MAX_LENGTH, ExpressionError, evaluate
from nanochat.errors import UsageError


def test_the_first_example_has_its_value_and_gradients() -> None:
    y, leaves = evaluate("a*b + relu(c)", a=2, b=-3, c=10)
    y.backward()
    assert y.data == 4.0
    assert {name: leaf.grad for name, leaf in leaves.items()} == {"a": -3.0, "b": 2.0, "c": 1.0}


def test_a_name_used_twice_is_one_leaf() -> None:
    y, leaves = evaluate("a*a", a=3)
    y.backward()
    assert leaves["a"].grad == 6.0
    assert y.parents == (leaves["a"], leaves["a"])


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("-2 ** 2", -4.0),
        ("2 ** 3 ** 2", 512.0),
        ("2 ** -1", 0.5),
        ("(1 - 3) / 4", -0.5),
        ("--2", 2.0),
        ("a ** (1 / 2)", 3.0),
        ("2 ** a", 512.0),
        ("a ** relu(2)", 81.0),
        ("  a\t+\n1 ", 10.0),
        ("max(1, a, 3)", 9.0),
        ("abs(-a)", 9.0),
        ("sqrt(a)", 3.0),
        ("log(exp(a))", 9.0),
        ("1e-3 * a", 0.009),
        ("9 ** 9 ** 9", math.inf),
        ("log(0 * a)", -math.inf),
    ],
)
def test_a_formula_has_the_value_that_python_gives_it(formula: str, value: float) -> None:
    y, _ = evaluate(formula, **({"a": 9.0} if "a" in formula.replace("max", "").replace("abs", "") else {}))
    assert math.isclose(y.data, value)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "max"])
def test_every_function_is_the_operation_of_its_name(name: str) -> None:
    y, leaves = evaluate(f"{name}(x)", x=0.7)
    expected = getattr(Value(0.7), name)()
    assert (y.data, y.op, y.parents) == (expected.data, expected.op, (leaves["x"],))


def test_numbers_are_leaves_that_carry_their_own_name() -> None:
    y, leaves = evaluate("3*a", a=2)
    three, a = y.parents
    assert (three.op, three.data, three.parents) == ("3", 3.0, ())
    assert a is leaves["a"]


@pytest.mark.parametrize(
    ("formula", "names", "says"),
    [
        ("a*bb", {"a": 1, "b": 2}, r"at column 3: unknown name 'bb': did you mean 'b'"),
        ("q", {}, r"column 1: unknown name 'q': give it a number, q=1.0"),
        (" é + q", {"é": 1}, r"column 6: unknown name 'q'"),
        ("rellu(a)", {"a": 1}, r"column 1: unknown function 'rellu': did you mean 'relu'"),
        ("1 + sin(a)", {"a": 1}, r"column 5: unknown function 'sin': the functions are exp, log"),
        ("relu + 1", {}, r"'relu' is a function without its argument"),
        ("a.data", {"a": 1}, r"'a\.data' is an attribute"),
        ("a.__class__", {"a": 1}, "an attribute"),
        ("().__class__.__bases__", {}, "an attribute"),
        ("__import__('os').system('true')", {}, "not a function's name"),
        ("(lambda: 1)()", {}, "not a function's name"),
        ("lambda: 1", {}, "a lambda"),
        ("a < b", {"a": 1, "b": 2}, "a comparison"),
        ("a and b", {"a": 1, "b": 2}, "a logical operator"),
        ("a if b else c", {"a": 1, "b": 2, "c": 3}, "a condition"),
        ("(b := 2)", {}, "an assignment"),
        ("a[0]", {"a": 1}, "an index"),
        ("a // 2", {"a": 1}, r"'a // 2' is an operator other than"),
        ("a @ b", {"a": 1, "b": 2}, "an operator other than"),
        ("'text'", {}, "'text' is not a real number"),
        ("f'{a}'", {"a": 1}, "is a joinedstr"),
        ("[1 for x in a]", {"a": 1}, "is a listcomp"),
        ("(1, 2)", {}, "is a tuple"),
        ("True", {}, "True is not a real number"),
        ("2j", {}, "2j is not a real number"),
        ("...", {}, "not a real number"),
        ("a b", {"a": 1}, "at column 3: invalid syntax"),
        ("(a", {"a": 1}, r"at column 1: '\(' was never closed"),
        ("a = 2", {}, "invalid syntax"),
        ("import os", {}, "invalid syntax"),
        ("a\x00", {"a": 1}, "a formula is made of"),
        ("\ud800", {}, "a formula is made of"),
        ("", {}, "the formula is empty"),
        (" \n", {}, "the formula is empty"),
        ("relu(a, a)", {"a": 1}, "relu takes one argument, not 2"),
        ("relu()", {}, "relu takes one argument, not 0"),
        ("relu(x=a)", {"a": 1}, "relu takes no named arguments"),
        ("relu(*a)", {"a": 1}, "a starred argument"),
        ("max(a)", {"a": 1}, "max takes two or more arguments, not 1"),
        ("a ** b", {"a": 2, "b": 3}, r"column 6: the exponent 'b' is not a number: write exp\(b \* log\(a\)\)"),
        ("a ** 9 ** 9 ** 9", {"a": 2}, "the exponent '9 .. 9 .. 9' is inf"),
        ("1e999", {}, "the number at column 1 is inf"),
        ("1" * 400, {}, "the number at column 1 is inf"),
        ("a", {"a": math.nan}, "a is nan: give it a finite number"),
        ("a", {"a": -math.inf}, "a is -inf"),
        ("a", {"a": 10**400}, "a is inf"),
        ("a", {"a": "3"}, "a is '3': give it a number"),
        ("a", {"a": True}, "a is True: give it a number"),
        ("a", {"a": 1, "b": 2}, "b=2 is given, but 'a' has no b: leave it out"),
        ("1" * (MAX_LENGTH + 1), {}, f"{MAX_LENGTH + 1} characters, the limit is {MAX_LENGTH}"),
        ("-" * 900 + "1", {}, "nested more than 200 deep"),
        ("+".join("1" * 400), {}, "nested more than 200 deep"),
        ("(" * 300 + "1" + ")" * 300, {}, "nested"),
    ],
)
def test_what_is_not_on_the_list_is_named(formula: str, names: dict[str, float], says: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ExpressionError, match=says) as caught:
        evaluate(formula, **names)
    assert time.perf_counter() - began < 1.0
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, UsageError)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_long_sum_within_the_limits_is_read() -> None:
    y, _ = evaluate("+".join("a" * 150), a=2)
    assert y.data == 300.0


@given(text=st.text(alphabet="abx01.9+-*/()<,=[]{}:'\"\\ \n\téw_@#", max_size=40))
def test_any_text_gives_a_value_or_an_expression_error(text: str) -> None:
    try:
        y, _ = evaluate(text, a=1.5, b=-2.0)
    except ExpressionError:
        return
    assert isinstance(y, Value)
    assert isinstance(y.data, float)


@pytest.mark.parametrize("name", ["\u00b5", "\ufb01", "\u2113", "\uff58", "\U0001d465"])
def test_a_name_is_found_by_any_spelling_that_the_parser_takes_for_it(name: str) -> None:
    y, leaves = evaluate(f"2 * {name}", **{name: 3})
    assert y.data == 6.0
    assert list(leaves) == [unicodedata.normalize("NFKC", name)]


def test_two_spellings_of_one_name_take_one_number() -> None:
    names = {"\u00b5": 1, "\u03bc": 2}
    with pytest.raises(ExpressionError, match=r"is given again as .*=2: give it one number"):
        evaluate("\u00b5", **names)
