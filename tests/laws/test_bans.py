"""What no file may hold, wherever it lies: code from data, swallowed errors, prints, flags, branches on the mode."""

import ast
import re

from sources import SOURCES, at, found, imports_of

FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "imp"}


def test_only_the_cli_prints():
    wrong = [
        at(name, node.lineno)
        for name, node in found(ast.Call)
        if getattr(node.func, "id", "") in {"print", "input"} and not name.startswith("cli.")
    ]
    assert not wrong, "only cli/ prints:\n" + "\n".join(wrong)


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


def test_training_asks_for_the_mode_in_its_backends_alone():
    wrong = [
        at(name, node.lineno)
        for name, node in found(ast.Compare)
        if name.startswith("training.") and not name.startswith("training.backends") and _compares_the_mode(node)
    ]
    assert not wrong, "what depends on the mode is a method of training/backends:\n" + "\n".join(wrong)


def test_only_one_module_loads_a_file_of_a_student():
    """Whoever judges code runs it, and where code runs limits and guards have to be."""
    loaders = {"spec_from_file_location", "module_from_spec", "exec_module", "run_path", "run_module", "compile"}
    wrong = [
        at(name, node.lineno)
        for name, node in found(ast.Call)
        if getattr(node.func, "attr", getattr(node.func, "id", "")) in loaders and name != "course.running"
        if ast.unparse(node.func) not in ("re.compile", "regex.compile")
    ]
    assert not wrong, "only course/running.py loads what others wrote, in a process of its own:\n" + "\n".join(wrong)


def _compares_the_mode(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    return any(getattr(side, "id", getattr(side, "attr", "")) == "mode" for side in sides)


SPELL_FLAGS = {  # modules that still spell one, and why; none is added
    "experiments.reports.reproduce": "writes the command line that does it again",
    "experiments.ablation.cluster": "--cluster is no field of a config",
    "experiments.ablation.named": "--study is no field of a config",
    "experiments.phases.recipe": "--recipe is no field of a config",
    "training.resolve": "reads the words that follow --set",
    "training.transfer": "quotes --from and --partial as a shell would, which settings= does not",
    "tokenizers.inspection": "--unknown of commands that read no config",
}


def test_no_other_module_below_the_command_line_spells_a_flag():
    """Decision 23: below cli/ an error names its field in `settings=`, and a field its flag in `setting(flag=...)`."""
    declared = {
        id(part)
        for _, node in found(ast.Call)
        if getattr(node.func, "id", "") == "setting"
        for keyword in node.keywords
        if keyword.arg == "flag"
        for part in ast.walk(keyword.value)
    }
    wrong = [
        f"{at(name, node.lineno)}: {node.value}"
        for name, node in found(ast.Constant)
        if isinstance(node.value, str) and re.match("--[a-z]", node.value) and id(node) not in declared
        if not name.startswith("cli.") and name not in SPELL_FLAGS
    ]
    assert not wrong, "only cli/ and setting(flag=...) spell a flag:\n" + "\n".join(wrong)
