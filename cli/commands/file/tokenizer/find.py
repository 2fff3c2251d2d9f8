"""What the commands on tokenizers share: the file, run, model or GPT-2 folder that a name on the command line means."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .....errors import CheckpointError, ConfigError, TokenizerError
from .....plain import path_of

if TYPE_CHECKING:
    from .....tokenizers import Tokenizer

FILE_HELP = "A tokenizer's file, a folder with one (a run, GPT-2), or latest."
UnknownFlag = Annotated[
    Literal["error", "skip", "unk"] | None, typer.Option("--unknown", help="What is outside the vocabulary.")
]

_MODELS = (".safetensors", ".json.gz")


def find_tokenizer(name: str) -> Tokenizer:
    """Raises TokenizerError if there is none, CheckpointError for a damaged model or for `latest` without a run."""
    from .....inference.language_model import load
    from .....tokenizers import load_tokenizer
    from ....folders import find_folder

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
