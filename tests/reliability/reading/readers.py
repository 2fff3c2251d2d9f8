"""Every format that this project reads: how to make a good one, how it is read, what is done with what was read."""

from __future__ import annotations

from pathlib import Path

from mutations import Reader
from readers_models import model_readers
from readers_results import result_readers
from readers_text import text_readers


def readers(scratch: Path) -> list[Reader]:
    """All of them; runs read their corpus from `scratch`."""
    return [*model_readers(), *text_readers(), *result_readers(scratch / "corpus.txt")]
