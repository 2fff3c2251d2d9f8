from dataclasses import replace

import pytest

from nanochat.errors import ConfigError, GuardError
from nanochat.experiments.ladder.climb import climb, read_climbed
from nanochat.experiments.ladder.plan import Ladder
from nanochat.experiments.ladder.register import Foretold, clear_ladder, read_register
from nanochat.experiments.ladder.report import is_hit, ladder_answer, ladder_report, write_ladder_report


def test_a_rung_is_foretold_on_disk_before_it_is_run(ladder, run, tmp_path):
    seen = {}

    def watched(value, config, folder):
        seen[value] = [one.rung for one in read_register(tmp_path).foretold]
        return run()(value, config, folder)

    climb(replace(ladder, values=(2, 4, 8, 16, 32)), tmp_path, watched)
    assert seen == {2: [], 4: [], 8: [], 16: [], 32: [32, 32]}
    assert [one.rung for one in read_register(tmp_path).foretold] == [32, 32, 64, 64]


def test_too_few_seeds_to_tell_a_floor_foretell_nothing(ladder, run, tmp_path):
    few = replace(ladder, study=replace(ladder.study, seeds=2), values=(2, 4, 8, 16, 32))
    climbed = climb(few, tmp_path, run())
    assert climbed.register.foretold == ()
    assert "Foretold and found" not in ladder_report(climbed)


def test_rungs_on_a_law_are_hit_and_one_off_it_is_missed(ladder, run, tmp_path):
    longer = replace(ladder, values=(2, 4, 8, 16, 32))
    on_it = climb(longer, tmp_path / "a", run())
    assert [is_hit(on_it, one) for one in on_it.register.of(32).values()] == [True, True]
    off = climb(longer, tmp_path / "b", run(lambda value: 0.3 * (value == 32)))
    assert [is_hit(off, one) for one in off.register.of(32).values()] == [False, False]
    assert [is_hit(off, one) for one in off.register.of(64).values()] == [None, None]
    assert ladder_report(off).count("**miss**") >= 2
    assert ladder_report(off).count("not run yet") == 2


def test_what_was_foretold_stays_whatever_comes(ladder, run, tmp_path):
    before = climb(ladder, tmp_path, run()).register.of(32)
    longer = climb(replace(ladder, values=(2, 4, 8, 16, 32)), tmp_path, run(lambda value: 0.3 * (value == 32)))
    assert longer.register.of(32) == before


def test_nothing_is_foretold_of_what_was_run_already(ladder, run, tmp_path):
    longer = replace(ladder, values=(2, 4, 8, 16, 32))
    run()(32, longer.rungs[32], tmp_path / "steps=32")
    calls = []
    with pytest.raises(ConfigError, match="has been run already, and what is foretold now"):
        climb(longer, tmp_path, run(calls=calls))
    assert calls == [2, 4, 8, 16]


def test_a_rung_between_those_that_were_run_is_refused_and_so_is_another_study(ladder, run, tmp_path):
    climb(ladder, tmp_path, run())
    with pytest.raises(ConfigError, match="steps=16 has been run already, so a ladder with steps=6"):
        climb(replace(ladder, values=(2, 4, 6, 16)), tmp_path, run())
    with pytest.raises(GuardError, match="holds another ladder"):
        climb(Ladder(replace(ladder.study, seeds=2), ladder.path, ladder.values), tmp_path, run())
    clear_ladder(tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_a_difference_that_stays_lasts_and_the_report_says_so(ladder, run, tmp_path):
    climbed = climb(replace(ladder, values=(2, 4, 8, 16, 32)), tmp_path, run())
    assert ladder_answer(climbed) == (
        "From 2 steps to 32 steps the difference of rate 0.1 to rate 0.03 lasts (first +0.2, last +0.2 nats). "
        "Of 2 losses foretold 2 came within their intervals."
    )
    shrinking = climb(ladder, tmp_path / "b", _shrinking(run))
    assert "shrinks" in ladder_answer(shrinking)


def test_a_hit_that_no_change_would_have_been_too_is_told(ladder, run, tmp_path):
    climbed = climb(replace(ladder, values=(2, 4, 8, 16, 32)), tmp_path, run())
    wide = tuple(replace(one, low=2.0, high=3.0) for one in climbed.register.foretold)
    vague = replace(climbed, register=replace(climbed.register, foretold=wide))
    assert ladder_answer(vague).endswith(
        "came within their intervals; 2 of these hold the loss of the rung before, too."
    )


def test_a_loss_that_rises_is_told_beside_the_law_that_cannot(ladder, run, tmp_path):
    longer = replace(ladder, values=(2, 4, 8, 16, 32))
    assert "No such law rises" not in ladder_report(climb(longer, tmp_path / "a", run()))
    bent = ladder_report(climb(longer, tmp_path / "b", run(lambda value: 0.3 * (value == 16))))
    assert "shown to rise (`lr=0.03` from steps=8 to steps=16, `lr=0.1` from steps=8 to steps=16;" in bent


def test_the_report_is_written_anew_from_the_folder(ladder, run, tmp_path):
    climbed = climb(ladder, tmp_path, run())
    text = write_ladder_report(climbed, tmp_path).read_text(encoding="utf-8")
    assert ladder_report(read_climbed(tmp_path)) == text
    assert all((tmp_path / f"ladder.{kind}").is_file() for kind in ("png", "svg"))


def test_what_an_earlier_version_foretold_from_three_rungs_is_told_and_not_counted(ladder, run, tmp_path):
    climbed = climb(ladder, tmp_path, run())
    old = Foretold(16, "lr=0.1", (2, 4, 8), 2.0, 1.9, 2.1)
    before = replace(climbed, register=replace(climbed.register, foretold=(old,)))
    assert "losses foretold" not in ladder_answer(before)
    assert "from three rungs is of an earlier version" in ladder_report(before)


@pytest.mark.parametrize(("last", "whole"), [(2, []), (4, [2])])
def test_a_ladder_that_was_stopped_is_told_of_the_rungs_that_are_whole(ladder, run, tmp_path, last, whole):
    def stopped(value, config, folder):
        found = run()(value, config, folder)
        study = replace(found.study, missing=tuple(config.cells()[-1:])) if value == last else found.study
        return replace(found, study=study)

    climbed = climb(ladder, tmp_path, stopped)
    assert (list(climbed.rungs)[-1], list(climbed.whole)) == (last, whole)
    text = write_ladder_report(climbed, tmp_path).read_text(encoding="utf-8")
    assert "1 cell is still to be run" in text
    assert ("| variant | steps=2 |" in text) == bool(whole)
    assert "tell nothing of a difference yet" in text


def _shrinking(run):
    """The second variant comes nearer with each rung."""

    def go(value, config, folder):
        found = run()(value, config, folder)
        ranking = tuple(
            replace(one, losses=tuple(loss - 0.19 + 0.19 / value for loss in one.losses)) if "0.1" in one.name else one
            for one in found.ranking
        )
        return replace(found, ranking=ranking)

    return go
