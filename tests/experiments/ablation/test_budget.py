import json
from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation import budget as counting
from nanochat.experiments.ablation.budget import count_targets, share_budget
from nanochat.experiments.ablation.grid import ablation_from_dict, ablation_to_dict
from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.models.flops import flops_per_token
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve


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
        each = flops_per_token(prepare(config).config.model) if budget == "flops" else 1
        cost, n = 16 * config.training.batch_size * each, config.training.steps
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


pytestmark = pytest.mark.filterwarnings("ignore:.* also stand in the training text")


@pytest.fixture
def names(tmp_path):
    """Documents of 1 to 30 letters; three seeds of rows cut at 4, 8 and 16."""
    path, rng = tmp_path / "names.txt", np.random.default_rng(1)
    path.write_text("\n".join("ab" * n for n in rng.integers(1, 16, size=300)), encoding="utf-8")
    settings = {"steps": 20, "eval_every": 0, "eval_tokens": 0, "max_memory_growth": 0.0}
    data = {"source": str(path), "layout": "documents"}
    base = resolve({"preset": "mini-gpt", "mode": "tensor", "data": data, "training": settings})
    return AblationConfig(base=base, axes={"model.block_size": (8, 4, 16)}, seeds=3, budget="tokens")


@pytest.mark.parametrize("axes", [{"model.block_size": (8, 4, 16)}, {"training.batch_size": (1, 4)}])
def test_of_documents_the_tokens_that_cells_really_train_on_come_nearest_to_the_budget(names, tmp_path, axes):
    study = share_budget(replace(names, axes=axes))
    found = run_ablation(study, tmp_path / "study")
    asked = np.mean([result.measured.tokens for result in found.results[:3]])
    for i, name in enumerate(study.variants):
        results = found.results[3 * i : 3 * i + 3]
        spent = np.array([result.measured.tokens for result in results])
        batches, n = [prepare(r.cell.config).batches for r in results], results[0].record.steps
        last, after = (np.mean([one.batch(step).n_targets for one in batches]) for step in (n - 1, n))
        miss = abs(spent.mean() - asked)
        assert miss <= min(abs(spent.mean() - last - asked), abs(spent.mean() + after - asked))
        assert study.budget_given[name] == round(spent.mean())
        assert study.budget_farthest[name] == pytest.approx(max(spent / asked - 1, key=abs), abs=1e-6)
    assert ablation_from_dict(ablation_to_dict(study)) == study


def test_of_many_documents_an_even_part_is_counted_and_of_windows_one(names, batches, monkeypatch):
    whole = count_targets(prepare(names.base), [1, 2], 400)
    monkeypatch.setattr(counting, "_COUNTED", 200)
    part = count_targets(prepare(names.base), [1, 2], 400)
    assert list(part.steps) == [*range(0, 401, 4)]
    assert part.mean[-1] == pytest.approx(whole.mean[-1], rel=0.05)
    assert (len(whole.by_seed), len(part.by_seed)) == (2, 1), "what a part says of a single seed is mostly chance"
    assert list(count_targets(prepare(batches.base), [1, 2], 10**9).steps) == [0, 10**9]


def test_variants_that_read_the_same_batches_get_the_same_steps_however_few_are_counted(names, monkeypatch):
    monkeypatch.setattr(counting, "_COUNTED", 7)
    study = share_budget(replace(names, axes={"training.lr": (0.1, 0.2), "model.block_size": (8, 4)}))
    assert list(study.steps) == ["lr=0.1_block_size=4", "lr=0.2_block_size=4"]
    assert len(set(study.steps.values())) == 1


def test_a_budget_of_no_steps_is_none_for_all(batches):
    base = replace(batches.base, training=replace(batches.base.training, steps=0))
    assert set(share_budget(replace(batches, base=base)).budget_given.values()) == {0}


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
