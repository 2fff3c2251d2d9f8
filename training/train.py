"""`nanochat.train`: a run from Python, with the settings of the command line by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..models.base import Mode
from .config import RunConfig
from .events import Event
from .folder.record import RunRecord
from .folder.resume import ResumePlan
from .resolve import resolve
from .run import run_training


def train(
    config: RunConfig | None = None,
    *,
    preset: str | None = None,
    mode: Mode | None = None,
    seed: int | None = None,
    steps: int | None = None,
    data: str | Path | Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: str | Path | ResumePlan | None = None,
    stop_at: int | None = None,
    observe: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Train and return the record; with `out` everything is written there, as `nanochat train --out` writes it.

        record = nanochat.train(preset="microgpt", steps=200, model={"n_layer": 2})
        record = nanochat.train(data="poems.txt", training={"learning_rate": 0.01}, out="results/runs/poems")
        record = nanochat.train(resume="results/runs/poems")

    config     A whole RunConfig, in the place of all settings.
    preset     Where the settings start from (`nanochat presets`); by default what fits the data.
    mode, seed, steps   As the flags of the same names.
    data       A file or builtin:NAME, or the settings of the section `data` by name.
    model, training     Settings of these sections by name: {"n_layer": 2}, {"batch_size": 8}.
    out        A folder for the files; without one nothing is written.
    resume, stop_at, observe, should_stop   See `nanochat.training.run.run_training`.

    Raises ConfigError, which names the nearest setting, and DataError, CheckpointError, GuardError, WriteError.
    """
    given = {"preset": preset, "mode": mode, "seed": seed, "data": data, "model": model, "training": training}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if isinstance(data, str | Path):
        settings["data"] = {"source": str(data)}
    for name in ("data", "model", "training"):
        if not isinstance(settings.get(name, {}), Mapping):
            raise ConfigError(f"{name}={settings[name]!r} is no table of settings: give e.g. {name}={{'name': value}}")
    if steps is not None:
        settings["training"] = {**settings.get("training", {}), "steps": steps}
    if settings and (config is not None or resume is not None):
        what = "a whole config" if config is not None else "a run to resume, which has its own"
        raise ConfigError(f"{', '.join(settings)} beside {what}: give the one or the other")
    if config is None and resume is None:
        config = resolve(settings)
    return run_training(
        config,
        out=Path(out) if out is not None else None,
        resume=Path(resume) if isinstance(resume, str) else resume,
        stop_at=stop_at,
        observe=observe,
        should_stop=should_stop,
    )
