"""The command that does a run or a study again: only what differs from its preset."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict

from ...data.builtin import BUILTINS
from ...training.config import RunConfig, setting_at
from ...training.resolve import resolve
from ..ablation.grid import HEAD_AND_NORM, AblationConfig, flatten

_ORDER = (
    *("start_from", "partial", "mode", "data.source", "data.layout", "data.tokenizer", "data.vocab_size"),
    *("data.loss_on", "data.packing", "data.unknown", "data.style", "seed", "training.steps", "training.epochs"),
    *("training.patience", "training.optimizer", "training.lr", "training.lr_schedule", "training.batch_size"),
)
"""What a person would write first; the others follow in the order of a config, those without a flag last."""


def command_line(config: RunConfig) -> str:
    """`nanochat train --preset microgpt ...` for one shell line.

    What the data decide is left out: the size of the vocabulary, and the layout of a built-in corpus where it is the
    corpus's own.
    """
    words = [word for _, some in _differences(config) for word in some]
    return shlex.join(["nanochat", "train", "--preset", config.preset, *words])


def ablation_command_line(config: AblationConfig) -> str:
    """`nanochat ablate --preset ... --axis ...` for one shell line."""
    # A study turns replicas=0, what suits the machine, into 1 by itself.
    own = {*config.axes, *(["training.replicas"] if config.base.training.replicas == 1 else [])}
    shared = [words for path, words in _differences(config.base, of_a_study=True) if path not in own]
    words = ["--preset", config.base.preset, *(word for some in shared for word in some)]
    for name, changes in config.explicit.items():
        words += ["--variant", f"{name}: {' '.join(f'{path}={_word(value)}' for path, value in changes.items())}"]
    if config.axes and list(config.axes.items()) != list(HEAD_AND_NORM.items()):  # their order is that of the variants
        for path, values in config.axes.items():
            words += ["--axis", f"{path}={','.join(_word(value) for value in values)}"]
    for path, grid in config.tune.items():
        words += ["--tune", f"{path}={','.join(map(_word, grid))}"]
    words += _seeds(config)
    for name in ("tune_seeds", "alpha", "design", "max_cells", "margin", "eval_blocks", "budget"):
        if getattr(config, name) != getattr(AblationConfig, name):
            words += [f"--{name.replace('_', '-')}", str(getattr(config, name))]
    return shlex.join(["nanochat", "ablate", *words])


def _seeds(config: AblationConfig) -> list[str]:
    if config.looks:
        return ["--until", "decided", "--looks", ",".join(map(str, config.looks))]
    return ["--seeds", str(config.seeds)]


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _differences(config: RunConfig, *, of_a_study: bool = False) -> Iterator[tuple[str, list[str]]]:
    """(dotted field, words of the command line) of each setting that the preset does not have."""
    wanted, given = flatten(asdict(config)), flatten(asdict(resolve({"preset": config.preset})))
    skipped = _skipped(config)
    ours = [name for name, value in wanted.items() if value != given.get(name) and name not in skipped]
    for name in sorted(ours, key=_place):
        value, known = wanted[name], setting_at(name)
        if not known.flag or (of_a_study and known.one_run):
            yield name, ["--set", f"{name}={_word(value)}"]
        elif isinstance(value, bool):
            yield name, [f"--{'' if value else 'no-'}{known.flag[2:]}"]
        else:
            yield name, [known.flag, str(value)]


def _place(name: str) -> tuple[int, bool]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), not setting_at(name).flag)


def _skipped(config: RunConfig) -> set[str]:
    skipped = {"model.vocab_size", "preset", *(["training.steps"] if config.training.epochs else [])}
    builtin = BUILTINS.get(config.data.source.removeprefix("builtin:"))
    if config.data.source.startswith("builtin:") and builtin and builtin.layout == config.data.layout:
        skipped.add("data.layout")
    return skipped
