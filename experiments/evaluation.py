"""How good a model is, on a text, on conversations and on questions about the world; nothing is trained here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from ..data.batches import evaluation_batches
from ..data.chat import ChatTemplate, Conversation
from ..data.corpus import Documents
from ..data.dataset import Dataset, build_dataset
from ..data.stream import TokenStream
from ..data.world import Question
from ..inference.bleu import Bleu, bleu
from ..inference.chat import answers, prompt_ids
from ..inference.language_model import LanguageModel
from ..inference.matching import Share, matches, share
from ..inference.samplers import Sampling
from ..models.bigram.config import BigramConfig
from ..training.config import DataConfig
from ..training.evaluate import Evaluation, evaluate
from .quiz import Answered, ask

Side = Literal["val", "train"]
_MOST_TOKENS = 64
"""Of an answer to a conversation."""


@dataclass(frozen=True)
class Reply:
    """What the model answered to the last user message, beside what the file has."""

    conversation: Conversation
    expected: str
    said: str

    @property
    def is_right(self) -> bool:
        """The same text but for case, white space and final punctuation."""
        return matches(self.said, self.expected)


@dataclass(frozen=True)
class Report:
    """Everything that was measured."""

    source: str
    side: Side
    text: Evaluation
    """Of the whole side."""
    n_text_bytes: int
    replies: tuple[Reply, ...] = ()
    n_too_long: int = 0
    """Conversations without a reply, since they are longer than the context."""
    answered: tuple[Answered, ...] = ()

    @property
    def bleu(self) -> Bleu | None:
        """Of the replies together."""
        if not self.replies:
            return None
        return bleu([reply.said for reply in self.replies], [reply.expected for reply in self.replies])

    @property
    def exact(self) -> Share:
        """The share of replies that are right."""
        return share(reply.is_right for reply in self.replies)


def evaluate_model(
    language_model: LanguageModel,
    data: DataConfig,
    *,
    side: Side = "val",
    questions: Sequence[Question] = (),
    batch_size: int = 32,
    max_replies: int = 500,
) -> Report:
    """Loss, perplexity and bits per byte on one side of the corpus, replies where it is chat, answers to questions.

    The loss counts every token of the side once; it does not depend on `batch_size`, up to rounding. Replies are of
    the first `max_replies` conversations of the side. Raises DataError, TokenizerError where the model cannot spell the
    corpus, ConfigError where questions are put to a model without chat.
    """
    dataset = read_with(language_model, data)
    stream = dataset.val if side == "val" else dataset.train
    kind = "windows" if isinstance(language_model.config, BigramConfig) else dataset.kind
    token_bytes = language_model.tokenizer.token_bytes()
    batches = evaluation_batches(stream, kind=kind, block_size=language_model.context, batch_size=batch_size)
    text = evaluate(language_model.model, batches, token_bytes)
    documents = dataset.sides.val if side == "val" else dataset.sides.train
    n_written = _written_bytes(documents, answers_only=data.loss_on == "answers")
    n_spelled = int(token_bytes[_targets(stream)].sum())
    text = replace(text, bits_per_byte=text.bits_per_byte * n_spelled / n_written)  # words do not spell their spaces
    conversations: tuple[Conversation, ...] = ()
    if dataset.corpus.layout == "chat":
        conversations = cast("tuple[Conversation, ...]", documents)[:max_replies]
    replies = reply_to(language_model, conversations, batch_size) if conversations else ()
    return Report(
        source=data.source,
        side=side,
        text=text,
        n_text_bytes=n_written,
        replies=replies,
        n_too_long=len(conversations) - len(replies),
        answered=ask(language_model, questions, batch_size=batch_size) if questions else (),
    )


def read_with(language_model: LanguageModel, data: DataConfig) -> Dataset:
    """The corpus in the model's own tokens."""
    return build_dataset(
        data.source,
        layout=data.layout,
        text_field=data.text_field,
        style_name=data.style,
        val_fraction=data.val_fraction,
        tokenizer=language_model.tokenizer,
        loss_on=data.loss_on,
    )


def reply_to(
    language_model: LanguageModel, conversations: Sequence[Conversation], batch_size: int = 32
) -> tuple[Reply, ...]:
    """The greedy answer to each conversation without its last message; those longer than the context are left out."""
    fitting = [one for one in conversations if _fits(language_model, one)]
    said = answers(
        language_model,
        [one[:-1] for one in fitting],
        sampling=Sampling(temperature=0),
        max_new_tokens=_MOST_TOKENS,
        batch_size=batch_size,
    )
    return tuple(Reply(one[:-1], one[-1].content, text) for one, text in zip(fitting, said, strict=True))


def _targets(stream: TokenStream) -> np.ndarray:
    """The ids that the loss counts."""
    return stream.ids[1:] if stream.counted is None else stream.ids[stream.counted]


def _written_bytes(documents: Documents, *, answers_only: bool) -> int:
    """UTF-8 bytes of the texts, of conversations those that the loss counts."""
    return sum(
        len(text.encode())
        for document in documents
        for text in (
            [document]
            if isinstance(document, str)
            else [message.content for message in document if message.role == "assistant" or not answers_only]
        )
    )


def _fits(language_model: LanguageModel, conversation: Conversation) -> bool:
    ids = prompt_ids(language_model.tokenizer, ChatTemplate(), conversation[:-1])
    return len(ids) <= language_model.context
