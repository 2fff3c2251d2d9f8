"""The corpora that come with the package. Where each comes from is told in ORIGIN.md and in `BUILTINS`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Literal, NamedTuple

from .facts import render_facts
from .tales import render_tales


class Builtin(NamedTuple):
    """A text of the package: how it is had, how it is cut, and where it comes from."""

    read: Callable[[], str]
    """Documents one a line."""
    layout: Literal["stream", "documents"]
    origin: str


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _facts() -> str:
    return render_facts(json.loads(_file("facts.json")))


BUILTINS = {
    "names": Builtin(
        partial(_file, "names.txt"),
        "documents",
        "first names of the 1990 census of the United States, public domain",
    ),
    "verse": Builtin(partial(_file, "verse.txt"), "stream", "verse written for nanochat, under its license (MIT)"),
    "facts": Builtin(_facts, "documents", "public facts tabled for nanochat, under its license (MIT)"),
    "tales": Builtin(render_tales, "stream", "a megabyte of tales by a grammar of nanochat, under its license (MIT)"),
}


def read_builtin(name: str) -> str:
    """The text of the built-in corpus `name`, a key of BUILTINS: documents one a line."""
    return BUILTINS[name].read()
