"""A study and runs that take milliseconds: a bigram on four characters."""

from pathlib import Path

import pytest

from nanochat.experiments.ablate import AblationConfig
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
def diverging_study(tiny_run) -> AblationConfig:
    """One rate that learns, one that explodes; two seeds."""
    return AblationConfig(base=tiny_run, axes={"training.lr": (0.03, 1e300)}, seeds=2)
