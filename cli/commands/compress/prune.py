"""`nanochat compress prune`: weights, heads, neurons or layers taken out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....errors import UsageError
from ....plain import shown_path
from ...options import DryRunFlag, ForceFlag, JsonFlag, OutFlag, check_count
from ...parser import Commands, Work
from .subject import QuestionsFlag, SourceFlag, TextFlag, layer_numbers

if TYPE_CHECKING:
    import numpy as np

    from ....checkpoints.weights import Snapshot
    from ....compression.pruning import Pruning
    from ....compression.structure import Shape
    from ....experiments.compression.outcome import Candidate
    from ....experiments.evaluation.quiz import Questions
    from ....training.config import RunConfig
    from .subject import Subject

_RATE = 1e-3
commands = Commands()


@commands.words("prune", "nanochat compress prune --run latest --pattern 2:4 --finetune-steps 200")
def _words(
    *,
    run: SourceFlag = "latest",
    sparsity: Annotated[float | None, typer.Option(help="Share of the blocks' weights that become 0.")] = None,
    pattern: Annotated[str, typer.Option(help="2:4 keeps 2 of every 4 neighbours in a row.", metavar="N:M")] = "",
    method: Annotated[
        Literal["magnitude", "wanda", "sparsegpt"], typer.Option(help="How those that go are chosen.")
    ] = "sparsegpt",
    scope: Annotated[
        Literal["matrix", "global"], typer.Option(help="Of magnitude: a share of each matrix, or of all together.")
    ] = "matrix",
    heads: Annotated[int, typer.Option(help="Heads that stay in every layer.")] = 0,
    mlp_width: Annotated[int, typer.Option(help="Neurons of the MLP that stay in every layer.")] = 0,
    drop_layers: Annotated[str, typer.Option(help="Layers that go, e.g. 2.", metavar="I,J,...")] = "",
    refit: Annotated[
        bool, typer.Option("--refit/--no-refit", help="Fit output projections anew to what they gave.")
    ] = True,
    finetune_steps: Annotated[int, typer.Option(help="Training steps afterwards, which hold the zeros.")] = 0,
    lr: Annotated[float, typer.Option(help="Their first rate, which falls to 0.")] = _RATE,
    calibration_rows: Annotated[int, typer.Option(help="Rows of the training text that are read.")] = 128,
    data: TextFlag = "",
    questions: QuestionsFlag = "none",
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
) -> Work:
    """Take parts out of a model, and measure what that costs.

    Single weights that become 0 make nothing smaller or faster here; heads, neurons and layers do. With
    --finetune-steps the model that nothing was taken out of is trained for as many steps, too: that is what a tuned
    one has to be compared with.
    """
    single = sparsity is not None or bool(pattern)
    whole = bool(heads or mlp_width or drop_layers)
    if single == whole or (sparsity is not None and pattern):
        raise UsageError(
            "say what goes by one of --sparsity X, --pattern 2:4, and --heads, --mlp-width and --drop-layers, of which "
            "several may be given"
        )
    if sparsity is not None and not 0 <= sparsity < 1:
        raise UsageError(f"--sparsity {sparsity:g} is no share of the weights that may go: give 0 or more, below 1")
    if scope == "global" and (method != "magnitude" or pattern or whole):
        raise UsageError("--scope global is for --method magnitude with --sparsity: leave it out")
    for flag, value in (("--heads", heads), ("--mlp-width", mlp_width), ("--finetune-steps", finetune_steps)):
        check_count(flag, value, 0)
    check_count("--calibration-rows", calibration_rows, 1)
    check_count("--lr", lr, 0)
    return partial(
        prune_run, run=run, sparsity=sparsity or 0.0, pattern=_pattern(pattern), method=method, scope=scope,
        heads=heads, mlp_width=mlp_width, drop_layers=layer_numbers("--drop-layers", drop_layers), refit=refit,
        finetune_steps=finetune_steps, lr=lr, calibration_rows=calibration_rows, data=data, questions=questions,
        out=out, force=force, dry_run=dry_run, json=json,
    )  # fmt: skip


def _pattern(text: str) -> tuple[int, int]:
    """2:4 as numbers; 0, 0 of nothing. Raises UsageError."""
    if not text:
        return 0, 0
    n, _, m = text.partition(":")
    if not (n.isdecimal() and m.isdecimal() and len(text) < 8 and 0 < int(n) < int(m)):
        raise UsageError(f"--pattern {text!r} keeps no part of each row's neighbours: give e.g. 2:4")
    return int(n), int(m)


def prune_run(
    *,
    run: str,
    sparsity: float,
    pattern: tuple[int, int],
    method: Literal["magnitude", "wanda", "sparsegpt"],
    scope: Literal["matrix", "global"],
    heads: int,
    mlp_width: int,
    drop_layers: tuple[int, ...],
    refit: bool,
    finetune_steps: int,
    lr: float,
    calibration_rows: int,
    data: str,
    questions: Questions,
    out: Path | None,
    force: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Take out, tune where asked, measure. Raises as training does."""
    from ....compression.blocks import gpt_of
    from ....compression.calibration import calibration_rows as rows_of
    from ....compression.importance import Pattern
    from ....compression.pruning import Pruning
    from ....compression.structure import Shape
    from .subject import claimed_folder, conclude, find_subject, print_sizes

    subject = find_subject(run, data)
    if finetune_steps:
        subject.run_config("--finetune-steps")
    ids = rows_of(subject.dataset.train, calibration_rows, gpt_of(subject.snapshot).config.block_size)
    shape = Shape(heads, mlp_width, drop_layers)
    pruning = None if shape.words else Pruning(Pattern(sparsity, *pattern), method, scope)
    pruned, others = _pruned(subject.snapshot, shape, pruning, ids, refit=refit)
    if dry_run:
        print_sizes(subject.snapshot, pruned)
        return
    what = pruning.words if pruning else f"{shape.words}{'' if refit or not (heads or mlp_width) else ', cut'}"
    after = f", {finetune_steps:,} steps after" if finetune_steps else ", one shot"
    words = ["prune", "--run", run, *_command(pruning, shape, refit=refit, method=method)]
    words += ["--calibration-rows", str(calibration_rows)]
    words += ["--finetune-steps", str(finetune_steps), "--lr", f"{lr:g}"] if finetune_steps else []
    with claimed_folder(out, subject, "pruned", force=force) as folder:
        candidates = _written(subject, pruned, folder, finetune_steps, lr, hold=pruning is not None) | others
        conclude(
            folder, subject, candidates, kind="prune", method=f"{what}{after}",
            command=words, questions=questions, notes=_notes(pruning), json=json,
        )  # fmt: skip


def _pruned(
    snapshot: Snapshot, shape: Shape, pruning: Pruning | None, ids: np.ndarray, *, refit: bool
) -> tuple[Snapshot, dict[str, Candidate]]:
    """The model, and beside one that was fitted anew the same that was only cut."""
    from ....compression.pruning import prune
    from ....compression.structure import narrow
    from ....experiments.compression.outcome import Candidate

    if pruning is not None:
        return prune(snapshot, pruning, ids), {}
    others = {}
    if refit and (shape.heads or shape.mlp_width):
        others["cut, not fitted anew"] = Candidate("control", narrow(snapshot, shape, ids, refit=False))
    return narrow(snapshot, shape, ids, refit=refit), others


def _written(
    subject: Subject, pruned: Snapshot, folder: Path, steps: int, lr: float, *, hold: bool
) -> dict[str, Candidate]:
    """The pruned model in its folder: as it is, or tuned, and then beside the whole one tuned alike."""
    from ....compression.pruning import masks_of
    from ....compression.tuning import holding, tuning_config, unwatched
    from ....experiments.compression.folder import write_model
    from ....experiments.compression.outcome import Candidate
    from .subject import trained

    if not steps:
        write_model(folder, pruned, None if subject.config is None else _with_model(subject.config, pruned))
        return {"pruned": Candidate("result", pruned)}
    base = subject.run_config("--finetune-steps")
    config = tuning_config(base, start_from=shown_path(subject.path), steps=steps, lr=lr)
    options: dict[str, Any] = {"adapt": holding(masks_of(pruned))} if hold else {}
    tuned = trained(
        _with_model(config, pruned), f"the pruned model, {steps:,} steps", start=pruned, out=folder, **options
    )
    control = trained(unwatched(config), f"the whole model, {steps:,} steps alike", start=subject.snapshot)
    return {
        "pruned and tuned": Candidate("result", tuned.snapshot(), steps, tuned.cpu_s),
        "the whole model tuned alike": Candidate("control", control.snapshot(), steps, control.cpu_s),
        "pruned, before tuning": Candidate("control", pruned),
    }


def _with_model(config: RunConfig, snapshot: Snapshot) -> RunConfig:
    from ....models.gpt.config import GPTConfig
    from ....validation import read_dataclass

    return replace(config, model=read_dataclass(GPTConfig, dict(snapshot.model), "model"))


def _notes(pruning: Pruning | None) -> tuple[str, ...]:
    from ....experiments.compression.report import ZEROS

    return (ZEROS,) if pruning else ()


def _command(pruning: Pruning | None, shape: Shape, *, refit: bool, method: str) -> list[str]:
    """The words that say what goes."""
    if pruning is None:
        words = ["--heads", str(shape.heads)] if shape.heads else []
        words += ["--mlp-width", str(shape.mlp_width)] if shape.mlp_width else []
        words += ["--drop-layers", ",".join(map(str, shape.drop_layers))] if shape.drop_layers else []
        return [*words, *([] if refit else ["--no-refit"])]
    pattern = pruning.pattern
    words = ["--pattern", pattern.words] if pattern.m else ["--sparsity", f"{pattern.sparsity:g}"]
    words += ["--method", method]
    return [*words, *(["--scope", "global"] if pruning.scope == "global" else [])]
