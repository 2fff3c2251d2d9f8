"""Questions put to a model, and how many answers are right: what it was asked before, and what it was not."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...data.builtin.world import Question, Size, build_world, is_right
from ...data.chat import ChatTemplate, Conversation, Message
from ...inference.chat import answers, prompt_ids
from ...inference.language_model import LanguageModel
from ...inference.samplers import Sampling
from .matching import Share, share

Questions = Literal["none", "world-small", "world", "world-large"]
"""About which built-in world, by the name that its corpus has."""
_SIZES: dict[Questions, Size] = {"world-small": "small", "world": "medium", "world-large": "large"}

N_TURNS = 4
"""Of the longest conversations in which questions are asked."""
_MOST_TOKENS = 24
"""Of an answer; the longest expected ones have a handful of words."""

UNDERSTOOD, TOLD = "taught facts, held-out phrasings", "held-out facts, taught phrasings"

GROUPS = (
    ("taught facts, taught phrasings", True, True, 1),
    (UNDERSTOOD, True, False, 1),
    *((f"{UNDERSTOOD}, turn {turn}", True, False, turn) for turn in range(2, N_TURNS + 1)),
    (TOLD, False, True, 1),
    ("held-out facts, held-out phrasings", False, False, 1),
)
"""Name, taught fact, taught phrasing, turn. Does it remember? Does it understand the question, a later one too? Does it
know what it was only told? Both at once?"""


@dataclass(frozen=True)
class Answered:
    """A question and what the model said."""

    question: Question
    said: str
    is_right: bool
    turn: int = 1
    """1: asked alone.  2: after another question and the model's answer to that, and so on."""


def questions_about(world: Questions) -> tuple[Question, ...]:
    """All that is asked about that world."""
    return () if world == "none" else build_world(_SIZES[world]).questions


def ask(language_model: LanguageModel, questions: Sequence[Question], *, batch_size: int = 64) -> tuple[Answered, ...]:
    """Every question alone, and each of UNDERSTOOD as the second, third and fourth of a conversation; greedily.

    Each later question follows others of them, the same ones whatever the order of `questions`. As in a chat, the model
    reads what it said before, as many whole turns as its context takes, and an empty answer counts for no turn.
    Raises ConfigError for a model without chat, GuardError for a question longer than the context.
    """
    answered = _answered(language_model, [()] * len(questions), questions, 1, batch_size)
    first = [one for one in answered if one.question.taught_fact and not one.question.taught_phrasing]
    last = sorted(first, key=lambda one: (zlib.crc32(one.question.text.encode()), one.question.relation))
    ring = [one.question for one in last]
    conversations: list[Conversation] = [()] * len(ring)
    for turn in range(2, N_TURNS + 1):
        conversations = [
            (*before, Message("user", one.question.text), Message("assistant", one.said))
            if one.said.strip()
            else before
            for before, one in zip(conversations, last, strict=True)
        ]
        ring = ring[1:] + ring[:1]
        last = _answered(language_model, conversations, ring, turn, batch_size)
        answered += last
    return tuple(answered)


def fits(language_model: LanguageModel, conversation: Conversation) -> bool:
    """Whether the model can read all that was said."""
    return len(prompt_ids(language_model.tokenizer, ChatTemplate(), conversation)) <= language_model.context


def by_group(answered: Iterable[Answered]) -> dict[str, Share]:
    """The share of right answers with its 95 % interval, of each of GROUPS that was asked."""
    found = tuple(answered)
    groups = {
        name: [
            one.is_right
            for one in found
            if (one.question.taught_fact, one.question.taught_phrasing, one.turn)
            == (taught_fact, taught_phrasing, turn)
        ]
        for name, taught_fact, taught_phrasing, turn in GROUPS
    }
    return {name: share(right) for name, right in groups.items() if right}


def by_relation(answered: Iterable[Answered]) -> dict[str, dict[str, Share]]:
    """The same for each relation (capital, symbol, ...) by itself, of what was asked alone."""
    relations: dict[str, list[Answered]] = {}
    for one in answered:
        if one.turn == 1:
            relations.setdefault(one.question.relation, []).append(one)
    return {relation: by_group(found) for relation, found in relations.items()}


def _answered(
    language_model: LanguageModel,
    before: Sequence[Conversation],
    questions: Sequence[Question],
    turn: int,
    batch_size: int,
) -> list[Answered]:
    """Each question after what was said `before` it, the oldest turns left out where it is too much to read."""
    conversations = []
    for said, question in zip(before, questions, strict=True):
        conversation = (*said, Message("user", question.text))
        while len(conversation) > 1 and not fits(language_model, conversation):
            conversation = conversation[2:]
        conversations.append(conversation)
    sees_one_token = language_model.context == 1  # a bigram's answer follows from the mark before it: one for all
    replies = list(
        answers(
            language_model,
            conversations[:1] if sees_one_token else conversations,
            sampling=Sampling(temperature=0),
            max_new_tokens=_MOST_TOKENS,
            batch_size=batch_size,
        )
    )
    if sees_one_token:
        replies *= len(questions)
    return [
        Answered(question, reply, is_right(question, reply), turn)
        for question, reply in zip(questions, replies, strict=True)
    ]
