"""The corpora that come with the package. Where each comes from is told in ORIGIN.md and in `BUILTINS`."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Literal, NamedTuple

from .facts import render_facts


class Builtin(NamedTuple):
    """A text of the package: its file, how it is cut, and where it comes from."""

    file: str
    layout: Literal["stream", "documents"]
    origin: str


BUILTINS = {
    "names": Builtin("names.txt", "documents", "first names of the 1990 census of the United States, public domain"),
    "verse": Builtin("verse.txt", "stream", "verse written for nanochat, under its license (MIT)"),
    "facts": Builtin("facts.json", "documents", "public facts tabled for nanochat, under its license (MIT)"),
}


def read_builtin(name: str) -> str:
    """The text of the built-in corpus `name`, a key of BUILTINS: documents one a line."""
    text = files(__package__).joinpath(BUILTINS[name].file).read_text(encoding="utf-8")
    return render_facts(json.loads(text)) if name == "facts" else text
