import math
import statistics
import time
from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation import forecast as forecasts
from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.forecast import forecast, noise_floor
from nanochat.experiments.ablation.grid import TUNING_SEED, Cell
from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.experiments.statistics.significance import sign_flip_p
from nanochat.models.parameters import count_parameters
from nanochat.training.prepare import prepare


def with_settings(study, **settings):
    return replace(study, base=replace(study.base, training=replace(study.base.training, **settings)))


def test_a_forecast_has_the_parameters_and_the_memory_of_each_variant(tiny_study):
    found = forecast(tiny_study, slots=1, processes=False)
    for name, config in tiny_study.variants.items():
        assert found.by_variant[name].n_parameters == count_parameters(prepare(config).config.model.parameters())
        assert 10e6 < found.by_variant[name].memory_bytes < 10e9
    assert found.start_s == 0


def test_a_wider_variant_takes_more_memory_and_time(tiny_run):
    study = AblationConfig(base=tiny_run, axes={"training.batch_size": (1, 1000)}, seeds=1)
    narrow, wide = forecast(with_settings(study, steps=1000), slots=1, processes=False).by_variant.values()
    assert wide.memory_bytes > narrow.memory_bytes
    assert wide.seconds > 10 * narrow.seconds  # a thousand times the rows; on a busy machine either may be slow


def test_validations_take_time(tiny_study, monkeypatch):
    """Where steps take none, so that what else the machine does makes no difference."""
    trial = run_cell(tiny_study.cells()[0])
    instant = replace(trial, record=replace(trial.record, steps_per_sec=math.inf))
    monkeypatch.setattr(forecasts, "_try", lambda cell, jobs: instant)
    seldom = with_settings(tiny_study, steps=1000, eval_every=0)
    often = with_settings(tiny_study, steps=1000, eval_every=1)
    assert forecast(often, slots=1, processes=False).seconds > 1.2 * forecast(seldom, slots=1, processes=False).seconds


def test_so_does_the_reading_of_the_data_in_each_cell(tiny_study, monkeypatch):
    def slowly(config):
        time.sleep(0.05)
        return prepare(config)

    monkeypatch.setattr(forecasts, "prepare", slowly)
    found = forecast(with_settings(tiny_study, steps=1, eval_every=0), slots=1, processes=False)
    assert all(one.seconds > 0.05 for one in found.by_variant.values())


@pytest.mark.parametrize("slots", [1, 2, 3, 50])
def test_a_sweep_takes_its_cells_by_its_slots_and_at_least_its_longest_cell(tiny_run, slots):
    study = AblationConfig(base=tiny_run, axes={"training.steps": (1, 500, 2000)}, seeds=2)
    found = forecast(study, slots=slots, processes=False)
    cells = [one.seconds for one in found.by_variant.values()] * 2
    assert found.seconds == pytest.approx(max(max(cells), sum(cells) / slots))


def test_a_variant_that_cannot_begin_says_why_and_the_others_are_foretold(tiny_run):
    study = AblationConfig(base=tiny_run, axes={"training.batch_size": (1, 10**12)}, seeds=1)
    sound, huge = forecast(study, slots=1, processes=False).by_variant.values()
    assert "MiB of memory" in huge.reason
    assert sound.seconds > 0


@pytest.mark.slow
def test_the_memory_foretold_is_near_to_what_a_sweep_in_processes_takes(tiny_study, tmp_path):
    study = with_settings(tiny_study, steps=20, eval_every=20)
    found = forecast(study, slots=2, processes=True)
    results = run_ablation(study, tmp_path, jobs=2).results
    peak = max(result.measured.peak_memory_bytes for result in results)
    assert peak / 1.3 < max(one.memory_bytes for one in found.by_variant.values()) < 1.3 * peak


def test_the_noise_floor_is_what_the_exact_test_finds_in_four_of_five_studies(tiny_study):
    study = replace(tiny_study, seeds=8)
    found = noise_floor(study, 4, jobs=1)
    base, first = tiny_study.variants[tiny_study.baseline], tiny_study.base.seed + TUNING_SEED
    runs = [run_cell(Cell("baseline", replace(base, seed=first + i))) for i in range(4)]
    assert list(found.losses) == [result.record.val_loss for result in runs]
    assert found.sd == pytest.approx(statistics.stdev(found.losses))
    rng, effect = np.random.default_rng(5), found.smallest / (math.sqrt(2) * found.sd)
    shown = [sign_flip_p(tuple(rng.normal(effect, 1, size=8))) <= 0.05 for _ in range(400)]
    assert abs(np.mean(shown) - 0.8) < 0.08  # four standard errors of 400 studies; the t-test stands for the exact one
    assert noise_floor(replace(tiny_study, seeds=4), 2, jobs=1).smallest == math.inf


def test_noise_takes_two_runs_that_end_well(diverging_study):
    with pytest.raises(ConfigError, match="0 of 2 runs of the baseline ended well"):
        noise_floor(replace(diverging_study, axes={"training.lr": (1e300, 0.1)}), 2, jobs=1)
