"""Read a formula such as "a*b + relu(c)" into a graph of Values.

The text is parsed by Python's own grammar and then walked with a closed list of what it may contain; nothing is
ever evaluated as code. Numbers become leaves of the graph like names, so a picture shows them.
"""

from __future__ import annotations

import ast
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import reduce

from ....errors import UsageError
from ..value import Value

MAX_LENGTH = 1_000
"""Longest formula that is read, in characters."""
MAX_DEPTH = 200
"""Deepest nesting that is read; a sum of n terms is n deep."""

_OPERATORS: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "exp": Value.exp,
    "log": Value.log,
    "relu": Value.relu,
    "tanh": Value.tanh,
    "sigmoid": Value.sigmoid,
    "gelu": Value.gelu,
    "sqrt": Value.sqrt,
    "abs": Value.abs,
}
FUNCTIONS = (*_FUNCTIONS, "max")
_ALLOWED = f"a formula is made of numbers, names, + - * / ** ( ) and the functions {', '.join(FUNCTIONS)}"


class ExpressionError(UsageError, ValueError):
    """A formula that cannot be read, or whose names and numbers do not fit it."""


def evaluate(expression: str, /, **names: float) -> tuple[Value, dict[str, Value]]:
    """(result, leaves by name) of `expression`, where each name stands for the number given to it.

    >>> y, leaves = evaluate("a*b + relu(c)", a=2, b=-3, c=10)
    >>> y.backward()
    >>> y.data, leaves["a"].grad, leaves["c"].grad
    (4.0, -3.0, 1.0)

    Raises ExpressionError, naming the piece and its column, for whatever is not in the closed list, for a name
    without a number, a number without its name, and a number that is not finite.
    """
    text = _Text(expression)
    tree = text.parse()
    names = _folded(names)
    leaves = {name: Value(_finite(name, number)) for name, number in names.items()}
    result = _Reader(text, leaves).value(tree)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in leaves:
        if name not in used:
            raise ExpressionError(f"{name}={names[name]} is given, but {text.shown!r} has no {name}: leave it out")
    return result, leaves


class _Text:
    """The formula as written, for parsing it and for pointing into it."""

    def __init__(self, expression: str) -> None:
        if len(expression) > MAX_LENGTH:
            raise ExpressionError(
                f"the formula has {len(expression)} characters, the limit is {MAX_LENGTH}: shorten it"
            )
        if not expression.strip():
            raise ExpressionError(f"the formula is empty: write one, e.g. 'a*b + relu(c)' ({_ALLOWED})")
        self.shown = expression
        self.indent = len(expression) - len(expression.lstrip())
        self.source = "".join(" " if ch.isspace() else ch for ch in expression.strip())  # one line, columns kept

    def parse(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the parser's advice on odd literals, which are refused below anyway
                return ast.parse(self.source, mode="eval").body
        except SyntaxError as error:
            column = min((error.offset or 1) + self.indent, len(self.shown))
            why = error.msg.partition(". ")[0]  # what follows is advice about Python statements
            raise ExpressionError(f"in {_cut(self.shown)!r} at column {column}: {why}: {_ALLOWED}") from None
        except (ValueError, RecursionError, MemoryError):  # NUL characters; nesting beyond the parser's own stack
            raise ExpressionError(f"cannot read {_cut(self.shown)!r}: {_ALLOWED}") from None

    def error(self, node: ast.AST, problem: str, remedy: str = _ALLOWED) -> ExpressionError:
        column = self.column(node)
        return ExpressionError(f"in {_cut(self.shown)!r} at column {column}: {problem}: {remedy}")

    def column(self, node: ast.AST) -> int:
        offset = getattr(node, "col_offset", 0)  # in bytes of UTF-8
        return self.indent + len(self.source.encode()[:offset].decode()) + 1

    def piece(self, node: ast.AST) -> str:
        return _cut(ast.get_source_segment(self.source, node) or self.source)


class _Reader:
    """Turns a syntax tree into Values: one method per kind of node that is allowed."""

    def __init__(self, text: _Text, leaves: Mapping[str, Value]) -> None:
        self.text = text
        self.leaves = leaves

    def value(self, node: ast.expr, depth: int = 1) -> Value:
        if depth > MAX_DEPTH:
            raise self.text.error(node, f"nested more than {MAX_DEPTH} deep", "split the formula")
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.name(node)
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand, depth + 1)
            case ast.BinOp(op=ast.Pow()):
                return self.power(node, depth)
            case ast.BinOp() if type(node.op) in _OPERATORS:
                left, right = self.value(node.left, depth + 1), self.value(node.right, depth + 1)
                return _OPERATORS[type(node.op)](left, right)
            case ast.Call():
                return self.call(node, depth)
        raise self.text.error(node, f"{self.text.piece(node)!r} is {_kind(node)}, which is not allowed")

    def number(self, node: ast.Constant) -> Value:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise self.text.error(node, f"{self.text.piece(node)} is not a real number")
        where = f"the number at column {self.text.column(node)}"
        return Value(_finite(where, node.value), op=self.text.piece(node))

    def name(self, node: ast.Name) -> Value:
        if node.id in self.leaves:
            return self.leaves[node.id]
        if node.id in FUNCTIONS:
            raise self.text.error(node, f"{node.id!r} is a function without its argument", f"write {node.id}(...)")
        near = _nearest(node.id, self.leaves)
        raise self.text.error(node, f"unknown name {node.id!r}", f"{near}give it a number, {node.id}=1.0")

    def power(self, node: ast.BinOp, depth: int) -> Value:
        if _is_constant(node.right):
            exponent = self.value(node.right, depth + 1).data
            if not math.isfinite(exponent):
                what = f"the exponent {self.text.piece(node.right)!r} is {exponent}"
                raise self.text.error(node.right, what, "give it a finite one, e.g. a ** 2")
            return self.value(node.left, depth + 1) ** exponent
        if _is_constant(node.left):
            return self.value(node.left, depth + 1).data ** self.value(node.right, depth + 1)
        base, exponent_text = self.text.piece(node.left), self.text.piece(node.right)
        remedy = f"write exp({exponent_text} * log({base}))"
        raise self.text.error(node.right, f"the exponent {exponent_text!r} is not a number", remedy)

    def call(self, node: ast.Call, depth: int) -> Value:
        if not isinstance(node.func, ast.Name):
            raise self.text.error(node, f"{self.text.piece(node.func)!r} is not a function's name")
        name = node.func.id
        if name not in FUNCTIONS:
            near = _nearest(name, FUNCTIONS)
            raise self.text.error(node, f"unknown function {name!r}", f"{near}the functions are {', '.join(FUNCTIONS)}")
        if node.keywords:
            raise self.text.error(node, f"{name} takes no named arguments", f"write {name}(...) with values only")
        if (len(node.args) < 2) if name == "max" else (len(node.args) != 1):
            takes = "two or more arguments" if name == "max" else "one argument"
            raise self.text.error(node, f"{name} takes {takes}, not {len(node.args)}", f"write e.g. {_EXAMPLE[name]}")
        values = [self.value(argument, depth + 1) for argument in node.args]
        return reduce(Value.max, values) if name == "max" else _FUNCTIONS[name](values[0])


_EXAMPLE = {**{name: f"{name}(a)" for name in _FUNCTIONS}, "max": "max(a, b)"}


def _folded(names: Mapping[str, float]) -> dict[str, float]:
    """The names as Python's parser spells them: U+00B5, the micro sign, is U+03BC, the Greek letter, to it."""
    folded: dict[str, float] = {}
    for name, number in names.items():
        same = unicodedata.normalize("NFKC", name)
        if same in folded:
            raise ExpressionError(f"{same}={folded[same]} is given again as {name}={number}: give it one number")
        folded[same] = number
    return folded


def _finite(what: str, number: float) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ExpressionError(f"{what} is {number!r}: give it a number, e.g. 2 or -0.5")
    try:
        result = float(number)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise ExpressionError(f"{what} is {result}: give it a finite number, of size below 1.8e308")
    return result


def _is_constant(node: ast.expr) -> bool:
    return not any(isinstance(child, ast.Name) and child.id not in FUNCTIONS for child in ast.walk(node))


def _kind(node: ast.AST) -> str:
    kinds: dict[type[ast.AST], str] = {
        ast.Attribute: "an attribute",
        ast.Compare: "a comparison",
        ast.Lambda: "a lambda",
        ast.Subscript: "an index",
        ast.BinOp: "an operator other than + - * / **",
        ast.UnaryOp: "an operator other than + - * / **",
        ast.BoolOp: "a logical operator",
        ast.IfExp: "a condition",
        ast.NamedExpr: "an assignment",
        ast.Starred: "a starred argument",
    }
    return kinds.get(type(node), f"a {type(node).__name__.lower()}")


def _nearest(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}? Otherwise " if near else ""


def _cut(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
