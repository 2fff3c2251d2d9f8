"""Models of random weights, one for each way of reading, and texts to be continued."""

from dataclasses import replace
from functools import cache

import numpy as np

from nanochat.data.chat import ChatTemplate
from nanochat.inference.detokenizer import detokenizer
from nanochat.inference.language_model import LanguageModel
from nanochat.inference.samplers import Sampling
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.serving.continuation import Ask, Continuation
from nanochat.tokenizers import CharTokenizer, WordTokenizer

WORDS = WordTokenizer.train(
    'what is the capital of Peru ? Lima . yes no be brief , it \' s " well - known "',
    special_tokens=ChatTemplate().special_tokens,
)


LETTERS = CharTokenizer.train("what is")


@cache
def model(window: int = 0, mode: str = "tensor", block_size: int = 48, is_letters: bool = False) -> LanguageModel:
    """A window makes it one that no decoder knows; of letters it cannot chat."""
    tokenizer = LETTERS if is_letters else WORDS
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size,
        block_size=block_size,
        n_embd=16,
        n_head=2,
        window=window,
        zero_init_proj=False,
        init_scale=0.5,
    )
    built = build_model(config, mode, "float32" if mode == "tensor" else "float64")
    built.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    return LanguageModel(built, tokenizer, config, "gpt", mode, stops_at_bos=True)


def endless() -> LanguageModel:
    """One that nothing ends but its context, which is long."""
    return replace(model(window=8, block_size=4096, is_letters=True), stops_at_bos=False)


def text(lm: LanguageModel, prompt: str, seed=0, *, n=12, sink=None, n_likeliest=None, **options) -> Continuation:
    """A prompt to be continued; `events` gathers what comes where no sink is given."""
    events: list = []
    limits = lm.limits()
    ask = Ask(
        prompt_ids=tuple(lm.read(prompt)),
        sampling=Sampling(temperature=1.0),
        seed=(seed, 0),
        max_new_tokens=n,
        context=limits["context"],
        stop_ids=limits["stop_ids"],
        banned=limits["banned"],
        n_likeliest=n_likeliest,
    )
    made = Continuation(ask, detokenizer(lm.tokenizer, prompt), sink or events.append, **options)
    made.events = events
    return made


def said(made: Continuation) -> str:
    return "".join(event.text for event in made.events)


@cache
def bigram() -> LanguageModel:
    """It reads one token and has no layers."""
    config = BigramConfig(vocab_size=LETTERS.vocab_size)
    built = build_model(config, "tensor", "float32")
    built.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    return LanguageModel(built, LETTERS, config, "bigram", "tensor", stops_at_bos=True)
