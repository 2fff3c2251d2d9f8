from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.ablation.axes import parse_axes, read
from nanochat.experiments.ablation.grid import MOST_CELLS, AblationConfig, ablation_from_dict, ablation_to_dict
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training


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
        ({"training.lr": (1, 1.0)}, "repeats a value"),
        ({"model.norm": ("layer",)}, 'has one value, "layer", and nothing to compare it with'),
        ({"model.block_size": (4, 8)}, "on other tokens of the text with eval_tokens=1024"),
        ({"training.patience": (1, 2)}, "ends runs by the validation loss that is to be compared"),
        ({"start_from": ("a", "b")}, "losses of different tokens cannot be compared"),
        ({"partial": ("h.*", "wte*")}, "losses of different tokens cannot be compared"),
        ({"data.style": ("classic", "futuristic")}, "changes the validation text"),
        ({"model.vocab_size": (30, 40)}, "the text decides it"),
    ],
)
def test_an_axis_that_cannot_be_says_why(gpt, axes, message):
    with pytest.raises(ConfigError, match=message):
        AblationConfig(base=gpt, axes=axes)


BESIDE_THE_POINT = {
    "data.cache": "cache",
    "training.eval_every": 3,
    "training.sample_every": 2,
    "training.checkpoint_every": 2,
    "training.keep_last": 1,
    "training.checkpoint_format": "json",
    "training.max_loss": 99.0,
    "training.max_gradient": 99.0,
    "training.max_weight": 99.0,
    "training.max_memory_growth": 99.0,
}


@pytest.mark.parametrize("path", BESIDE_THE_POINT)
def test_a_setting_that_is_refused_as_beside_the_point_changes_no_loss(tiny_run, tmp_path, path):
    section, _, name = path.rpartition(".")
    value = BESIDE_THE_POINT[path] if name != "cache" else str(tmp_path / "cache")
    with pytest.raises(ConfigError, match=f"{path} is no axis: .*not what is learned"):
        AblationConfig(base=tiny_run, axes={path: (read(tiny_run, path), value)})
    other = replace(tiny_run, **{section: replace(getattr(tiny_run, section), **{name: value})})
    records = [run_training(config, out=tmp_path / str(i)) for i, config in enumerate((tiny_run, other))]
    assert len({(record.final_loss, record.val_loss, record.status) for record in records}) == 1


def test_steps_are_no_axis_where_the_epochs_decide_them(gpt):
    by_epochs = replace(gpt, training=replace(gpt.training, epochs=1.0))
    with pytest.raises(ConfigError, match=r"training\.steps has no effect with training\.epochs=1\.0"):
        AblationConfig(base=by_epochs, axes={"training.steps": (10, 20)})


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
    scalar = replace(gpt, mode="scalar")
    with pytest.raises(ConfigError, match=r"no variant of this study can be: agc=0\.1 is for arrays"):
        AblationConfig(base=scalar, axes={"training.agc": (0.1, 0.2)})


def test_dropout_contradicts_scalar_mode_and_is_skipped_like_what_else_is_for_arrays(gpt):
    scalar = replace(gpt, mode="scalar")
    study = AblationConfig(base=scalar, axes={"model.dropout": (0.0, 0.1), "training.lr": (0.1, 0.2)})
    assert list(study.skipped) == ["dropout=0.1_lr=0.1", "dropout=0.1_lr=0.2"]
    assert "dropout=0.1 is for arrays" in study.skipped["dropout=0.1_lr=0.1"]


def test_the_baseline_that_was_meant_is_known_where_it_cannot_be(gpt):
    study = AblationConfig(base=gpt, axes={"model.n_head": (3, 4, 2)})
    assert (study.intended_baseline, study.baseline) == ("n_head=3", "n_head=4")
    assert study.intended_baseline in study.skipped


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


@pytest.mark.parametrize("design", ["grid", "one-at-a-time"])
def test_a_part_is_drawn_from_all_axes_with_all_seeds_and_says_of_how_many(gpt, design):
    axes = {"training.lr": tuple(i / 10 for i in range(1, 9)), "training.beta1": tuple(i / 10 for i in range(1, 9))}
    study = AblationConfig(base=gpt, axes=axes, design=design, seeds=3, max_cells=20)
    n = 3 * (64 if design == "grid" else 15)
    assert study.drawn == f"18 of {n} cells, drawn with seed {gpt.seed}"
    seeds = {name: {cell.config.seed for cell in study.cells() if cell.variant == name} for name in study.variants}
    assert all(found == {gpt.seed, gpt.seed + 1, gpt.seed + 2} for found in seeds.values())
    assert next(iter(study.variants)) == study.baseline == ("baseline" if design != "grid" else "lr=0.1_beta1=0.1")
    moved = {path for path, values in axes.items() for one in study.variants.values() if read(one, path) != values[0]}
    assert moved == set(axes)
    assert replace(study, max_cells=n).drawn == replace(study, max_cells=0).drawn == ""


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
