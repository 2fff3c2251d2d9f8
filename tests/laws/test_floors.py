"""Holds the house together: floors, the standard-library path, what is forbidden, and the map in the README."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    ["storage"],
    ["engine", "storage"],
    ["tokenizers"],  # floor 0 of the design is these two lines
    ["models"],
    ["data"],
    ["checkpoints"],  # floor 2 of the design is these three, in this order
    ["inference"],
    ["training"],
    ["experiments"],
    ["cli"],
]
FOLDERS = [name for floor in FLOORS for name in floor]
GROUND = [[""], ["errors", "plain"], ["machine", "setting"], ["validation"]]
# Modules at the root: the package itself and the ground under the floors at the bottom, the door on top.
LEVEL = {
    name: level
    for level, names in enumerate(
        [[""], ["errors", "plain"], ["machine", "setting"], ["validation"], *FLOORS, ["__main__"]]
    )
    for name in names
}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "imp"}
LONGEST = 500

SOURCES = {  # dotted name inside the package -> file
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix("."): path
    for path in [*ROOT.glob("*.py"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))]
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}
# The scalar path, readable and runnable with the standard library alone.
PURE_FILES = """errors.py setting.py engine/__init__.py engine/module.py engine/gradcheck.py engine/scalar/*.py
    models/__init__.py
    models/parameters.py models/*/__init__.py models/*/config.py models/*/scalar.py""".split()
PURE = {name for name, path in SOURCES.items() if any(path in ROOT.glob(glob) for glob in PURE_FILES)}


def imports_of(name: str) -> Iterator[tuple[str, str, int]]:
    """("inside", dotted name in the package, line) of relative imports, ("outside", top-level name, line) of others."""
    package = name.split(".") if SOURCES[name].name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    for node in ast.walk(TREES[name]):
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
    return ((name, node) for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, kinds))


def at(name: str, line: int) -> str:
    return f"{SOURCES[name].relative_to(ROOT).as_posix()}:{line}"


def test_imports_only_go_down():
    wrong = [
        f"{at(name, line)} imports {target}"
        for name in SOURCES
        for kind, target, line in imports_of(name)
        if kind == "inside" and target in SOURCES
        for below, above in [(target.split(".")[0], name.split(".")[0])]
        if below != above and not LEVEL[below] < LEVEL[above]
    ]
    assert not wrong, "imports go down only:\n" + "\n".join(wrong)


def test_every_module_at_the_root_has_a_level():
    assert {name for name in SOURCES if "." not in name} - LEVEL.keys() == set()


def test_imports_inside_the_package_are_relative_and_lead_somewhere():
    wrong = [
        f"{at(name, line)} imports {target}"
        for name in SOURCES
        for kind, target, line in imports_of(name)
        if (kind == "outside" and target in {"nanochat", *LEVEL} and name != "__main__")
        or (kind == "inside" and target not in SOURCES)
    ]
    assert not wrong, "write `from ..engine import Value`, not `from nanochat.engine` or `from engine`:\n" + "\n".join(
        wrong
    )


def test_the_root_imports_nothing():
    assert list(imports_of("")) == [], "a relative import in the root's __init__.py breaks pytest's collection"


def test_modules_form_no_cycle():
    graph = {name: {t for kind, t, _ in imports_of(name) if kind == "inside" and t != name} for name in SOURCES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("modules import each other in a circle: " + " <- ".join(error.args[1]))


def test_the_scalar_path_imports_the_standard_library_only():
    wrong = [
        f"{at(name, line)} imports {target}"
        for name in sorted(PURE)
        for kind, target, line in imports_of(name)
        if target not in (PURE | {""} if kind == "inside" else sys.stdlib_module_names)
    ]
    assert not wrong, "the scalar path runs with Python alone:\n" + "\n".join(wrong)


def test_the_scalar_path_does_not_load_numpy():
    names = [f"nanochat.{name}" for name in sorted(PURE)]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {names}]; sys.exit('numpy' in sys.modules)"
    # -P: the folder that the test is started from stays off the path, where `import tokenizers` would find ours.
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"importing the scalar path loaded NumPy or failed:\n{done.stderr}"


def test_only_the_cli_knows_the_terminal():
    wrong = [
        at(name, line)
        for name in SOURCES
        for _, target, line in imports_of(name)
        if target in {"typer", "rich", "click"}
    ]
    wrong += [
        at(name, node.lineno) for name, node in found(ast.Call) if getattr(node.func, "id", "") in {"print", "input"}
    ]
    wrong = [place for place in wrong if not place.startswith("cli/")]
    assert not wrong, "only cli/ prints or imports typer and rich:\n" + "\n".join(wrong)


def test_nothing_executes_data():
    wrong = [
        f"{at(name, line)}: {target}"
        for name in SOURCES
        for _, target, line in imports_of(name)
        if target in FORBIDDEN_MODULES
    ]
    for name, node in found(ast.Call, ast.ImportFrom):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            wrong.append(f"{at(name, node.lineno)}: import *")
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"eval", "exec"}:
            wrong.append(f"{at(name, node.lineno)}: {node.func.id}")
        elif isinstance(node, ast.Call) and any(keyword.arg == "allow_pickle" for keyword in node.keywords):
            wrong.append(f"{at(name, node.lineno)}: allow_pickle")
    assert not wrong, "files are data, never code:\n" + "\n".join(wrong)


def test_no_error_is_swallowed():
    wrong = [
        at(name, node.lineno)
        for name, node in found(ast.ExceptHandler)
        if node.type is None
        or (getattr(node.type, "id", "") in {"Exception", "BaseException"} and isinstance(node.body[0], ast.Pass))
    ]
    assert not wrong, "`except:` and `except Exception: pass` hide bugs:\n" + "\n".join(wrong)


def test_no_file_is_long():
    paths = [*SOURCES.values(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path: n for path, n in lengths.items() if n > LONGEST} == {}


def test_the_packages_list_equals_the_folders():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {ROOT}
    for name in FOLDERS:
        files = [path for path in (ROOT / name).rglob("*") if path.is_file()]
        folders |= {
            path.parent for path in files if not re.search(r"/[._]\w+/", path.as_posix().removeprefix(ROOT.as_posix()))
        }
    assert sorted(listed) == sorted(".".join(["nanochat", *folder.relative_to(ROOT).parts]) for folder in folders)
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_file_map_in_the_readme_is_true():
    listed = _file_map()
    assert [path for path in listed if not list(ROOT.glob(path))] == [], "listed, but not there"
    # What git tracks or would: in a fresh clone they are the same, and in a work tree a stray file is caught early.
    git = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    there = [line for line in done.stdout.splitlines() if (ROOT / line).exists() and not line.endswith("/__init__.py")]
    leaves = [path for path in listed if not any(other != path and other.startswith(f"{path}/") for other in listed)]
    covered = {found.relative_to(ROOT).as_posix() for path in leaves for found in ROOT.glob(path)}
    missing = [line for line in there if not any(str(p) in covered for p in (Path(line), *Path(line).parents))]
    assert missing == [], "there, but not in the file map"


def _file_map() -> list[str]:
    """Paths of the README's map: a line names files or folders, then their job; indented ones lie in a folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^## File map\n.*?^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block, "README.md has no fenced block under a heading `## File map`"
    paths: list[str] = []
    folders: list[tuple[int, str]] = []  # (indentation, path) of the folders around the line
    for line in block[1].splitlines():
        indentation = len(line) - len(line.lstrip())
        folders = [folder for folder in folders if folder[0] < indentation]
        inside = folders[-1][1] + "/" if folders else ""
        names = list(takewhile(_is_path, line.split()))
        paths += [inside + name.rstrip("/") for name in names]
        if len(names) == 1 and names[0].endswith("/"):
            folders.append((indentation, inside + names[0].rstrip("/")))
    return paths


def _is_path(word: str) -> bool:
    return bool(re.fullmatch(r"[\w.*-]+/|[\w.*-]*\.[\w]+|Makefile|LICENSE", word))
