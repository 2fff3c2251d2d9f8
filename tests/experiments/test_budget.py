import json
from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablate import AblationConfig, run_ablation
from nanochat.experiments.budget import cost_of_step, share_budget
from nanochat.experiments.grid import ablation_from_dict, ablation_to_dict


@pytest.fixture
def batches(tiny_run):
    """Steps of 16, 48 and 112 tokens; the baseline's six make 96, which the last can only miss."""
    return AblationConfig(base=tiny_run, axes={"training.batch_size": (1, 3, 7)}, seeds=1, budget="tokens")


@pytest.mark.parametrize("budget", ["tokens", "flops"])
@pytest.mark.parametrize("n_steps", [1, 6, 50])
def test_no_whole_number_of_steps_comes_nearer_to_the_budget(batches, budget, n_steps):
    base = replace(batches.base, training=replace(batches.base.training, steps=n_steps))
    study = share_budget(replace(batches, base=base, budget=budget))
    for name, config in study.variants.items():
        cost, n = cost_of_step(config, budget), config.training.steps
        assert study.budget_given[name] == n * cost
        misses = {k: abs(k * cost - study.budget_asked) for k in (n - 1, n, n + 1) if k}
        assert misses[n] == min(misses.values())


def test_what_was_asked_and_what_is_given_is_kept(batches):
    study = share_budget(batches)
    assert (study.budget_asked, study.budget_given) == (
        96,
        {"batch_size=1": 96, "batch_size=3": 96, "batch_size=7": 112},
    )
    assert study.deviations == {"batch_size=1": 0, "batch_size=3": 0, "batch_size=7": pytest.approx(1 / 6)}
    assert ablation_from_dict(ablation_to_dict(study)) == study


@pytest.mark.parametrize(("budget", "unit"), [("tokens", 1), ("flops", 6 * 25)])
def test_the_tables_say_what_was_asked_and_what_was_spent(batches, tmp_path, budget, unit):
    run_ablation(share_budget(replace(batches, budget=budget)), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "ablation.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["budget"], row["budget_asked"], row["budget_spent"]) for row in rows] == [
        (budget, 96 * unit, spent * unit) for spent in (96, 96, 112)
    ]


def test_epochs_are_the_steps_of_the_baseline_and_overrule_no_budget(batches, tmp_path):
    """Cells that kept their epochs would train for those and not for their share."""
    base = replace(batches.base, training=replace(batches.base.training, epochs=0.5))
    study = share_budget(replace(batches, base=base))
    assert {config.training.epochs for config in study.variants.values()} == {0.0}
    found = run_ablation(study, tmp_path)
    assert [result.measured.tokens for result in found.results] == list(study.budget_given.values())
    assert study.budget_asked == pytest.approx(0.5 * found.results[0].record.train_tokens, abs=16)


@pytest.mark.parametrize("axis", ["steps", "epochs"])
def test_a_budget_and_an_axis_that_sets_another_do_not_go_together(batches, axis):
    with pytest.raises(ConfigError, match=f"{axis} is an axis, so no budget of tokens"):
        share_budget(replace(batches, axes={f"training.{axis}": (1, 2)}))


def test_a_budget_is_not_left_to_patience(batches):
    base = replace(batches.base, training=replace(batches.base.training, patience=2))
    with pytest.raises(ConfigError, match="patience=2 may end runs before their budget"):
        share_budget(replace(batches, base=base))
    assert share_budget(replace(batches, base=base, budget="steps")).steps == {}
