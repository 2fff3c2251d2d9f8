"""Rates by a bowl: the loss of a run is that of its distance from the variant's best, so no run is needed."""

import math
from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation.axes import parse_tune
from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.grid import TUNING_SEED, AblationConfig, ablation_from_dict, ablation_to_dict
from nanochat.experiments.ablation.study import read_study
from nanochat.experiments.ablation.sweep import run_ablation
from nanochat.experiments.ablation.tune import Trial, best, is_at_edge, sensitivity, tune, tuning_of
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.study.report import study_report


@pytest.fixture(scope="module")
def config(tiny_run):
    axes = {"training.weight_decay": (0.0, 0.1)}
    return AblationConfig(base=tiny_run, axes=axes, seeds=2, tune=parse_tune(["lr=0.01,0.03,0.1"]), tune_seeds=2)


@pytest.fixture(scope="module")
def bowls(tiny_run):
    """Results without runs: the best rate of each weight decay; above `explodes` runs diverge."""
    template = run_cell(AblationConfig(base=tiny_run, seeds=1).cells()[0])

    def run_with(optima, explodes=math.inf):
        def run(cells):
            asked.extend(cells)
            return {cell.key: result_of(cell) for cell in cells}

        def result_of(cell):
            settings = cell.config.training
            loss = 2 + math.log10(settings.lr / optima[settings.weight_decay]) ** 2 + 0.001 * (cell.config.seed % 2)
            status = "diverged" if settings.lr > explodes else "ok"
            record = replace(template.record, val_loss=loss, initial_loss=4.0, status=status, seed=cell.config.seed)
            return replace(template, cell=cell, record=record, text=None)

        asked = []
        return run, asked

    return run_with


def test_each_variant_gets_its_own_best(config, bowls):
    run, _ = bowls({0.0: 0.03, 0.1: 0.03})
    assert tune(config, run).tuned == {"weight_decay=0.0": 0.03, "weight_decay=0.1": 0.03}
    run, _ = bowls({0.0: 0.03, 0.1: 0.09})
    assert tune(config, run).tuned["weight_decay=0.1"] == 0.1


def test_the_grid_goes_on_while_the_best_is_at_its_edge(config, bowls):
    run, _ = bowls({0.0: 0.001, 0.1: 0.9})
    found = tune(config, run)
    assert found.tried["weight_decay=0.0"][0] < 0.001 < found.tried["weight_decay=0.0"][2]
    assert found.tried["weight_decay=0.1"][-1] > 0.9
    assert found.tuned["weight_decay=0.1"] == pytest.approx(0.9, rel=0.3)


def test_it_goes_on_by_four_values_and_the_best_stays_at_the_edge(config, bowls):
    run, _ = bowls({0.0: 1e9, 0.1: 0.03})
    found = tune(config, run)
    assert len(found.tried["weight_decay=0.0"]) == 3 + 4
    assert found.tuned["weight_decay=0.0"] == found.tried["weight_decay=0.0"][-1]


def test_a_value_that_diverges_is_the_worst(config, bowls):
    run, _ = bowls({0.0: 0.1, 0.1: 0.1}, explodes=0.05)
    assert set(tune(config, run).tuned.values()) == {0.03}


def test_seeds_of_the_tuning_take_no_part_in_the_comparison(config, bowls):
    run, asked = bowls({0.0: 0.03, 0.1: 0.03})
    found = tune(config, run)
    tuning = {cell.config.seed for cell in asked}
    assert tuning == {config.base.seed + TUNING_SEED, config.base.seed + TUNING_SEED + 1}
    assert not tuning & {cell.config.seed for cell in found.cells()}
    assert {cell.config.training.lr for cell in found.cells()} == {0.03}


def test_a_tuning_that_was_stopped_chooses_nothing(config, bowls):
    run, _ = bowls({0.0: 0.03, 0.1: 0.03})
    assert not tune(config, lambda cells: {cell.key: run([cell])[cell.key] for cell in cells[1:]}).tuned


def test_sensitivity_is_what_the_tried_values_lose_on_average(config, bowls):
    run, _ = bowls({0.0: 0.03, 0.1: 0.03}, explodes=0.05)
    found = tune(config, run)
    plain = replace(found, tuned={})
    results = run([cell for name, values in found.tried.items() for cell in plain.tuning_cells(name, values)]).values()
    trials = tuning_of(found, list(results))["weight_decay=0.0"]
    lost = [math.log10(0.03 / 0.01) ** 2, 0, 4.0 - best(trials).loss]  # the first weights stand for the divergence
    assert sensitivity(trials) == pytest.approx(sum(lost) / 3, rel=1e-6)
    assert not is_at_edge(trials)
    assert is_at_edge(trials[:2])
    assert Trial(0.1, ()).loss == math.inf


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["lr"], "are no numbers above 0"),
        (["lr=a,b"], "are no numbers above 0"),
        (["lr=0,0.1"], "are no numbers above 0"),
        (["lr=0.1..x"], "are no numbers above 0"),
        (["lr=0.1,0.2", "eps=0.1,0.2"], "2 fields cannot be tuned at once"),
        (["lrr=0.1,0.2"], "did you mean 'lr'"),
    ],
)
def test_what_is_no_grid_is_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_tune(texts)


@pytest.mark.parametrize(
    ("path", "values", "message"),
    [
        ("training.optimizer", (1, 2), "is no number, so it has no grid"),
        ("training.weight_decay", (0.1, 0.2), "is varied by the study, so it cannot be tuned"),
        ("training.lr", (0.1,), "is no grid: give two values or more that rise"),
        ("training.lr", (0.2, 0.1), "is no grid: give two values or more that rise"),
        ("training.steps", (2, 3.5), "does not fit"),
        ("seed", (1, 2), "seed is no axis"),
    ],
)
def test_a_field_that_cannot_be_tuned_is_refused(config, path, values, message):
    with pytest.raises(ConfigError, match=message):
        replace(config, tune={path: values})


def test_a_range_goes_by_factors_of_the_root_of_ten():
    assert parse_tune(["lr=0.001..0.1"]) == {"training.lr": (0.001, 0.00316, 0.01, 0.0316, 0.1)}


def test_a_tuned_study_is_read_again_with_its_tuning_and_told(tiny_run, tmp_path):
    axes = {"model.tie_lm_head": (True, False)}
    config = AblationConfig(base=tiny_run, axes=axes, seeds=1, tune={"training.lr": (0.01, 0.1)}, tune_seeds=1)
    study = run_ablation(config, tmp_path)
    assert study.config.planned == config
    assert len(study.config.tuned) == 2
    again = read_study(tmp_path)
    assert (again.config, again.tuning, again.results) == (study.config, study.tuning, study.results)
    assert ablation_from_dict(ablation_to_dict(again.config)) == study.config
    assert run_ablation(config, tmp_path).config == study.config
    report = study_report(analyse(study))
    assert "## Tuning of `training.lr`" in report
    assert "was tuned for each variant by itself" in report
    assert "none was tuned" not in report
