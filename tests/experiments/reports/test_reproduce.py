import shlex
from dataclasses import replace

import pytest
import typer
from hypothesis import assume, given
from hypothesis import strategies as st

from nanochat.cli.commands.study.ablate import commands
from nanochat.errors import ConfigError
from nanochat.experiments.ablation.sweep import HEAD_AND_NORM, AblationConfig
from nanochat.experiments.reports.reproduce import ablation_command_line, command_line
from nanochat.models.presets import PRESETS
from nanochat.training.config import all_settings
from nanochat.training.prepare import prepare
from nanochat.training.resolve import merge, parse_assignment, resolve

FLAGS = {path: known.flag for path, (_, known) in all_settings().items() if known.flag}
FIELD_OF = {flag: path for path, flag in FLAGS.items()}
SWITCH_OF = {
    f"--{sign}{FLAGS[path][2:]}": (path, not sign)
    for path in ("model.tie_lm_head", "model.input_rmsnorm")
    for sign in ("", "no-")
}


def parse(line):
    """The settings of a command line, read as the command does: by type of the field."""
    words = iter(shlex.split(line)[2:])
    layers = []
    for word in words:
        if word in SWITCH_OF:
            field, value = SWITCH_OF[word]
            layers.append(parse_assignment(f"{field}={str(value).lower()}"))
        elif word == "--set":
            layers.append(parse_assignment(next(words)))
        else:
            layers.append(parse_assignment(f"{FIELD_OF[word]}={next(words)}"))
    return merge(*layers)


training = st.fixed_dictionaries(
    {},
    optional={
        "steps": st.integers(0, 10**6),
        "lr": st.floats(1e-9, 1e9),
        "lr_schedule": st.sampled_from(["constant", "linear", "sqrt", "cosine"]),
        "optimizer": st.sampled_from(["sgd", "adam", "adamw"]),
        "beta1": st.floats(0, 0.999),
        "weight_decay": st.floats(0, 10),
        "warmdown": st.floats(0, 1),
        "eval_tokens": st.integers(0, 10**6),
        "batch_size": st.integers(1, 99),
    },
)
data = st.fixed_dictionaries(
    {},
    optional={
        "source": st.sampled_from(["builtin:verse", "builtin:names", "my texts/a 'b' \"c\".txt", "ä;rm $X.txt"]),
        "style": st.sampled_from(["classic", "futuristic"]),
        "layout": st.sampled_from(["auto", "documents", "stream"]),
        "unknown": st.sampled_from(["error", "skip"]),
        "val_fraction": st.floats(0.01, 0.99),
    },
)
model = st.fixed_dictionaries(
    {}, optional={"tie_lm_head": st.booleans(), "input_rmsnorm": st.booleans(), "block_size": st.integers(1, 64)}
)


@given(st.sampled_from(sorted(PRESETS)), st.integers(0, 2**40), model, data, training)
def test_a_command_line_gives_the_config_that_it_was_made_of(preset, seed, model, data, training):
    try:
        config = resolve({"preset": preset, "seed": seed, "model": model, "data": data, "training": training})
    except ConfigError:  # a preset with a head bias and no head of its own, say
        assume(False)
    again = resolve(parse(command_line(config)))
    if {(config.data.source, config.data.layout), (again.data.source, again.data.layout)} in (
        {("builtin:names", "documents"), ("builtin:names", "auto")},
        {("builtin:verse", "stream"), ("builtin:verse", "auto")},
        {("builtin:facts", "documents"), ("builtin:facts", "auto")},
    ):
        again = replace(again, data=replace(again.data, layout=config.data.layout))  # auto means just that
    assert again == config


def test_a_transformers_settings_take_set():
    config = resolve({"preset": "mini-gpt", "model": {"norm": "layer", "n_layer": 2, "final_norm": True}})
    line = command_line(config)
    assert line == (
        "nanochat train --preset mini-gpt --set model.n_layer=2 --set model.norm=layer --set model.final_norm=true"
    )
    assert resolve(parse(line)) == config


def test_what_the_data_decide_is_left_out():
    config = resolve({"preset": "bigram", "seed": 3, "training": {"steps": 7}})
    saved = prepare(config).config
    assert saved != config
    assert command_line(saved) == command_line(config) == "nanochat train --preset bigram --seed 3 --steps 7"


def test_an_ablation_names_its_shared_settings_and_seeds():
    base = resolve({"preset": "mini-gpt", "model": {"tie_lm_head": False}, "training": {"steps": 50}})
    line = ablation_command_line(AblationConfig(base=base, seeds=4))
    assert line == "nanochat ablate --preset mini-gpt --steps 50 --seeds 4"
    axes = {"model.norm": ("rms", "layer"), "training.lr": (0.01, 1.0), "model.final_norm": (False, True)}
    assert ablation_command_line(AblationConfig(base=base, axes=axes, design="one-at-a-time", max_cells=99)) == (
        "nanochat ablate --preset mini-gpt --steps 50 --no-tie-lm-head --axis model.norm=rms,layer "
        "--axis training.lr=0.01,1.0 --axis model.final_norm=false,true --seeds 8 --design one-at-a-time --max-cells 99"
    )


def test_the_axes_of_head_and_norm_in_another_order_are_written_out():
    """The order of the axes is that of the variants' names and of the table."""
    axes = dict(reversed(HEAD_AND_NORM.items()))
    line = ablation_command_line(AblationConfig(base=resolve({"preset": "bigram"}), axes=axes))
    assert "--axis model.input_rmsnorm=false,true --axis model.tie_lm_head=true,false" in line


def test_an_ablation_is_given_no_flag_that_it_does_not_have():
    """Those of one run: ours are the flags that `nanochat ablate --help` leaves out."""
    base = resolve({"preset": "bigram", "training": {"sample_every": 5, "checkpoint_every": 7, "lr": 0.5}})
    line = ablation_command_line(AblationConfig(base=base, seeds=2))
    assert line == (
        "nanochat ablate --preset bigram --lr 0.5 --set training.sample_every=5 --set training.checkpoint_every=7 "
        "--seeds 2"
    )
    known_flags = {flag for parameter in typer.main.get_command(commands).params for flag in parameter.opts}
    assert {known.flag for _, known in all_settings().values() if known.flag and not known.one_run} <= known_flags


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_as_it_is_needs_nothing_else(preset):
    assert command_line(resolve({"preset": preset})) == f"nanochat train --preset {preset}"
