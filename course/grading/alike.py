"""Answers whose code has the same shape: a hint for a conversation, never a verdict.

Short answers to one formula are often alike because there is one short way to write it. So the size stands beside it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Submissions with one tree, of one variant of one exercise."""

    key: str
    variant: str
    submissions: tuple[str, ...]
    n_nodes: int

    def __str__(self) -> str:
        return f"{self.key}, {self.variant}: {', '.join(self.submissions)} have one tree, of {self.n_nodes} nodes"


def find_alike(answers: Iterable[tuple[str, str, str, str]]) -> list[Alike]:
    """(submission, exercise, variant, source) of every answer -> those that share a tree, the largest trees first."""
    groups: Mapping[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for submission, key, variant, source in answers:
        tree = normalised(source)
        if tree:
            groups[key, variant, tree][submission] = None
    found = [
        Alike(key=key, variant=variant, submissions=tuple(names), n_nodes=tree.count("("))
        for (key, variant, tree), names in groups.items()
        if len(names) > 1
    ]
    return sorted(found, key=lambda one: (-one.n_nodes, one.key, one.submissions))


def normalised(source: str) -> str:
    """The tree of a file without what changes nothing: comments, layout, docstrings, annotations, names of its own.

    '' where Python cannot read it.
    """
    try:
        tree = ast.parse(source)
        own = dict.fromkeys(_bound(tree))
        tree = _Plain({name: f"name{i}" for i, name in enumerate(own)}).visit(tree)
        return ast.dump(tree)
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return ""


def _bound(tree: ast.Module) -> Iterable[str]:
    """Names that the file itself gives to arguments, variables and functions, in the order in which they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef):
            yield node.name


class _Plain(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self._names.get(node.arg, node.arg))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = self._names.get(node.name, node.name), None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return self.generic_visit(ast.Assign([node.target], node.value)) if node.value else None

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)
