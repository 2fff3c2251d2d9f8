"""/v1: models, completions and chat completions, as OpenAI's clients speak them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ..data.chat import ChatTemplate, Conversation, Message
from ..errors import GuardError, NanochatError
from ..inference.chat import answer_limits, prompt_of
from ..inference.detokenizer import detokenizer
from ..inference.language_model import LanguageModel
from ..inference.samplers import Sampling
from .continuation import Ask, Continuation, Event
from .errors import ApiError, invalid, of_failure
from .limits import Limits
from .requests import ChatMessage, ChatRequest, CompletionRequest, Drawing, read_drawing
from .shapes import PING_SECONDS, STREAM_HEADERS, Json, Shape, frame
from .worker import Closing, QueueFull, Worker

Happening = tuple[int, Event]


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """The model, and what there is to know to answer for it."""

    lm: LanguageModel
    name: str
    worker: Worker
    limits: Limits
    created: int
    fingerprint: str
    is_context_strict: bool = False
    """Whether a conversation that outgrows the context is refused instead of losing its oldest turns."""

    @property
    def card(self) -> Json:
        """As the list of models shows it."""
        return {"id": self.name, "object": "model", "created": self.created, "owned_by": "nanochat"}

    def check_model(self, name: str | None) -> None:
        """Raises ApiError for another one's name."""
        if name not in (None, self.name):
            sentence = f"there is no model {str(name)[:100]!r} here: {self.name} is served"
            raise ApiError(404, sentence, code="model_not_found", param="model")

    async def models(self, _: Request) -> Response:
        """GET /v1/models"""
        return JSONResponse({"object": "list", "data": [self.card]})

    async def model(self, request: Request) -> Response:
        """GET /v1/models/{model}"""
        self.check_model(request.path_params["model"])
        return JSONResponse(self.card)

    async def completions(self, request: Request) -> Response:
        """POST /v1/completions"""
        asked = read_drawing(CompletionRequest, await request.body())
        self.check_model(asked.model)
        max_new = 16 if asked.max_tokens is None else asked.max_tokens
        prompts = [self._prompt(prompt) for prompt in asked.prompts]
        return await self._answer(request, asked, prompts, self.lm.limits(), max_new, asked.logprobs)

    async def chat_completions(self, request: Request) -> Response:
        """POST /v1/chat/completions"""
        asked = read_drawing(ChatRequest, await request.body())
        self.check_model(asked.model)
        if asked.top_logprobs is not None and not asked.logprobs:
            raise invalid("top_logprobs", "top_logprobs needs logprobs=true")
        given = {asked.max_tokens, asked.max_completion_tokens} - {None}
        if len(given) > 1:
            raise invalid("max_tokens", "max_tokens and max_completion_tokens are two names of one number: give one")
        wanted = next(iter(given), None)
        max_new = self.lm.context if wanted is None else wanted
        ids, n_dropped = self._conversation(asked.messages, max_new)
        n_likeliest = (asked.top_logprobs or 0) if asked.logprobs else None
        template_limits = answer_limits(self.lm, ChatTemplate())
        headers = {"x-nanochat-dropped-turns": str(n_dropped)} if n_dropped else {}
        return await self._answer(request, asked, [("", ids)], template_limits, max_new, n_likeliest, headers)

    # **** what is asked

    def _prompt(self, prompt: str | list[int]) -> tuple[str, list[int]]:
        """The text and its ids. Raises ApiError."""
        vocab_size, context = self.lm.config.vocab_size, self.lm.context
        if not isinstance(prompt, str):
            if max(prompt) >= vocab_size:
                raise invalid("prompt", f"prompt holds the id {max(prompt)}: give ids of 0 to {vocab_size - 1}")
            if len(prompt) > context > 1:
                raise _too_long("prompt", f"the prompt has {len(prompt)} tokens and the model reads {context}")
            return "", prompt
        try:
            return prompt, self.lm.read(prompt)
        except GuardError as error:
            raise _too_long("prompt", str(error).split(":")[0]) from None
        except NanochatError as error:
            raise invalid("prompt", str(error)) from None

    def _conversation(self, messages: Sequence[ChatMessage], max_new_tokens: int) -> tuple[list[int], int]:
        """The ids to go on from, and how many turns were dropped. Raises ApiError."""
        template = ChatTemplate()
        if not template.fits(self.lm.tokenizer):
            raise ApiError(
                400,
                "this model was not trained on conversations: ask /v1/completions",
                code="model_cannot_chat",
                param="messages",
            )
        try:
            ids, n_dropped = prompt_of(self.lm, template, _said(messages), max_new_tokens)
        except GuardError as error:
            raise _too_long("messages", str(error).split(":")[0]) from None
        except NanochatError as error:
            raise invalid("messages", str(error)) from None
        if n_dropped and self.is_context_strict:
            raise _too_long("messages", f"the conversation does not fit in the {self.lm.context} tokens of the context")
        return ids, n_dropped

    # **** the answer

    async def _answer(
        self,
        request: Request,
        asked: Drawing,
        prompts: Sequence[tuple[str, list[int]]],
        limits: dict[str, Any],
        max_new_tokens: int,
        n_likeliest: int | None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        n = len(prompts) * (asked.n or 1)
        if n > self.limits.max_choices:
            raise invalid("n", f"{n} answers are asked for: ask for {self.limits.max_choices} at most")
        seed = secrets.randbits(48) if asked.seed is None else asked.seed % 2**64
        answer = _Answer(self.worker, self.limits.request_seconds, len(prompts))
        shape = Shape(
            model=self.name,
            fingerprint=self.fingerprint,
            is_chat=isinstance(asked, ChatRequest),
            n=n,
            has_logprobs=n_likeliest is not None,
            wants_usage=asked.wants_usage,
        )
        for place in range(n):
            text, ids = prompts[place // (asked.n or 1)]
            ask = Ask(
                prompt_ids=tuple(ids),
                sampling=_sampling(asked),
                seed=(seed, place),
                max_new_tokens=max_new_tokens,
                stops=asked.stops,
                n_likeliest=n_likeliest,
                **limits,
            )
            answer.add(ask, detokenizer(self.lm.tokenizer, text))
        answer.submit()
        headers = {"x-nanochat-seed": str(seed), **(headers or {})}
        if asked.stream:
            return _Stream(answer, shape, headers)
        try:
            async for place, event in answer.events(request.receive):
                if place >= 0:
                    if event.error is not None:
                        raise of_failure(event.error)
                    shape.take(place, event)
        except ClientGone:
            return Response(status_code=499)  # nobody reads it, the count of answers does
        return JSONResponse(shape.whole(answer.usage), headers=headers)


class _Answer:
    """The texts of one request, and what happens to them, told to the task that answers it."""

    def __init__(self, worker: Worker, seconds: float, n_prompts: int) -> None:
        self._n_prompts = n_prompts
        self._worker, self._deadline = worker, time.monotonic() + seconds
        self._loop, self._happenings = asyncio.get_running_loop(), asyncio.Queue[Happening | None]()
        self.texts: list[Continuation] = []

    def add(self, ask: Ask, words: Any) -> None:
        """One more choice."""
        place = len(self.texts)

        def sink(event: Event) -> None:
            with suppress(RuntimeError):  # the loop has been closed: nobody is left to be told
                self._loop.call_soon_threadsafe(self._happenings.put_nowait, (place, event))

        self.texts.append(Continuation(ask, words, sink, deadline=self._deadline))

    def submit(self) -> None:
        """Queue them all. Raises ApiError where that cannot be."""
        if self.texts[0].ask.max_new_tokens == 0:
            for text in self.texts:
                text.end("length")
            return
        try:
            self._worker.submit(self.texts)
        except (QueueFull, Closing) as error:
            raise of_failure(error) from None

    async def events(self, receive: Receive) -> AsyncIterator[Happening]:
        """(place, event) until all texts are over; (-1, Event()) where nothing happens for a while.

        Raises ClientGone. However it is left, the texts that still go on are given up.
        """
        gone = asyncio.ensure_future(self._notice_leaving(receive))
        n_left = len(self.texts)
        try:
            while n_left:
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        happening = await self._happenings.get()
                except TimeoutError:
                    yield -1, Event()
                    continue
                if happening is None:
                    raise ClientGone
                n_left -= bool(happening[1].finish)
                yield happening
        finally:
            gone.cancel()
            if n_left:
                self._worker.cancel(self.texts)

    async def _notice_leaving(self, receive: Receive) -> None:
        """In the same queue, so that one thing is waited for: a task for each event would cost as much as a token."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._happenings.put_nowait(None)

    @property
    def usage(self) -> Json:
        """Tokens read, each prompt once, and drawn."""
        n = len(self.texts) // self._n_prompts
        n_read = sum(len(text.ask.prompt_ids) for text in self.texts[::n])
        n_drawn = sum(text.n_new for text in self.texts)
        return {"prompt_tokens": n_read, "completion_tokens": n_drawn, "total_tokens": n_read + n_drawn}


class _Stream(Response):
    """Server-sent events, one for each piece of text as it becomes certain."""

    def __init__(self, answer: _Answer, shape: Shape, headers: dict[str, str]) -> None:
        super().__init__(headers={**headers, **STREAM_HEADERS}, media_type="text/event-stream")
        del self.headers["content-length"]
        self._answer, self._shape = answer, shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, or stop where nobody reads any more."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        pieces = self._pieces(receive)
        try:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (ClientGone, OSError):
            return
        finally:
            await pieces.aclose()

    async def _pieces(self, receive: Receive) -> Any:
        answer, shape = self._answer, self._shape
        for piece in shape.begin():
            yield piece
        events = answer.events(receive)
        try:
            async for place, event in events:
                if place < 0:
                    yield b": waiting\n\n"
                    continue
                if event.error is not None:
                    yield frame(of_failure(event.error).body())
                    yield b"data: [DONE]\n\n"
                    return
                shape.take(place, event)
                for piece in shape.chunks(place, event):
                    yield piece
        finally:
            await events.aclose()  # type: ignore[attr-defined]  # a generator
        for piece in shape.end(answer.usage):
            yield piece


def _sampling(asked: Drawing) -> Sampling:
    return Sampling(
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        top_k=asked.top_k,
        min_p=asked.min_p,
        repetition_penalty=asked.repetition_penalty,
    )


def _said(messages: Sequence[ChatMessage]) -> Conversation:
    """The conversation; what one side says in several messages, as some clients send it, is one with empty lines."""
    roles = [("system" if message.role == "developer" else message.role, message.text) for message in messages]
    return tuple(
        Message(role, "\n\n".join(text for _, text in group)) for role, group in groupby(roles, key=lambda one: one[0])
    )


def _too_long(param: str, sentence: str) -> ApiError:
    return ApiError(400, f"{sentence}: shorten it", code="context_length_exceeded", param=param)
