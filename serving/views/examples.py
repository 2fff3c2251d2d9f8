"""Texts to begin with, of the model's own making: cut where it was least sure of what follows, or asked of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ...data.chat import ChatTemplate
from ...inference.chat import answer_limits, knows_turns
from ...inference.detokenizer import detokenizer
from ...inference.language_model import LanguageModel
from ...inference.samplers import Sampling
from ..continuation import Ask, Continuation, Drawn, Event
from ..worker import TooLate, Worker

_N_DRAWN, _N_KEPT, _N_TOKENS = 6, 3, 24
_LEAST_TOKENS = 3
"""Before a cut."""


async def draw(lm: LanguageModel, worker: Worker, seconds: float) -> dict[str, list[str]]:
    """Up to three `texts`, and up to three `questions` of a model that answers some; always the same.

    Raises QueueFull, Closing, TooLate.
    """
    template = ChatTemplate()
    texts = [_cut(drawn) for drawn in await _drawn(lm, worker, lm.encode(""), lm.limits(), seconds)]
    questions = []
    if knows_turns(lm, template):
        tokenizer: Any = lm.tokenizer
        begun = [tokenizer.bos_id, tokenizer.special_ids[template.user]]
        asked = await _drawn(lm, worker, begun, answer_limits(lm, template), seconds)
        questions = ["".join(one.text for one in drawn).strip() for drawn in asked]
    return {"texts": _kept(texts), "questions": _kept(questions)}


async def _drawn(
    lm: LanguageModel, worker: Worker, ids: Sequence[int], limits: dict[str, Any], seconds: float
) -> list[list[Drawn]]:
    """The tokens of some continuations; of those that a model could not go on with, none."""
    loop, over = asyncio.get_running_loop(), asyncio.Queue[None]()
    found: list[list[Drawn]] = [[] for _ in range(_N_DRAWN)]
    texts = []
    for place, drawn in enumerate(found):

        def sink(event: Event, drawn: list[Drawn] = drawn) -> None:
            drawn.extend(event.tokens)
            if event.finish:
                with suppress(RuntimeError):  # the loop has been closed
                    loop.call_soon_threadsafe(over.put_nowait, None)

        ask = Ask(
            prompt_ids=tuple(ids),
            sampling=Sampling(temperature=0.8),
            seed=(0, place),
            max_new_tokens=_N_TOKENS,
            n_likeliest=1,
            **limits,
        )
        texts.append(Continuation(ask, detokenizer(lm.tokenizer), sink, deadline=time.monotonic() + seconds))
    try:
        worker.submit(texts)
        async with asyncio.timeout(seconds):
            for _ in texts:
                await over.get()
    except TimeoutError:
        raise TooLate from None
    finally:
        worker.cancel(texts)
    return found


def _cut(drawn: Sequence[Drawn]) -> str:
    """What stands before the place where the likeliest token was least likely."""
    places = range(min(_LEAST_TOKENS, len(drawn)), len(drawn))
    least = min(places, key=lambda i: drawn[i].likeliest[0].logprob, default=0)
    return "".join(one.text for one in drawn[:least]).strip()


def _kept(texts: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text][:_N_KEPT]
