"""`nanochat train`: one run, its folder, its line of figures."""

from __future__ import annotations

import functools
import shlex
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import DivergedError, NanochatWarning, UsageError
from ....machine import is_first
from ....plain import path_of, shown_path
from ....training.config import RunConfig
from ....training.resolve import WORDS_PRESET, merge, resolve
from ...console import StopSignals, print_json, print_result, say
from ...display.figures import figures_of, format_figures, headline
from ...options import (
    RUNS,
    DryRunFlag,
    ForceFlag,
    JsonFlag,
    OutFlag,
    check_count,
    given_settings,
    setting_parameters,
)
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....checkpoints.weights import Snapshot
    from ....training.folder.record import RunRecord
    from ....training.folder.resume import ResumePlan

_N_SAMPLES, _SAMPLE_TOKENS = 5, 80
_MODEL, _CHECKPOINTS = "Model", "Evaluation and checkpoints"

commands = Commands()


@commands.words(
    "train", "nanochat train --preset microgpt --data builtin:names --steps 500", first=setting_parameters()
)
def _words(
    *,
    start_from: Annotated[
        str,
        typer.Option(
            "--from", help="Begin with the weights of this run or model.", metavar="RUN", rich_help_panel=_MODEL
        ),
    ] = "",
    partial: Annotated[
        str,
        typer.Option(
            help="With --from: take weights of these names, where they fit.", metavar="GLOB", rich_help_panel=_MODEL
        ),
    ] = "",
    recipe: Annotated[
        Path | None,
        typer.Option(help="Phases one after the other, as this TOML file has them.", metavar="FILE", readable=False),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="With --recipe: train it with so many seeds, and report their spread.", metavar="N"),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with a run, one of its checkpoints, or what auto finds.",
            metavar="auto|PATH",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = None,
    override: Annotated[
        bool,
        typer.Option("--override", help="Resume although settings or data have changed.", rich_help_panel=_CHECKPOINTS),
    ] = False,
    stop_at: Annotated[
        int | None,
        typer.Option(
            help="End after this step, saved; the schedule stays that of --steps.",
            metavar="N",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = None,
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Train a model: with no flag at all, microgpt on built-in names.

    A flag overrides NANOCHAT_<FLAG> in the environment, which overrides --config, which overrides the preset, or with
    --resume the settings of the run. `--resume auto` finds the run in --out, else the newest unfinished one, else it
    starts one. To resume from an older checkpoint give another --out, or --force to drop the later ones.
    """
    if seeds is not None:
        check_count("--seeds", seeds, 2)
        if recipe is None:
            raise UsageError(f"--seeds {seeds} is for --recipe: compare runs of several seeds with `nanochat ablate`")
    if recipe is not None and dry_run:
        raise UsageError("--dry-run is for a single run: train a phase's settings with --config to try them")
    if recipe is not None:
        from .recipe import read_recipe

        return read_recipe(
            path_of(str(recipe)), given_settings(options), seeds=seeds or 0, out=out, force=force, json=json
        )
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
    settings = given_settings(options)
    return functools.partial(
        train,
        config=None if resume or start_from else resolve(settings),
        settings=settings,
        start_from=start_from,
        partial=partial,
        resume=resume or "",
        override=override,
        stop_at=stop_at,
        out=out,
        force=force,
        dry_run=dry_run,
        json=json,
    )


def train(
    *,
    config: RunConfig | None,
    settings: Mapping[str, Any],
    start_from: str,
    partial: str,
    resume: str,
    override: bool,
    stop_at: int | None,
    out: Path | None,
    force: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Train, write, report. Raises DivergedError, or SystemExit after Ctrl-C, when all is on disk.

    config     None where it follows from a run that is there: the one to resume, or the one to begin with.
    settings   What flags, the environment and --config say.
    resume     A run, a checkpoint, or auto; "" starts one.
    """
    if not is_first():  # of the processes that torchrun started, one writes and speaks
        _take_part(config, settings, start_from, partial, resume, override, out, force, stop_at, idle=dry_run)
        return
    start, plan = None, None
    if resume:
        plan = _find_plan(resume, settings, out=out, override=override, force=force)
    if start_from:
        config, start = _begin_with(start_from, settings, partial)
    config = plan.config if plan else config or resolve(settings)
    if config.preset == WORDS_PRESET and not (plan or config.start_from or "preset" in settings):
        say(f"{config.data.source} is to be known word for word: preset {WORDS_PRESET}; --preset chooses another")
    if dry_run:
        _dry_run(config, plan, start, as_json=json)
    elif plan and plan.finished:
        say(
            f"{plan.out} is finished after {plan.finished.steps} steps: its figures again; "
            "--override --steps N adds to them"
        )
        _show(plan.finished, plan.out, as_json=json)
    else:
        _run(config, plan, start, stop_at=stop_at, out=out, force=force, goes_on=bool(resume), json=json)


def _take_part(
    config: RunConfig | None,
    settings: Mapping[str, Any],
    start_from: str,
    partial: str,
    resume: str,
    override: bool,
    out: Path | None,
    force: bool,
    stop_at: int | None,
    *,
    idle: bool,
) -> None:
    """The steps of a run that another process writes, in silence. Raises SystemExit where it does not end well."""
    from ....training.run import run_training

    warnings.simplefilter("ignore", NanochatWarning)
    start, plan = None, None
    if resume:
        plan = _find_plan(resume, settings, out=out, override=override, force=force, say=lambda text: None)
    if start_from:
        config, start = _begin_with(start_from, settings, partial)
    config = plan.config if plan else config or resolve(settings)
    if idle or (plan and plan.finished):
        return
    with StopSignals().watched() as stop:
        record = run_training(None if plan else config, should_stop=stop, resume=plan, start=start, stop_at=stop_at)
    if record.status == "diverged":
        raise SystemExit(DivergedError.exit_code)
    if record.status == "interrupted":
        raise SystemExit(stop.exit_code)


def _find_plan(
    resume: str,
    settings: Mapping[str, Any],
    *,
    out: Path | None,
    override: bool,
    force: bool,
    say: Callable[[str], None] = say,
) -> ResumePlan | None:
    """What --resume means; None where a run is to be started."""
    from ....training.folder.resume import plan_resume
    from ...folders import find_unfinished

    path = find_unfinished(out) if resume == "auto" else path_of(resume)
    if path is None:
        say("there is nothing to go on with: starting a run")
        return None
    plan = plan_resume(path, config=settings, out=None if resume == "auto" else out, override=override, force=force)
    if not plan.finished:
        say(f"going on from {plan.checkpoint}")
    return plan


def _begin_with(run: str, settings: Mapping[str, Any], partial: str) -> tuple[RunConfig, Snapshot | None]:
    """The config of a run that begins with weights of another: with all of them, and then it has that model, too."""
    from ....training.transfer import model_settings, read_start
    from ...folders import find_folder

    run = str(find_folder(run))
    if partial:
        return replace(resolve(settings), start_from=run, partial=partial), None
    _check_kept(settings)
    start = read_start(run)
    return replace(resolve(merge(model_settings(start), settings)), start_from=run), start


def _check_kept(given: Mapping[str, Any]) -> None:
    """Raises UsageError for what a run that begins with all of another cannot have otherwise."""
    kept = {"--preset": "preset" in given} | {
        f"--{name.replace('_', '-')}": name in given.get("data", {}) for name in ("tokenizer", "vocab_size")
    }
    for flag, is_given in kept.items():
        if is_given:
            raise UsageError(f"{flag} is with --from as the run has it: leave it out, or take a part by --partial '*'")


def _run(
    config: RunConfig,
    plan: ResumePlan | None,
    start: Snapshot | None,
    *,
    stop_at: int | None,
    out: Path | None,
    force: bool,
    goes_on: bool,
    json: bool,
) -> None:
    from ....experiments.reports.run import write_run_report
    from ....training.run import run_training
    from ...display.run import TrainingDisplay
    from ...folders import check_free, claimed, is_beginning

    with claimed(plan.out if plan else out, RUNS, f"{config.preset}-{_corpus(config)}", "run") as folder:
        if not plan and not force and not (goes_on and is_beginning(folder)):
            check_free(folder)
        with StopSignals().watched() as stop, TrainingDisplay(config.training.steps) as display:
            record = run_training(
                config if plan is None else None,
                out=folder,
                observe=display,
                should_stop=stop,
                resume=plan,
                start=start,
                stop_at=stop_at,
                locked=True,
            )
        write_run_report(folder, samples=_samples(folder, config.seed) if record.status == "ok" else ())
    say(headline(record))
    _show(record, folder, as_json=json)
    _say_what_next(record, folder)
    if record.status == "diverged":
        raise DivergedError(record.reason)
    if record.status == "interrupted":
        raise SystemExit(stop.exit_code)


def _say_what_next(record: RunRecord, out: Path) -> None:
    from ....checkpoints.find import find_model_file

    has_model = any((out / "checkpoints").glob("step-*"))
    draw = f", or draw with `nanochat sample --run {shown_path(out)}`" if has_model else ""
    say(f"written to {out}: read {out / 'report.md'}{draw}")
    if record.status == "ok" and record.reason:
        say(record.reason)
        if draw:
            say(f"its best weights, for --run and --from: {find_model_file(out, which='best').parent}")
    if record.status in ("interrupted", "stopped"):
        say(f"go on with `{shlex.join(['nanochat', 'train', '--resume', shown_path(out)])}`")


def _show(record: RunRecord, out: Path, *, as_json: bool) -> None:
    from ....checkpoints.names import CONFIG
    from ....storage.atomic import read_json
    from ....training.resolve import config_from_dict

    figures = figures_of(record, out, config_from_dict(read_json(out / CONFIG)).engine)
    if as_json:
        print_json(figures)
    else:
        print_result(format_figures(figures))


def _corpus(config: RunConfig) -> str:
    return Path(config.data.source.split(":")[-1]).stem


def _samples(out: Path, seed: int) -> list[str]:
    """A few texts for the report, from the weights as they lie on disk."""
    import numpy as np

    from ....inference.language_model import load

    language_model = load(out)
    n_tokens = _SAMPLE_TOKENS
    if language_model.mode == "scalar":  # past its context a window of numbers is read anew for each token: too slow
        n_tokens = min(n_tokens, max(16, language_model.context))
    streams = (np.random.default_rng([seed, i]) for i in range(_N_SAMPLES))
    return [language_model.generate(max_new_tokens=n_tokens, seed=stream) for stream in streams]


def _dry_run(config: RunConfig, plan: ResumePlan | None, start: Snapshot | None, *, as_json: bool) -> None:
    """Print what the run would be and take. The time comes from steps that are really run, and forgotten."""
    from ....experiments.ablation.grid import flatten
    from ....machine import available_bytes
    from ....models.flops import flops_per_token
    from ....models.parameters import count_parameters
    from ....training.forecast import forecast
    from ....training.limits.memory import predict_peak_bytes
    from ....training.prepare import prepare

    session = prepare(config, plan.tokenizer if plan else None, start=start)
    resolved, n_tokens, available = session.config, session.dataset.n_train_tokens, available_bytes()
    expected, steps, done = forecast(session), resolved.training.steps, plan.state.step if plan else 0
    rows = {
        "parameters": count_parameters(resolved.model.parameters()),
        "flops_per_token": flops_per_token(resolved.model),
        "predicted_peak_mib": predict_peak_bytes(resolved, n_tokens) >> 20,
        "available_mib": None if available is None else available >> 20,
        "steps": steps,
        "tokens_per_step": expected.tokens_per_step,
        "predicted_s": round(expected.seconds * (1 - done / max(1, steps)), 1),
        "train_tokens": n_tokens,
        "val_tokens": session.dataset.n_val_tokens,
    } | ({"resume": shown_path(plan.checkpoint), "out": shown_path(plan.out)} if plan else {})
    basis = f"{expected.calibration_steps} real steps" if expected.calibration_steps else "one row of a batch"
    say(f"predicted_s is extrapolated from {basis}, measured in {expected.calibration_s:.1f} s; nothing was written")
    settings = asdict(resolved)
    if as_json:
        print_json(rows | {"config": settings})
        return
    for key, value in (rows | flatten(settings)).items():
        print_result(f"{key}={value}")
