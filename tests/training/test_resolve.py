"""Layers of settings: the strongest wins, unknown names are refused with the nearest one, types are not bent."""

import inspect
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nanochat
from nanochat.data.config import DataConfig
from nanochat.errors import ConfigError
from nanochat.models.presets import PRESETS
from nanochat.training.config import TrainingConfig
from nanochat.training.resolve import config_from_dict, merge, parse_assignment, resolve
from nanochat.training.run import run_training

TREES = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
).map(lambda tree: tree if isinstance(tree, dict) else {"a": tree})


def test_nothing_at_all_is_microgpt_with_the_defaults_of_the_design():
    config = resolve()
    assert (config.preset, config.mode, config.seed) == ("microgpt", "scalar", 1337)
    training = config.training
    assert (training.steps, training.optimizer, training.beta1, training.beta2) == (500, "adamw", 0.9, 0.999)
    assert (training.eps, training.weight_decay, training.lr_schedule) == (1e-8, 0.01, "linear")


def test_a_later_layer_wins_and_leaves_the_rest():
    file, flags = {"training": {"steps": 7, "lr": 0.5}}, {"training": {"steps": 9}}
    training = resolve(file, flags).training
    assert (training.steps, training.lr) == (9, 0.5)


def test_a_layer_wins_over_the_preset_and_the_preset_over_the_default():
    preset = PRESETS["nanogpt-cpu"].training
    training = resolve({"preset": "nanogpt-cpu", "training": {"lr": 0.125}}).training
    assert training.lr == 0.125 != preset["lr"]
    assert training.beta2 == preset["beta2"] != TrainingConfig().beta2


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_whole_configuration(name):
    config = resolve({"preset": name})
    assert (config.preset, config.model_kind, config.mode) == (name, PRESETS[name].model_kind, PRESETS[name].mode)


def test_whoever_says_how_many_steps_means_them_whatever_the_epochs_of_a_preset():
    assert resolve({"preset": "rustgpt"}).training.epochs == 100
    assert resolve({"preset": "rustgpt", "training": {"steps": 7}}).training.epochs == 0
    assert resolve({"preset": "rustgpt", "training": {"steps": 7, "epochs": 2}}).training.epochs == 2


@pytest.mark.parametrize("kind", ["bigram", "mini-gpt", "gpt"])
def test_a_kind_alone_chooses_a_preset_of_that_kind(kind):
    assert resolve({"model_kind": kind}).model_kind == kind


@pytest.mark.parametrize(
    ("data", "preset"),
    [
        ({"source": "facts.json"}, "nanochat-words"),
        ({"source": "facts.jsonl"}, "nanochat-words"),
        ({"source": "facts.csv"}, "nanochat-words"),
        ({"source": "builtin:facts"}, "nanochat-words"),
        ({"source": "builtin:world-chat-small"}, "nanochat-words"),
        ({"source": "talks.txt", "layout": "chat"}, "nanochat-words"),
        ({"source": "talks.txt"}, "microgpt"),
        ({"source": "builtin:names"}, "microgpt"),
        ({"source": "builtin:tales"}, "microgpt"),
    ],
)
def test_the_data_choose_the_preset_where_nobody_does(data, preset):
    assert resolve({"data": data}).preset == preset


@pytest.mark.parametrize(
    ("asked", "preset"),
    [({"preset": "rustgpt"}, "rustgpt"), ({"model_kind": "bigram"}, "bigram"), ({"mode": "scalar"}, "microgpt")],
)
def test_who_names_a_preset_a_kind_or_the_scalar_mode_gets_it_whatever_the_data(asked, preset):
    assert resolve(asked, {"data": {"source": "facts.json"}}).preset == preset


def test_a_kind_and_a_preset_that_disagree_are_refused():
    with pytest.raises(ConfigError, match="model_kind=bigram does not fit preset 'microgpt'"):
        resolve({"preset": "microgpt", "model_kind": "bigram"})


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"sed": 1}, "there is no setting sed: did you mean 'seed'"),
        ({"training": {"step": 1}}, "there is no setting training.step: did you mean 'steps'"),
        ({"model": {"n_layers": 1}}, "there is no setting model.n_layers: did you mean 'n_layer'"),
        ({"preset": "micro"}, "there is no preset 'micro': did you mean 'microgpt'"),
        ({"model_kind": "bigrams"}, "there is no model_kind 'bigrams': did you mean 'bigram'"),
        ({"training": {"xyzzy": 1}}, "choose one of steps, "),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(settings, hint):
    with pytest.raises(ConfigError) as refused:
        resolve(settings)
    assert hint in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"training": {"steps": "7"}}, "training.steps='7'"),
        ({"training": {"steps": 7.5}}, "training.steps=7.5"),
        ({"training": {"steps": True}}, "training.steps=True"),
        ({"training": {"lr": "fast"}}, "training.lr='fast'"),
        ({"model": {"tie_lm_head": 1}}, "model.tie_lm_head=1"),
        ({"training": {"optimizer": "adamx"}}, "training.optimizer='adamx'"),
        ({"training": [1, 2]}, "training=[1, 2]"),
        ({"mode": "arrays"}, "mode='arrays'"),
        ({"seed": None}, "seed=None"),
    ],
)
def test_a_wrong_type_is_refused_and_not_converted(settings, field):
    with pytest.raises(ConfigError) as refused:
        resolve(settings)
    assert field in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(bad):
    with pytest.raises(ConfigError, match="lr"):
        resolve({"training": {"lr": bad}})


@pytest.mark.parametrize("name", PRESETS)
def test_a_config_survives_the_way_through_plain_values(name):
    config = resolve({"preset": name, "seed": 3})
    assert config_from_dict(asdict(config)) == config


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("model.n_layer=3", {"model": {"n_layer": 3}}),
        ("n_layer=3", {"model": {"n_layer": 3}}),
        ("lr=1e-3", {"training": {"lr": 0.001}}),
        ("tie_lm_head=false", {"model": {"tie_lm_head": False}}),
        ("source=a=b.txt", {"data": {"source": "a=b.txt"}}),
        ("seed=5", {"seed": 5}),
        ("optimizer=sgd", {"training": {"optimizer": "sgd"}}),
    ],
)
def test_an_assignment_reaches_every_field(text, settings):
    assert parse_assignment(text) == settings


@pytest.mark.parametrize(("text", "hint"), [("n_layr=3", "did you mean 'n_layer'"), ("n_layer", "has no value")])
def test_an_assignment_that_reaches_nothing_is_refused(text, hint):
    with pytest.raises(ConfigError, match=hint):
        parse_assignment(text)


@given(TREES, TREES, TREES)
def test_layers_may_be_merged_one_after_the_other(a, b, c):
    assert merge(merge(a, b), c) == merge(a, b, c)


@given(TREES)
def test_merging_with_itself_or_with_nothing_changes_nothing(tree):
    assert merge(tree, tree) == merge({}, tree) == merge(tree, {}) == tree


@pytest.mark.parametrize(
    "settings", [{"model": "x" * 10**6}, {"model": {"n_layer": "x" * 10**6}}, {"seed": [1] * 10**6}]
)
def test_a_wrong_value_of_any_length_makes_a_short_sentence(settings):
    with pytest.raises(ConfigError) as caught:
        resolve(settings)
    assert len(str(caught.value)) < 300


def test_a_preset_may_say_what_it_reads_and_a_flag_says_otherwise():
    assert resolve({"preset": "rustgpt"}).data == DataConfig(source="builtin:facts", tokenizer="word")
    chosen = resolve({"preset": "rustgpt", "data": {"source": "builtin:names", "tokenizer": "char"}})
    assert chosen.data == DataConfig()


@pytest.mark.parametrize(
    "data", [{"vocab_size": 100}, {"min_count": 2, "tokenizer": "t.json"}, {"tokenizer": "bpe", "unknown": "skip"}]
)
def test_settings_that_the_tokenizer_does_not_have_are_refused(data):
    with pytest.raises(ConfigError, match="has no meaning for"):
        resolve({"data": data})


# **** from Python: nanochat.train

SETTINGS = {"batch_size": 2, "eval_every": 0, "eval_tokens": 32}


def test_named_settings_train_what_a_config_of_them_trains(tmp_path):
    record = nanochat.train(
        preset="bigram", steps=3, seed=7, data="builtin:names", model={"init_scale": 0.1}, training=SETTINGS
    )
    config = resolve(
        {
            "preset": "bigram",
            "seed": 7,
            "data": {"source": "builtin:names"},
            "model": {"init_scale": 0.1},
            "training": {"steps": 3, **SETTINGS},
        }
    )
    same = run_training(config)
    assert (record.steps, record.final_loss, record.val_loss) == (3, same.final_loss, same.val_loss)
    assert nanochat.train(config, out=str(tmp_path / "run")).val_loss == same.val_loss
    assert nanochat.train(resume=str(tmp_path / "run")).final_loss == same.final_loss
    assert (Path(tmp_path) / "run" / "config.json").is_file()
    assert "| val_loss |" in record._repr_markdown_().replace("\\_", "_")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"preset": "microgtp"}, "did you mean 'microgpt'"),
        ({"model": {"n_layers": 2}}, "did you mean 'n_layer'"),
        ({"model": 3}, "model=3 is no table"),
        ({"steps": 1, "resume": "a"}, "training beside a run to resume"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, says):
    with pytest.raises(ConfigError, match=says):
        nanochat.train(**settings)


def test_every_parameter_has_a_type():
    assert inspect.Parameter.empty not in {p.annotation for p in inspect.signature(nanochat.train).parameters.values()}
