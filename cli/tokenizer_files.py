"""The tokenizer that a name on the command line means: of a file, a run, a model, or a GPT-2 folder."""

from __future__ import annotations

from contextlib import suppress

from ..errors import CheckpointError, ConfigError, TokenizerError
from ..inference.language_model import load
from ..plain import path_of
from ..tokenizers import Tokenizer, load_tokenizer
from .folders import find_folder

_MODELS = (".safetensors", ".json.gz")


def find_tokenizer(name: str) -> Tokenizer:
    """Raises TokenizerError if there is none, CheckpointError for a damaged model or for `latest` without a run."""
    path = find_folder(name) if name == "latest" else path_of(name)
    if path.name.endswith(_MODELS):
        return load(path).tokenizer
    try:
        return load_tokenizer(path)
    except TokenizerError:
        # A checkpoint, or a model in one file, carries its tokenizer inside.
        with suppress(CheckpointError, ConfigError, TokenizerError, OSError, ValueError):
            return load(path).tokenizer
        raise
