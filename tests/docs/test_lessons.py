"""The lessons say what happens: every Python block of docs/lessons/*.md runs, in order, one namespace a file."""

from __future__ import annotations

import ast
import doctest
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nanochat.engine import Value
from nanochat.engine.scalar.pictures.text import to_mermaid

LESSONS = Path(__file__).parents[2] / "docs" / "lessons"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_lesson(path: Path) -> dict[str, Any]:
    """What the lesson defined, after doctest ran it; a plain block counts as examples that print nothing."""
    text = path.read_text(encoding="utf-8")
    examples = []
    for block in BLOCK.finditer(text):
        source, line = block[1], text.count("\n", 0, block.start(1))
        if ">>>" in source:
            found = doctest.DocTestParser().get_examples(source)
        else:
            statements = ast.parse(source).body
            found = [
                doctest.Example(_with_decorators(source, node) + "\n", want="", lineno=node.lineno - 1)
                for node in statements
            ]
        for example in found:
            example.lineno += line
        examples += found
    assert examples, f"{path} has no Python block"
    test = doctest.DocTest(examples, {}, path.name, str(path), 0, text)
    report: list[str] = []
    results = doctest.DocTestRunner().run(test, out=report.append, clear_globs=False)
    assert not results.failed, "".join(report)
    return test.globs


def _with_decorators(source: str, node: ast.stmt) -> str:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(source.split("\n")[first - 1 : node.end_lineno])


@pytest.fixture(scope="module")
def lesson_1() -> dict[str, Any]:
    return run_lesson(LESSONS / "01-value.md")


@pytest.mark.parametrize("path", sorted(LESSONS.glob("*.md")), ids=lambda path: path.stem)
def test_every_block_of_a_lesson_does_what_the_lesson_shows(path: Path) -> None:
    run_lesson(path)


def test_the_picture_of_lesson_1_is_the_one_that_our_tool_draws() -> None:
    a, b, c = Value(2.0), Value(-3.0), Value(10.0)
    y = a * b + c.relu()
    y.backward()
    text = (LESSONS / "01-value.md").read_text(encoding="utf-8")
    shown = re.search(r"^```mermaid\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert shown[1] == to_mermaid(y, labels={a: "a", b: "b", c: "c", y: "y"})


def _formula(x: float) -> float:
    return math.log(1 + math.exp(x))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _right(x: Value) -> Value:
    value = math.log(1 + math.exp(x.data))
    slope = 1 / (1 + math.exp(-x.data))
    return Value(value, (x,), (slope,), "softplus")


def _right_and_safe(x: Value) -> Value:
    value = max(x.data, 0.0) + math.log1p(math.exp(-abs(x.data)))
    return Value(value, (x,), (_logistic(x.data),), "softplus")


def test_the_law_of_exercise_1_accepts_both_solutions(lesson_1: dict[str, Any]) -> None:
    for solution in (_right, _right_and_safe):
        assert lesson_1["judge"](solution, _formula) == "right at 100 points"
    assert _right_and_safe(Value(1000.0)).data == 1000.0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x: Value(_formula(x.data), (x,), (1.0,)), "slope"),
        (lambda x: Value(_formula(x.data), (x,), (-_logistic(x.data),)), "slope"),
        (lambda x: Value(math.exp(x.data), (x,), (math.exp(x.data),)), "but it is"),
        (lambda x: Value(_formula(x.data)), "one node"),
        (lambda x: (x.exp() + 1).log(), "one node"),
        (lambda x: Value(_formula(x.data), (x,), (x.sigmoid().data + 1e-4,)), "slope"),
    ],
    ids=["slope-1", "wrong-sign", "wrong-value", "no-parent", "composed", "slightly-off"],
)
def test_the_law_of_exercise_1_refuses_a_wrong_solution(
    lesson_1: dict[str, Any], wrong: Callable[[Value], Value], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        lesson_1["judge"](wrong, _formula)


def test_the_empty_exercise_says_that_it_is_empty(lesson_1: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="not a number yet"):
        lesson_1["judge"](lesson_1["softplus"], _formula)
