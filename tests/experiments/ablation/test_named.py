from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation.budget import share_budget
from nanochat.experiments.ablation.grid import HEAD_AND_NORM, AblationConfig
from nanochat.experiments.ablation.named import NAMED, NamedStudy, find_study, make_study
from nanochat.training.resolve import resolve


@pytest.fixture(scope="module")
def gpt(tiny_text):
    return resolve(
        {"preset": "mini-gpt", "mode": "tensor", "data": {"source": str(tiny_text)}, "training": {"steps": 60}}
    )


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_named_study_can_be_made(gpt, name):
    study = make_study(gpt, find_study(name))
    assert len(study.variants) >= 4
    assert study.seeds >= 8
    assert study.variants[study.baseline].training == gpt.training  # the baseline is what the preset has


def test_depth_and_width_are_multiples_of_the_base(gpt):
    study = make_study(gpt, find_study("depth-width"))
    assert study.axes == {"model.n_layer": (1, 2), "model.n_embd": (16, 32)}


def test_what_scalar_mode_cannot_do_is_left_out(gpt):
    study = make_study(replace(gpt, mode="scalar"), find_study("optimizers"))
    assert "muon is for arrays" in study.skipped["optimizer=muon"]


def test_a_study_without_effect_on_a_bigram_says_so(tiny_run):
    with pytest.raises(ConfigError, match="no effect on a bigram"):
        make_study(tiny_run, find_study("norms"))
    with pytest.raises(ConfigError, match="no effect on a bigram"):
        make_study(tiny_run, find_study("depth-width"))


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_named_study_can_be_made_where_nobody_names_a_model(tiny_text, name):
    named = find_study(name)
    base = resolve({"preset": "bigram", "data": {"source": str(tiny_text)}}, named.needs)
    assert len(make_study(base, named, seeds=8).variants) >= 3


def test_an_unknown_study_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'norms'"):
        find_study("norm")


def test_a_file_says_all_that_flags_can(tmp_path, gpt):
    path = tmp_path / "rates.toml"
    path.write_text(
        'seeds = 5\ndesign = "one-at-a-time"\nmargin = 0.02\n'
        '[axes]\n"training.lr" = [0.01, 0.1]\nmodel.norm = ["rms", "none"]\ntie_lm_head = [true, false]\n'
        '[base]\npreset = "mini-gpt"\ntraining.steps = 7\n',
        encoding="utf-8",
    )
    named = find_study(str(path))
    assert named.base == {"preset": "mini-gpt", "training": {"steps": 7}}
    study = make_study(gpt, named, seeds=6)
    assert list(study.variants) == ["baseline", "lr=0.1", "norm=none", "untied"]
    assert (study.seeds, study.margin) == (6, 0.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no axes"),
        ("[axes]\nlr = 0.1", r"write lr = \[0.1\]"),
        ("[axes]\nnrom = [1]", "did you mean 'norm'"),
        ("axis = 1", "did you mean 'axes'"),
        ('[axes]\nlr = [0.1, 0.2]\n"training.lr" = [0.3, 0.4]', "training.lr is given twice"),
        ("[axes", "is not valid TOML"),
        ("base = 1\n[axes]\nlr = [0.1]", "base is no table"),
        ('[axes]\nnorm = ["rms", "lyaer"]', "did you mean 'layer'"),
        ("seeds = 0\n[axes]\nlr = [0.1, 0.2]", "seeds=0"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path, gpt, text, message):
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        make_study(gpt, find_study(str(path)))
    with pytest.raises(ConfigError, match="does not exist"):
        find_study(str(tmp_path / "none.toml"))


def test_seeds_follow_the_size_whatever_the_comparisons(gpt):
    many = NamedStudy(name="lr", axes={"training.lr": tuple(i / 100 for i in range(1, 12))})
    assert make_study(gpt, many).seeds == 8
    assert make_study(gpt, NamedStudy()).seeds == 8
    large = resolve({"preset": "nanogpt-cpu"})
    study = make_study(large, NamedStudy())
    assert study.seeds == 3
    assert (large.training.replicas, study.base.training.replicas) == (0, 1)


def test_equal_tokens_means_fewer_steps_of_larger_batches(gpt):
    study = AblationConfig(base=gpt, axes={"training.batch_size": (1, 4)}, seeds=1, budget="tokens")
    shared = share_budget(study)
    assert shared.steps == {"batch_size=4": 15}
    assert [cell.config.training.steps for cell in shared.cells()] == [60, 15]
    assert share_budget(shared) == shared


def test_equal_operations_means_fewer_steps_of_larger_models(gpt):
    study = AblationConfig(base=gpt, axes={"model.n_layer": (1, 2)}, seeds=1, budget="flops")
    shared = share_budget(study)
    assert shared.steps["n_layer=2"] < 60
    assert shared.budget_given["n_layer=2"] == pytest.approx(shared.budget_asked, rel=1 / 60)


def test_no_budget_fits_an_axis_of_steps(gpt):
    with pytest.raises(ConfigError, match="steps is an axis"):
        share_budget(AblationConfig(base=gpt, axes={"training.steps": (1, 2)}, budget="flops"))


def test_the_default_is_the_two_by_two_of_nanochat_rs_next():
    assert find_study("head-and-norm").axes == HEAD_AND_NORM == NamedStudy().axes
