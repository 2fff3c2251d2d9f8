"""A study and runs that take milliseconds: a bigram on four characters."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.study import Study
from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.training.config import RunConfig
from nanochat.training.resolve import resolve


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "tiny.txt"
    path.write_text("abcabdabcabcabd" * 30, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_text) -> RunConfig:
    settings = {"steps": 6, "eval_every": 2, "eval_tokens": 32, "max_memory_growth": 0.0}
    return resolve({"preset": "bigram", "seed": 5, "data": {"source": str(tiny_text)}, "training": settings})


@pytest.fixture(scope="session")
def tiny_study(tiny_run) -> AblationConfig:
    """Four variants, two seeds."""
    return AblationConfig(base=tiny_run, seeds=2)


@pytest.fixture(scope="session")
def swept(tiny_study, tmp_path_factory) -> Path:
    """The folder of the tiny study when it is finished, for whoever reads it or takes a copy."""
    folder = tmp_path_factory.mktemp("swept") / "study"
    run_ablation(tiny_study, folder)
    return folder


@pytest.fixture(scope="session")
def diverging_study(tiny_run) -> AblationConfig:
    """One rate that learns, one that explodes; two seeds."""
    return AblationConfig(base=tiny_run, axes={"training.lr": (0.03, 1e300)}, seeds=2)


@pytest.fixture(scope="session")
def study_of(tiny_run):
    """A study whose variants lr=1.0, lr=2.0, ... end at the given losses, one a seed; nan has diverged."""
    seed = AblationConfig(base=tiny_run, axes={"training.lr": (0.1, 0.2)}, seeds=1).cells()[0]
    template = run_cell(seed)

    @cache
    def config_of(n_variants, seeds, margin):
        rates = tuple(float(i + 1) for i in range(n_variants))
        return AblationConfig(base=tiny_run, axes={"training.lr": rates}, seeds=seeds, margin=margin)

    def build(*losses, margin=0.01):
        config = config_of(len(losses), len(losses[0]), margin)
        results, ends = [], [loss for variant in losses for loss in variant]
        for cell, loss in zip(config.cells(), ends, strict=True):
            status = "diverged" if math.isnan(loss) else "ok"
            record = replace(template.record, val_loss=loss, seed=cell.config.seed, status=status)
            results.append(replace(template, cell=cell, record=record, text=None))
        return Study(config, tuple(results), (), {})

    return build
