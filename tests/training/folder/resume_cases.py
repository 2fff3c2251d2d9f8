"""Tiny runs in every configuration that could break a resumption, and the check that a stop leaves no trace.

`check(config, stop, folder)` is for whoever wants to try all of them: test_resumption.py tries some.
"""

from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from nanochat.training.config import RunConfig
from nanochat.training.events import Evaluated, Event
from nanochat.training.folder.record import read_run, to_row
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

STEPS = 6
STOPS = (0, 1, STEPS // 2, STEPS)
"""At the start, after a step, in the middle, and between the last checkpoint and its validation."""
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "lr": 0.1},
    "momentum": {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9},
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw"},
    "muon": {"optimizer": "muon", "momentum": 0.9},
}
SCHEDULES = ("constant", "linear", "sqrt", "cosine")
FORMATS = ("safetensors", "json", "json.gz")
SIZES: dict[str, dict[str, Any]] = {
    "bigram": {"block_size": 4},
    "mini-gpt": {"n_embd": 4, "block_size": 4},
    "microgpt": {"n_embd": 4, "n_head": 2, "block_size": 4},
}


class Killed(BaseException):
    """What ends a run without a word, as kill -9 does."""


def configurations() -> list[tuple[str, RunConfig, int]]:
    """(name, config, stop) of 288 runs: 160 of arrays, 128 of numbers.

    Every mode, optimizer, accumulation and stop with each other, and with replicas and dropout for arrays, schedules
    for numbers. The rest (kind of model, data, format, clipping, schedules of arrays) is drawn by lot, and so is the
    order: any part of the list is a fair sample.
    """
    lot, cases = Random(7), []
    for optimizer, accum, replicas, dropout, stop in product(OPTIMIZERS, (1, 4), (1, 2), (0.0, 0.1), STOPS):
        preset = "microgpt" if dropout else lot.choice(list(SIZES))
        training = {"grad_accum": accum, "replicas": replicas, "batch_size": 2, "lr_schedule": lot.choice(SCHEDULES)}
        cases.append(_case(lot, "tensor", preset, optimizer, stop, dropout, training))
    for optimizer, accum, schedule, stop in product(list(OPTIMIZERS)[:4], (1, 4), SCHEDULES, STOPS):
        training = {"grad_accum": accum, "batch_size": 1, "lr_schedule": schedule}
        cases.append(_case(lot, "scalar", lot.choice(list(SIZES)), optimizer, stop, 0.0, training))
    lot.shuffle(cases)
    return cases


def _case(
    lot: Random, mode: str, preset: str, optimizer: str, stop: int, dropout: float, training: dict[str, Any]
) -> tuple[str, RunConfig, int]:
    text = lot.choice(["verse", "facts"])
    if mode == "scalar":  # a bigram of numbers has V^2 of them, and names have the smallest V
        text = "names"
    chosen = training | {"checkpoint_format": lot.choice(FORMATS), "max_grad_norm": lot.choice([1.0, 0.02])}
    every = {"eval_every": 2, "eval_tokens": 24, "checkpoint_every": 3, "sample_every": 4}
    model = SIZES[preset] | ({"dropout": dropout} if dropout else {})
    settings = {"steps": STEPS, "warmup": 2} | every | OPTIMIZERS[optimizer] | chosen
    data = {"source": f"builtin:{text}"}
    config = resolve({"preset": preset, "mode": mode, "data": data, "model": model, "training": settings})
    words = [f"{name}={value}" for name, value in {**chosen, "dropout": dropout, "stop": stop}.items()]
    return " ".join([mode, preset, optimizer, text, *words]), config, stop


def check(config: RunConfig, stop: int | tuple[int, ...], folder: Path) -> None:
    """Run it whole, and with a stop at each of these steps: raises AssertionError naming every file that differs."""
    whole, parts = folder / "whole", folder / "parts"
    run_training(config, out=whole)
    resume = None
    for step in (stop,) if isinstance(stop, int) else stop:
        stopped(config if resume is None else None, step, parts, resume)
        resume = parts
    run_training(resume=parts)
    found = differences(whole, parts)
    assert not found, f"a stop after {stop} of {STEPS} steps shows in {', '.join(found)}"


def stopped(config: RunConfig | None, step: int, out: Path, resume: Path | None = None) -> None:
    """A session that ends after `step`; at the last step it is killed before anything but the checkpoint is written."""

    def kill(event: Event) -> None:
        if isinstance(event, Evaluated) and event.step == STEPS:
            raise Killed

    try:
        run_training(config, out=out, observe=kill, stop_at=step, resume=resume)
    except Killed:
        return


def differences(first: Path, second: Path) -> list[str]:
    """What is not the same in two finished runs, times aside."""
    last = f"checkpoints/step-{read_run(first).config.training.steps:08d}"
    names = sorted(path.name for path in (first / last).iterdir())
    found = [] if names == sorted(path.name for path in (second / last).iterdir()) else [f"{last}: other files"]
    files = ["config.json", "tokenizer.json", "metrics.jsonl", *(f"{last}/{name}" for name in names)]
    found += [name for name in files if (first / name).read_bytes() != (second / name).read_bytes()]
    rows = [to_row(read_run(folder).record) for folder in (first, second)]
    return found + [
        f"record.json: {name}" for name in rows[0] if not name.endswith("_per_sec") and rows[0][name] != rows[1][name]
    ]
