"""The law of storage: a path is opened, renamed, removed, locked and brought to the disk in one room."""

import ast
from pathlib import Path

import pytest

import nanochat

PACKAGE = Path(nanochat.__file__).parent
OUTSIDE = {"storage", "tests", "benchmarks", "build", "docs", "results"}
EXEMPT = {
    "course/lessons/__init__.py": "package data",
    "course/zoo/labs.py": "package data",
    "course/grading/handed.py": "a file inside a zip that is in memory: its read is bounded, ZipFile.read is not",
    "data/builtin/__init__.py": "package data",
    "data/builtin/world/tables.py": "package data",
    "machine.py": "/proc",
    "cli/streams.py": "the null device in the place of stdout",
    "cli/commands/doctor.py": "asks whether a folder can be written, and writes nothing of ours",
}
METHODS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "rename", "rmdir", "touch"}
"""Of a Path."""
FUNCTIONS = {
    "os": "open replace rename renames remove unlink rmdir link symlink fsync fdopen mkfifo truncate".split(),
    "shutil": "rmtree move copy copy2 copyfile copytree".split(),
    "fcntl": ["flock", "lockf"],
    "io": ["open", "FileIO"],
    "np": "load save savez fromfile memmap loadtxt savetxt".split(),
    "tempfile": "NamedTemporaryFile TemporaryDirectory TemporaryFile mkdtemp mkstemp".split(),
    "tomllib": ["load"],
    "json": ["load", "dump"],
    "hashlib": ["file_digest"],
}


def touching(source: str) -> list[str]:
    """`line: call` of each call that touches a path."""
    return [
        f"{call.lineno}: {ast.unparse(call.func)}"
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and _touches(call.func)
    ]


def _touches(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "open"
    if not isinstance(function, ast.Attribute):
        return False
    if isinstance(function.value, ast.Name) and function.value.id in FUNCTIONS:
        return function.attr in FUNCTIONS[function.value.id]
    return function.attr in METHODS


def modules() -> dict[str, str]:
    """Source by path, of every module outside storage/."""
    names = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    ours = [name for name in names if name.parts[0] not in OUTSIDE and not name.parts[0].startswith(".")]
    return {name.as_posix(): (PACKAGE / name).read_text(encoding="utf-8") for name in ours}


def test_only_storage_touches_a_path():
    found = {name: touching(source) for name, source in modules().items() if name not in EXEMPT}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_no_exemption_is_idle():
    assert [name for name in EXEMPT if not touching(modules()[name])] == []


@pytest.mark.parametrize(
    "source", ["open('a')", "Path('a').open()", "os.replace(a, b)", "path.read_text()", "np.memmap(path)"]
)
def test_the_law_sees(source):
    assert touching(source)
