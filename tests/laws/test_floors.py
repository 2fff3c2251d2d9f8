"""Who may import whom: floors, circles, the path of the standard library, the doors to torch and to the terminal."""

import graphlib
import subprocess
import sys
from fnmatch import fnmatch

import pytest
from sources import LEVEL, ROOT, SOURCES, at, imports_of

# The scalar path, readable and runnable with the standard library alone.
PURE_FILES = """errors.py setting.py engine/__init__.py engine/module.py engine/gradcheck.py engine/scalar/*.py
    models/__init__.py models/parameters.py models/*/__init__.py models/*/config.py models/*/scalar.py""".split()
PURE = {name for name, path in SOURCES.items() if any(path in ROOT.glob(glob) for glob in PURE_FILES)}

ONLY_HERE = {  # what only these files may import
    "torch": """engine/torch/* models/*/torch.py training/backends/* experiments/bench/contenders.py
        experiments/parity/driver.py""".split(),
    "typer": ["cli/*"],
    "rich": ["cli/*"],
    "click": ["cli/*"],
}


def inside(name: str) -> set[str]:
    """The modules of ours that it imports."""
    return {target for kind, target, _ in imports_of(name) if kind == "inside" and target != name}


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
    assert imports_of("") == (), "a relative import in the root's __init__.py breaks pytest's collection"


def test_modules_form_no_circle():
    without_circle({name: inside(name) for name in SOURCES})


@pytest.mark.parametrize("folder", sorted({name.rpartition(".")[0] for name in SOURCES if "." in name}))
def test_rooms_of_a_folder_form_no_circle(folder):
    """A file or a sub-folder of a folder is a room of it; `training/folder` may not use what uses it."""
    within = {name: name.removeprefix(f"{folder}.").split(".")[0] for name in SOURCES if name.startswith(f"{folder}.")}
    rooms: dict[str, set[str]] = {room: set() for room in within.values()}
    for name, room in within.items():
        rooms[room] |= {within[target] for target in inside(name) if target in within} - {room}
    without_circle(rooms)


def without_circle(graph: dict[str, set[str]]) -> None:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("they import each other in a circle: " + " <- ".join(error.args[1]))


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


@pytest.mark.parametrize("package", ONLY_HERE)
def test_what_is_large_or_prints_has_its_door(package):
    wrong = [
        place
        for name in SOURCES
        for _, target, line in imports_of(name)
        for place in [at(name, line)]
        if target == package and not any(fnmatch(place.split(":")[0], door) for door in ONLY_HERE[package])
    ]
    assert not wrong, f"only {', '.join(ONLY_HERE[package])} import {package}:\n" + "\n".join(wrong)
