"""The examples in docstrings are true.

Not pytest's --doctest-modules: it names a module after the folder of the checkout (`main.engine.scalar.value`), so it
would load every module a second time, and its classes would not be those of `nanochat`.
"""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OUTSIDE = {"tests", "benchmarks", "docs", "results", "build"}
PATHS = [path.relative_to(ROOT) for pattern in ["[!.]*.py", "[!.]*/**/*.py"] for path in sorted(ROOT.glob(pattern))]
WITH_EXAMPLES = [
    ".".join(["nanochat", *path.with_suffix("").parts]).removesuffix(".__init__")
    for path in PATHS
    if path.parts[0] not in OUTSIDE and ">>> " in (ROOT / path).read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstring_examples_are_true(name):
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert tried, f"{name} holds >>> but no example that doctest finds"
    assert not failed, f"{failed} of {tried} examples in {name} are wrong: see the captured output"


def test_some_docstring_has_an_example():
    assert WITH_EXAMPLES
