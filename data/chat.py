"""Conversations, and the template that turns one into ids. Knows no file and no model.

    <|system|>Be brief.<|end|><|user|>Capital of Peru?<|end|><|assistant|>Lima.<|end|>
                                                                     --------------  the answer: what is learned

What people write in a message is only ever text: "<|end|>" typed by a user ends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import DataError, TokenizerError
from ..tokenizers.base import Tokenizer
from ..tokenizers.bpe import BPETokenizer
from ..tokenizers.word import WordTokenizer

Role = Literal["system", "user", "assistant"]

_ROLES = get_args(Role)
_END = "</s>"
_MARK = re.compile(r"(?:^|(?<=\s))(?:(System|User|Assistant):|(</s>)(?=\s|$))")


@dataclass(frozen=True)
class Message:
    """What one side says in one turn."""

    role: Role
    content: str
    """As it was written, not empty."""

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise DataError(f"role={self.role!r} is unknown: choose one of {', '.join(_ROLES)}")
        if not isinstance(self.content, str):
            raise DataError(f"content={self.content!r} of {_a(self.role)} message is not text: write a string")
        if not self.content.strip():
            raise DataError(f"content={self.content!r} of {_a(self.role)} message is empty: write what is said")


Conversation = tuple[Message, ...]


def check_conversation(conversation: Sequence[Message], *, answered: bool = True) -> None:
    """Raises DataError unless user and assistant speak in turn, after one system message or none.

    answered   True: the assistant has the last word, as in what one learns from.  False: the user, as in a prompt.
    """
    turns = conversation[1:] if conversation and conversation[0].role == "system" else conversation
    if not turns:
        raise DataError("a conversation without a user message has nothing to answer: begin with the user's question")
    for i, message in enumerate(turns):
        expected = "assistant" if i % 2 else "user"
        if message.role != expected:
            number = i + 1 + len(conversation) - len(turns)
            raise DataError(
                f"message {number} of the conversation is of role {message.role!r} where {expected!r} is due: "
                "let user and assistant speak in turn, after at most one system message at the beginning"
            )
    last = turns[-1].role
    if answered and last != "assistant":
        raise DataError("the last message of the conversation is the user's: add the assistant's answer")
    if not answered and last != "user":
        raise DataError("the last message of the conversation is the assistant's: add what the user says next")


def from_text(text: str) -> Conversation:
    """The conversation in `User: a Assistant: b </s>`, of one turn or of several, `System: s` before them or not.

    A name with its colon counts wherever it follows white space; `</s>` after an answer may be left out.
    Raises DataError if the text does not begin with a name, `</s>` stands elsewhere, or the turns are out of order.

    >>> from_text("User: Capital of Peru? Assistant: Lima. </s>")[1]
    Message(role='assistant', content='Lima.')
    """
    marks = list(_MARK.finditer(text))
    if not marks or marks[0].start() != len(text) - len(text.lstrip()) or not marks[0][1]:
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise DataError(f"{shown!r} does not begin with 'User:': write User: question Assistant: answer </s>")
    messages: list[Message] = []
    for i, mark in enumerate(marks):
        content = text[mark.end() : marks[i + 1].start() if i + 1 < len(marks) else len(text)].strip()
        if mark[1]:
            messages.append(Message(_role(mark[1]), content))
        elif messages[-1].role != "assistant" or content or marks[i - 1][2]:
            place = f"{_END} at character {mark.start()}"
            raise DataError(f"{place} does not end an answer: write it once after each answer")
    check_conversation(messages)
    return tuple(messages)


def to_text(conversation: Sequence[Message]) -> str:
    """The inverse of `from_text`, but for white space around messages.

    Raises DataError for a message that holds a name with its colon or `</s>`, which would read as another turn.
    """
    check_conversation(conversation)
    parts = []
    for message in conversation:
        if found := _MARK.search(message.content):
            raise DataError(
                f"{_a(message.role)} message holds {found[0]!r}, which would read as a turn: write the messages as JSON"
            )
        end = f" {_END}" if message.role == "assistant" else ""
        parts.append(f"{message.role.capitalize()}: {message.content.strip()}{end}")
    return " ".join(parts)


def end_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The special tokens of this vocabulary that go by a usual name for the end of a text or a turn; BOS aside."""
    special: dict[str, int] = getattr(tokenizer, "special_ids", {})
    found = [special[name] for name in (ChatTemplate().end, "</s>", "<|endoftext|>") if name in special]
    return tuple(id_ for id_ in found if id_ != tokenizer.bos_id)


@dataclass(frozen=True)
class ChatTemplate:
    """Which special tokens stand around a message: one that says who speaks, and one that ends it."""

    system: str = "<|system|>"
    user: str = "<|user|>"
    assistant: str = "<|assistant|>"
    end: str = "<|end|>"

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """In the order of their ids, where a tokenizer is made for this template."""
        return (self.system, self.user, self.assistant, self.end)

    def render(self, conversation: Sequence[Message]) -> list[tuple[str, bool]]:
        """The pieces of the conversation's text, and whether each belongs to an answer (its `end` does).

        A piece is one special token or one content, in turn:  mark, content, mark, mark, content, mark, ...
        """
        pieces = []
        for message in conversation:
            is_answer = message.role == "assistant"
            pieces += [(self._mark(message.role), False), (message.content, is_answer), (self.end, is_answer)]
        return pieces

    def prompt_text(self, conversation: Sequence[Message]) -> str:
        """What the assistant goes on from, to be read: `encode_prompt` gives the ids.

        Raises DataError unless the user has the last word.
        """
        check_conversation(conversation, answered=False)
        return "".join(text for text, _ in self.render(conversation)) + self.assistant

    def encode(self, tokenizer: Tokenizer, conversation: Sequence[Message]) -> tuple[list[int], list[bool]]:
        """(ids, counted), without BOS; counted[i]: ids[i] belongs to an answer.

        Raises TokenizerError if the tokenizer lacks this template's tokens, or as its `encode_ordinary` does.
        """
        able = self._able(tokenizer)
        special, ids, counted = able.special_ids, list[int](), list[bool]()
        for i, (text, is_answer) in enumerate(self.render(conversation)):
            new = able.encode_ordinary(text) if i % 3 == 1 else [special[text]]
            ids += new
            counted += [is_answer] * len(new)
        return ids, counted

    def encode_prompt(self, tokenizer: Tokenizer, conversation: Sequence[Message]) -> list[int]:
        """The ids of `prompt_text`, whatever special tokens its messages spell. Raises as it and as `encode` do."""
        check_conversation(conversation, answered=False)
        ids, _ = self.encode(tokenizer, conversation)
        return [*ids, self._able(tokenizer).special_ids[self.assistant]]

    def end_id(self, tokenizer: Tokenizer) -> int:
        """The id at which an answer is over. Raises TokenizerError if the tokenizer lacks this template's tokens."""
        return self._able(tokenizer).special_ids[self.end]

    def fits(self, tokenizer: Tokenizer) -> bool:
        """Whether the tokenizer has every special token of this template."""
        return isinstance(tokenizer, WordTokenizer | BPETokenizer) and not self._missing(tokenizer)

    def added_to(self, tokenizer: Tokenizer) -> Tokenizer:
        """The tokenizer with the special tokens that it lacks after its own ids, which stay.

        Raises TokenizerError for a character tokenizer, which has no special tokens.
        """
        if not isinstance(tokenizer, WordTokenizer | BPETokenizer):
            raise TokenizerError(_NO_SPECIAL)
        missing = self._missing(tokenizer)
        if not missing:
            return tokenizer
        if isinstance(tokenizer, WordTokenizer):
            return tokenizer.extended((), special_tokens=missing)
        return tokenizer.with_special_tokens(missing)

    def _mark(self, role: Role) -> str:
        return {"system": self.system, "user": self.user, "assistant": self.assistant}[role]

    def _able(self, tokenizer: Tokenizer) -> WordTokenizer | BPETokenizer:
        if not isinstance(tokenizer, WordTokenizer | BPETokenizer):
            raise TokenizerError(_NO_SPECIAL)
        if missing := self._missing(tokenizer):
            raise TokenizerError(
                f"the tokenizer has no {missing[0]}, so it cannot tell turns apart: "
                "use one that was trained on chat, or by nanochat train with --tokenizer word or bpe"
            )
        return tokenizer

    def _missing(self, tokenizer: WordTokenizer | BPETokenizer) -> tuple[str, ...]:
        return tuple(name for name in self.special_tokens if name not in tokenizer.special_ids)


_NO_SPECIAL = "a character tokenizer has no special tokens to mark turns with: use --tokenizer word or --tokenizer bpe"


def contents(conversations: Iterable[Sequence[Message]]) -> Iterable[str]:
    """Every message's text, one after the other: what a vocabulary is learned from."""
    return (message.content for conversation in conversations for message in conversation)


def _a(role: str) -> str:
    return f"an {role}" if role == "assistant" else f"a {role}"


def _role(name: str) -> Role:
    return {"System": "system", "User": "user", "Assistant": "assistant"}[name]  # type: ignore[return-value]
