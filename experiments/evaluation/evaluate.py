"""How good a model is, on a text, on conversations and on questions about the world; nothing is trained here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, cast

import numpy as np

from ...data.batches import Kind, evaluation_batches
from ...data.builtin.world import Question
from ...data.chat import ChatTemplate, Conversation
from ...data.config import DataConfig
from ...data.corpus import Documents
from ...data.dataset import build_dataset
from ...data.tokens import TokenArray
from ...data.vocabulary import count_unknown
from ...inference.chat import answers, check_chat_model
from ...inference.language_model import LanguageModel
from ...inference.samplers import Sampling
from ...models.bigram.config import BigramConfig
from ...training.evaluate import Evaluation, evaluate
from .bleu import Bleu, bleu
from .matching import Share, matches, share
from .quiz import Answered, ask, fits

Side = Literal["val", "train", "all"]
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
    """Of the whole side; bits per byte of the text as it is written, spaces and unknown words included."""
    n_text_bytes: int
    unknown_share: float
    """Of the tokens that were asked for, those that the vocabulary lacks: they read <UNK>, or were left out."""
    val_is_train: bool
    """The text was too short to split, so what is measured was trained on."""
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
    """Loss, perplexity and bits per byte on one side of the corpus or on all, replies where it is chat, answers.

    The loss counts every token once; it does not depend on `batch_size`, up to rounding. Bits per byte are those of all
    tokens that stand for text, <UNK> among them, over the bytes of the text that they stand for. Replies are to the
    first `max_replies` conversations. Raises DataError, TokenizerError where the model cannot spell the corpus,
    ConfigError where questions are put to a model without chat.
    """
    if questions:
        check_chat_model(language_model, ChatTemplate())
    dataset = build_dataset(data, language_model.tokenizer)
    parts = [(dataset.train, dataset.sides.train), (dataset.val, dataset.sides.val)]
    if side != "all" or dataset.val_is_train:
        parts = parts[:1] if side == "train" else parts[1:]
    documents = cast("Documents", tuple(document for _, documents in parts for document in documents))
    written = list(_written(documents, answers_only=data.loss_on == "answers"))
    text, n_bytes, unknown_share = _measured(
        language_model, dataset.kind, [stream for stream, _ in parts], written, batch_size
    )
    conversations: tuple[Conversation, ...] = ()
    if dataset.corpus.layout == "chat":
        conversations = cast("tuple[Conversation, ...]", documents)[:max_replies]
    replies = reply_to(language_model, conversations, batch_size) if conversations else ()
    return Report(
        source=data.source,
        side=side,
        text=text,
        n_text_bytes=n_bytes,
        unknown_share=unknown_share,
        val_is_train=dataset.val_is_train,
        replies=replies,
        n_too_long=len(conversations) - len(replies),
        answered=ask(language_model, questions, batch_size=batch_size) if questions else (),
    )


def reply_to(
    language_model: LanguageModel, conversations: Sequence[Conversation], batch_size: int = 32
) -> tuple[Reply, ...]:
    """The greedy answer to each conversation without its last message; those longer than the context are left out."""
    fitting = [one for one in conversations if fits(language_model, one[:-1])]
    said = answers(
        language_model,
        [one[:-1] for one in fitting],
        sampling=Sampling(temperature=0),
        max_new_tokens=_MOST_TOKENS,
        batch_size=batch_size,
    )
    return tuple(Reply(one[:-1], one[-1].content, text) for one, text in zip(fitting, said, strict=True))


def _measured(
    language_model: LanguageModel, kind: Kind, streams: Sequence[TokenArray], written: Sequence[str], batch_size: int
) -> tuple[Evaluation, int, float]:
    """(figures of the streams together, bytes of what was `written` in them, share of tokens that are unknown)."""
    tokenizer, block_size = language_model.tokenizer, language_model.context
    kind = "windows" if isinstance(language_model.config, BigramConfig) else kind
    batches = chain.from_iterable(
        evaluation_batches(stream, kind=kind, block_size=block_size, batch_size=batch_size) for stream in streams
    )
    stands_for_text = np.ones(tokenizer.vocab_size, dtype=np.int64)  # <UNK>, too: a word is behind it
    stands_for_text[[tokenizer.bos_id, *getattr(tokenizer, "special_ids", {}).values()]] = 0
    text = evaluate(language_model.model, batches, stands_for_text)  # bits per token of text

    targets = np.concatenate([one.ids[1:] if one.counted is None else one.ids[one.counted] for one in streams])
    n_bytes = _n_bytes(tokenizer.token_bytes(), streams, targets, written)
    bits = text.bits_per_byte * int(stands_for_text[targets].sum())
    n_unknown = count_unknown(tokenizer, targets, written)
    n_left_out = n_unknown if getattr(tokenizer, "unknown", "") == "skip" else 0
    return replace(text, bits_per_byte=bits / n_bytes), n_bytes, n_unknown / (len(targets) + n_left_out)


def _written(documents: Documents, *, answers_only: bool) -> Iterator[str]:
    """The texts, of conversations those that the loss counts."""
    for document in documents:
        if isinstance(document, str):
            yield document
        else:
            yield from (message.content for message in document if message.role == "assistant" or not answers_only)


def _n_bytes(
    token_bytes: np.ndarray, streams: Sequence[TokenArray], targets: np.ndarray, written: Sequence[str]
) -> int:
    """UTF-8 bytes of what was asked for: all but the first token of a bare text, which nothing comes before.

    Of a text larger than memory those of its tokens, in which spaces between words are missing.
    """
    if not written:
        return int(token_bytes[targets].sum())
    first = sum(int(token_bytes[stream.ids[0]]) for stream in streams if not len(stream.marks))
    return sum(len(text.encode()) for text in written) - first
