"""The JSON around an answer: whole, or in chunks of a stream, as OpenAI's clients read it. Knows no HTTP."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .continuation import Candidate, Drawn, Event

Json = dict[str, Any]
PING_SECONDS = 15.0
"""A stream that has nothing to say says so: proxies close what is silent."""
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def frame(content: Json) -> bytes:
    """One event of a stream."""
    return f"data: {json.dumps(content, ensure_ascii=False, allow_nan=False)}\n\n".encode()


@dataclass
class _Choice:
    text: str = ""
    tokens: list[Drawn] = field(default_factory=list)
    finish: str | None = None
    n_told: int = 0
    """Characters of its tokens that a stream has told."""


class Shape:
    """One answer of `n` choices. `take` what happens; `chunk` tells each event, `whole` all of it at the end."""

    def __init__(
        self, *, model: str, fingerprint: str, is_chat: bool, n: int, has_logprobs: bool, wants_usage: bool
    ) -> None:
        self.is_chat, self.has_logprobs, self.wants_usage = is_chat, has_logprobs, wants_usage
        self.choices = [_Choice() for _ in range(n)]
        self._head = {
            "id": ("chatcmpl-" if is_chat else "cmpl-") + uuid.uuid4().hex,
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": fingerprint,
        }
        self._kind = "chat.completion" if is_chat else "text_completion"

    @property
    def is_over(self) -> bool:
        """Whether every choice has ended."""
        return all(choice.finish for choice in self.choices)

    def take(self, place: int, event: Event) -> None:
        """What is new of a choice."""
        choice = self.choices[place]
        choice.text += event.text
        choice.tokens += event.tokens
        choice.finish = event.finish or None

    def whole(self, usage: Json) -> Json:
        """The answer."""
        choices = []
        for i, choice in enumerate(self.choices):
            message = {"role": "assistant", "content": choice.text, "refusal": None}
            said: Json = {"message": message} if self.is_chat else {"text": choice.text}
            logprobs = self._logprobs(choice.tokens, 0)
            choices.append({"index": i, **said, "logprobs": logprobs, "finish_reason": choice.finish})
        return {**self._head, "object": self._kind, "choices": choices, "usage": usage}

    def begin(self) -> list[bytes]:
        """What a stream of a chat says before the first word: who speaks."""
        said = {"role": "assistant", "content": ""}
        return [self._chunk(i, said, None, None) for i in range(len(self.choices))] if self.is_chat else []

    def chunks(self, place: int, event: Event) -> list[bytes]:
        """One event of a choice, its end in a chunk of its own."""
        found = []
        if event.text or event.tokens:
            choice = self.choices[place]
            logprobs = self._logprobs(event.tokens, choice.n_told)
            choice.n_told += sum(len(token.text) for token in event.tokens)
            found.append(self._chunk(place, {"content": event.text}, logprobs, None))
        if event.finish:
            found.append(self._chunk(place, {}, None, event.finish))
        return found

    def end(self, usage: Json) -> list[bytes]:
        """What was counted, where it was asked for, and the mark that a stream is over."""
        counted = [frame({**self._stream_head(), "choices": [], "usage": usage})] if self.wants_usage else []
        return [*counted, b"data: [DONE]\n\n"]

    def _chunk(self, place: int, delta: Json, logprobs: Json | None, finish: str | None) -> bytes:
        said: Json = {"delta": delta} if self.is_chat else {"text": delta.get("content", "")}
        choice = {"index": place, **said, "logprobs": logprobs, "finish_reason": finish}
        return frame({**self._stream_head(), "choices": [choice]} | ({"usage": None} if self.wants_usage else {}))

    def _stream_head(self) -> Json:
        return {**self._head, "object": "chat.completion.chunk" if self.is_chat else self._kind}

    def _logprobs(self, tokens: Sequence[Drawn], offset: int) -> Json | None:
        if not self.has_logprobs:
            return None
        if self.is_chat:
            content = [
                {**_candidate(token), "top_logprobs": [_candidate(one) for one in token.likeliest]} for token in tokens
            ]
            return {"content": content, "refusal": None}
        offsets = []
        for token in tokens:
            offsets.append(offset)
            offset += len(token.text)
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [{one.text: one.logprob for one in (*token.likeliest, token)} for token in tokens],
            "text_offset": offsets,
        }


def _candidate(one: Candidate) -> Json:
    return {"token": one.text, "logprob": one.logprob, "bytes": list(one.text.encode())}
