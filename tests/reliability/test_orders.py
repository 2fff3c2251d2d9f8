"""Saving, pruning, damage and copies in any order, in small numbers."""

import retention
from amount import amount
from retention import explore


def test_the_newest_whole_checkpoint_is_found_in_any_order_of_events():
    tally = explore(amount(8, 25), amount(15, 25))
    assert tally.failures == []
    assert tally.facts["rules carried out"] > amount(20, 100)


def test_the_harness_sees_a_verification_that_says_yes_to_everything(monkeypatch):
    from nanochat.checkpoints import directory

    monkeypatch.setattr(directory, "verify", lambda folder: None)
    monkeypatch.setattr(retention, "verify", lambda folder: None)
    assert explore(60, 20, shrinks=False).n_failed == 1
