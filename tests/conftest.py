"""What every test starts from: no settings of the person at the keyboard, no window, seeds that are stated."""

import functools
import gc
import os
import random
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import typer

os.environ["MPLBACKEND"] = "Agg"  # figures go to files; before anything imports matplotlib

# Ignored signals are inherited, and commands respect it: here they stay ignored, but not in what a test starts.
for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
    if hasattr(signal, _name) and signal.getsignal(getattr(signal, _name)) == signal.SIG_IGN:
        signal.signal(getattr(signal, _name), lambda *_: None)

# At home new examples every time, kept in .hypothesis/ when they fail; on the build machine the same ones. Twenty-five
# of each law are what a change is tried with; `pytest --hypothesis-profile thorough` takes a hundred.
# No deadline: a first call that imports or compiles something is not a slow law.
SAME = {"deadline": None, "derandomize": True, "database": None}
hypothesis.settings.register_profile("home", deadline=None, max_examples=25)
hypothesis.settings.register_profile("ci", **SAME, max_examples=25)
hypothesis.settings.register_profile("thorough", **SAME, max_examples=100)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "home")

BLANK = Path(__file__).with_name("blank")
"""A folder for PYTHONPATH: in processes that tests start, figures are blank, too."""


UNTRACED = tuple(
    f"tests/{name}"
    for name in (
        "cli/commands/study/test_health course/test_exercises.py::test_a_known course/zoo/test_mending "
        "course/zoo/test_specimens data/builtin/test_world engine/tensor/test_ops experiments/ablation "
        "experiments/certify/test_compare experiments/health experiments/ladder experiments/parity "
        "experiments/phases/test_train experiments/reports experiments/statistics/test_simulate golden inference "
        "laws models/gpt/test_scalar models/test_ reliability tokenizers/test_ training/backends/test_compiled "
        "training/backends/test_random training/folder training/test_run"
    ).split()
)
"""Tests that go over the same lines again and again: a tracer makes their loops three times as slow, and of the lines
that they reach others reach nearly all.

`make cover` looks away there, in slow tests and in laws of many examples. What it counts is what all others reach, and
so a lower bound of what all reach together.
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Take a tracer off where it costs most and shows least.

    By hand: the marker `no_cover` of pytest-cov stops one of two tracers that a worker of xdist has.
    """
    dear = any(item.get_closest_marker(name) for name in ("slow", "hypothesis", "more"))
    tracers = sys.gettrace(), threading.gettrace()
    if not (dear or item.nodeid.startswith(UNTRACED)):
        return (yield)
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        return (yield)
    finally:
        sys.settrace(tracers[0])
        threading.settrace(tracers[1])  # type: ignore[arg-type]


def pytest_collection_finish() -> None:
    """Fewer passes of the garbage collector, and none over what was collected: a fifth of the time goes into them."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _commands_are_built_once() -> Iterator[None]:
    """A process reads one command, these tests some thousand: Typer makes its parser of each the first time only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("NANOCHAT_") or name in {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"}:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _blank_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, but rendered only for tests marked `figures`: half the time of a command goes into pixels."""
    if request.node.get_closest_marker("figures"):
        return
    monkeypatch.setenv("PYTHONPATH", str(BLANK), prepend=os.pathsep)
    if "nanochat.experiments" in sys.modules:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", _savefig())


@functools.cache
def _savefig() -> Any:
    return runpy.run_path(str(BLANK / "sitecustomize.py"))["savefig"]


@pytest.fixture
def rng() -> random.Random:
    """Random numbers of the scalar path, the same in every run."""
    return random.Random(1337)
