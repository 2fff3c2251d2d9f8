"""`nanochat sample`: text from a trained model, as it is drawn."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.chat import ChatTemplate
from ..data.dataset import build_dataset
from ..inference.alternatives import Candidate, Choice
from ..inference.chat import knows_turns
from ..inference.counts import counts_language_model
from ..inference.language_model import LanguageModel, load
from ..plain import shown_path
from ..tokenizers import inspection as policies
from ..tokenizers.char import Unknown
from ..training.folder.record import read_run
from .commands import SampleCommand
from .console import print_json, print_table, say, write_result
from .folders import find_folder

_LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")


def execute(command: SampleCommand) -> None:
    """Print each sample as it is drawn, or as it is done where many are drawn at once.

    Several have a line each, whatever line breaks are in them, where no terminal shows them.
    """
    path = find_folder(command.run)
    model = _model(path, command)
    _remark_on(path, model, command.prompt)
    if command.alternatives:
        _show_alternatives(path, model, command)
    elif command.beam:
        _show_likeliest(path, model, command)
    elif command.json:
        _print(path, model, command, {"samples": ["".join(pieces) for pieces in _draw(model, command)]})
    else:
        _write(_draw(model, command), command)


def on_one_line(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces, with one space for the line breaks that follow each other."""
    broken = False
    for piece in pieces:
        shown = _LINE_BREAKS.sub(" ", piece)
        yield shown[1:] if broken and _LINE_BREAKS.match(piece) else shown
        broken = bool(_LINE_BREAKS.match(piece[-1:])) if piece else broken


def _write(texts: Iterable[Iterable[str]], command: SampleCommand) -> None:
    """Each text, which comes in pieces, and a line break."""
    to_lines = command.n_samples > 1 and not sys.stdout.isatty()
    for pieces in texts:
        for piece in on_one_line(pieces) if to_lines else pieces:
            write_result(piece)
            sys.stdout.flush()
        write_result("\n")


def with_policy(model: LanguageModel, unknown: Unknown | None) -> LanguageModel:
    """The model, reading unknown text by this policy. Raises TokenizerError where its tokenizer has none."""
    return replace(model, tokenizer=policies.with_policy(model.tokenizer, unknown)) if unknown else model


def _remark_on(path: Path, model: LanguageModel, prompt: str) -> None:
    """What the model does not read as it was meant."""
    if remark := policies.describe_unknown(model.tokenizer, prompt):
        say(f"the prompt: {remark}")
    template = ChatTemplate()
    if knows_turns(model, template) and not any(mark in prompt for mark in template.special_tokens):
        say(f"this model answers questions in `nanochat chat --run {shown_path(path)}`: here it goes on from a text")


def _print(path: Path, model: LanguageModel, command: SampleCommand, found: dict[str, Any]) -> None:
    """What was found, as JSON."""
    print_json({"run": shown_path(path), **found, "n_unknown": policies.n_unknown(model.tokenizer, command.prompt)})


def _draw(model: LanguageModel, command: SampleCommand) -> Iterator[Iterator[str]]:
    """The texts, each in pieces. An array model draws many at once."""
    options = {**_limits(command), **asdict(command.sampling)}
    if command.n_samples > 1 and model.mode == "tensor":
        for text in model.generate_batch([command.prompt] * command.n_samples, seed=command.seed, **options):
            yield iter([text])
        return
    for number in range(command.n_samples):
        pieces = model.stream(command.prompt, seed=np.random.default_rng([command.seed, number]), **options)
        first = next(pieces, "")  # an error shows before anything is printed
        yield _joined(command.prompt + first, pieces)


def _joined(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _show_likeliest(path: Path, model: LanguageModel, command: SampleCommand) -> None:
    found = model.beam(command.prompt, width=command.beam, length_penalty=command.length_penalty, **_limits(command))
    best = found[: command.n_samples]
    if command.json:
        texts, scores = [text for text, _ in best], [score for _, score in best]
        _print(path, model, command, {"samples": texts, "scores": scores})
        return
    _write(([text] for text, _ in best), command)


def _show_alternatives(path: Path, model: LanguageModel, command: SampleCommand) -> None:
    choices = model.alternatives(
        command.prompt,
        n=command.alternatives,
        seed=np.random.default_rng([command.seed, 0]),  # those of the first sample
        **_limits(command),
        **asdict(command.sampling),
    )
    if command.json:
        tokens = [{**asdict(one.drawn), "likeliest": [asdict(other) for other in one.likeliest]} for one in choices]
        _print(path, model, command, {"prompt": command.prompt, "tokens": tokens})
    elif rows := [_row(one) for one in choices]:
        print_table(rows, right=("p",))


def _row(choice: Choice) -> dict[str, Any]:
    """The token that was drawn, its probability, and the likeliest in its place, numbered."""
    others = {str(i): f"{_spell(one)} {one.p:.4f}" for i, one in enumerate(choice.likeliest, start=1)}
    return {"token": _spell(choice.drawn), "p": choice.drawn.p, **others}


def _spell(one: Candidate) -> str:
    """In quotation marks, so that a space is seen."""
    return json.dumps(one.text, ensure_ascii=False)


def _limits(command: SampleCommand) -> dict[str, Any]:
    return {"max_new_tokens": command.max_new_tokens, "stop": command.stop, "long_prompt": command.long_prompt}


def _model(path: Path, command: SampleCommand) -> LanguageModel:
    if not command.from_counts:
        return with_policy(load(path), command.unknown)
    data = read_run(path).config.data
    dataset = build_dataset(data, load(path).tokenizer)
    model = counts_language_model(dataset, boost_futuristic=data.style == "futuristic")
    return with_policy(model, command.unknown)
