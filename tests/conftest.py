"""What every test starts from: no settings of the person at the keyboard, no window, seeds that are stated."""

import os
import random

import hypothesis
import pytest

os.environ["MPLBACKEND"] = "Agg"  # figures go to files; before anything imports matplotlib

# On the build machine the same examples every time; at home new ones, kept in .hypothesis/ when they fail.
# No deadline: a first call that imports or compiles something is not a slow law.
hypothesis.settings.register_profile("home", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "home")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("NANOCHAT_") or name in {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"}:
            monkeypatch.delenv(name)


@pytest.fixture
def rng() -> random.Random:
    """Random numbers of the scalar path, the same in every run."""
    return random.Random(1337)
