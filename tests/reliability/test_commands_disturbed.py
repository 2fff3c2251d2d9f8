"""Signals, a stderr that fails, and paths of any bytes: a few; measure.py tries them all."""

import pytest
from commands import Done, ended, environment, started
from kills import CAN_FORK
from places import LOCALES, NAMES, anywhere
from remarks import lose_remarks
from signals import interrupt

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="signals and forks of POSIX")


@pytest.mark.slow
def test_a_signal_at_any_moment_leaves_what_can_go_on(tmp_path):
    assert interrupt(tmp_path / "signals", 4).failures == []


@pytest.mark.slow
def test_a_stderr_that_fails_costs_remarks_alone(tmp_path):
    tallies = list(lose_remarks(tmp_path / "remarks", most=1))
    assert sum(tally.n for tally in tallies) >= 6
    assert [failure for tally in tallies for failure in tally.failures] == []


@pytest.mark.figures
@pytest.mark.slow
def test_a_path_of_any_bytes_in_an_old_locale_is_taken_or_refused_in_a_sentence(tmp_path):
    (tally,) = anywhere(tmp_path / "places", every=len(NAMES), locales=["POSIX, no UTF-8"])
    assert tally.n >= 30
    assert tally.failures == []


@pytest.mark.slow
def test_words_of_any_bytes_reach_a_command_in_any_locale(tmp_path):
    kept = {name: value for name, value in environment().items() if not name.startswith(("LC_", "LANG"))}
    for changes in LOCALES.values():
        words = ["data", "stats", b"no-\xff.txt"]
        done = ended(started(words, tmp_path, env=kept | changes), words)
        assert done.code == 3
        assert done.trouble() is None
        assert "file:no-%FF.txt" in done.said


@pytest.mark.parametrize(
    ("code", "said", "complaint"),
    [
        (130, "Traceback (most recent call last):\nKeyboardInterrupt", "a traceback"),
        (1, "nanochat: no", "ended with 1"),
        (-9, "", "ended with -9"),
        (3, "", "without a sentence"),
    ],
)
def test_the_harness_sees_what_no_command_may_do(code, said, complaint):
    assert complaint in str(Done(("train",), code, b"", said.encode()).trouble())
