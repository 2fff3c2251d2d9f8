"""Public facts, told and asked: to pre-train on, to tune on, and to ask about. Where they come from: ORIGIN.md.

tables.py: the .toml files.  build.py: what is told, taught and held out.  answers.py: what counts as right.
"""

from .answers import matches, normalise
from .build import Question, Size, World, build_world, is_right
from .tables import Fact, Relation

__all__ = [
    "Fact",
    "Question",
    "Relation",
    "Size",
    "World",
    "build_world",
    "is_right",
    "matches",
    "normalise",
]
