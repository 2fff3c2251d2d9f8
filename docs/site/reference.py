"""One page of reference for each room of the package, written before Sphinx reads: its modules, from their docstrings.

Left out are the command line, which explains itself by --help, and the texts, exercises and bugs of the course.
"""

import ast
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = Path(__file__).parent / "api"
"""Not committed."""
FLOORS = "engine storage tokenizers models data checkpoints inference training compression experiments".split()
FLOORS += ["course", "serving"]
LEFT_OUT = ("course.lessons", "course.zoo")


def rooms() -> dict[str, list[str]]:
    """Dotted name of each room (a folder with modules), bottom floor first, and the modules in it, itself first."""
    found = {"nanochat": ["nanochat", *(f"nanochat.{path.stem}" for path in sorted(ROOT.glob("[a-z]*.py")))]}
    for floor in FLOORS:
        for init in sorted((ROOT / floor).rglob("__init__.py")):
            name = ".".join(init.parent.relative_to(ROOT).parts)
            if not name.startswith(LEFT_OUT):
                modules = sorted(path.stem for path in init.parent.glob("[a-z]*.py"))
                found[f"nanochat.{name}"] = [f"nanochat.{name}", *(f"nanochat.{name}.{module}" for module in modules)]
    return found


def page(room: str, modules: list[str]) -> str:
    """The page of a room: a section for each module that says anything."""
    lines = [room, "=" * len(room), ""]
    for module in modules:
        if module != room:
            lines += [module.removeprefix(f"{room}."), "-" * len(module), ""]
        lines += [f".. automodule:: {module}", "   :members:", "   :ignore-module-all:", ""]
    return "\n".join(lines)


def index(names: dict[str, list[str]]) -> str:
    """The list of the rooms, each with the first line of its docstring."""
    title = "Reference, room by room"
    lines = [title, "=" * len(title), "", "From the docstrings; bottom floor first. A name leads to its source.", ""]
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]
    for name in names:
        folder = ROOT.joinpath(*name.split(".")[1:])
        words = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        lines += [
            f":doc:`{name}`",
            "   " + words.split("\n\n")[0].replace("\n", " ").replace("`", "``").replace("*", "\\*"),
            "",
        ]
    return "\n".join(lines)


def write(_app: Any = None) -> None:
    """Write the pages that changed, so that Sphinx reads no other anew."""
    PAGES.mkdir(exist_ok=True)
    names = rooms()
    texts = {"index": index(names)} | {name: page(name, modules) for name, modules in names.items()}
    for old in PAGES.glob("*.rst"):
        if old.stem not in texts:
            old.unlink()
    for name, text in texts.items():
        path = PAGES / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    app.connect("config-inited", lambda app, config: write())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
