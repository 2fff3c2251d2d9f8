"""The package as text: every module, its tree, what it imports. Runs nothing of it; the standard library is enough."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
GROUND = [[""], ["errors", "plain"], ["machine", "setting"], ["validation"]]
"""Modules at the root: the package itself, and what stands under the floors."""
FLOORS = [  # a line imports the lines before it; rooms of one line do not know each other
    ["engine", "storage"],
    ["tokenizers"],  # floor 0 of the design is these two lines
    ["models", "data"],
    ["checkpoints"],  # floor 2 of the design is these three, in this order
    ["inference"],
    ["training"],
    ["compression"],
    ["experiments"],
    ["course", "serving"],
    ["cli"],
]
FOLDERS = [name for floor in FLOORS for name in floor]
LEVEL = {name: level for level, names in enumerate([*GROUND, *FLOORS, ["__main__"]]) for name in names}

SOURCES = {  # dotted name inside the package -> file
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix("."): path
    for path in [*ROOT.glob("*.py"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))]
}


@cache
def nodes_of(name: str) -> list[ast.AST]:
    """Every node of the module; not before a law asks, since who only collects the tests imports this file, too."""
    return list(ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))))


@cache
def imports_of(name: str) -> tuple[tuple[str, str, int], ...]:
    """("inside", dotted name in the package, line) of relative imports, ("outside", top-level name, line) of others.

    Wherever they stand: at the top, in a function, under TYPE_CHECKING.
    """
    return tuple(_imports_of(name))


def _imports_of(name: str) -> Iterator[tuple[str, str, int]]:
    package = name.split(".") if SOURCES[name].name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    for node in nodes_of(name):
        if isinstance(node, ast.Import):
            yield from (("outside", alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield "outside", str(node.module).split(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom):
            home = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:  # `from . import value` means the module, `from .value import Value` its home
                module = ".".join([*home, alias.name])
                yield "inside", module if module in SOURCES else ".".join(home), node.lineno


def found(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """(module, node) for every node of these kinds in the package."""
    return ((name, node) for name in SOURCES for node in nodes_of(name) if isinstance(node, kinds))


def at(name: str, line: int) -> str:
    """Where that is, as an editor opens it."""
    return f"{SOURCES[name].relative_to(ROOT).as_posix()}:{line}"


def n_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
