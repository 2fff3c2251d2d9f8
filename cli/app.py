"""From words to a command, and from a command to an exit code. Options stand here, the work in cli/run_*.py."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from .. import __version__
from ..errors import GuardError, NanochatError, UsageError, WriteError
from ..models.presets import PRESETS
from ..validation import nearest
from . import commands as c
from .options import (
    DryRunFlag,
    ForceFlag,
    JsonFlag,
    LongPrompt,
    OutFlag,
    check_count,
    count_or_auto,
    resolve_options,
    setting_parameters,
)

app = typer.Typer(
    name="nanochat",
    help="Automatic differentiation and transformers, in single numbers and in arrays.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # Rich markup in help costs 100 ms
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs = typer.Typer(name="runs", help="What was run so far.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(runs)

_WORK = {
    c.TrainCommand: "run_train",
    c.SampleCommand: "run_sample",
    c.AblateCommand: "run_ablate",
    c.ReportCommand: "run_report",
    c.RunsListCommand: "run_runs",
    c.RunsCompareCommand: "run_runs",
    c.PresetsCommand: "run_presets",
    c.CertifyCommand: "run_certify",
    c.GraphCommand: "run_graph",
    c.BenchCommand: "run_bench",
    c.DoctorCommand: "run_doctor",
}


def main(argv: Sequence[str] | None = None) -> None:
    """The `nanochat` command: parse, work, exit with the code of DESIGN section 6."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(_exit_code(sys.argv[1:] if argv is None else argv))


def parse(argv: Sequence[str]) -> c.Command | None:
    """The command that the words ask for; None where they asked for help and got it.

    Raises typer.TyperException on wrong usage and NanochatError on wrong settings.
    """
    result = app(list(argv), prog_name="nanochat", standalone_mode=False)
    return cast("c.Command", result) if type(result) in _WORK else None


def execute(command: c.Command) -> None:
    """Do what the command says; its module is imported only now."""
    import_module(f".{_WORK[type(command)]}", __package__).execute(command)


def _exit_code(argv: Sequence[str]) -> int:
    """What the program ends with, everything written; every way to fail has said its one sentence."""
    try:
        code = _attempt(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as `| head` does: not an error
        _discard_results()
        return 0
    except OSError as error:  # files have their own sentences: this is stdout, on a full disk, or something unforeseen
        _discard_results()
        return _complain(f"cannot write {error.filename or 'the results to stdout'}: {error.strerror}", WriteError)
    return code


def _attempt(argv: Sequence[str]) -> int:
    try:
        command = parse(argv)
        if command is not None:
            execute(command)
    except NanochatError as error:
        return _complain(str(error), type(error))
    except typer.TyperException as error:
        return _refuse(error)
    except typer.Exit as error:
        return error.exit_code
    except SystemExit as leave:  # an interrupted run, with everything on disk
        return cast("int", leave.code)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\nnanochat: interrupted\n")
        return 130
    except MemoryError:
        return _complain("not enough memory: choose a smaller model, batch or corpus", GuardError)
    return 0


def _complain(sentence: str, kind: type[NanochatError]) -> int:
    """One line on stderr, whatever a file or a flag has put into it; the exit code."""
    sys.stderr.write(f"nanochat: {' '.join(sentence.split())}\n")
    return kind.exit_code


def _refuse(error: typer.TyperException) -> int:
    """What Typer found wrong with the words, as a sentence of ours."""
    message: str = error.format_message().rstrip(".")
    if message.startswith("Usage:"):  # no words at all: the help is the answer
        sys.stderr.write(f"{message}\n")
        return UsageError.exit_code
    context = getattr(error, "ctx", None)
    words = context.command_path if context else "nanochat"
    return _complain(f"{message[0].lower()}{message[1:]}: see `{words} --help`", UsageError)


def _discard_results() -> None:
    """Nobody takes what is still in the buffer; without this, Python complains about it at exit."""
    with suppress(OSError):  # stdout is no file where a test has replaced it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def with_settings(command: Callable[..., c.Command]) -> Callable[..., c.Command]:
    """Give a command every flag of the settings table; they arrive in its **options."""

    def with_all_flags(**options: Any) -> c.Command:
        return command(**options)

    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is p.KEYWORD_ONLY]
    with_all_flags.__signature__ = inspect.Signature([*setting_parameters(), *own])  # type: ignore[attr-defined]
    with_all_flags.__doc__ = command.__doc__
    return with_all_flags


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"nanochat {__version__}")
        raise typer.Exit


@app.command("train", epilog="Example: nanochat train --preset microgpt --data builtin:names --steps 500")
@with_settings
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


@app.command("ablate", epilog="Example: nanochat ablate --model-kind mini-gpt --axis norm=rms,layer --steps 200")
@with_settings
def _ablate(
    *,
    study: Annotated[
        str | None, typer.Option(help="A named study or a .toml file; head-and-norm without --axis.", metavar="NAME")
    ] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(help="A field and its values, the baseline's first; repeatable.", metavar="F=A,B"),
    ] = None,
    design: Annotated[
        Literal["grid", "one-at-a-time"] | None, typer.Option(help="All combinations, or single changes.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each variant; 8, or 3 for models that take long.")] = None,
    max_cells: Annotated[int | None, typer.Option(help="At most so many cells, drawn at random.")] = None,
    margin: Annotated[float | None, typer.Option(help="A difference worth seeing, in nats.")] = None,
    budget: Annotated[
        Literal["steps", "tokens", "flops"] | None, typer.Option(help="What all variants get the same of.")
    ] = None,
    jobs: Annotated[str, typer.Option(help="Processes: a number, or auto for one a core.", metavar="N")] = "auto",
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Compare variants over several seeds, with statistics, and write a report.

    By default tied with untied heads, with and without input RMSNorm. Started again on the same folder, it goes on
    where it stopped. A study: head-and-norm, norms, positions, activations, optimizers, depth-width or clipping.
    """
    from ..experiments.axes import parse_axes
    from ..experiments.recipes import Recipe, find_recipe, make_study

    for flag, value, least in (("--seeds", seeds, 1), ("--max-cells", max_cells, 0)):
        check_count(flag, least if value is None else value, least)
    axes = parse_axes(axis or ())
    recipe = Recipe(name="-".join(path.rpartition(".")[2] for path in axes)) if axes else Recipe()
    if study is not None:
        recipe = find_recipe(study)
        axes = {**recipe.axes, **axes} if axes else {}
    return c.AblateCommand(
        study=make_study(
            resolve_options(options, default_preset="bigram", below=recipe.base),
            recipe,
            axes=axes or None,
            design=design,
            seeds=seeds,
            max_cells=max_cells,
            margin=margin,
            budget=budget,
        ),
        name=recipe.name,
        jobs=count_or_auto("--jobs", jobs),
        cluster="",
        out=out,
        force=force,
        dry_run=dry_run,
        json=json,
    )


@app.command("report", epilog="Example: nanochat report results/runs/microgpt-names-0001")
def _report(
    folder: Annotated[str, typer.Argument(help="Folder of a run or an ablation, or latest.")] = "latest",
) -> c.Command:
    """Write report.md and its figures anew from the data in a folder."""
    return c.ReportCommand(folder=folder)


@runs.command("list", epilog="Example: nanochat runs list")
def _runs_list(
    root: Annotated[Path, typer.Option(help="Folder of runs.")] = c.RUNS, json: JsonFlag = False
) -> c.Command:
    """List runs, newest first."""
    return c.RunsListCommand(root=root, json=json)


@runs.command("compare", epilog="Example: nanochat runs compare results/runs/a results/runs/b")
def _runs_compare(
    folders: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    figure: Annotated[Path, typer.Option(help="Where the loss curves go.")] = Path("results/compare.png"),
    json: JsonFlag = False,
) -> c.Command:
    """Put runs side by side, and their loss curves on one figure."""
    if len(folders) < 2:
        raise UsageError("runs compare takes two runs or more: list them with `nanochat runs list`")
    return c.RunsCompareCommand(runs=tuple(folders), figure=figure, json=json)


@app.command("presets", epilog="Example: nanochat presets")
def _presets(json: JsonFlag = False) -> c.Command:
    """List the presets with their parameter counts and sources."""
    return c.PresetsCommand(json=json)


@app.command("certify", epilog="Example: nanochat certify --preset nanogpt-cpu")
def _certify(
    preset: Annotated[
        list[str] | None, typer.Option(help="Certify this preset's model; repeatable; all by default.", metavar="NAME")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Root of the random weights, tokens and directions.")] = 1337,
    out: Annotated[Path, typer.Option(help="Folder of certificate.json and certificate.md.", metavar="DIR")] = Path(
        "results/certificates"
    ),
    json: JsonFlag = False,
) -> c.Command:
    """Prove that both engines compute the same losses and gradients, and that these are the slopes.

    Every op, every layer and the whole model of each preset, in float64: scalar path, tensor path, finite differences.
    """
    unknown = [name for name in preset or () if name not in PRESETS]
    if unknown:
        raise UsageError(f"--preset {unknown[0]!r} is unknown: {nearest(unknown[0], PRESETS)}")
    return c.CertifyCommand(presets=tuple(preset or PRESETS), seed=seed, out=out, json=json)


@app.command("graph", epilog='Example: nanochat graph "a*b + relu(c)" a=2 b=-3 c=10 --out graph.svg')
def _graph(
    expression: Annotated[str, typer.Argument(help="What to draw; leave it out to draw a step of --run.")] = "",
    values: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="A number for each name.")] = None,
    run: Annotated[str, typer.Option(help="Folder of a scalar run, or latest.")] = "latest",
    format: Annotated[
        Literal["mermaid", "dot", "svg"] | None, typer.Option(help="By default the ending of --out, or mermaid.")
    ] = None,
    max_nodes: Annotated[int, typer.Option(help="Draw at most so many, the nearest to the result.")] = 60,
    out: Annotated[Path | None, typer.Option(help="File to write; stdout if left out.", metavar="FILE")] = None,
) -> c.Command:
    """Draw the graph of an expression, or of the loss of a run's next step, with values and gradients."""
    check_count("--max-nodes", max_nodes, 1)
    by_ending: dict[str, Any] = {".svg": "svg", ".dot": "dot", ".gv": "dot"}
    chosen = format or by_ending.get(out.suffix if out else "", "mermaid")
    return c.GraphCommand(
        expression=expression, values=_numbers(values or []), run=run, format=chosen, max_nodes=max_nodes, out=out
    )


@app.command("bench", epilog="Example: nanochat bench --profile nanogpt-cpu")
def _bench(
    profile: Annotated[str, typer.Option(help="Take one training step of this preset apart, op by op.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the contenders take turns.")] = 7,
    out: OutFlag = None,
    json: JsonFlag = False,
) -> c.Command:
    """Measure training steps and decoding, side by side with PyTorch where it is installed.

    PyTorch is measured from a checkout (benchmarks/torch_gpt.py); elsewhere only our own figures are printed.
    """
    if profile and profile not in PRESETS:
        raise UsageError(f"--profile {profile!r} is no preset: {nearest(profile, PRESETS)}")
    return c.BenchCommand(profile=profile, rounds=rounds, out=out, json=json)


@app.command("doctor", epilog="Example: nanochat doctor")
def _doctor(json: JsonFlag = False) -> c.Command:
    """Look at this machine: versions, cores, memory, and whether results can be written."""
    return c.DoctorCommand(json=json)


def _numbers(assignments: list[str]) -> dict[str, float]:
    numbers = {}
    for text in assignments:
        name, _, value = text.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError:
            raise UsageError(f"{text!r} gives no number to a name: write e.g. {name or 'a'}=2") from None
    return numbers
