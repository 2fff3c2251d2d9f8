"""`nanochat train`, `presets`: their words, turned into commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..plain import path_of
from ..training.config import RunConfig
from . import commands as c
from .options import DryRunFlag, ForceFlag, JsonFlag, OutFlag, check_count, given_settings, resolve_options
from .root import app, with_settings


@app.command("train", epilog="Example: nanochat train --preset microgpt --data builtin:names --steps 500")
@with_settings()
def _train(
    *,
    start_from: Annotated[
        str, typer.Option("--from", help="Begin with the weights of this run or model.", metavar="RUN")
    ] = "",
    partial: Annotated[
        str, typer.Option(help="With --from: take weights of these names, where they fit.", metavar="GLOB")
    ] = "",
    recipe: Annotated[
        Path | None,
        typer.Option(help="Phases one after the other, as this TOML file has them.", metavar="FILE", readable=False),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(help="Go on with a run, one of its checkpoints, or what auto finds.", metavar="auto|PATH"),
    ] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Resume although settings or data have changed.")
    ] = False,
    stop_at: Annotated[
        int | None, typer.Option(help="End after this step, saved; the schedule stays that of --steps.", metavar="N")
    ] = None,
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Train a model: with no flag at all, microgpt on built-in names.

    A flag overrides NANOCHAT_<FLAG> in the environment, which overrides --config, which overrides the preset, or with
    --resume the settings of the run. `--resume auto` finds the run in --out, else the newest unfinished one, else it
    starts one. To resume from an older checkpoint give another --out, or --force to drop the later ones.
    """
    if recipe is not None and dry_run:
        raise UsageError("--dry-run is for a single run: train a phase's settings with --config to try them")
    if recipe is not None:
        return _phases(path_of(str(recipe)), given_settings(options), out=out, force=force, json=json)
    if resume is not None and not resume.strip():
        raise UsageError("--resume is empty: give auto, or the folder of a run")
    if partial and not start_from:
        raise UsageError("--partial is for --from: give both, or none")
    if start_from and resume:
        raise UsageError("--from begins a run and --resume goes on with one: give one of the two")
    if override and not resume:
        raise UsageError("--override is for --resume: give both, or none")
    if stop_at is not None:
        check_count("--stop-at", stop_at, 0)
    return c.TrainCommand(
        config=None if resume else _resolve(options, start_from, partial),
        settings=given_settings(options),
        resume=resume or "",
        override=override,
        stop_at=stop_at,
        out=out,
        force=force,
        dry_run=dry_run,
        json=json,
    )


def _resolve(options: dict[str, Any], start_from: str, partial: str) -> RunConfig:
    """The config of a run; one that begins with all weights of another has its model, unless flags say otherwise."""
    if not start_from:
        return resolve_options(options)
    from ..training.transfer import model_settings, read_start
    from .folders import find_folder

    start_from = str(find_folder(start_from))
    if not partial:
        _check_kept(given_settings(options))
    below = {} if partial else model_settings(read_start(start_from))
    return replace(resolve_options(options, below=below), start_from=start_from, partial=partial)


def _check_kept(given: dict[str, Any]) -> None:
    """Raises UsageError for what a run that begins with all of another cannot have otherwise."""
    kept = {"--preset": "preset" in given} | {
        f"--{name.replace('_', '-')}": name in given.get("data", {}) for name in ("tokenizer", "vocab_size")
    }
    for flag, is_given in kept.items():
        if is_given:
            raise UsageError(f"{flag} is with --from as the run has it: leave it out, or take a part by --partial '*'")


def _phases(path: Path, settings: dict[str, Any], *, out: Path | None, force: bool, json: bool) -> c.Command:
    from ..experiments.phases.train import read_phases

    if settings:
        raise UsageError("--recipe brings its own settings: write them into the file, or train without it")
    return c.PhasesCommand(path=path, recipe=read_phases(path), out=out, force=force, json=json)


@app.command("presets", epilog="Example: nanochat presets")
def _presets(json: JsonFlag = False) -> c.Command:
    """List the presets with their parameter counts and sources."""
    return c.PresetsCommand(json=json)
