"""D5: when a beam ends."""

from __future__ import annotations

from typing import Any

from ....inference.beam import beam_search as right
from ..specimen import Specimen, at


def beam_search(model: Any, prompt_ids: Any, **options: Any) -> Any:
    """At most `width` continuations, the best first"""
    return right(model, prompt_ids, **{**options, "max_new_tokens": min(1, options["max_new_tokens"])})


SPECIMEN = Specimen(
    id="D5",
    name="beam-of-one-token",
    title="beam search ends after one token",
    case="RustGPT, beam search",
    symptom="Whatever the width, the likeliest text is very short.",
    fault=beam_search,
    into=at("inference.beam:beam_search"),
    found_by=("beam",),
    blind=("draws", "top-k", "cache", "causality"),
)
