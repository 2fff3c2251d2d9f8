"""Texts to begin with: of the built-in corpus that the model learned from, or of its own making, cut where it is least
sure of what follows. Other people's files are never shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.chat import Conversation
from ...data.corpus import BUILTIN_PREFIX, Corpus
from ...data.load import load_corpus
from ...errors import ConfigError, TokenizerError
from ...inference.language_model import LanguageModel
from ...inference.samplers import log_softmax
from .tokens import bits

N_EXAMPLES = 3
_N_TOKENS = 24
_LEAST_TOKENS = 3
"""Before a cut."""


def learned(source: str) -> tuple[list[str], list[str]]:
    """(texts, questions) of a built-in corpus, from all over it; of any other source none."""
    if not source.startswith(BUILTIN_PREFIX):
        return [], []
    try:
        corpus = load_corpus(source)
    except ConfigError:  # of a version that had others
        return [], []
    documents = _documents(corpus)
    some = [documents[i * len(documents) // N_EXAMPLES] for i in range(min(N_EXAMPLES, len(documents)))]
    texts = [one if isinstance(one, str) else one[-1].content for one in some]
    asked = [said.content for one in some if not isinstance(one, str) for said in one if said.role == "user"]
    return texts, asked[:N_EXAMPLES]


def drawn(lm: LanguageModel, seed: int) -> str:
    """A text of the model's own."""
    return lm.generate(seed=seed, max_new_tokens=_N_TOKENS)


def cut(lm: LanguageModel, text: str) -> str:
    """What stands before the place where most tokens were about as likely; "" where the model cannot read it."""
    try:
        ids = lm.encode(text)[:_N_TOKENS]
    except TokenizerError:
        return ""
    ids = ids if lm.context == 1 else ids[: lm.context]
    least, banned = min(_LEAST_TOKENS, len(ids)), lm.limits()["banned"]
    unsure = [bits(np.exp(log_softmax(logits, banned=banned))) for logits in lm.logits(ids)[least - 1 :]]
    return lm.tokenizer.decode(ids[: least + int(np.argmax(unsure))]).strip()


def _documents(corpus: Corpus) -> Sequence[str | Conversation]:
    """Those of a stream are its lines."""
    if corpus.layout != "stream":
        return corpus.documents
    return [line for text in corpus.documents if isinstance(text, str) for line in text.split("\n") if line.strip()]
