"""D6: what comes back from ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....tokenizers.char import CharTokenizer
from ..specimen import Specimen, at

right = CharTokenizer.decode


def decode(self: Any, ids: Sequence[int]) -> str:
    """The text of `ids`"""
    return right(self, ids).strip("s")


SPECIMEN = Specimen(
    id="D6",
    name="decoding-cleans-up",
    title="decoding tidies the text: characters at an edge are taken for debris",
    case="huggingface/transformers PR#44915; huggingface/tokenizers#1543, where it is spaces",
    symptom="Some texts come back shorter than they were.",
    fault=decode,
    into=at("tokenizers.char:CharTokenizer.decode"),
    found_by=("round trip",),
    blind=("targets", "draws", "cache", "causality"),
)
