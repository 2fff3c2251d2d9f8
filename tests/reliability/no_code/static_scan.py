"""R19, read: no line of the package runs data as code, starts a shell or a program, or opens a connection.

An AST scan of every file, so that a comment or a string is no finding. Where one of these is meant, KNOWN says why.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tally import Tally

ROOT = Path(__file__).parents[3]
_NOT_THE_PACKAGE = {"tests", "benchmarks", "docs", "results", "build", "dist"}

_MODULES = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "imp", "runpy", "code"),
    *("codeop", "pty", "subprocess", "socket", "socketserver", "ssl", "http", "urllib", "urllib3", "requests", "httpx"),
    *("ftplib", "smtplib", "telnetlib", "xmlrpc", "webbrowser", "yaml", "asyncio", "sqlite3", "dbm"),
}
_NAMES = {"eval", "exec", "compile", "__import__", "breakpoint", "globals"}
_ATTRIBUTES = {
    *("os.system", "os.popen", "os.fork", "os.startfile", "yaml.load", "importlib.reload", "builtins.eval"),
    *(
        f"os.{kind}{ending}"
        for kind in ("exec", "spawn")
        for ending in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
    ),
    *("os.posix_spawn", "os.posix_spawnp", "builtins.exec", "builtins.compile", "types.CodeType", "types.FunctionType"),
}
_KEYWORDS = {"allow_pickle", "shell"}

_NO_CONSTANT = "import_module of a name that is no constant"
KNOWN: dict[tuple[str, str], str] = {
    ("plain.py", "import urllib.parse"): "spells bytes of a path as %E9 and back; opens no connection",
    ("engine/tensor/replicas/forked.py", "os.fork"): "the processes that work a part of a batch out, on Linux",
    ("engine/tensor/replicas/forked.py", "import socket"): "the pair that such a process is asked through; no address",
    ("course/running.py", "import subprocess"): "the child in which a student's file is run, guarded and limited",
    ("course/sweeping.py", "import subprocess"): "the child in which a student's change is trained with and without",
    ("course/lessons/__init__.py", _NO_CONSTANT): "the module of a lesson or an exercise, from the table in that file",
    ("cli/commands/learn/compare.py", _NO_CONSTANT): "the project's own spelling, named by an exercise of the course",
    ("course/zoo/catalogue.py", _NO_CONSTANT): "the rooms and files of the zoo, which are the package's own",
    ("course/zoo/instruments.py", _NO_CONSTANT): "the module of what a specimen replaces, which is the package's own",
    ("course/zoo/specimen.py", _NO_CONSTANT): "the module that a specimen names, which is the package's own",
    ("serving/completions.py", "import asyncio"): "answers of the server, as they are drawn",
    ("serving/guard.py", "import asyncio"): "time limits of the server",
    ("serving/guard.py", "import urllib.parse"): "reads the host of an Origin; opens no connection",
    ("serving/views/graph.py", "import asyncio"): "lays a graph out in a thread, while others are answered",
    ("serving/views/model.py", "import asyncio"): "waits for what the model's thread computes",
    ("serving/views/runs.py", "import asyncio"): "looks at a run's files in a thread, every half second",
    ("serving/server.py", "import asyncio"): "the loop in which the server answers",
    ("serving/server.py", "import socket"): "the one socket that `nanochat serve` listens on",
    ("experiments/certify/installed.py", "import subprocess"): "asks git whether files of a checkout were changed",
    ("experiments/parity/theirs.py", "import subprocess"): "runs a checkout of nanochat, which the user names, and git",
    ("experiments/reports/page.py", "import urllib.parse"): "reads %20 in the name of a figure; opens no connection",
    ("training/hyperparameters.py", "compile"): "the setting of that name",
    ("__init__.py", "__import__"): "lazy names of the package, each with its module in a table of that file",
    ("cli/parser.py", _NO_CONSTANT): "the module of a command, from the table in cli/app.py",
}
"""(file, finding) -> why it may stand there."""


def findings() -> Iterator[tuple[str, int, str]]:
    """(file, line, what) of everything in the package that the lists above name, the known ones among them."""
    for path in package_files():
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for line, what in sorted(set(_in_tree(tree))):
            yield path.relative_to(ROOT).as_posix(), line, what


def package_files() -> list[Path]:
    """Every source file of the package."""
    files = (path for path in ROOT.rglob("*.py") if not path.relative_to(ROOT).parts[0].startswith("."))
    return sorted(path for path in files if path.relative_to(ROOT).parts[0] not in _NOT_THE_PACKAGE)


def scan() -> Tally:
    """One case for each file; a case fails with what is found in it and not known, or known and no longer there."""
    tally = Tally("files of the package, read")
    with tally.timed():
        found: dict[str, list[tuple[int, str]]] = {}
        for name, line, what in findings():
            found.setdefault(name, []).append((line, what))
        for path in package_files():
            name = path.relative_to(ROOT).as_posix()
            unknown = [f"line {line}: {what}" for line, what in found.get(name, []) if (name, what) not in KNOWN]
            tally.add("; ".join(unknown) or None, label=name)
        there = {(name, what) for name, lines in found.items() for _, what in lines}
        for name, what in KNOWN.keys() - there:
            tally.add(f"{what} is known there and not found: take it off the list", label=name)
        tally.facts["known, with a reason"] = len(KNOWN)
    return tally


def _in_tree(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in _MODULES:
                    yield node.lineno, f"import {alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module.split(".")[0] in _MODULES:
                yield node.lineno, f"import {node.module}"
            for alias in node.names:
                if f"{node.module}.{alias.name}" in _ATTRIBUTES:
                    yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Name) and node.id in _NAMES:
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in _ATTRIBUTES:
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, f"{word.arg}=") for word in node.keywords if word.arg in _KEYWORDS)
            if _called(node) == "import_module" and not _is_fixed(node):
                yield node.lineno, _NO_CONSTANT


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def _is_fixed(node: ast.Call) -> bool:
    return isinstance(node.args[0], ast.Constant)
