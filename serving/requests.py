"""What a request may say, strictly: names known, types as declared. Bytes in, an object or an ApiError out.

Fields that OpenAI has and that would change the answer are known by name, and refused where they are set.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..storage.strict_json import STRICT_JSON
from .errors import ApiError, invalid, unsupported

Text = Annotated[str, Field(max_length=200_000)]
TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]
Stop = Annotated[str, Field(min_length=1, max_length=200)]
MOST_LIKELIEST = 20
"""Candidates beside a token: as OpenAI has it."""

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
}
"""Values, beside null, at which a field changes nothing."""
_INSTEAD = {
    "frequency_penalty": "repetition_penalty is",
    "presence_penalty": "repetition_penalty is",
    "tools": "this model was not trained to call any",
}


class Strict(BaseModel):
    """No name that is not known, no value converted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class StreamOptions(Strict):
    """What a stream tells beside the text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class Drawing(Strict):
    """What both ways of asking share. Ours beyond OpenAI's: top_k, min_p, repetition_penalty."""

    model: str | None = None
    max_tokens: Annotated[int, Field(ge=0, le=100_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] = 0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    n: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings, each once."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(dict.fromkeys(self.stop or ()))

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with what was counted."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionRequest(Drawing):
    """POST /v1/completions: go on from a text, from ids, or from several of either."""

    prompt: (
        Text
        | Annotated[list[Text], Field(min_length=1)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1)]
    ) = ""
    logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELIEST)] | None = None
    echo: Any = None
    best_of: Any = None
    suffix: Any = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """One or several, each a text or ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if isinstance(self.prompt[0], int) else list(self.prompt)


class Part(Strict):
    """A piece of a message."""

    type: Literal["text"]
    text: Text


class ChatMessage(Strict):
    """One side's words. What clients send back of an earlier answer is passed over where it says nothing more."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[list[Part], Field(max_length=64)]
    annotations: Any = None
    audio: Any = None
    function_call: Any = None
    name: Any = None
    reasoning_content: Any = None
    refusal: Any = None
    tool_calls: Any = None

    @property
    def text(self) -> str:
        """The content, its parts joined."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatRequest(Drawing):
    """POST /v1/chat/completions: answer a conversation."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    max_completion_tokens: Annotated[int, Field(ge=0, le=100_000)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELIEST)] | None = None
    audio: Any = None
    function_call: Any = None
    functions: Any = None
    modalities: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    reasoning_effort: Any = None
    response_format: Any = None
    tool_choice: Any = None
    tools: Any = None


Asked = TypeVar("Asked", bound=Strict)
Drawn = TypeVar("Drawn", bound=Drawing)


def read(kind: type[Asked], body: bytes) -> Asked:
    """The request in a body: JSON that means one thing. Raises ApiError, which names the field."""
    try:
        content = STRICT_JSON.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise invalid(None, f"the body is not valid JSON: {why}", "invalid_json") from None
    if not isinstance(content, dict):
        raise invalid(None, "the body is no JSON object: send one, with a name for each value")
    try:
        return kind.model_validate(content)
    except ValidationError as failure:
        raise _refusal(kind, failure) from None


def read_drawing(kind: type[Drawn], body: bytes) -> Drawn:
    """A request for text, which asks for nothing that is not obeyed. Raises ApiError."""
    asked = read(kind, body)
    for name in sorted(_NEUTRAL.keys() & asked.model_fields_set):
        if (value := getattr(asked, name)) is not None and value not in _NEUTRAL[name]:
            raise unsupported(name, _INSTEAD.get(name, "leave it out"))
    for i, message in enumerate(asked.messages if isinstance(asked, ChatRequest) else ()):
        for name in sorted(message.model_fields_set - {"role", "content", "annotations", "refusal"}):
            if getattr(message, name) not in (None, "", []):
                raise unsupported(f"messages.{i}.{name}", "leave it out")
    if asked.stream_options is not None and not asked.stream:
        raise invalid("stream_options", "stream_options is only for stream=true: leave it out")
    return asked


def _refusal(kind: type[BaseModel], failure: ValidationError) -> ApiError:
    """The first thing that is wrong: a name that is not known, else a value; of a field of several kinds, what is
    wrong with the kind that was given."""
    errors = failure.errors(include_url=False, include_context=False, include_input=False)
    first = min(errors, key=lambda error: (error["type"] != "extra_forbidden", error["type"].endswith("_type")))
    param = ".".join(str(part) for part in first["loc"][: _depth(first["loc"])])[:100] or None
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])[:100]
        is_of_message = first["loc"][0] == "messages" and len(first["loc"]) == 3
        param = f"{param}.{name}" if is_of_message else param
        near = get_close_matches(name, list((ChatMessage if is_of_message else kind).model_fields), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "leave it out"
        return invalid(param, f"there is no field {name!r} here: {hint}", "unknown_parameter")
    return invalid(param, f"{param or 'the body'} does not fit: {first['msg'][:300].lower()}")


def _depth(place: tuple[int | str, ...]) -> int:
    """How many steps of a place are fields and positions: behind them pydantic names the kinds that it tried."""
    n = 1
    while n < len(place) and (isinstance(place[n], int) or place[n] in ("role", "content", "type", "include_usage")):
        n += 1
    return n
