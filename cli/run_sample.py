"""`nanochat sample`: text from a trained model, as it is drawn."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import build_dataset
from ..errors import ConfigError
from ..inference.counts import counts_language_model
from ..inference.language_model import LanguageModel, load
from ..training.record import read_run
from .commands import SampleCommand
from .console import print_json
from .folders import find_folder


def execute(command: SampleCommand) -> None:
    """Print each sample, character by character, on a line of its own."""
    path = find_folder(command.run)
    language_model = _model(path, command)
    texts = []
    for number in range(command.n_samples):
        pieces = language_model.stream(
            command.prompt,
            max_new_tokens=command.max_new_tokens,
            temperature=command.temperature,
            seed=np.random.default_rng([command.seed, number]),
            long_prompt=command.long_prompt,
        )
        if command.json:
            texts.append(command.prompt + "".join(pieces))
            continue
        first = next(pieces, "")  # an error shows before anything is printed
        sys.stdout.write(command.prompt + first)
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")
    if command.json:
        print_json({"run": str(path), "samples": texts})


def _model(path: Path, command: SampleCommand) -> LanguageModel:
    if command.from_counts:
        data = read_run(path).config.data
        dataset = build_dataset(
            data.source, layout=data.layout, style_name=data.style, val_fraction=data.val_fraction, unknown=data.unknown
        )
        model = counts_language_model(dataset, boost_futuristic=data.style == "futuristic")
    else:
        model = load(path)
    return _with_policy(model, command.unknown) if command.unknown else model


def _with_policy(model: LanguageModel, unknown: str) -> LanguageModel:
    """The model, reading unknown text by this policy. Raises ConfigError where its tokenizer has none."""
    tokenizer: Any = model.tokenizer
    if not hasattr(tokenizer, "unknown"):
        kind = tokenizer.to_dict()["kind"]
        raise ConfigError(
            f"--unknown {unknown} has no meaning for a {kind} tokenizer, which can spell every text: leave it out"
        )
    return replace(model, tokenizer=replace(tokenizer, unknown=unknown))
