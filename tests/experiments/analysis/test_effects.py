import math
from dataclasses import replace

import pytest

from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.study import Study
from nanochat.experiments.ablation.sweep import AblationConfig
from nanochat.experiments.analysis import effects as grid
from nanochat.experiments.analysis.findings import analyse

AXES = {"training.lr": (1.0, 2.0), "training.warmup": (0, 1, 2)}
SEEDS = [5, 6, 7, 8, 9, 10, 11, 12]
NOISE = dict(zip(SEEDS, (0.01, -0.01, 0.02, -0.02, 0.005, -0.005, 0.015, -0.015), strict=True))


@pytest.fixture(scope="module")
def grid_of(tiny_run):
    """A study of 2 rates x 3 warm-ups whose cells end at loss(lr, warmup, seed): nan has diverged, None is missing."""
    cells = AblationConfig(base=tiny_run, axes=AXES, seeds=len(SEEDS)).cells()
    template = run_cell(cells[0])

    def build(loss):
        config, results, missing = AblationConfig(base=tiny_run, axes=AXES, seeds=len(SEEDS)), [], []
        for cell in cells:
            training = cell.config.training
            end = loss(training.lr, training.warmup, cell.config.seed)
            if end is None:
                missing.append(cell)
                continue
            status = "diverged" if math.isnan(end) else "ok"
            record = replace(template.record, val_loss=end, seed=cell.config.seed, status=status)
            results.append(replace(template, cell=cell, record=record, text=None))
        return Study(config, tuple(results), tuple(missing), {})

    return build


def effects(study):
    return list(analyse(study).effects)


def additive(lr, warmup, seed):
    """An effect of the rate of 0.5 whatever the warm-up, of each step of warm-up of 1, and a level a seed."""
    return 0.5 * lr + warmup + seed + NOISE[seed] * (lr == 2.0)


def test_a_whole_grid_uses_every_pair(grid_of):
    lr, one, two = effects(grid_of(additive))
    assert [effect.variant for effect in (lr, one, two)] == ["lr=2.0", "warmup=1", "warmup=2"]
    assert [effect.pairs for effect in (lr, one, two)] == ["24", "16", "16"]
    assert lr.differences == pytest.approx([0.5 + NOISE[seed] for seed in SEEDS])
    assert (lr.verdict, one.interval.mean, two.interval.mean) == ("worse", pytest.approx(1), pytest.approx(2))


def test_a_seed_that_diverged_takes_its_own_pair_and_no_other(grid_of):
    def loss(lr, warmup, seed):
        return math.nan if (lr, warmup, seed) == (2.0, 1, 7) else additive(lr, warmup, seed)

    lr, one, two = effects(grid_of(loss))
    assert [effect.pairs for effect in (lr, one, two)] == ["23 of 24", "15 of 16", "16"]
    rest = [seed for seed in SEEDS if seed != 7]
    assert lr.differences == pytest.approx([0.5 + NOISE[seed] for seed in rest])
    assert lr.verdict == "worse (23 of 24 pairs; by signed ranks)"


def test_a_variant_that_always_diverged_leaves_the_other_combinations(grid_of):
    lr, one, two = effects(grid_of(lambda lr, w, seed: math.nan if w == 2 else additive(lr, w, seed)))
    assert [effect.pairs for effect in (lr, one, two)] == ["16 of 24", "16", "0 of 16"]
    assert two.verdict == "worse (0 of 16 pairs; by signed ranks)"
    assert lr.differences == pytest.approx([0.5 + NOISE[seed] for seed in SEEDS])


def test_cells_that_are_missing_are_counted_as_pairs_left_out(grid_of):
    lr, *_ = effects(grid_of(lambda lr, w, seed: None if seed > 10 and lr == 2.0 else additive(lr, w, seed)))
    assert (lr.pairs, len(lr.differences)) == ("18 of 24", 6)


def test_pairs_are_of_the_same_seed_whatever_the_levels_of_the_seeds(grid_of):
    """The seed 5 of one half and the seed 12 of the other differ by 7."""
    lr, *_ = effects(grid_of(lambda lr, w, seed: None if seed == (5 if lr == 1 else 12) else additive(lr, w, seed)))
    assert lr.differences == pytest.approx([0.5 + NOISE[seed] for seed in SEEDS[1:-1]])


def test_an_effect_that_turns_with_the_other_axes_is_said_to(grid_of):
    study = grid_of(lambda lr, w, seed: seed + (NOISE[seed] - 0.5 if lr == 2 and w == 0 else 0.1 * (lr == 2)))
    lr = effects(study)[0]
    assert (lr.word, min(lr.contexts), max(lr.contexts)) == ("better", pytest.approx(-0.5), pytest.approx(0.1))


def test_combinations_that_cannot_be_are_pairs_left_out(tiny_run):
    """Momentum has no effect on Adam: half of its pairs."""
    base = replace(tiny_run, training=replace(tiny_run.training, optimizer="sgd"))
    axes = {"training.optimizer": ("sgd", "adam"), "training.momentum": (0.0, 0.5)}
    config = AblationConfig(base=base, axes=axes, seeds=1)
    results = tuple(run_cell(cell) for cell in config.cells())
    _, momentum = grid.effects(Study(config, results, (), {}))
    assert momentum.pairs == "1 of 2"


def test_one_axis_and_single_changes_have_no_averages(grid_of, study_of):
    assert effects(study_of([1.0, 2.0], [2.0, 3.0])) == []
    study = grid_of(additive)
    single = replace(study, config=replace(study.config, design="one-at-a-time"))
    assert (grid.effects(single), grid.interactions(single)) == ([], [])


def test_axes_that_add_up_have_no_interaction_and_others_one(grid_of):
    one, two = analyse(grid_of(additive)).interactions
    assert [row.variant for row in (one, two)] == ["lr=2.0 × warmup=1", "lr=2.0 × warmup=2"]
    assert one.differences == pytest.approx([0] * len(SEEDS))
    study = grid_of(lambda lr, w, seed: additive(lr, w, seed) - 0.3 * (lr == 2 and w == 2) * (1 + NOISE[seed]))
    one, two = analyse(study).interactions
    assert (two.word, two.interval.mean) == ("better", pytest.approx(-0.3, abs=1e-3))
    assert one.word != "better"


def test_four_runs_that_are_not_all_there_make_no_interaction(grid_of):
    one, two = analyse(grid_of(lambda lr, w, s: None if w == 2 and lr == 2 else additive(lr, w, s))).interactions
    assert (one.n_pairs, two.n_pairs, two.verdict) == (8, 0, "no four runs to compare")


def test_a_report_of_a_whole_grid_is_one_family(grid_of):
    """The largest p of one test is never below the p of its comparison alone."""
    found = analyse(grid_of(additive))
    for one in (*found.comparisons, *found.effects):
        assert one.p_joint >= one.p_exact


def test_all_comparisons_have_their_seeds_in_the_same_places(grid_of):
    """The signs of a seed are flipped in all of them at once: one that lacks a seed has a gap there."""
    found = analyse(grid_of(lambda lr, w, seed: None if seed == 5 and lr == 2 else additive(lr, w, seed)))
    lr = found.effects[0]
    assert math.isnan(lr.tested[0])
    assert len(lr.tested) == len(found.comparisons[0].tested) == len(SEEDS)
    assert lr.tested[3] == pytest.approx(0.5 + NOISE[SEEDS[3]])
