"""The model that is served: what it is, what may come next, what its layers do with a text, and examples of its own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...data.chat import ChatTemplate
from ...errors import NanochatError
from ...inference.chat import answer_limits, knows_turns
from ...inference.language_model import LanguageModel
from ...inference.samplers import largest, log_softmax, probabilities
from ...inference.trace import Trace, trace
from ...models.gpt.config import GPTConfig
from ...models.parameters import count_parameters
from ..errors import ApiError, of_failure
from ..limits import Limits
from ..requests import read
from ..shapes import Json
from ..worker import Closing, QueueFull, TooLate, Worker
from . import examples
from .graph import MOST_NODES
from .requests import MOST_CANDIDATES, NextRequest, ReadRequest, TokenizeRequest, TraceRequest, ids_of
from .tokens import bits, guesses, told

MOST_TRACED = 128
"""Tokens: a picture of more can be read by nobody."""
_MOST_LOGITS = 1 << 25
"""Of all layers of a trace together: 128 MiB of float32."""
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """/api/model, examples, tokenize, next and trace."""

    lm: LanguageModel
    name: str
    worker: Worker
    limits: Limits
    fingerprint: str
    _examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def most_traced(self) -> int:
        """Tokens of a trace."""
        n_reads = getattr(self.lm.config, "n_layer", 0) + 1
        return max(1, min(MOST_TRACED, self.lm.context, _MOST_LOGITS // (n_reads * self.lm.config.vocab_size)))

    async def card(self, _: Request) -> Response:
        """GET /api/model"""
        config, batch = self.lm.config, self.worker.batch
        limits = asdict(self.limits) | {"trace_tokens": self.most_traced, "candidates": MOST_CANDIDATES}
        limits["graph_nodes"] = MOST_NODES
        known: Json = {
            "name": self.name,
            "kind": self.lm.model_kind,
            "mode": self.lm.mode,
            "n_parameters": count_parameters(config.parameters()),
            "context": self.lm.context,
            "vocab_size": config.vocab_size,
            "tokenizer": self.lm.tokenizer.to_dict()["kind"],
            "chat": knows_turns(self.lm, ChatTemplate()),
            "can_trace": isinstance(config, GPTConfig),
            "decoder": batch.kind,
            "reproducible": True,
            "system_fingerprint": self.fingerprint,
        }
        return JSONResponse({**known, "config": asdict(config), "origin": dict(self.lm.origin), "limits": limits})

    async def examples(self, _: Request) -> Response:
        """GET /api/examples"""
        if not self._examples:
            lm, source = self.lm, str(self.lm.origin.get("data", ""))
            texts, questions = await asyncio.to_thread(examples.learned, source)
            texts = texts or [await self._on_model(partial(examples.drawn, lm, i)) for i in range(examples.N_EXAMPLES)]
            cut = [await self._on_model(partial(examples.cut, lm, text)) for text in texts]
            asked = questions if knows_turns(lm, ChatTemplate()) else []
            self._examples.update(texts=[text for text in dict.fromkeys(cut) if text], questions=asked)
        return JSONResponse(self._examples)

    async def tokenize(self, request: Request) -> Response:
        """POST /api/tokenize"""
        asked = read(TokenizeRequest, await request.body())
        ids, n_dropped = ids_of(self.lm, asked, self._most_read)
        tokens, words = told(self.lm.tokenizer, ids)
        tokens[-1]["text"] += words.close()
        return JSONResponse({"tokens": tokens, "n_dropped": n_dropped, "context": self.lm.context})

    async def next(self, request: Request) -> Response:
        """POST /api/next"""
        asked = read(NextRequest, await request.body())
        ids, n_dropped = ids_of(self.lm, asked, self._most_read)
        batch = self.worker.batch
        logits, _ = await self._on_model(lambda: batch.read(ids[-self.lm.context :]))
        try:
            return JSONResponse({**self._distribution(asked, ids, logits), "n_dropped": n_dropped})
        except NanochatError as error:
            raise of_failure(error) from None

    async def trace(self, request: Request) -> Response:
        """POST /api/trace"""
        asked = read(TraceRequest, await request.body())
        if not isinstance(self.lm.config, GPTConfig):
            raise ApiError(400, "a bigram has no layer to look into", code="cannot_trace")
        ids, n_dropped = ids_of(self.lm, asked, self.most_traced)
        found = await self._on_model(lambda: trace(self.lm.model, self.lm.config, ids))
        try:
            shown = await asyncio.to_thread(self._traced, asked, found)
        except NanochatError as error:
            raise of_failure(error) from None
        return JSONResponse({**shown, "n_dropped": n_dropped})

    async def _on_model(self, work: Callable[[], Found]) -> Found:
        """What the model's thread makes of it. Raises ApiError."""
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                return await asyncio.wrap_future(self.worker.call(work))
        except TimeoutError:
            raise of_failure(TooLate()) from None
        except (QueueFull, Closing, NanochatError) as error:
            raise of_failure(error) from None

    @property
    def _most_read(self) -> int:
        return self.lm.context if self.lm.context > 1 else 1 << 30  # a bigram reads the last of any number

    def _limits(self, asked: ReadRequest) -> dict[str, Any]:
        return answer_limits(self.lm, ChatTemplate()) if asked.chat else self.lm.limits()

    def _distribution(self, asked: NextRequest, ids: Sequence[int], logits: np.ndarray) -> Json:
        """logits (V,)"""
        limits = self._limits(asked)
        banned, ends = limits["banned"], set(limits["stop_ids"])
        p = np.exp(log_softmax(logits, banned=banned))
        sampled = probabilities(logits, asked.sampling, banned=banned, seen=set(ids) - ends)
        likeliest = [int(id_) for id_ in largest(p, asked.n)]
        tokens, words = told(self.lm.tokenizer, ids)
        names = [told(self.lm.tokenizer, [id_])[0][0]["name"] for id_ in likeliest]
        candidates = [
            {
                "id": id_,
                "text": words.would(id_),
                "name": name,
                "logit": float(logits[id_]),
                "p": float(p[id_]),
                "p_sampled": float(sampled[id_]),
                "ends": id_ in ends,
            }
            for id_, name in zip(likeliest, names, strict=True)
        ]
        return {
            "tokens": tokens,
            "candidates": candidates,
            "rest": max(0.0, float(1 - p[likeliest].sum())),
            "rest_sampled": max(0.0, float(1 - sampled[likeliest].sum())),
            "kept": int((sampled > 0).sum()),
            "vocabulary": len(p),
            "entropy_bits": bits(p),
            "entropy_bits_sampled": bits(sampled),
        }

    def _traced(self, asked: TraceRequest, found: Trace) -> Json:
        tokenizer, banned = self.lm.tokenizer, self._limits(asked)["banned"]
        tokens, words = told(tokenizer, found.ids)
        tokens[-1]["text"] += words.close()
        for t, token in enumerate(tokens):
            given = log_softmax(found.logits[t - 1])[token["id"]] if t else None
            token["p"] = None if given is None else round(math.exp(given), 5)
        n_layer, n_head = found.attention.shape[:2]
        return {
            "tokens": tokens,
            "n_layer": n_layer,
            "n_head": n_head,
            "attention": [
                [[[round(float(w), 4) for w in row[: t + 1]] for t, row in enumerate(head)] for head in layer]
                for layer in found.attention
            ],
            "residual_norms": found.residual_norms.round(4).tolist(),
            "lens": [[guesses(tokenizer, logits, asked.n, banned) for logits in layer] for layer in found.lens],
        }
