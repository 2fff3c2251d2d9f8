"""Which class of configuration a kind of model has."""

from __future__ import annotations

from .base import ModelConfig
from .bigram.config import BigramConfig
from .gpt.config import GPTConfig
from .gpt.upstream.config import UpstreamConfig

CONFIGS: tuple[type[ModelConfig], ...] = (GPTConfig, UpstreamConfig, BigramConfig)
"""All of them; where two have a field of the same name, the first says what it is."""


def config_class(model_kind: object) -> type[ModelConfig]:
    """That of a model_kind as a file names it; a GPT's for any other word."""
    return {"bigram": BigramConfig, "upstream": UpstreamConfig}.get(str(model_kind), GPTConfig)
