"""`nanochat compress distill`: a student that a teacher taught, beside one that nobody did."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import ConfigError, UsageError
from ....plain import shown_path
from ...options import DryRunFlag, ForceFlag, JsonFlag, OutFlag, check_count
from ...parser import Commands, Work
from .subject import QuestionsFlag, SourceFlag, TextFlag, layer_numbers

if TYPE_CHECKING:
    from ....checkpoints.weights import Snapshot
    from ....experiments.evaluation.quiz import Questions
    from ....training.config import RunConfig
    from .subject import Subject

commands = Commands()


@commands.words("distill", "nanochat compress distill --run results/runs/teacher --layers 2 --steps 1000")
def _words(
    *,
    run: SourceFlag = "latest",
    layers: Annotated[int, typer.Option(help="Layers of a student that begins with drawn weights.")] = 0,
    from_layers: Annotated[
        str, typer.Option(help="Layers of the teacher that the student begins with, e.g. 0,3.", metavar="I,J,...")
    ] = "",
    student: Annotated[str, typer.Option(help="A run or model to be taught on, of any shape.", metavar="RUN")] = "",
    alpha: Annotated[float, typer.Option(help="Share of the teacher in the loss; the rest is the text.")] = 0.5,
    temperature: Annotated[float, typer.Option(help="T, by which both divide their logits.")] = 2.0,
    steps: Annotated[int, typer.Option(help="Steps of the student.")] = 1000,
    lr: Annotated[float, typer.Option(help="The rate; 0: the teacher's.")] = 0.0,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls/--no-controls", help="Train it also without a teacher: as long in steps, in CPU time."
        ),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the student's weights and batches.")] = 1337,
    data: TextFlag = "",
    questions: QuestionsFlag = "none",
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
) -> Work:
    """Teach a smaller model what a larger one says of every token.

    The loss is alpha T^2 KL(teacher || student) + (1 - alpha) cross-entropy. The teacher's forward pass costs time in
    every step, so the student is compared with one that had no teacher twice: after as many steps, and after as much
    CPU time.
    """
    given = [
        flag
        for flag, value in {"--layers": layers, "--from-layers": from_layers, "--student": student}.items()
        if value
    ]
    if len(given) != 1:
        raise UsageError(
            f"{' and '.join(given) or 'no --layers'} says what the student is: give one of --layers N, --from-layers "
            "I,J and --student RUN"
        )
    if not 0 < alpha <= 1:
        raise UsageError(f"--alpha {alpha} is no share of the loss: give more than 0, and 1 at most")
    if not 0 < temperature < 1e6:
        raise UsageError(f"--temperature {temperature} divides logits: give a number above 0, e.g. 2")
    check_count("--steps", steps, 1)
    check_count("--layers", layers, 0)
    check_count("--lr", lr, 0)
    check_count("--seed", seed, 0)
    return partial(
        distill, run=run, layers=layers, from_layers=layer_numbers("--from-layers", from_layers), student=student,
        alpha=alpha, temperature=temperature, steps=steps, lr=lr, controls=controls, seed=seed, data=data,
        questions=questions, out=out, force=force, dry_run=dry_run, json=json,
    )  # fmt: skip


def distill(
    *,
    run: str,
    layers: int,
    from_layers: tuple[int, ...],
    student: str,
    alpha: float,
    temperature: float,
    steps: int,
    lr: float,
    controls: bool,
    seed: int,
    data: str,
    questions: Questions,
    out: Path | None,
    force: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Teach, train the controls, compare. Raises as training does."""
    from ....compression.distilling import distilling
    from ....compression.tuning import unwatched
    from ....experiments.compression.outcome import Candidate
    from .subject import claimed_folder, conclude, find_subject, print_sizes, trained

    subject = find_subject(run, data)
    config, start = _student_of(subject, layers, from_layers, student)
    rate = lr or config.training.lr
    settings = replace(config.training, steps=steps, epochs=0.0, lr=rate, eval_every=0, sample_every=0,
                       checkpoint_every=0, patience=0, warmup=min(config.training.warmup, steps // 10))  # fmt: skip
    config = unwatched(replace(config, training=settings, seed=seed))
    adapt = distilling(subject.snapshot, alpha=alpha, temperature=temperature)
    if dry_run:
        print_sizes(subject.snapshot, start or _drawn(subject, config))
        return
    what = f"layers {','.join(map(str, from_layers))} of it" if from_layers else student or f"{layers} layers"
    with claimed_folder(out, subject, "distilled", force=force) as folder:
        taught = trained(
            config, f"a student of {what} is taught for {steps:,} steps", start=start, adapt=adapt, out=folder
        )
        snapshot = taught.model.snapshot()  # type: ignore[union-attr]  # trained() raises without one
        candidates = {"distilled": Candidate("result", snapshot, steps, taught.cpu_s)}
        if controls:
            candidates |= _controls(config, start, steps, taught.cpu_s)
        conclude(
            folder, subject, candidates, kind="distill",
            method=f"distilled to {what}, alpha {alpha:g}, T {temperature:g}, {steps:,} steps",
            command=_command(run, layers, from_layers, student, alpha, temperature, steps, lr, seed, folder),
            questions=questions, json=json,
        )  # fmt: skip


def _student_of(
    subject: Subject, layers: int, from_layers: tuple[int, ...], student: str
) -> tuple[RunConfig, Snapshot | None]:
    """The student's config, and the model that it begins with, if any. Raises ConfigError."""
    from ....checkpoints.find import read_model
    from ....compression.distilling import check_teacher, of_layers
    from ....models.gpt.config import GPTConfig
    from ....tokenizers.files import tokenizer_from_dict
    from ....validation import read_dataclass
    from ...folders import find_folder

    config = subject.run_config("distilling")
    if isinstance(config.model, GPTConfig) and layers:
        if layers > config.model.n_layer:
            raise ConfigError(f"--layers {layers} is more than the {config.model.n_layer} of the teacher: give fewer")
        return replace(config, model=replace(config.model, n_layer=layers), start_from="", partial=""), None
    path = find_folder(student) if student else subject.path
    start = read_model(path)[1] if student else of_layers(subject.snapshot, from_layers)
    if start.storage:
        raise ConfigError(
            f"{path} is quantised, and training would undo its rounding: give the model that it was made of"
        )
    model = read_dataclass(GPTConfig, dict(start.model), str(path))
    check_teacher(subject.snapshot, tokenizer_from_dict(dict(start.tokenizer)), model.block_size)
    return replace(config, model=model, start_from=shown_path(path), partial=""), start


def _controls(config: RunConfig, start: Snapshot | None, steps: int, cpu_s: float) -> dict[str, Any]:
    """The same student without a teacher: as many steps, and as many as fit in the CPU time that teaching took."""
    from ....experiments.compression.outcome import Candidate
    from .subject import trained

    alone = trained(config, f"the same student without a teacher, {steps:,} steps", start=start)
    longer = max(steps, round(steps * cpu_s / alone.cpu_s))
    settings = replace(config.training, steps=longer)
    equal = trained(
        replace(config, training=settings),
        f"the same without a teacher for as much CPU time, {longer:,} steps",
        start=start,
    )
    return {
        "without a teacher, equal steps": Candidate("control", alone.model.snapshot(), steps, alone.cpu_s),  # type: ignore[union-attr]
        "without a teacher, equal CPU time": Candidate("control", equal.model.snapshot(), longer, equal.cpu_s),  # type: ignore[union-attr]
    }


def _drawn(subject: Subject, config: RunConfig) -> Snapshot:
    """A model of the student's shape, for its sizes."""
    import numpy as np

    shapes = {name: np.zeros(parameter.shape, np.float32) for name, parameter in config.model.parameters().items()}
    return replace(subject.snapshot, weights=shapes)


def _command(
    run: str, layers: int, from_layers: tuple[int, ...], student: str, alpha: float, temperature: float, steps: int,
    lr: float, seed: int, folder: Path,
) -> list[str]:  # fmt: skip
    """The words that give this again."""
    shape = ["--layers", str(layers)] if layers else ["--student", student] if student else []
    shape += ["--from-layers", ",".join(map(str, from_layers))] if from_layers else []
    rate = ["--lr", f"{lr:g}"] if lr else []
    return ["distill", "--run", run, *shape, "--alpha", f"{alpha:g}", "--temperature", f"{temperature:g}",
            "--steps", str(steps), *rate, "--seed", str(seed), "--out", shown_path(folder)]  # fmt: skip
