"""What a notebook shows of a language model: what it is, its parts, where it comes from, and texts that it writes.

Imports nothing of a notebook: it asks, we answer in HTML. Texts are of the model, so they are shown and not obeyed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..engine.module import Module
from ..errors import NanochatError
from ..plain import html, shortened

N_SAMPLES, SAMPLE_TOKENS = 5, 16
_LONGEST = 200


def samples_of(draw: Callable[[int], str]) -> list[str]:
    """Texts of the seeds 0, 1, ...; or the one sentence that says why there are none."""
    try:
        return [draw(seed) for seed in range(N_SAMPLES)]
    except NanochatError as error:
        return [f"no text: {error}"]


def bundle(title: str, model: Any, origin: Mapping[str, Any], samples: Sequence[str]) -> dict[str, str]:
    """For a notebook: the line of `title` as text; as HTML the parts, the origin and the samples, too."""
    parts = model._repr_mimebundle_()["text/html"] if isinstance(model, Module) else ""
    known = ", ".join(f"{name} {shortened(str(value), _LONGEST)}" for name, value in origin.items())
    items = "".join(f"<li><code>{html(shortened(sample, _LONGEST))}</code></li>" for sample in samples)
    source = f"<p>from {html(known)}</p>" if known else ""
    return {"text/plain": title, "text/html": f"<p>{html(title)}</p>{source}{parts}<p>It writes:</p><ul>{items}</ul>"}
