"""What a study will take, before it is run: time by a few steps of its baseline, memory by its variants' sizes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import ConfigError, NanochatError
from ...models.flops import flops_per_token
from ...models.parameters import count_parameters
from ...training.config import RunConfig
from ...training.evaluate import evaluate
from ...training.limits.memory import predict_peak_bytes
from ...training.prepare import Session, prepare
from ..statistics.intervals import standard_deviation
from ..statistics.significance import exact_level, power
from .budget import tokens_per_step
from .cells import CellResult, run_cell
from .grid import TUNING_SEED, AblationConfig, Cell
from .workers import run_in_processes

_STEPS, _GLANCE = 3, 64
"""Steps of the trial, and tokens of its validations, which are not what is measured."""
_CHANCE = 0.8
_EVALUATED = 1024
"""Most tokens of the validation that is measured; one of more is taken to last longer in proportion."""


@dataclass(frozen=True, kw_only=True)
class CellForecast:
    """A cell of one variant; nan and 0 for what cannot be known."""

    n_parameters: int = 0
    memory_bytes: int = 0
    """Most memory of its process."""
    seconds: float = math.nan
    """Reading of the data, steps and validations."""
    reason: str = ""
    """Why such a cell could not even begin."""


@dataclass(frozen=True, kw_only=True)
class StudyForecast:
    """A study, before it is run."""

    by_variant: Mapping[str, CellForecast]
    start_s: float
    """Until a process is up and has imported what it needs; the processes of a sweep start together, and once."""
    seconds: float
    """Of the whole sweep, its report aside; nan where the trial did not end well."""


def forecast(study: AblationConfig, *, slots: int, processes: bool) -> StudyForecast:
    """For cells that run `slots` at a time, each slot in a process of its own here or not.

    A cell takes prepare + steps * t + validations * v. t, v, and the memory that a process holds are measured on a few
    steps and one validation of the baseline; for the other variants they follow from their arithmetic and their sizes.
    prepare is measured for each variant. Raises ConfigError, DataError where the baseline cannot begin.
    """
    baseline = study.variants[study.baseline]
    short = replace(
        baseline.training, steps=_STEPS, epochs=0.0, warmup=0, patience=0, eval_every=0, eval_tokens=_GLANCE
    )
    start = time.perf_counter()
    trial = _try(Cell(study.baseline, replace(baseline, training=short)), slots if processes else 1)
    start_s = max(0.0, time.perf_counter() - start - trial.measured.wall_s) if processes else 0.0
    base = _Baseline(baseline, trial)
    by_variant = {name: base.forecast(config) for name, config in study.variants.items()}
    known = [one.seconds for one in by_variant.values() if not one.reason]
    n_runs = study.seeds + study.tune_seeds * sum(map(len, study.tune.values()))
    seconds = start_s + max(max(known), n_runs * sum(known) / min(slots, n_runs * len(known)))
    return StudyForecast(by_variant=by_variant, start_s=start_s, seconds=seconds)


@dataclass(frozen=True)
class NoiseFloor:
    """How far runs of the baseline scatter, and what that lets a study see; losses in nats a token."""

    losses: tuple[float, ...]
    sd: float
    """Of a run."""
    smallest: float
    """The difference that the study's seeds show with a chance of 80 %, were its two runs of a seed independent."""


def noise_floor(study: AblationConfig, n_runs: int, *, jobs: int) -> NoiseFloor:
    """Of `n_runs` runs of the baseline, on seeds that the study does not use. Raises ConfigError where fewer than two
    end well."""
    config = study.variants[study.baseline]
    cells = [Cell(study.baseline, replace(config, seed=config.seed + TUNING_SEED + i)) for i in range(n_runs)]
    if jobs > 1:
        found = run_in_processes(cells, jobs=jobs, should_stop=lambda: False)
        results = [result for result in found if isinstance(result, CellResult)]
    else:
        results = [run_cell(cell) for cell in cells]
    losses = tuple(result.record.val_loss for result in results if result.is_ok)
    if len(losses) < 2:
        raise ConfigError(
            f"{len(losses)} of {n_runs} runs of the baseline ended well, and noise takes two: mend it first"
        )
    sd = standard_deviation(losses)
    return NoiseFloor(losses, sd, math.sqrt(2) * sd * _smallest_effect(study.seeds))


def _smallest_effect(n_seeds: int) -> float:
    """In standard deviations of a difference, found by bisection; inf where the exact test can show nothing."""
    level = exact_level(n_seeds)
    if not level:
        return math.inf
    low, high = 0.0, 100.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if power(n_seeds, middle, level) >= _CHANCE else (middle, high)
    return high


class _Baseline:
    """The baseline, and what its trial took."""

    def __init__(self, config: RunConfig, trial: CellResult) -> None:
        self.trial, self.session = trial, prepare(config)
        self.step_s = 1 / trial.record.steps_per_sec if trial.is_ok else math.nan
        self.n_evaluated = min(_n_evaluated(self.session), _EVALUATED)
        settings = replace(self.session.config.training, eval_tokens=self.n_evaluated)
        glance = replace(self.session, config=replace(self.session.config, training=settings))
        start = time.perf_counter()
        evaluate(glance.model, glance.validation(), glance.dataset.tokenizer.token_bytes())
        self.validation_s = time.perf_counter() - start

    def forecast(self, config: RunConfig) -> CellForecast:
        """Of a variant, by its own preparation and its arithmetic beside the baseline's."""
        start = time.perf_counter()
        try:
            session = prepare(config)
        except NanochatError as error:
            return CellForecast(reason=str(error))
        prepare_s = time.perf_counter() - start
        model, settings = session.config.model, session.config.training
        heavier = flops_per_token(model) / flops_per_token(self.session.config.model)
        longer = tokens_per_step(session) / tokens_per_step(self.session)
        wider = _n_evaluated(session) / self.n_evaluated
        n_validations = 1 + (settings.steps > 0) + (settings.steps - 1) // (settings.eval_every or math.inf)
        seconds = prepare_s + settings.steps * self.step_s * heavier * longer
        seconds += n_validations * self.validation_s * heavier * wider
        return CellForecast(
            n_parameters=count_parameters(model.parameters()),
            memory_bytes=self._memory(session),
            seconds=seconds,
        )

    def _memory(self, session: Session) -> int:
        """What the trial took, and what the prediction says that the variant takes more than the baseline."""
        predicted = _predicted_bytes(session)
        taken = self.trial.measured.peak_memory_bytes
        return taken + predicted - _predicted_bytes(self.session) if self.trial.is_ok and taken else predicted


def _try(cell: Cell, jobs: int) -> CellResult:
    """Run the cell here, or alone in a process with the threads that it would have beside jobs - 1 others."""
    if jobs == 1:
        return run_cell(cell)
    *_, result = run_in_processes([cell], jobs=jobs, should_stop=lambda: False)
    assert isinstance(result, CellResult)
    return result


def _n_evaluated(session: Session) -> int:
    """Tokens of a validation."""
    n_tokens = session.dataset.n_val_tokens
    return min(session.config.training.eval_tokens or n_tokens, n_tokens)


def _predicted_bytes(session: Session) -> int:
    dataset, T = session.dataset, session.config.model.block_size
    return predict_peak_bytes(session.config, dataset.n_train_tokens if dataset.in_memory else T)
