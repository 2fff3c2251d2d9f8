from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.axes import parse_axes
from nanochat.experiments.grid import MOST_CELLS, AblationConfig, ablation_from_dict, ablation_to_dict
from nanochat.training.resolve import resolve


@pytest.fixture(scope="module")
def gpt():
    return resolve({"preset": "mini-gpt", "mode": "tensor"})


def test_words_become_fields_and_values():
    texts = ["norm=layer, rms,none", "tie_lm_head=true,false", "model.n_layer=1,2", "lr=1e-3"]
    assert parse_axes(texts) == {
        "model.norm": ("layer", "rms", "none"),
        "model.tie_lm_head": (True, False),
        "model.n_layer": (1, 2),
        "training.lr": (1e-3,),
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["norm"], "has no values: write norm=A,B"),
        (["norm="], "has no values"),
        (["nrom=rms"], "did you mean 'norm'"),
        (["norm=rms", "model.norm=layer"], "given twice"),
    ],
)
def test_words_that_name_no_axis_are_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_axes(texts)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"model.norm": ("rms", "lyaer")}, "did you mean 'layer'"),
        ({"model.nrom": ("rms",)}, "did you mean 'norm'"),
        ({"modle.norm": ("rms",)}, "write e.g. model.norm"),
        ({"model.tie_lm_head": (True, "off")}, "give e.g. true or false"),
        ({"model.n_layer": (1, 1.5)}, "n_layer=1.5"),
        ({"data.source": ("a", "b")}, "cannot be compared"),
        ({"model": ({},)}, "no setting model"),
        ({"training.momentum": (0.0, 0.9)}, "no effect with training.optimizer=adamw"),
        ({"training.min_lr_ratio": (0.0, 0.9)}, "no effect with training.lr_schedule=linear"),
    ],
)
def test_an_axis_that_cannot_be_says_why(gpt, axes, message):
    with pytest.raises(ConfigError, match=message):
        AblationConfig(base=gpt, axes=axes)


def test_an_axis_without_effect_on_the_kind_says_so(tiny_run):
    with pytest.raises(ConfigError, match=r"model\.norm has no effect on a bigram"):
        AblationConfig(base=tiny_run, axes={"model.norm": ("rms", "layer")})


def test_contradictory_cells_are_skipped_with_the_reason(gpt):
    study = AblationConfig(base=gpt, axes={"model.tie_lm_head": (False, True), "model.head_bias": (False, True)})
    assert len(study.variants) == 3
    assert list(study.skipped) == ["tied_head_bias"]
    assert "untied head" in study.skipped["tied_head_bias"]


def test_cells_that_would_repeat_another_are_skipped_with_the_reason(gpt):
    study = AblationConfig(base=gpt, axes={"model.norm": ("rms", "none"), "model.norm_position": ("pre", "post")})
    assert list(study.variants) == [
        "norm=rms_norm_position=pre",
        "norm=rms_norm_position=post",
        "norm=none_norm_position=pre",
    ]
    assert "same as with model.norm_position=pre" in study.skipped["norm=none_norm_position=post"]


def test_a_study_of_which_nothing_is_left_is_refused(gpt):
    with pytest.raises(ConfigError, match="untied head"):
        AblationConfig(base=gpt, axes={"model.head_bias": (True,)})


def test_one_at_a_time_is_the_baseline_and_single_changes(gpt):
    axes = {"model.norm": ("rms", "layer", "none"), "training.lr": (0.01, 0.03)}
    study = AblationConfig(base=gpt, axes=axes, design="one-at-a-time")
    assert list(study.variants) == ["baseline", "norm=layer", "norm=none", "lr=0.03"]
    assert study.variants["lr=0.03"].model.norm == "rms"
    assert study.baseline == "baseline"


def test_a_million_cells_ask_for_max_cells_and_then_are_few(gpt):
    axes = {f"training.{name}": tuple(0.001 + i / 100 for i in range(32)) for name in ("lr", "beta1", "beta2", "eps")}
    with pytest.raises(ConfigError, match=r"8,388,608 cells: give max_cells"):
        AblationConfig(base=gpt, axes=axes)
    study = AblationConfig(base=gpt, axes=axes, max_cells=80)
    assert len(study.cells()) == 80
    assert study.variants[study.baseline].training.lr == 0.001
    assert list(study.variants) == list(replace(study).variants)
    assert list(study.variants) != list(replace(study, base=replace(gpt, seed=1)).variants)
    assert MOST_CELLS < 8_388_608


def test_a_random_part_passes_over_what_cannot_be(gpt):
    axes = {"model.tie_lm_head": (False, True), "model.head_bias": (False, True)}
    assert len(AblationConfig(base=gpt, axes=axes, seeds=1, max_cells=3).variants) == 3


def test_too_few_cells_to_compare_are_refused(gpt):
    with pytest.raises(ConfigError, match="does not hold two variants"):
        AblationConfig(base=gpt, max_cells=15)


def test_a_study_is_the_same_when_it_is_read_again(gpt):
    study = AblationConfig(
        base=gpt, axes={"training.lr": (0.01, 1)}, seeds=4, design="one-at-a-time", margin=0.1, steps={"lr=1": 7}
    )
    assert ablation_from_dict(ablation_to_dict(study)) == study
    assert study.variants["lr=1"].training.steps == 7
    assert isinstance(study.variants["lr=1"].training.lr, float)


@pytest.mark.parametrize("change", [{"design": "gird"}, {"margin": 0.0}, {"budget": "step"}, {"seeds": "8"}])
def test_a_wrong_setting_of_a_study_is_named(gpt, change):
    content = ablation_to_dict(AblationConfig(base=gpt))
    with pytest.raises(ConfigError, match=next(iter(change))):
        ablation_from_dict(content | change)
