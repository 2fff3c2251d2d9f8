"""A world of facts: told in sentences, asked in conversations, split so that two abilities are measured apart.

                          taught question                        held-out question: in no tuning
    taught fact           learned by heart in tuning             does it understand the question?
    held-out fact         does it know what it was only told?    both

Every fact is told in every statement of its relation. Facts of a size and templates come from tables.py; the seed
decides which facts are held out, and which turns stand together in a conversation.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Literal, get_args

import numpy as np

from ....errors import ConfigError
from ...chat import Conversation, Message
from .answers import matches
from .tables import Fact, Relation, read_relations, render

Size = Literal["small", "medium", "large"]

REQUEST = "Tell me something."
"""What a statement answers when it is rehearsed: it gives away neither subject nor relation."""

_ONE_IN = 8
"""One fact in eight is held out."""

_MOST_TURNS = 4
"""Of a conversation to tune on: at 24 words and marks at most each, all fit in 128 tokens."""

_Exchange = tuple[str, str]
"""What is said, and the answer."""


@dataclass(frozen=True)
class Question:
    """A fact asked in one way, and which half of each split both come from."""

    relation: str
    subject: str
    text: str
    answer: str
    taught_fact: bool
    taught_phrasing: bool
    accepted: tuple[str, ...]
    """Every right answer, `answer` first."""


@dataclass(frozen=True)
class World:
    """The facts of a size, and which of them no tuning asks about."""

    size: Size
    seed: int
    relations: tuple[Relation, ...]
    """Cut to the facts of this size; those that have none are left out."""
    held_out: frozenset[Fact]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Every fact, relation after relation."""
        return tuple(fact for relation in self.relations for fact in relation.facts)

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """Every fact, taught or held out, in every statement of its relation: what there is to read."""
        return tuple(
            render(template, fact)
            for relation in self.relations
            for fact in relation.facts
            for template in relation.statements
        )

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Every fact in every question of its relation."""
        return tuple(
            question
            for relation in self.relations
            for fact in relation.facts
            for question in _asked(relation, fact, taught_fact=fact not in self.held_out)
        )

    @cached_property
    def taught(self) -> tuple[Conversation, ...]:
        """What there is to tune on: taught facts in taught questions, each once, in conversations of 1 to 4 turns.

        Tuned on single questions, a model answers every later one in a chat as it did the first.
        """
        return _dealt(self._exchanges, self.seed)

    @cached_property
    def rehearsed(self) -> tuple[Conversation, ...]:
        """The same, and every statement as the answer to REQUEST: it keeps held-out facts from being forgotten.

        Tuned on `taught` alone, a model soon answers with the words that it was taught to answer with and no others.
        """
        return _dealt([*self._exchanges, *((REQUEST, told) for told in self.statements)], self.seed)

    @property
    def _exchanges(self) -> list[_Exchange]:
        return [(asked.text, asked.answer) for asked in self.questions if asked.taught_fact and asked.taught_phrasing]


def build_world(size: Size = "medium", seed: int = 1337) -> World:
    """The world of that size: the same for the same seed, on every machine.

    Raises ConfigError for another size or a negative seed.
    """
    if size not in get_args(Size):
        raise ConfigError(f"size={size!r} is no size of the world: choose one of {', '.join(get_args(Size))}")
    if seed < 0:
        raise ConfigError(f"seed={seed} is negative: choose 0 or more")
    relations = tuple(
        replace(relation, facts=relation.facts[: relation.n_facts[size]])
        for relation in read_relations()
        if relation.n_facts[size]
    )
    return World(size, seed, relations, frozenset(fact for relation in relations for fact in _drawn(relation, seed)))


def is_right(question: Question, text: str) -> bool:
    """Whether `text` is one of the question's accepted answers, but for case, article and final punctuation."""
    return matches(text, question.accepted)


def _drawn(relation: Relation, seed: int) -> Iterator[Fact]:
    """The facts held out: one in eight, halves rounded up, at least one; of each relation by itself."""
    rng = np.random.default_rng((seed, zlib.crc32(relation.name.encode())))
    n_held = max(1, (len(relation.facts) + _ONE_IN // 2) // _ONE_IN)
    return (relation.facts[i] for i in rng.permutation(len(relation.facts))[:n_held])


def _dealt(exchanges: Sequence[_Exchange], seed: int) -> tuple[Conversation, ...]:
    """Each exchange once, shuffled, as a turn of a conversation of one to four."""
    rng = np.random.default_rng((seed, zlib.crc32(b"conversations")))
    shuffled = (exchanges[i] for i in rng.permutation(len(exchanges)))
    dealt = []
    while turns := tuple(islice(shuffled, int(rng.integers(1, _MOST_TURNS + 1)))):
        messages = ((Message("user", asked), Message("assistant", said)) for asked, said in turns)
        dealt.append(tuple(chain.from_iterable(messages)))
    return tuple(dealt)


def _asked(relation: Relation, fact: Fact, *, taught_fact: bool) -> Iterator[Question]:
    for taught_phrasing, templates in ((True, relation.taught), (False, relation.held_out)):
        for template in templates:
            text = render(template, fact)
            yield Question(fact.relation, fact.subject, text, fact.answer, taught_fact, taught_phrasing, fact.accepted)
