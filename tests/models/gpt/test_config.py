"""What a configuration refuses, and that the value it suggests is one it takes."""

import re
from dataclasses import asdict
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.errors import ConfigError
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.gpt.config import Activation, GPTConfig, Norm, Positions
from nanochat.models.parameters import count_parameters

WRONG: dict[str, tuple[dict[str, Any], str]] = {  # name -> (what is asked for, what the message names)
    "no vocabulary": ({"vocab_size": 0}, "vocab_size=0"),
    "no block": ({"block_size": 0}, "block_size=0"),
    "negative block": ({"block_size": -8}, "block_size=-8"),
    "no layer": ({"n_layer": 0}, "n_layer=0"),
    "no head": ({"n_head": 0}, "n_head=0"),
    "no width": ({"n_embd": 0, "n_head": 1}, "n_embd=0"),
    "negative key heads": ({"n_kv_head": -1}, "n_kv_head=-1"),
    "negative hidden": ({"mlp_width": -2}, "mlp_width=-2"),
    "negative window": ({"window": -1}, "window=-1"),
    "heads do not divide the width": ({"n_embd": 30, "n_head": 4}, "n_embd=30"),
    "more heads than channels": ({"n_embd": 3, "n_head": 8}, "n_embd=3"),
    "key heads do not divide the heads": ({"n_head": 4, "n_kv_head": 3}, "n_kv_head=3"),
    "more key heads than heads": ({"n_head": 4, "n_kv_head": 8}, "n_kv_head=8"),
    "rope of odd heads": ({"positions": "rope", "n_embd": 12, "n_head": 4}, "positions=rope"),
    "rope of odd heads of a width of their own": ({"positions": "rope", "head_dim": 3}, "head_dim=4"),
    "wide heads without a projection": ({"head_dim": 8, "attn_proj": False}, "head_dim=8"),
    "dropout of everything": ({"dropout": 1.0}, "dropout=1.0"),
    "negative dropout": ({"dropout": -0.1}, "dropout=-0.1"),
    "dropout not a number": ({"dropout": float("nan")}, "dropout=nan"),
    "negative cap": ({"logit_softcap": -1.0}, "logit_softcap=-1.0"),
    "infinite cap": ({"logit_softcap": float("inf")}, "logit_softcap=inf"),
    "negative scale": ({"init_scale": -0.1}, "init_scale=-0.1"),
    "negative eps": ({"norm_eps": -1e-5}, "norm_eps=-1e-05"),
    "a pattern of other letters": ({"window": 4, "window_pattern": "SX"}, "window_pattern=SX"),
    "a pattern without a window": ({"window_pattern": "SL"}, "window_pattern=SL"),
    "no base": ({"rope_base": 0.0}, "rope_base=0.0"),
    "no scale": ({"attn_scale": 0.0}, "attn_scale=0.0"),
    "eps not a number": ({"norm_eps": float("nan")}, "norm_eps=nan"),
    "a bias without a head": ({"head_bias": True, "tie_lm_head": True}, "head_bias=true"),
}


def suggestions(message: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What the advice, the part after the colon, tells to set: 'n_embd=32', 'give 1 or more', 'choose ..., e.g. 2'."""
    problem, advice = message.rsplit(": ", 1) if ": " in message else ("", message.partition(", e.g. ")[2])
    named = [{name: parse(text)} for name, text in re.findall(r"(\w+)=([\w.\-]+)", advice)]
    if named:
        return named
    field = re.findall(r"(\w+)=", problem or message)[-1]
    numbers = re.findall(r"\d[\d.e\-]*|[SL]+$", advice)
    return [{field: parse(number)} for number in numbers[-1:]]


def parse(text: str) -> Any:
    if text in ("true", "false") or text.isupper():
        return text if text.isupper() else text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


@pytest.mark.parametrize("name", WRONG)
def test_an_inconsistent_configuration_names_the_field_and_a_value_that_works(name: str) -> None:
    asked, named = WRONG[name]
    with pytest.raises(ConfigError) as caught:
        GPTConfig(**asked)
    message = str(caught.value)
    assert named in message
    found = suggestions(message, asked)
    assert found, message
    for change in found:
        GPTConfig(**asked | change)


sizes = st.fixed_dictionaries(
    {"n_embd": st.integers(0, 40), "n_head": st.integers(1, 12), "n_kv_head": st.integers(0, 12)},
    optional={"positions": st.sampled_from(get_args(Positions))},
)


@settings(max_examples=200)
@given(sizes)
def test_following_the_advice_ends_in_a_configuration_that_works(asked: dict[str, Any]) -> None:
    for _ in range(5):  # four corrections at most, as n_embd=0, n_head=2, n_kv_head=3 with rope needs
        try:
            config = GPTConfig(**asked)
        except ConfigError as error:
            asked = asked | suggestions(str(error), asked)[0]
        else:
            assert config.head_size * config.n_head == config.n_embd
            assert config.n_head % config.kv_heads == 0
            return
    pytest.fail(f"still refused: {asked}")


@pytest.mark.parametrize("field", ["vocab_size", "block_size"])
def test_a_bigram_refuses_sizes_below_1(field: str) -> None:
    with pytest.raises(ConfigError, match=rf"{field}=0 is too small: give 1 or more"):
        BigramConfig(**{field: 0})
    BigramConfig(**{field: 1})


@pytest.mark.parametrize("changed", [{"init_scale": 0.0}, {"norm_eps": -1.0}, {"init_scale": float("nan")}])
def test_a_bigram_refuses_scales_that_are_not_positive(changed: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changed))):
        BigramConfig(**changed)


@pytest.mark.parametrize("n_embd", [64, 128, 384, 768, 1024])
@pytest.mark.parametrize("mlp_width", [128, 256, 4096])
def test_the_widths_of_the_seeds_are_accepted(n_embd: int, mlp_width: int) -> None:
    config = GPTConfig(n_embd=n_embd, mlp_width=mlp_width, n_head=8)
    assert (config.head_size, config.hidden) == (n_embd // 8, mlp_width)


@pytest.mark.parametrize("block_size", [1, 2, 80, 512, 100_000])
@pytest.mark.parametrize("n_layer", [1, 12, 48])
def test_the_depths_and_contexts_of_the_seeds_and_beyond_are_accepted(block_size: int, n_layer: int) -> None:
    table = GPTConfig(block_size=block_size, n_layer=n_layer).parameters()
    assert table["wpe.weight"].shape == (block_size, 16)
    assert f"h.{n_layer - 1}.mlp.proj.weight" in table


@pytest.mark.parametrize("field_values", [("norm", Norm), ("positions", Positions), ("activation", Activation)])
def test_every_choice_of_a_switch_has_its_own_parameters_and_builds(field_values: tuple[str, Any]) -> None:
    field, values = field_values
    for value in get_args(values):
        config = GPTConfig(**{field: value}, norm_gain=True, norm_bias=True)
        assert count_parameters(config.parameters()) == sum(p.size for p in config.parameters().values())
        assert asdict(config)[field] == value


def test_parameters_that_a_switch_turns_off_have_no_name() -> None:
    bare = GPTConfig(norm="none", positions="none", attn_proj=False).parameters()
    assert list(bare) == ["wte.weight", "h.0.attn.qkv.weight", "h.0.mlp.fc.weight", "h.0.mlp.proj.weight"]
    full = GPTConfig(
        norm="dyt", norm_gain=True, norm_bias=True, final_norm=True, attn_bias=True, tie_lm_head=False, head_bias=True
    ).parameters()
    assert {
        "h.0.norm_1.alpha",
        "norm_f.weight",
        "norm_f.bias",
        "h.0.attn.qkv.bias",
        "lm_head.bias",
        "wpe.weight",
    } <= full.keys()


def test_heads_of_a_width_of_their_own_need_no_width_that_they_divide() -> None:
    config = GPTConfig(n_embd=10, n_head=3, n_kv_head=1, head_dim=6)
    assert (config.head_size, config.attn_width) == (6, 18)
    table = config.parameters()
    assert table["h.0.attn.qkv.weight"].shape == (18 + 2 * 6, 10)
    assert table["h.0.attn.proj.weight"].shape == (10, 18)


def test_a_pattern_of_windows_repeats_and_the_last_layer_sees_all() -> None:
    config = GPTConfig(n_layer=6, window=3, window_pattern="SSL")
    assert [config.window_of(layer) for layer in range(6)] == [3, 3, 0, 3, 3, 0]
    assert [GPTConfig(n_layer=2, window=3, window_pattern="S").window_of(layer) for layer in (0, 1)] == [3, 0]
    assert [GPTConfig(n_layer=2, window=3).window_of(layer) for layer in (0, 1)] == [3, 3]


def test_derived_sizes() -> None:
    config = GPTConfig(n_embd=24, n_head=6, n_kv_head=2, activation="swiglu")
    assert (config.head_size, config.kv_heads, config.hidden) == (4, 2, 96)
    assert config.parameters()["h.0.attn.qkv.weight"].shape == (24 + 2 * 8, 24)
    assert config.parameters()["h.0.mlp.fc.weight"].shape == (192, 24)
