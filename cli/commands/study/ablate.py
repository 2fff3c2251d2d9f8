"""`nanochat ablate`: progress cell by cell, the summary of the variants, one line that says where everything is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....errors import ConfigError, UsageError
from ....experiments.ablation.axes import parse_axes, parse_tune
from ....experiments.ablation.explicit import parse_variants
from ....machine import cores
from ....training.resolve import merge, resolve
from ...console import StopSignals, say
from ...options import (
    ABLATIONS,
    DryRunFlag,
    ForceFlag,
    JsonFlag,
    OutFlag,
    check_count,
    count_or_auto,
    given_settings,
    setting_parameters,
)
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....experiments.ablation.grid import AblationConfig
    from ....experiments.ablation.named import NamedStudy

commands = Commands()
_STUDY = "Study"
"""The heading of what is compared, in --help."""
_WITHOUT = ("--sample-every", "--checkpoint-every", "--keep-last", "--checkpoint-format")
"""Flags of a run that a cell has no use for."""


@commands.words(
    "ablate",
    "nanochat ablate --model-kind mini-gpt --axis norm=rms,layer --steps 200",
    first=setting_parameters(without=_WITHOUT),
)
def _words(
    *,
    study: Annotated[
        str | None,
        typer.Option(
            help="A named study or a .toml file; head-and-norm without --axis.", metavar="NAME", rich_help_panel=_STUDY
        ),
    ] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(
            help="A field and its values, the baseline's first; repeatable.", metavar="F=A,B", rich_help_panel=_STUDY
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            help="One variant spelled out, beside the baseline; repeatable.",
            metavar='"NAME: F=A F=B"',
            rich_help_panel=_STUDY,
        ),
    ] = None,
    design: Annotated[
        Literal["grid", "one-at-a-time"] | None,
        typer.Option(help="All combinations, or single changes.", rich_help_panel=_STUDY),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Runs of each variant; 8, or 3 for models that take long. A..B with --until.",
            metavar="N",
            rich_help_panel=_STUDY,
        ),
    ] = None,
    until: Annotated[
        Literal["decided"] | None,
        typer.Option(help="Add seeds by a plan until each variant is decided.", rich_help_panel=_STUDY),
    ] = None,
    looks: Annotated[
        str | None,
        typer.Option(help="Seeds at which it is looked at; every 4.", metavar="N,N", rich_help_panel=_STUDY),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Chance of a false alarm at all looks; 0.05.", rich_help_panel=_STUDY)
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option(
            help="A field whose best value is sought for each variant, on other seeds.",
            metavar="F=A..B",
            rich_help_panel=_STUDY,
        ),
    ] = None,
    tune_seeds: Annotated[
        int | None, typer.Option(help="Runs of each of its values; 3.", rich_help_panel=_STUDY)
    ] = None,
    max_cells: Annotated[
        int | None,
        typer.Option(
            help="At most so many cells, of variants drawn at random; 0 takes all.", metavar="N", rich_help_panel=_STUDY
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="A difference worth seeing, in nats.", rich_help_panel=_STUDY)
    ] = None,
    eval_blocks: Annotated[
        int | None,
        typer.Option(
            help="Parts of the validation text whose losses are kept; 64.", metavar="N", rich_help_panel=_STUDY
        ),
    ] = None,
    budget: Annotated[
        Literal["steps", "tokens", "flops", "parameters"] | None,
        typer.Option(help="What all variants get the same of.", rich_help_panel=_STUDY),
    ] = None,
    ladder: Annotated[
        list[str] | None,
        typer.Option(
            help="The whole study at rising steps or sizes, each foretold before it is run.",
            metavar="F=A,B,C",
            rich_help_panel=_STUDY,
        ),
    ] = None,
    jobs: Annotated[str, typer.Option(help="Processes: a number, or auto for one a core.", metavar="N")] = "auto",
    cluster: Annotated[str, typer.Option(help="Run on this Dask scheduler instead.", metavar="ADDRESS")] = "",
    reuse: Annotated[
        Path | None,
        typer.Option(help="Take over the cells that another study has, too.", metavar="DIR", readable=False),
    ] = None,
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    noise: Annotated[
        int | None,
        typer.Option(help="With --dry-run: so many runs of the baseline, to see what the study could.", metavar="N"),
    ] = None,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Compare variants over several seeds, with statistics, and write a report.

    By default tied with untied heads, with and without input RMSNorm. Started again on the same folder, it goes on
    where it stopped, and with more --seeds it adds those. A study: head-and-norm or clipping, of the bigram where
    neither --preset nor --model-kind is given; norms, positions, activations, depth-width or optimizers (each at its
    own rate), of mini-gpt in tensor mode.

    Exit code 7 says that a cell diverged, failed or was refused; the others, the tables and the report are there.
    """
    from ....experiments.ablation.named import make_study
    from ....experiments.ladder.plan import Ladder, parse_ladder
    from . import ladder as climb

    if noise is not None:
        check_count("--noise", noise, 2)
        if not dry_run:
            raise UsageError(f"--noise {noise} is a question before a study: add --dry-run")
    n_seeds, plan = _plan(seeds, until, looks)
    for flag, value, least in (
        ("--tune-seeds", tune_seeds, 1),
        ("--max-cells", max_cells, 0),
        ("--eval-blocks", eval_blocks, 0),
    ):
        check_count(flag, least if value is None else value, least)
    if margin is not None and not 0 < margin < math.inf:
        raise UsageError(f"--margin {margin} is not a positive number of nats: give e.g. --margin 0.01")
    named = _find_study(study, axis, variant)
    given = given_settings(options)
    settings = merge(_below(named, given), given)
    if not settings.keys() & {"preset", "model_kind"}:
        settings["preset"] = "bigram"
    config = make_study(
        resolve(settings),
        named,
        design=design,
        seeds=n_seeds,
        looks=plan,
        alpha=alpha,
        tune=parse_tune(tune or ()) or None,
        tune_seeds=tune_seeds,
        max_cells=max_cells,
        margin=margin,
        eval_blocks=eval_blocks,
        budget=budget,
    )
    if ladder:
        climb.check_flags(reuse=reuse, dry_run=dry_run, json=json)
        return partial(
            climb.work,
            ladder=Ladder(config, *parse_ladder(ladder)),
            name=named.name,
            jobs=count_or_auto("--jobs", jobs),
            cluster=cluster,
            out=out,
            force=force,
            dry_run=dry_run,
            noise=noise or 0,
            json=json,
        )
    return partial(
        work,
        study=config,
        name=named.name,
        jobs=count_or_auto("--jobs", jobs),
        cluster=cluster,
        reuse=reuse,
        out=out,
        force=force,
        dry_run=dry_run,
        noise=noise or 0,
        json=json,
    )


_EVERY = 4
"""Seeds from one look to the next."""


def _plan(seeds: str | None, until: str | None, looks: str | None) -> tuple[int | None, tuple[int, ...] | None]:
    """The number of seeds and the looks; None where no flag says it. Raises UsageError."""
    if not until:
        if looks or (seeds and ".." in seeds):
            flag = f"--looks {looks}" if looks else f"--seeds {seeds}"
            raise UsageError(f"{flag} is a plan of looks: add --until decided, or give one number of --seeds")
        return (None if seeds is None else _count("--seeds", seeds)), None
    if looks:
        plan = tuple(_count("--looks", word) for word in looks.split(","))
    elif seeds and ".." in seeds:
        least, most = (_count("--seeds", word) for word in seeds.split("..", 1))
        if least >= most:
            raise UsageError(f"--seeds {seeds} is no range: give fewer before the dots than after, e.g. 8..24")
        plan = (*range(least, most, _EVERY), most)
    else:
        raise UsageError("--until decided needs a plan: give e.g. --seeds 8..24, or --looks 8,12,16,24")
    if looks and seeds and f"{plan[0]}..{plan[-1]}" != seeds:
        raise UsageError(f"--seeds {seeds} is not what --looks {looks} says: give one of the two")
    return plan[-1], plan


def _count(flag: str, word: str) -> int:
    try:
        n = int(word)
    except ValueError:
        raise UsageError(f"{flag} {word!r} is no number of seeds: give 1 or more") from None
    check_count(flag, n, 1)
    return n


def _find_study(study: str | None, axis: list[str] | None, variant: list[str] | None) -> NamedStudy:
    """The study that is named, with the axes and variants that are given; one of these alone without a name."""
    from ....experiments.ablation.named import NamedStudy, find_study

    axes, explicit = parse_axes(axis or ()), parse_variants(variant or ())
    if study is None and (axes or explicit):
        name = "-".join([*(path.rpartition(".")[2] for path in axes), *explicit])
        return NamedStudy(name=name, axes=axes, explicit=explicit)
    named = find_study(study) if study else NamedStudy()
    for name in explicit.keys() & named.explicit.keys():
        raise ConfigError(f"variant {name} is given twice: {study} has one of that name, choose another")
    return replace(named, axes={**named.axes, **axes}, explicit={**named.explicit, **explicit})


def _below(named: NamedStudy, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a study sets where nothing is given, with what it needs where no model is."""
    if not named.needs or merge(named.base, given).keys() & {"preset", "model_kind"}:
        return named.base
    below = merge(named.needs, named.base)
    words = " and ".join(f"{name} {value}" for name, value in merge(below, given).items() if name in named.needs)
    say(f"note: the study {named.name} takes {words}, since a bigram has none of what it varies")
    return below


def work(
    *,
    study: AblationConfig,
    name: str,
    jobs: int,
    cluster: str,
    reuse: Path | None,
    out: Path | None,
    force: bool,
    dry_run: bool,
    noise: int,
    json: bool,
) -> None:
    """Run what is missing, on `jobs` processes, 0 for one a core, or on a cluster; write tables and report.

    Raises SweepError where cells did not end well, and SystemExit after Ctrl-C; what is finished is on disk before.
    """
    from ....experiments.ablation.budget import share_budget
    from ....experiments.ablation.cluster import count_threads
    from ....experiments.ablation.sweep import check_reuse, run_ablation
    from ....experiments.ablation.text import check_blocks
    from ....experiments.analysis.findings import analyse
    from ....experiments.reports.sentences import answer
    from ....experiments.reports.study.report import write_study_report
    from ....training.prepare import prepare
    from ...display.study import notes, print_summary
    from ...display.sweep import SweepDisplay, print_noise, print_plan
    from ...folders import claimed
    from .folder import check_end, claim, corpus_of

    base = study.base
    # A bad corpus is refused before a folder is made or cleared, and so is a cluster that is not there.
    check_blocks(prepare(base), study.eval_blocks)
    config = share_budget(study)
    if reuse is not None:
        check_reuse(config, reuse)
    for note in notes(config):
        say(f"note: {note}")
    slots = count_threads(cluster) if cluster else jobs or cores()
    if dry_run:
        print_plan(config, slots, cluster=bool(cluster), as_json=json)
        if noise:
            print_noise(config, noise, slots)
        return
    with claimed(out, ABLATIONS, f"{name}-{base.preset}-{corpus_of(base)}", "sweep") as folder:
        config = claim(folder, config, force=force)
        options: dict[str, Any] = {"jobs": jobs, "cluster": cluster, "reuse": reuse, "locked": True}
        with StopSignals().watched() as stop, SweepDisplay(config) as display:
            done = run_ablation(config, folder, observe=display, should_stop=stop, **options)
        analysis = analyse(done)
        if done.results:
            write_study_report(analysis, folder)
    print_summary(analysis, folder, as_json=json)
    if done.results:
        say(answer(analysis))
    check_end(done, folder, stop)
