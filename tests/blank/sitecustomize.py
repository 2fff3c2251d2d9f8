"""On the PYTHONPATH of processes that tests start: Python runs it first, and figures are one white pixel.

matplotlib is imported when the program asks for it and not before; tests/conftest.py does the same in its own process.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a4944415478da63f80f00010101001cb08c990000000049454e44ae426082"
)


def savefig(figure: Any, file: Any, **options: Any) -> None:
    """In place of that of matplotlib.figure.Figure."""
    file.write(PIXEL)


class Blanking:
    """Finds matplotlib.figure as ever, and changes one method of it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "matplotlib.figure":
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load: Any = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                module.Figure.savefig = savefig

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if __name__ == "sitecustomize":  # tests/conftest.py only reads `savefig` here
    sys.meta_path.insert(0, Blanking())  # type: ignore[arg-type]
