"""What the page may ask, strictly (serving/requests.py), and from which ids a model goes on for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...data.chat import ChatTemplate, Message
from ...errors import NanochatError
from ...inference.chat import prompt_ids
from ...inference.language_model import LanguageModel
from ...inference.samplers import Sampling
from ..errors import ApiError, invalid
from ..requests import Strict, Text, TokenId

MOST_CANDIDATES = 50
MOST_GUESSES = 20
_Share = Annotated[float, Field(ge=0, le=1)]


class TokenizeRequest(Strict):
    """POST /api/tokenize: a text as the model reads it."""

    text: Text
    chat: bool = False


class ReadRequest(Strict):
    """What is read: a text, or the ids of an earlier answer and more."""

    text: Text | None = None
    ids: Annotated[list[TokenId], Field(min_length=1, max_length=100_000)] | None = None
    chat: bool = False


class NextRequest(ReadRequest):
    """POST /api/next: what may come next."""

    n: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] = 14
    temperature: Annotated[float, Field(ge=0, le=100)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: _Share = 1.0
    min_p: _Share = 0.0
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] = 1.0

    @property
    def sampling(self) -> Sampling:
        """The settings."""
        return Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
        )


class TraceRequest(ReadRequest):
    """POST /api/trace: what the layers do with a text."""

    n: Annotated[int, Field(ge=1, le=MOST_GUESSES)] = 5


class GraphRequest(Strict):
    """POST /api/graph: a formula, and a number for each of its names."""

    expression: Annotated[str, Field(max_length=1000)]
    values: Annotated[dict[Annotated[str, Field(max_length=50)], float], Field(max_length=50)] = Field(
        default_factory=dict
    )


def ids_of(lm: LanguageModel, asked: TokenizeRequest | ReadRequest, most: int) -> tuple[list[int], int]:
    """The last `most` ids of what is asked for, and how many stood before them. Raises ApiError."""
    given = getattr(asked, "ids", None)
    if (given is None) == (asked.text is None):
        raise invalid("text", "give either text or ids")
    if given is not None and max(given) >= lm.config.vocab_size:
        raise invalid("ids", f"ids hold {max(given)}: give ids of 0 to {lm.config.vocab_size - 1}")
    if asked.chat and not ChatTemplate().fits(lm.tokenizer):
        raise ApiError(400, "this model was not trained on conversations", code="model_cannot_chat", param="chat")
    ids = _encoded(lm, asked.text, is_chat=asked.chat) if given is None and asked.text is not None else given or []
    return ids[-most:], max(0, len(ids) - most)


def _encoded(lm: LanguageModel, text: str, *, is_chat: bool) -> list[int]:
    try:
        if is_chat:
            return prompt_ids(lm.tokenizer, ChatTemplate(), (Message("user", text),))
        return lm.encode(text)
    except NanochatError as error:
        raise invalid("text", str(error)) from None
