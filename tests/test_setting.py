"""A setting is said once: what reads it reads the same."""

import math
import reprlib
from dataclasses import dataclass, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import ConfigError
from nanochat.setting import check_bounds, setting, settings_of
from nanochat.training.config import all_settings


@dataclass(frozen=True, kw_only=True)
class Oven:
    degrees: float = setting(180.0, "How hot.", least=0, below=300)
    minutes: int = setting(30, "How long.", least=1)
    rise: float = setting(0.5, "How fast.", above=0)
    open: bool = setting(False, "The door.")


@given(st.floats(), st.integers(-5, 5), st.floats())
def test_what_is_inside_the_bounds_passes_and_nothing_else(degrees, minutes, rise):
    is_right = 0 <= degrees < 300 and minutes >= 1 and 0 < rise < math.inf
    try:
        check_bounds(Oven(degrees=degrees, minutes=minutes, rise=rise), "oven")
    except ConfigError:
        assert not is_right
    else:
        assert is_right


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"degrees": 300.0}, "degrees=300.0 is outside 0 to 300: give e.g. 180.0"),
        ({"minutes": 0}, "minutes=0 is too small: give 1 or more"),
        ({"minutes": -(10**400)}, f"minutes={reprlib.repr(-(10**400))} is too small: give 1 or more"),
        ({"rise": 0.0}, "rise=0.0 is not above 0: give e.g. 0.5"),
        ({"rise": math.nan}, "rise=nan is not a finite number: give e.g. 0.5"),
    ],
)
def test_the_sentence_says_what_fits_and_carries_the_setting(given, sentence):
    with pytest.raises(ConfigError) as refused:
        check_bounds(Oven(**given), "oven")
    ((name, value),) = given.items()
    assert refused.value.args == (sentence,)
    assert repr(refused.value.settings) == repr(((f"oven.{name}", value),))


def test_every_default_lies_inside_its_bounds():
    wrong = [
        name
        for home, _ in all_settings().values()
        for name, known, default in settings_of(home)
        if known.problem(default, "")
    ]
    assert wrong == []


def test_every_field_of_a_run_is_a_setting():
    """Tables of settings leave nothing out: the sections themselves are the only other fields."""
    without = {
        f"{home.__name__}.{field.name}"
        for home, _ in all_settings().values()
        for field in fields(home)
        if field.name not in {name for name, *_ in settings_of(home)}
    }
    assert without == {"RunConfig.model", "RunConfig.data", "RunConfig.training"}


def test_what_a_setting_needs_is_a_field_and_has_these_values():
    for home, known in all_settings().values():
        if known.needs:
            assert known.needs[0] in all_settings(), home
