"""A conversation with a model that was trained on chat: what was said, answers as they come, and a context that fills.

Knows no terminal.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..data.chat import ChatTemplate, Conversation, Message, Role, check_conversation, end_ids
from ..errors import ConfigError, DataError, GuardError, NanochatWarning, UsageError
from ..storage.atomic import write_json
from ..tokenizers.base import Tokenizer
from ..tokenizers.word import UNK_ID
from .batch import generate_batch
from .decoding import remembering
from .generate import generate
from .language_model import LanguageModel
from .samplers import Sampling, check_whole
from .stopping import limits_of

_LEAST_CONTEXT = 5
"""BOS, the mark of the user, one token, its end, and the mark of an answer."""
_LAYOUTS = {"documents": "documents", "stream": "one long text"}


class Chat:
    """`say` something and read the answer.

    What it has read it does not read again: a turn costs its own tokens, until turns are dropped.
    The model reads BOS, the system message and as many of the last turns as leave a quarter of the context (or
    `max_new_tokens`, if less) for the answer, which never outgrows it. What people type is only ever text: a special
    token in it has no power. Raises ConfigError for a model whose tokenizer cannot mark turns, UsageError for one whose
    context has no room for a message, for max_new_tokens below 1 and a seed below 0, DataError for a system message
    that is no text. Warns where the model was last trained on something else than conversations.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        *,
        system: str = "",
        sampling: Sampling | None = None,
        max_new_tokens: int = 200,
        seed: int = 0,
        template: ChatTemplate | None = None,
    ) -> None:
        self.language_model, self.template = language_model, template or ChatTemplate()
        check_chat_model(language_model, self.template)
        _check_room(language_model)
        check_whole("max_new_tokens", max_new_tokens, least=1)
        check_whole("seed", seed)
        self.sampling, self.max_new_tokens, self.seed = sampling or Sampling(), max_new_tokens, seed
        self._system = (_message("system", system),) if system else ()
        self._n_head = 1 + len(self.template.encode(language_model.tokenizer, self._system)[0])  # after BOS
        _check_length(self._n_head, language_model.context, "the system message")
        if not knows_turns(language_model, self.template):
            warnings.warn(
                f"this model was last trained on {_LAYOUTS.get(_layout(language_model), 'something else')}, not on "
                "conversations: tune it with `nanochat train --from RUN --data chat.json` first",
                NanochatWarning,
                stacklevel=2,
            )
        self.reset()

    def reset(self) -> None:
        """As it was before the first word; the same words get the same answers again."""
        self._reader = remembering(self.language_model.model, self.language_model.decoder)
        self._turn_ids: list[list[int]] = []
        self.turns: list[tuple[Message, Message]] = []
        """What was said and what was answered, dropped turns included."""
        self.n_dropped = 0
        """How many turns, the oldest, the model does not read any more."""
        self._rng = np.random.default_rng(self.seed)

    def say(self, text: str) -> Generator[str, None, None]:
        """The answer, piece by piece. Whether turns were dropped for it, `n_dropped` tells at once.

        The turn counts when the answer is over; closed before its end, it counts with what had come. An empty
        answer is none: the turn is forgotten, and no other is dropped for it. A text of skipped words only is asked
        like any other. Raises DataError for an empty text and for bytes that are none, TokenizerError as the tokenizer
        does, and GuardError for a text that does not fit in the context even without turns; nothing has happened then.
        """
        message, n_dropped = _message("user", text), self.n_dropped
        prompt = self._make_room(message)
        model = self.language_model
        room = model.context + 1 - len(prompt)  # the last token need not be read
        new_ids = generate(
            self._reader,
            prompt,
            max_new_tokens=min(self.max_new_tokens, room),
            sampling=self.sampling,
            rng=self._rng,
            **answer_limits(model, self.template),
        )
        answer = self._answer(message, model.tokenizer.decode_stream(new_ids), n_dropped)
        next(answer)
        return answer

    @property
    def messages(self) -> Conversation:
        """The whole conversation, dropped turns included."""
        return (*self._system, *(message for turn in self.turns for message in turn))

    def save(self, path: Path, *, new: bool = False) -> None:
        """Write the conversation as JSON in the form that `nanochat train --data` reads, which wants two or more.

        new: as for `write_bytes`. Raises UsageError, WriteError.
        """
        if not self.turns:
            raise UsageError("nothing was said yet, so there is nothing to save: say something first")
        write_json(path, [{"messages": [asdict(message) for message in self.messages]}], new=new)

    def _answer(self, message: Message, pieces: Iterator[str], n_dropped: int) -> Generator[str, None, None]:
        """What comes, after an empty piece; n_dropped: how many turns were, before room was made for the message."""
        said, turns = "", self.turns
        try:
            yield ""  # from here on it is noticed if nobody wants the answer
            for piece in pieces:
                said += piece
                yield piece
        except Exception:  # what broke off by itself is no answer; Ctrl-C and close are none of these
            said = ""
            raise
        finally:
            if said.strip():
                turns.append((message, Message("assistant", said)))
            elif turns is self.turns:  # no reset came between
                self.n_dropped = n_dropped

    def _make_room(self, message: Message) -> list[int]:
        """The ids to go on from, after dropping whole turns where it needs to be. Raises GuardError."""
        tokenizer, context = self.language_model.tokenizer, self.language_model.context
        alone = prompt_ids(tokenizer, self.template, (*self._system, message))
        _check_length(len(alone), context, "the message")
        self._turn_ids += [self.template.encode(tokenizer, turn)[0] for turn in self.turns[len(self._turn_ids) :]]
        kept = self._turn_ids[self.n_dropped :]
        n_dropped = n_to_drop([len(turn) for turn in kept], len(alone), context, self.max_new_tokens)
        self.n_dropped += n_dropped
        turns = kept[n_dropped:]
        return [*alone[: self._n_head], *chain(*turns), *alone[self._n_head :]]


def answers(
    language_model: LanguageModel,
    conversations: Sequence[Conversation],
    *,
    sampling: Sampling | None = None,
    max_new_tokens: int = 200,
    seed: int = 0,
    batch_size: int = 16,
    template: ChatTemplate | None = None,
) -> Iterator[str]:
    """Yield the answer to each conversation, whose last message is the user's, many at a time.

    Answer i is drawn with the seed [seed, i], whatever the batch size. A bigram, with which nobody can chat, goes on
    from the mark of an answer: something to compare with. Raises ConfigError as Chat does, UsageError, and GuardError
    for a conversation longer than the context: nothing is dropped here.
    """
    check_whole("batch_size", batch_size, least=1)
    check_whole("seed", seed)
    template = template or ChatTemplate()
    check_chat_model(language_model, template)
    tokenizer, context = language_model.tokenizer, language_model.context
    prompts = [prompt_ids(tokenizer, template, conversation) for conversation in conversations]
    for i, prompt in enumerate(prompts if context > 1 else ()):  # a bigram reads the last token of any prompt
        _check_length(len(prompt), context, f"conversation {i}")
    for start in range(0, len(prompts), batch_size):
        places = range(start, min(start + batch_size, len(prompts)))
        batch = generate_batch(
            language_model.decoder,
            [prompts[i] for i in places],
            max_new_tokens=max_new_tokens,
            sampling=sampling or Sampling(),
            rngs=[np.random.default_rng([seed, i]) for i in places],
            **answer_limits(language_model, template),
        )
        yield from ("".join(tokenizer.decode_stream(new_ids)) for new_ids in batch)


def n_to_drop(n_ids: Sequence[int], n_alone: int, context: int, max_new_tokens: int) -> int:
    """How many of the oldest turns have to go so that a quarter of the context, or less if that is enough, is left.

    n_ids     Tokens of each turn, the oldest first.
    n_alone   Tokens of what is never dropped: the system message and what is asked now.
    """
    limit = context + 1 - min(max_new_tokens, max(1, context // 4))  # the last token need not be read
    n_dropped, n_tokens = 0, n_alone + sum(n_ids)
    while n_dropped < len(n_ids) and n_tokens > limit:
        n_tokens -= n_ids[n_dropped]
        n_dropped += 1
    return n_dropped


def prompt_of(
    language_model: LanguageModel, template: ChatTemplate, said: Conversation, max_new_tokens: int
) -> tuple[list[int], int]:
    """The ids to go on from, as many of the last turns as fit, and how many turns were dropped.

    Raises DataError where user and assistant do not speak in turn, TokenizerError, and GuardError where what is asked
    does not fit without any turn.
    """
    check_conversation(said, answered=False)
    tokenizer, n_head = language_model.tokenizer, int(said[0].role == "system")
    head, turns = said[:n_head], [said[i : i + 2] for i in range(n_head, len(said) - 1, 2)]
    n_alone = len(prompt_ids(tokenizer, template, (*head, said[-1])))
    _check_length(n_alone, language_model.context, "the message")
    n_ids = [len(template.encode(tokenizer, turn)[0]) for turn in turns]
    n_dropped = n_to_drop(n_ids, n_alone, language_model.context, max_new_tokens)
    kept = (message for turn in turns[n_dropped:] for message in turn)
    return prompt_ids(tokenizer, template, (*head, *kept, said[-1])), n_dropped


def check_chat_model(language_model: LanguageModel, template: ChatTemplate) -> None:
    """Raises ConfigError unless the model's tokenizer has the tokens that mark turns."""
    if not template.fits(language_model.tokenizer):
        raise ConfigError(
            f"this model was not trained on conversations, its tokenizer has no {template.user}: train it on some with "
            "`nanochat train --from RUN --data chat.json`, or let it go on from a text with `nanochat sample`"
        )


def knows_turns(language_model: LanguageModel, template: ChatTemplate) -> bool:
    """Whether it was last trained on conversations; of a model that does not say so, whether it could have been."""
    could = template.fits(language_model.tokenizer) and language_model.context >= _LEAST_CONTEXT
    return could and _layout(language_model) in ("chat", "")


def prompt_ids(tokenizer: Tokenizer, template: ChatTemplate, conversation: Conversation) -> list[int]:
    """BOS, the conversation, and the mark that an answer begins."""
    return [tokenizer.bos_id, *template.encode_prompt(tokenizer, conversation)]


def answer_limits(language_model: LanguageModel, template: ChatTemplate) -> dict[str, Any]:
    """How far the model sees, what ends an answer (any mark, or what ends a text), and what is never drawn."""
    tokenizer: Any = language_model.tokenizer
    marks = {tokenizer.special_ids[name] for name in template.special_tokens}
    unknown = (UNK_ID,) if getattr(tokenizer, "has_unk", False) else ()  # it reads as no word, and could not be read
    ends = (*marks, tokenizer.bos_id, *end_ids(tokenizer), *language_model.end_ids)
    return {"context": language_model.context, **limits_of(tokenizer, ends, banned=unknown)}


def _layout(language_model: LanguageModel) -> str:
    """What its last data were, "" where nobody knows."""
    return str(language_model.origin.get("layout", ""))


def _message(role: Role, text: str) -> Message:
    """Raises DataError for text that could not be written down again."""
    message = Message(role, text)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"the {role} message is no UTF-8 at character {error.start}: write it anew") from None
    return message


def _check_room(language_model: LanguageModel) -> None:
    """Raises UsageError where no message would ever fit."""
    if language_model.context < _LEAST_CONTEXT:
        n = language_model.context
        raise UsageError(
            f"a model that reads {n} token{'s' * (n != 1)} cannot hold a conversation, where a word takes "
            f"{_LEAST_CONTEXT} with the marks around it: talk with another, e.g. one of --preset nanochat-words"
        )


def _check_length(n_tokens: int, context: int, what: str) -> None:
    if n_tokens > context:
        raise GuardError(
            f"{what} has {n_tokens} tokens with the marks around it and the model reads {context}: shorten it, "
            "or use a model with a larger block_size"
        )
