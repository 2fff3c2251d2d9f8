from dataclasses import replace

import pytest

from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.grid import AblationConfig
from nanochat.experiments.ablation.study import save_config, start_study, study_of, write_result
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.ladder.plan import Ladder

GAP, NOISE = 0.2, (0.001, -0.002, 0.0005)
"""Nats between the two variants at every rung; and what runs are off by, in turn."""


@pytest.fixture
def ladder(tiny_run) -> Ladder:
    """Two rates, six seeds, over 2, 4, 8, 16 steps."""
    study = AblationConfig(base=tiny_run, axes={"training.lr": (0.03, 0.1)}, seeds=6)
    return Ladder(study, "training.steps", (2, 4, 8, 16))


@pytest.fixture(scope="session")
def template(tiny_run):
    """A result whose loss is replaced."""
    return run_cell(AblationConfig(base=tiny_run, axes={"training.lr": (0.03, 0.1)}, seeds=1).cells()[0])


@pytest.fixture
def run(template):
    """Runs a rung in no time: losses follow 2 + x^-0.5 (the second variant `gap` above), or what `off` adds."""

    def make(off=lambda value: 0.0, calls=None, gap=lambda value: GAP):
        def go(value, config, folder):
            if calls is not None:
                calls.append(value)
            environment, results = start_study(config, folder), []
            for i, cell in enumerate(config.cells()):
                variant, seed = divmod(i, config.seeds)
                loss = (
                    2
                    + value**-0.5
                    + gap(value) * variant
                    + NOISE[(seed + value.bit_length()) % 3] * (1 + variant / 2)
                    + off(value)
                )
                record = replace(template.record, val_loss=loss, seed=cell.config.seed, steps=value)
                results.append(write_result(replace(template, cell=cell, record=record, text=None), folder))
            save_config(config, folder)
            return analyse(study_of(config, {one.cell.key: one for one in results}, environment))

        return go

    return make
