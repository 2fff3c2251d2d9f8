"""Settings are checked once, with the value, the field and a way out in the message."""

import pytest

from nanochat.data.config import DataConfig
from nanochat.errors import ConfigError
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.gpt.config import GPTConfig
from nanochat.training.config import RunConfig, TrainingConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", -1),
        ("batch_size", 0),
        ("grad_accum", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("eps", 0.0),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("weight_decay", -1.0),
        ("weight_decay", float("nan")),
        ("max_grad_norm", float("inf")),
        ("momentum", 1.0),
        ("warmdown", 1.5),
        ("min_lr_ratio", -0.5),
        ("eval_every", -1),
        ("max_memory_growth", -1.0),
        ("keep_last", -1),
        ("max_loss", -1.0),
        ("max_gradient", float("nan")),
        ("max_weight", float("inf")),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError, match=f"{field}={value}"):
        TrainingConfig(**{field: value})


def test_replicas_divide_the_batch():
    with pytest.raises(ConfigError, match="batch_size=3 does not split over replicas=2"):
        TrainingConfig(batch_size=3, replicas=2)


def test_replicas_of_a_batch_are_micro_batches():
    config = TrainingConfig(batch_size=6, replicas=3, grad_accum=2)
    assert (config.micro_batches, config.micro_batch_size) == (6, 2)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_the_validation_share_leaves_both_sides_something(fraction):
    with pytest.raises(ConfigError, match="val_fraction"):
        DataConfig(val_fraction=fraction)


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "muon"},
        {"agc": 0.01},
        {"centralize_gradients": True},
        {"replicas": 2, "batch_size": 2},
    ],
)
def test_what_only_arrays_can_do_is_refused_in_scalar_mode(training):
    with pytest.raises(ConfigError, match="use --mode tensor"):
        RunConfig(mode="scalar", training=TrainingConfig(**training))
    RunConfig(mode="tensor", training=TrainingConfig(**training))


def test_dropout_is_for_arrays():
    with pytest.raises(ConfigError, match=r"dropout=0\.1 is for arrays: use --mode tensor, or --set model.dropout=0"):
        RunConfig(mode="scalar", model=GPTConfig(dropout=0.1))
    RunConfig(mode="tensor", model=GPTConfig(dropout=0.1))


def test_the_kind_and_the_architecture_agree():
    with pytest.raises(ConfigError, match="model_kind=gpt does not fit"):
        RunConfig(model_kind="gpt", model=BigramConfig())


@pytest.mark.parametrize(("dtype", "least"), [("float32", 1e-37), ("float64", 1e-307)])
@pytest.mark.parametrize("name", ["eps", "norm_eps"])
def test_what_rounds_to_zero_in_a_denominator_is_refused(dtype, least, name):
    def config(value: float) -> RunConfig:
        training, model = TrainingConfig(), GPTConfig()
        if name == "eps":
            training = TrainingConfig(eps=value)
        else:
            model = GPTConfig(norm_eps=value)
        return RunConfig(mode="tensor", dtype=dtype, training=training, model=model)

    config(least)
    with pytest.raises(ConfigError, match=f"^{name}=.* is no normal number of {dtype}: give .* or more"):
        config(least / 1000)
