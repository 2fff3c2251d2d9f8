import math
from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.grid import AblationConfig
from nanochat.experiments.ablation.looks import differences, until_decided
from nanochat.experiments.ablation.study import read_config
from nanochat.experiments.ablation.sweep import CellDone, run_ablation
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.study.report import study_report

RATES = (0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def config(tiny_run):
    return AblationConfig(base=tiny_run, axes={"training.lr": RATES}, seeds=16, looks=(8, 12, 16))


@pytest.fixture(scope="module")
def by_rate(tiny_run):
    """Results without runs: losses by rate, with a noise of 0.05 of each run."""
    template = run_cell(AblationConfig(base=tiny_run, seeds=1).cells()[0])

    def run_with(effects):
        def run(cells):
            for cell in cells:
                asked.setdefault(cell.key, cell)
            return {cell.key: result_of(cell) for cell in asked.values()}

        def result_of(cell):
            rate, seed = cell.config.training.lr, cell.config.seed
            loss = 2 + effects[rate] + 0.05 * np.random.default_rng([seed, int(100 * rate)]).normal()
            status = "ok" if math.isfinite(loss) else "diverged"
            return replace(
                template, cell=cell, record=replace(template.record, val_loss=loss, seed=seed, status=status), text=None
            )

        asked = {}
        return run, asked

    return run_with


def test_a_variant_that_is_decided_gets_no_more_seeds(config, by_rate):
    run, asked = by_rate({0.1: 0.0, 0.2: 0.5, 0.3: 0.0})
    found = until_decided(config, run, lambda study: None)
    assert found.decided["lr=0.2"] == 8
    assert found.seeds_of("lr=0.3") == found.seeds_of("lr=0.1") == 16
    assert found.looked == (8, 12, 16)
    assert len(asked) == len(found.cells()) == 8 + 16 + 16


def test_a_study_stops_at_the_look_that_decides_all(config, by_rate):
    run, asked = by_rate({0.1: 0.0, 0.2: 0.5, 0.3: -0.5})
    found = until_decided(config, run, lambda study: None)
    assert found.looked == (8,)
    assert len(asked) == len(found.cells()) == 24


def test_equivalence_within_the_margin_stops_too(config, by_rate):
    run, _ = by_rate({0.1: 0.0, 0.2: 0.0, 0.3: 0.0})
    found = until_decided(replace(config, margin=0.5), run, lambda study: None)
    assert set(found.decided.values()) == {8}


def test_a_look_is_kept_before_it_is_read(config, by_rate):
    run, _ = by_rate({0.1: 0.0, 0.2: 0.5, 0.3: 0.0})
    kept = []
    until_decided(config, run, kept.append)
    assert [(one.looked, one.decided) for one in kept[:2]] == [((8,), {}), ((8,), {"lr=0.2": 8})]


def test_a_divergence_is_infinitely_worse_and_two_say_nothing(config, by_rate):
    run, _ = by_rate({0.1: math.inf, 0.2: math.inf, 0.3: 0.0})
    found = differences(config, run(config.cells()), 6)
    assert np.isnan(found[:, 0]).all()
    assert (found[:, 1] == -math.inf).all()
    cells = [cell for cell in config.cells() if cell.config.seed != config.base.seed]
    assert np.isnan(differences(config, by_rate(dict.fromkeys(RATES, 0.0))[0](cells), 6)[0]).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"looks": (8, 6, 16)}, "looks=8,6,16 do not rise"),
        ({"looks": (1, 16)}, "do not rise from 2 or more"),
        ({"looks": (6, 10)}, "is not that of all 16 seeds"),
        ({"alpha": 0.0}, "alpha=0.0 is no chance"),
    ],
)
def test_what_is_no_plan_is_refused(config, fields, message):
    with pytest.raises(ConfigError, match=message):
        replace(config, **fields)


def test_a_planned_study_goes_on_where_it_was_stopped_and_tells_its_looks(tiny_run, tmp_path):
    axes = {"model.tie_lm_head": (True, False)}
    config = AblationConfig(base=tiny_run, axes=axes, seeds=4, looks=(2, 4), margin=1e-9)
    done = []
    run_ablation(config, tmp_path, observe=done.append, should_stop=lambda: n_done(done) >= 4)
    kept = read_config(tmp_path / "config.json")
    assert (kept.looks, kept.looked) == ((2, 4), (2,))
    study = run_ablation(config, tmp_path)
    assert study.config.looked == (2, 4)
    assert not study.missing
    assert study_report(analyse(study)).count("Seeds were added by a plan (looks at 2, 4; alpha 0.05)") == 1


def n_done(events):
    return sum(isinstance(event, CellDone) for event in events)
