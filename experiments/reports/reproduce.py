"""The command that does a run or a study again: only what differs from its preset."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator
from dataclasses import asdict

from ...data.builtin import BUILTINS
from ...training.config import RunConfig
from ...training.resolve import resolve
from ..ablation.grid import HEAD_AND_NORM, AblationConfig, flatten

_FLAGS = {
    "start_from": "--from",
    "partial": "--partial",
    "mode": "--mode",
    "data.source": "--data",
    "data.layout": "--layout",
    "data.tokenizer": "--tokenizer",
    "data.vocab_size": "--vocab-size",
    "data.loss_on": "--loss-on",
    "data.packing": "--packing",
    "data.unknown": "--unknown",
    "data.style": "--style",
    "seed": "--seed",
    "training.steps": "--steps",
    "training.epochs": "--epochs",
    "training.patience": "--patience",
    "training.optimizer": "--optimizer",
    "training.lr": "--lr",
    "training.lr_schedule": "--lr-schedule",
    "training.batch_size": "--batch-size",
    "training.grad_accum": "--grad-accum",
    "training.beta1": "--beta1",
    "training.beta2": "--beta2",
    "training.eps": "--eps",
    "training.weight_decay": "--weight-decay",
    "training.max_grad_norm": "--max-grad-norm",
    "training.warmup": "--warmup",
    "training.eval_every": "--eval-every",
    "training.sample_every": "--sample-every",
    "training.checkpoint_every": "--checkpoint-every",
}
"""Settings with a flag of their own, in the order in which a person would write them; the others take --set."""

_OF_ONE_RUN = frozenset({"start_from", "partial", "training.sample_every", "training.checkpoint_every"})
"""`nanochat ablate` has no flag for these, and takes --set."""

_SWITCHES = {"model.tie_lm_head": "tie-lm-head", "model.input_rmsnorm": "input-rmsnorm"}


def command_line(config: RunConfig) -> str:
    """`nanochat train --preset microgpt ...` for one shell line.

    What the data decide is left out: the size of the vocabulary, and the layout of a built-in corpus where it is the
    corpus's own.
    """
    return shlex.join(["nanochat", "train", *_arguments(config)])


def ablation_command_line(config: AblationConfig) -> str:
    """`nanochat ablate --preset ... --axis ...` for one shell line."""
    # A study turns replicas=0, what suits the machine, into 1 by itself.
    own = {*config.axes, *(["training.replicas"] if config.base.training.replicas == 1 else [])}
    shared = [words for path, words in _differences(config.base, without_flag=_OF_ONE_RUN) if path not in own]
    words = ["--preset", config.base.preset, *(word for some in shared for word in some)]
    if list(config.axes.items()) != list(HEAD_AND_NORM.items()):  # their order is that of the variants
        for path, values in config.axes.items():
            words += ["--axis", f"{path}={','.join(_word(value) for value in values)}"]
    words += ["--seeds", str(config.seeds)]
    for name in ("design", "max_cells", "margin", "budget"):
        if getattr(config, name) != getattr(AblationConfig, name):
            words += [f"--{name.replace('_', '-')}", str(getattr(config, name))]
    return shlex.join(["nanochat", "ablate", *words])


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _arguments(config: RunConfig) -> list[str]:
    return ["--preset", config.preset, *(word for _, words in _differences(config) for word in words)]


def _differences(config: RunConfig, *, without_flag: Collection[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """(dotted field, words of the command line) of each setting that the preset does not have."""
    flags = {name: flag for name, flag in _FLAGS.items() if name not in without_flag}
    wanted, given = flatten(asdict(config)), flatten(asdict(resolve({"preset": config.preset})))
    ours = {name: value for name, value in wanted.items() if value != given.get(name) and name not in _skipped(config)}
    for name in sorted(ours, key=lambda name: list(_FLAGS).index(name) if name in _FLAGS else len(_FLAGS)):
        value = ours[name]
        if name in flags:
            yield name, [flags[name], str(value)]
        elif name in _SWITCHES:
            yield name, [f"--{'' if value else 'no-'}{_SWITCHES[name]}"]
        else:
            yield name, ["--set", f"{name}={_word(value)}"]


def _skipped(config: RunConfig) -> set[str]:
    skipped = {"model.vocab_size", "preset", *(["training.steps"] if config.training.epochs else [])}
    builtin = BUILTINS.get(config.data.source.removeprefix("builtin:"))
    if config.data.source.startswith("builtin:") and builtin and builtin.layout == config.data.layout:
        skipped.add("data.layout")
    return skipped
