"""Questions put to a model, and how many answers are right: what it was asked before, and what it was not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..data.chat import Message
from ..data.world import Question, is_right
from ..inference.chat import answers
from ..inference.language_model import LanguageModel
from ..inference.matching import Share, share
from ..inference.samplers import Sampling

_MOST_TOKENS = 24
"""Of an answer; the longest expected ones have a handful of words."""

GROUPS = (
    ("taught facts, taught phrasings", True, True),
    ("taught facts, held-out phrasings", True, False),
    ("held-out facts, taught phrasings", False, True),
    ("held-out facts, held-out phrasings", False, False),
)
"""Does it remember? Does it understand the question? Does it know what it was only told? Both at once?"""


@dataclass(frozen=True)
class Answered:
    """A question and what the model said."""

    question: Question
    said: str
    is_right: bool


def ask(language_model: LanguageModel, questions: Sequence[Question], *, batch_size: int = 64) -> tuple[Answered, ...]:
    """Every question in a conversation of its own, answered greedily. Raises ConfigError for a model without chat."""
    conversations = [(Message("user", question.text),) for question in questions]
    sees_one_token = language_model.context == 1  # a bigram's answer follows from the mark before it: one for all
    said = list(
        answers(
            language_model,
            conversations[:1] if sees_one_token else conversations,
            sampling=Sampling(temperature=0),
            max_new_tokens=_MOST_TOKENS,
            batch_size=batch_size,
        )
    )
    if sees_one_token:
        said *= len(questions)
    return tuple(
        Answered(question, text, is_right(question, text)) for question, text in zip(questions, said, strict=True)
    )


def by_group(answered: Iterable[Answered]) -> dict[str, Share]:
    """The share of right answers with its 95 % interval, of each of GROUPS that was asked."""
    found = tuple(answered)
    groups = {
        name: [
            one.is_right
            for one in found
            if (one.question.taught_fact, one.question.taught_phrasing) == (taught_fact, taught_phrasing)
        ]
        for name, taught_fact, taught_phrasing in GROUPS
    }
    return {name: share(right) for name, right in groups.items() if right}


def by_relation(answered: Iterable[Answered]) -> dict[str, dict[str, Share]]:
    """The same for each relation (capital, symbol, ...) by itself."""
    relations: dict[str, list[Answered]] = {}
    for one in answered:
        relations.setdefault(one.question.relation, []).append(one)
    return {relation: by_group(found) for relation, found in relations.items()}
