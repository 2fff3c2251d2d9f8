"""Rows of a certificate move each parameter in two directions here: a wrong gradient shows in any."""

import pytest


@pytest.fixture(autouse=True)
def _few_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the command takes: `python tests/course/zoo/measure.py`."""
    monkeypatch.setattr("nanochat.experiments.certify.compare.N_DIRECTIONS", 2)
