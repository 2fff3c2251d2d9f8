from dataclasses import replace

import numpy as np
import pytest

from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.study import Study
from nanochat.experiments.ablation.sweep import AblationConfig
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.sentences import answer
from nanochat.experiments.reports.study.report import study_report
from nanochat.training.resolve import resolve

STEPS = (2, 4, 8, 16)
NOISE = np.random.default_rng(2).normal(size=(4, 3)) * 0.0005


@pytest.fixture(scope="module")
def ladder(tiny_run):
    """Losses 1 + x^-0.5 of 3 seeds over 2, 4, 8, 16 steps."""
    config = AblationConfig(base=tiny_run, axes={"training.steps": STEPS}, seeds=3)
    template = run_cell(config.cells()[0])
    results = []
    for i, cell in enumerate(config.cells()):
        rung, seed = divmod(i, 3)
        record = replace(template.record, val_loss=1 + STEPS[rung] ** -0.5 + NOISE[rung, seed], seed=cell.config.seed)
        results.append(replace(template, cell=cell, record=record, text=None))
    return Study(config, tuple(results), (), {})


def test_a_study_of_steps_is_a_ladder_with_a_law_and_a_next_rung(ladder):
    found = analyse(ladder).ladder
    assert (found.x, found.measure, found.n_seeds) == ((2, 4, 8, 16), "steps", 3)
    assert found.law.exponent == pytest.approx(0.5, abs=0.05)
    assert found.next_rung.x == 32
    assert found.next_rung.low < 1 + 32**-0.5 < found.next_rung.high


def test_the_report_has_the_law_and_the_answer_the_next_rung(ladder):
    found = analyse(ladder)
    assert "Along `training.steps`, 4 rungs of 3 seeds, 2 to 16 steps: loss = E + A x^-a." in study_report(found)
    assert "By the law of its rungs 32 steps should give 1.18 nats." in answer(found)


def test_what_is_no_ladder_has_none(ladder, study_of):
    assert analyse(study_of([1.0] * 3, [2.0] * 3, [3.0] * 3)).ladder is None  # rates
    two = replace(ladder.config, axes={"training.steps": STEPS[:2]})
    assert analyse(Study(two, ladder.results[:6], (), {})).ladder is None
    assert analyse(Study(ladder.config, (), (), {})).ladder is None


def test_a_study_of_steps_and_size_has_a_law_of_two_terms():
    base = resolve({"preset": "mini-gpt", "mode": "tensor", "training": {"steps": 1, "eval_tokens": 16}})
    axes = {"model.n_embd": (8, 16, 32), "training.steps": STEPS}
    config = AblationConfig(base=base, axes=axes, seeds=3)
    template, results = run_cell(config.cells()[0]), []
    for i, cell in enumerate(config.cells()):
        run, size = cell.config, 100 * cell.config.model.n_embd**2
        loss = 1 + run.training.steps**-0.5 + 30 * size**-0.5 + 0.0005 * np.random.default_rng(i).normal()
        record = replace(template.record, val_loss=loss, seed=run.seed, parameter_count=size)
        results.append(replace(template, cell=cell, record=record, text=None))
    study = Study(config, tuple(results), (), {})
    found = analyse(study).surface
    assert (found.measures, found.x, found.y) == (("steps", "parameters"), STEPS, (6400, 25600, 102400))
    assert (found.law.exponent_x, found.law.exponent_y) == pytest.approx((0.5, 0.5), abs=0.05)
    assert found.ahead == (32, 409600)
    assert found.foretold.low < 1 + 32**-0.5 + 30 / 640 < found.foretold.high
    text = study_report(analyse(study))
    assert "4 x 3 rungs of 3 seeds: loss = E + A x^-a + B y^-b, x in steps, y in parameters." in text


def test_fewer_rungs_than_4_x_3_have_no_law_of_two_terms(ladder):
    config = AblationConfig(base=ladder.config.base, axes={"training.steps": STEPS, "training.lr": (0.1, 0.2)}, seeds=3)
    assert analyse(Study(config, (), (), {})).surface is None
