"""What `sample`, `chat` and `eval` share: the flags of drawing, the model, and a text on one line."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import NanochatWarning
from .options import check_count

if TYPE_CHECKING:
    from ..checkpoints.find import Which
    from ..data.config import DataConfig
    from ..inference.language_model import LanguageModel
    from ..inference.samplers import Sampling
    from ..tokenizers.char import Unknown
    from ..training.folder.record import SavedRun

_LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")


def _flag(name: str, kind: Any, help: str, metavar: str) -> Parameter:
    annotation = Annotated[kind | None, typer.Option(help=help, metavar=metavar, rich_help_panel="Sampling")]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


SAMPLING_FLAGS = [
    _flag("temperature", float, "0 is greedy, 1 the model's own distribution; 0.8 if not given.", "X"),
    _flag("top_k", int, "Draw from the K likeliest tokens; 0 is off.", "K"),
    _flag("top_p", float, "Draw from the likeliest that sum to P; 1 is off.", "P"),
    _flag("min_p", float, "Draw from what has this share of the likeliest one's p; 0 is off.", "P"),
    _flag("repetition_penalty", float, "Above 1, what stood in the text becomes less likely; 1 is off.", "X"),
]
MaxFlag = Annotated[int, typer.Option(help="Most tokens to add.")]


def read_sampling(options: dict[str, Any]) -> tuple[Sampling, dict[str, Any]]:
    """What SAMPLING_FLAGS ask for, and those of them that somebody gave. Raises ConfigError."""
    from ..inference.samplers import Sampling

    given = {name: value for name, value in options.items() if value is not None}
    return Sampling(**given), given


def check_limits(max_new_tokens: int, seed: int, least: int = 0) -> None:
    """Raises UsageError for a number that makes no sense."""
    check_count("--max-new-tokens", max_new_tokens, least)
    check_count("--seed", seed, 0, math.inf)


def load_model(path: Path, unknown: Unknown | None, which: Which = "last") -> LanguageModel:
    """The model at `path`, reading unknown text by this policy. Raises TokenizerError where its tokenizer has none."""
    from ..inference.language_model import load

    return with_policy(load(path, which=which), unknown)


def own_data(saved: SavedRun, what: str) -> DataConfig:
    """The text of a run, to be `what`: measured, counted. Warns where it is not what the run was trained on."""
    from ..training.inputs import changed_input

    if changed := changed_input(saved.config, saved.inputs):
        text = f"{changed} has changed since {saved.path} was trained: what is {what} is not its own text any more"
        warnings.warn(NanochatWarning(text), stacklevel=2)
    return saved.config.data


def with_policy(model: LanguageModel, unknown: Unknown | None) -> LanguageModel:
    """The same, of a model that is there already."""
    from ..tokenizers import inspection

    return replace(model, tokenizer=inspection.with_policy(model.tokenizer, unknown)) if unknown else model


def on_one_line(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces, with one space for the line breaks that follow each other."""
    broken = False
    for piece in pieces:
        shown = _LINE_BREAKS.sub(" ", piece)
        yield shown[1:] if broken and _LINE_BREAKS.match(piece) else shown
        broken = bool(_LINE_BREAKS.match(piece[-1:])) if piece else broken
