"""`nanochat train`, `sample`, `presets`: their words, turned into commands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from . import commands as c
from .options import DryRunFlag, ForceFlag, JsonFlag, LongPrompt, OutFlag, check_count, resolve_options
from .root import app, with_settings


@app.command("train", epilog="Example: nanochat train --preset microgpt --data builtin:names --steps 500")
@with_settings()
def _train(
    *,
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Train a model: with no flag at all, microgpt on built-in names.

    A flag overrides NANOCHAT_<FLAG> in the environment, which overrides --config, which overrides the preset.
    """
    return c.TrainCommand(config=resolve_options(options), out=out, force=force, dry_run=dry_run, json=json)


@app.command("sample", epilog="Example: nanochat sample --run latest --prompt em --n-samples 10")
def _sample(
    *,
    run: Annotated[str, typer.Option(help="Folder of a run, a checkpoint, a .json model, or latest.")] = "latest",
    prompt: Annotated[str, typer.Option(help="Text to go on from.")] = "",
    temperature: Annotated[float, typer.Option(help="0 is greedy, 1 the model's own distribution.")] = 0.8,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens to add.")] = 200,
    n_samples: Annotated[int, typer.Option(help="How many texts.")] = 1,
    seed: Annotated[int, typer.Option(help="Root of the randomness.")] = 1337,
    from_counts: Annotated[
        bool, typer.Option("--from-counts", help="Draw from counted pairs of the run's data.")
    ] = False,
    unknown: Annotated[
        Literal["error", "skip", "unk"] | None, typer.Option(help="Characters that the model does not know.")
    ] = None,
    long_prompt: Annotated[LongPrompt, typer.Option(help="A prompt longer than the context.")] = "error",
    json: JsonFlag = False,
) -> c.Command:
    """Draw text from a trained model.

    Once a text is longer than the model's context, the window slides: each new token depends on the last tokens only.
    """
    from ..inference.samplers import check_temperature

    check_temperature(temperature)
    check_count("--max-new-tokens", max_new_tokens, 0)
    check_count("--n-samples", n_samples, 1)
    check_count("--seed", seed, 0)
    return c.SampleCommand(
        run=run,
        prompt=prompt,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        n_samples=n_samples,
        seed=seed,
        from_counts=from_counts,
        unknown=unknown,
        long_prompt=long_prompt,
        json=json,
    )


@app.command("presets", epilog="Example: nanochat presets")
def _presets(json: JsonFlag = False) -> c.Command:
    """List the presets with their parameter counts and sources."""
    return c.PresetsCommand(json=json)
