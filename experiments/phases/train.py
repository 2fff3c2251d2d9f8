"""Training in phases: read, then learn to answer. Each phase is a run that begins with the weights of the last one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ...checkpoints.directory import list_checkpoints
from ...checkpoints.ownership import RECIPE, check_folder, is_ours
from ...data.chat import Message
from ...data.corpus import load_corpus
from ...data.large.text import is_large
from ...errors import CheckpointError, ConfigError, GuardError
from ...inference.chat import answers
from ...inference.language_model import LanguageModel, load
from ...inference.samplers import Sampling
from ...plain import path_of, shown_path
from ...storage.atomic import read_json, remove_files, write_json
from ...storage.lock import folder_locked
from ...storage.toml import read_toml_table
from ...training.config import RunConfig
from ...training.folder.record import RunFolder, RunRecord, read_run
from ...training.folder.resume import plan_resume
from ...training.inputs import changed_input
from ...training.prepare import prepare
from ...training.resolve import merge, resolve
from ...training.run import Event, run_training
from ...validation import nearest, read_dataclass

Questions = Literal["none", "world-small", "world", "world-large"]
_SAMPLE_TOKENS = 40
_OF_A_VOCABULARY = ("tokenizer", "vocab_size", "unknown")
_FILES = ("recipe.json", "samples.json", "evaluation.json", "report.md")
"""Of a recipe's folder, beside those of the phases."""
_OF_A_RUN = ("preset", "model_kind", "mode", "dtype", "seed", "model", "data", "training")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One run of the recipe."""

    name: str
    about: str = ""
    """What it is for, in a sentence."""
    settings: Mapping[str, Any]
    """As in a --config file; what a later phase does not say about the model is as before."""


@dataclass(frozen=True, kw_only=True)
class PhasedRecipe:
    """What is trained on what, one phase after the other, and what is asked in the end."""

    name: str
    title: str = ""
    phases: tuple[Phase, ...]
    prompts: tuple[str, ...] = ()
    """Put to the model before the first phase and after each."""
    questions: Questions = "none"
    """About the built-in world, in the end."""
    caveats: tuple[str, ...] = ()
    """What a reader of the report should know."""


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


def read_phases(path: Path) -> PhasedRecipe:
    """A recipe in TOML: title, prompts, questions, and [[phase]] tables of name, about and settings of a run.

    Raises ConfigError, naming the file and the phase.
    """
    content = read_toml_table(path, "--recipe")
    tables = content.pop("phase", None)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f'{path} has no phases: add a table [[phase]] with e.g. name = "reading" and its settings')
    try:
        phases = tuple(_phase(table, i) for i, table in enumerate(tables, start=1))
        head = read_dataclass(_Head, content, "")
        configs = configs_of(phases)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", settings=error.settings) from None
    if len({phase.name for phase in phases}) < len(phases):
        raise ConfigError(f"{path} has two phases of one name: name each differently")
    if configs[0].data.tokenizer == "char" and (head.prompts or head.questions != "none"):
        raise ConfigError(
            f"{path} puts questions to a model of characters, which cannot tell turns apart: "
            'write tokenizer = "word" or "bpe" in the data of the first phase'
        )
    return PhasedRecipe(
        name=shown_path(path.stem),
        title=head.title,
        phases=phases,
        prompts=tuple(head.prompts),
        questions=head.questions,
        caveats=tuple(head.caveats),
    )


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
    check_files(out, recipe)
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
        _note_samples(out, phase.name, recipe.prompts, load(folder))
    return tuple(records)


def folder_of(out: Path, recipe: PhasedRecipe, number: int) -> Path:
    """`out/2-tuning`: that of a phase, counted from 1."""
    return out / path_of(f"{number}-{recipe.phases[number - 1].name}")


def check_files(out: Path, recipe: PhasedRecipe) -> None:
    """Raises GuardError, naming it, for what a recipe would replace in `out` and did not write."""
    phases = [folder_of(out, recipe, number).name for number in range(1, len(recipe.phases) + 1)]
    check_folder(out, [*_FILES, *phases], proven=is_ours(out / "recipe.json", RECIPE))


def configs_of(phases: Sequence[Phase]) -> list[RunConfig]:
    """The settings of each phase: those of a run by itself, then laid over model and tokenizer of the phase before.

    Raises ConfigError for what no run can be, and for a model or a vocabulary other than that of the phase before.
    """
    configs: list[RunConfig] = []
    for number, phase in enumerate(phases, start=1):
        try:
            configs.append(_next_config(configs[-1], phase.settings) if configs else resolve(phase.settings))
        except ConfigError as error:
            raise ConfigError(f"phase {number} ({phase.name}): {error}", settings=error.settings) from None
    return configs


def untrained(config: RunConfig, language_model: LanguageModel) -> LanguageModel:
    """A model of the same shape and vocabulary with its first weights."""
    return prepare(replace(config, start_from=""), language_model.tokenizer).language_model


@dataclass(frozen=True, kw_only=True)
class _Head:
    title: str = ""
    prompts: tuple[str, ...] = ()
    questions: Questions = "none"
    caveats: tuple[str, ...] = ()


def _phase(table: dict[str, Any], number: int) -> Phase:
    name, about = table.pop("name", None), table.pop("about", "")
    if not isinstance(name, str) or not name.replace("-", "").isalnum():
        raise ConfigError(f'phase {number} has name={name!r}: give it a word for its folder, e.g. name = "reading"')
    where = f"phase {number} ({name})"
    if not isinstance(about, str):
        raise ConfigError(f"{where} has about={about!r}: write a sentence")
    for key in table:
        if key not in _OF_A_RUN:
            raise ConfigError(f"{where} has an unknown key {key!r}: {nearest(key, ('name', 'about', *_OF_A_RUN))}")
    data = table.get("data")
    if not isinstance(data, dict) or not data.get("source"):
        raise ConfigError(f'{where} names no text: add e.g. data = {{ source = "builtin:world" }}')
    return Phase(name=name, about=about, settings=table)


def _next_config(earlier: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The settings laid over model and tokenizer of an earlier run."""
    before = asdict(earlier)
    kept = {name: before[name] for name in ("preset", "model_kind", "mode", "dtype", "seed", "model")}
    kept["data"] = {"tokenizer": earlier.data.tokenizer}
    config = resolve(merge(kept, settings))
    changed = [f"data.{name}" for name in _OF_A_VOCABULARY if name in settings["data"]]
    if _shapes(config) != _shapes(earlier):
        changed += [f"model.{name}" for name, value in asdict(config.model).items() if value != before["model"][name]]
    if changed:
        raise ConfigError(
            f"{changed[0]} cannot change here, where weights and vocabulary of the phase before go on: leave it out"
        )
    return config


def _shapes(config: RunConfig) -> dict[str, tuple[int, ...]]:
    return {name: parameter.shape for name, parameter in config.model.parameters().items()}


def _check_texts(configs: Sequence[RunConfig]) -> None:
    """Raises DataError or ConfigError now rather than after the phases before them."""
    for data in (config.data for config in configs):
        if not is_large(data.source):
            load_corpus(data.source, data.layout, text_field=data.text_field)


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
                RunFolder(folder).clear()
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
