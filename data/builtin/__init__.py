"""The corpora that come with the package. Where each comes from is told in ORIGIN.md and in `BUILTINS`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Literal, NamedTuple

from ..chat import to_text
from .facts import render_facts
from .tales import render_tales
from .world import Size, build_world


class Builtin(NamedTuple):
    """A text of the package: how it is had, how it is cut, and where it comes from."""

    read: Callable[[], str]
    """Documents one a line, conversations as `User: a Assistant: b </s>`."""
    layout: Literal["stream", "documents", "chat"]
    origin: str
    in_words: bool = False
    """Sentences to be known word for word; otherwise a text whose letters are the lesson."""


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _facts() -> str:
    return render_facts(json.loads(_file("facts.json")))


def _told(size: Size) -> str:
    return "\n".join(build_world(size).statements)


def _asked(size: Size, *, rehearsed: bool) -> str:
    world = build_world(size)
    return "\n".join(map(to_text, world.rehearsed if rehearsed else world.taught))


def _world(size: Size, suffix: str) -> dict[str, Builtin]:
    origin = "of a world of public facts tabled for nanochat, under its license (MIT)"
    return {
        f"world{suffix}": Builtin(partial(_told, size), "documents", f"statements {origin}", in_words=True),
        f"world-chat{suffix}": Builtin(
            partial(_asked, size, rehearsed=False), "chat", f"questions and answers {origin}", in_words=True
        ),
        f"world-rehearsal{suffix}": Builtin(
            partial(_asked, size, rehearsed=True), "chat", f"questions, answers and statements {origin}", in_words=True
        ),
    }


BUILTINS = {
    "names": Builtin(
        partial(_file, "names.txt"),
        "documents",
        "first names of the 1990 census of the United States, public domain",
    ),
    "verse": Builtin(partial(_file, "verse.txt"), "stream", "verse written for nanochat, under its license (MIT)"),
    "facts": Builtin(_facts, "documents", "public facts tabled for nanochat, under its license (MIT)", in_words=True),
    "tales": Builtin(render_tales, "stream", "a megabyte of tales by a grammar of nanochat, under its license (MIT)"),
    **_world("medium", ""),
    **_world("small", "-small"),
    **_world("large", "-large"),
}


def read_builtin(name: str) -> str:
    """The text of the built-in corpus `name`, a key of BUILTINS: documents one a line, conversations too."""
    return BUILTINS[name].read()
