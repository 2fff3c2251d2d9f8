"""How much of everything: a part in `make test`, all of it in `make slow`, whose Hypothesis profile is `thorough`."""

from typing import TypeVar

import hypothesis

T = TypeVar("T")


def amount(few: T, many: T) -> T:
    """`few`, or `many` where laws get a hundred examples."""
    return many if hypothesis.settings().max_examples >= 100 else few
