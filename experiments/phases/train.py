"""Training in phases: read, then learn to answer. Each phase is a run that begins with the weights of the last one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ...checkpoints.directory import list_checkpoints
from ...checkpoints.ownership import RECIPE, check_folder, is_ours
from ...data.chat import Message
from ...data.large.text import is_large
from ...data.load import load_corpus
from ...errors import CheckpointError, ConfigError, GuardError
from ...inference.chat import answers
from ...inference.language_model import LanguageModel, load
from ...inference.samplers import Sampling
from ...plain import path_of
from ...storage.atomic import read_json, remove_files, write_json
from ...storage.lock import folder_locked
from ...training.config import RunConfig
from ...training.folder.record import RunRecord, read_run
from ...training.folder.resume import plan_resume
from ...training.folder.writer import clear_folder
from ...training.inputs import changed_input
from ...training.prepare import prepare
from ...training.run import Event, run_training
from .recipe import NO_TURNS, Phase, PhasedRecipe, configs_of

_SAMPLE_TOKENS = 40
_FILES = ("recipe.json", "samples.json", "evaluation.json", "report.md")
"""Of a recipe's folder, beside those of the phases."""


@dataclass(frozen=True)
class PhaseStarted:
    """Phase `number` of `total` begins in `folder`; the events of its run follow."""

    phase: Phase
    number: int
    total: int
    folder: Path
    was_there: bool
    """Finished in an earlier start."""


PhaseEvent = PhaseStarted | Event


def run_phases(
    recipe: PhasedRecipe,
    out: Path,
    *,
    observe: Callable[[PhaseEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    force: bool = False,
    locked: bool = False,
) -> tuple[RunRecord, ...]:
    """Train every phase in a folder of its own under `out`; started again, it goes on where it was.

    Ends with the first phase that does not end well, whose record is the last one. `samples.json` holds what the
    prompts gave before and after each.

    force     What the same or another recipe left in `out` is removed first.
    locked    The caller holds the lock of `out` (storage/lock.py).

    Raises GuardError where `out` holds another recipe, phases of texts that have changed, or something that is not
    known to be ours, or where another process is at work in it or in the folder of a phase, and what run_training does.
    """
    with nullcontext() if locked else folder_locked(out, "recipe"):
        return _run_all(recipe, out, observe, should_stop, force=force)


def _run_all(
    recipe: PhasedRecipe,
    out: Path,
    observe: Callable[[PhaseEvent], None],
    should_stop: Callable[[], bool],
    *,
    force: bool,
) -> tuple[RunRecord, ...]:
    configs = configs_of(recipe.phases)
    _check_files(out, recipe)
    is_new = force or not (out / "recipe.json").exists()
    if is_new:
        _check_texts(configs)  # before anything is written or cleared; a recipe that goes on has read what it did
    if force:
        _clear(out, recipe)
    _claim(out, recipe)
    records: list[RunRecord] = []
    for number, (phase, config) in enumerate(zip(recipe.phases, configs, strict=True), start=1):
        folder = folder_of(out, recipe, number)
        if number > 1:
            config = replace(config, start_from=str(folder_of(out, recipe, number - 1)))
        record = _record_of(folder, config)
        observe(PhaseStarted(phase, number, len(recipe.phases), folder, record is not None))
        if record is None:
            if not is_new:
                _check_texts(configs[number:])
            record = _train(config, folder, out, recipe, observe, should_stop)
        records.append(record)
        if record.status != "ok":
            break
        if recipe.prompts:
            _note_samples(out, phase.name, recipe.prompts, load(folder))
    return tuple(records)


def folder_of(out: Path, recipe: PhasedRecipe, number: int) -> Path:
    """`out/2-tuning`: that of a phase, counted from 1."""
    return out / path_of(f"{number}-{recipe.phases[number - 1].name}")


def _check_files(out: Path, recipe: PhasedRecipe) -> None:
    """Raises GuardError, naming it, for what a recipe would replace in `out` and did not write."""
    phases = [folder_of(out, recipe, number).name for number in range(1, len(recipe.phases) + 1)]
    check_folder(out, [*_FILES, *phases], proven=is_ours(out / "recipe.json", RECIPE), other="config.json")


def untrained(config: RunConfig, language_model: LanguageModel) -> LanguageModel:
    """A model of the same shape and vocabulary with its first weights."""
    return prepare(replace(config.on_numpy(), start_from=""), language_model.tokenizer).language_model


def _check_texts(configs: Sequence[RunConfig]) -> None:
    """Raises DataError or ConfigError now rather than after the phases before them."""
    for data in (config.data for config in configs):
        if is_large(data.source):
            continue
        corpus = load_corpus(data.source, data.layout, text_field=data.text_field)
        if corpus.layout == "chat" and data.tokenizer == "char":
            raise ConfigError(f"{data.source} holds conversations, {NO_TURNS}")


def _claim(out: Path, recipe: PhasedRecipe) -> None:
    """Raises GuardError where another recipe was run in `out`."""
    path, content = out / "recipe.json", json.loads(json.dumps(asdict(recipe)))
    if path.is_file() and read_json(path) != content:
        raise GuardError(
            f"{out} holds the phases of another recipe: choose another --out, or pass --force to begin anew"
        )
    write_json(path, content)


def _clear(out: Path, recipe: PhasedRecipe) -> None:
    """Remove what the phases wrote, and recipe.json, which proves that they did, last."""
    for folder in (folder_of(out, recipe, number) for number in range(1, len(recipe.phases) + 1)):
        if folder.is_dir():
            with folder_locked(folder, "run"):
                clear_folder(folder)
    remove_files(out, reversed(_FILES))


def _record_of(folder: Path, config: RunConfig) -> RunRecord | None:
    """Of a phase that is done. Raises GuardError where what it read is no longer what it would read."""
    if not (folder / "record.json").is_file():
        return None
    run = read_run(folder)
    if run.record is None or run.record.status != "ok":
        return None
    changed = changed_input(config, run.inputs)
    if changed:
        raise GuardError(
            f"{changed} has changed since {folder} was trained: choose another --out, or pass --force to begin anew"
        )
    return run.record


def _train(
    config: RunConfig,
    folder: Path,
    out: Path,
    recipe: PhasedRecipe,
    observe: Callable[[PhaseEvent], None],
    should_stop: Callable[[], bool],
) -> RunRecord:
    with folder_locked(folder, "run"):  # before it is read: somebody may be resuming this phase by itself
        if list_checkpoints(folder / "checkpoints"):
            plan = plan_resume(folder)
            return run_training(resume=plan, observe=observe, should_stop=should_stop, locked=True)
        if recipe.prompts and not config.start_from:
            _note_samples(out, "untrained", recipe.prompts, prepare(config).language_model)
        return run_training(config, out=folder, observe=observe, should_stop=should_stop, locked=True)


def _note_samples(out: Path, name: str, prompts: tuple[str, ...], language_model: LanguageModel) -> None:
    """Add what the prompts give, greedily, to samples.json."""
    path = out / "samples.json"
    try:
        samples = read_json(path) if path.is_file() else {}
    except CheckpointError:
        samples = {}
    write_json(path, samples | {name: sample_answers(language_model, prompts)})


def sample_answers(language_model: LanguageModel, prompts: tuple[str, ...]) -> list[str]:
    """What the model says to each prompt, asked alone: its likeliest words."""
    conversations = [(Message("user", prompt),) for prompt in prompts]
    return list(answers(language_model, conversations, sampling=Sampling(temperature=0), max_new_tokens=_SAMPLE_TOKENS))
