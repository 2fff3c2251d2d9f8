"""What a result rests on besides its settings, known by content: text, tokenizer file, first model."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

from ..checkpoints.find import find_model_file
from ..checkpoints.names import CHECKPOINTS, MANIFEST
from ..data.builtin import BUILTINS, read_builtin
from ..data.corpus import BUILTIN_PREFIX
from ..errors import CheckpointError, NanochatWarning
from ..plain import path_of
from ..storage.reading import file_sha256
from ..tokenizers.files import KINDS
from .config import RunConfig


def paths_of(config: RunConfig) -> dict[str, str]:
    """What the run reads, by the setting that names it: files, folders and `builtin:NAME`."""
    named = {"data.source": config.data.source, "start_from": config.start_from}
    if config.data.tokenizer not in KINDS:
        named["data.tokenizer"] = config.data.tokenizer
    return {setting: path for setting, path in named.items() if path}


def digests_of(config: RunConfig) -> dict[str, str | None]:
    """sha256 of what the run reads, by setting; None for what cannot be read, which the run itself will tell."""
    return {setting: content_sha256(path) for setting, path in paths_of(config).items()}


def changed_input(config: RunConfig, known: Mapping[str, object]) -> str:
    """The first path that the run reads whose content is not the `known` digest of its setting; "" if there is none."""
    for setting, path in paths_of(config).items():
        if known.get(setting) not in (None, content_sha256(path)):
            return path
    return ""


def content_sha256(path: str) -> str | None:
    """Of a file; of the model that a run's folder stands for; of a built-in text; of all files of another folder."""
    if path.startswith(BUILTIN_PREFIX):
        return _builtin_sha256(path.removeprefix(BUILTIN_PREFIX))
    with suppress(OSError, ValueError, CheckpointError), warnings.catch_warnings():
        warnings.simplefilter("ignore", NanochatWarning)  # of damaged checkpoints: said where the model is read
        place = path_of(path)
        if place.is_dir() and ((place / CHECKPOINTS).is_dir() or (place / MANIFEST).is_file()):
            place = find_model_file(place)
        if not place.is_dir():
            return file_sha256(place, follow=True)
        files = sorted(file for file in place.iterdir() if file.is_file())
        return hashlib.sha256(
            "".join(f"{file_sha256(file, follow=True)} {file.name}\n" for file in files).encode()
        ).hexdigest()
    return None


@cache
def _builtin_sha256(name: str) -> str | None:
    """The text may be another one in another version of this program."""
    return hashlib.sha256(read_builtin(name).encode()).hexdigest() if name in BUILTINS else None
