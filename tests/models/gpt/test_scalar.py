"""Laws of the transformer in single numbers, over all its switches: what it may see, what it counts, how it learns."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.engine.module import shape_of
from nanochat.engine.scalar import Value
from nanochat.engine.scalar import functional as F
from nanochat.engine.scalar.optim import AdamW
from nanochat.models.gpt.config import Activation, GPTConfig, Init, Norm, Positions
from nanochat.models.gpt.scalar import GPT
from nanochat.models.parameters import Parameter, count_parameters

SMALL = GPTConfig(vocab_size=5, block_size=6, n_head=2, n_embd=8)
MICROGPT = GPTConfig(block_size=16, input_rmsnorm=True, tie_lm_head=False, activation="relu")
some = settings(max_examples=settings().max_examples // 3)
"""A model of some hundred Values takes milliseconds: fewer examples keep a law below a second."""


@st.composite
def configs(draw: st.DrawFn) -> GPTConfig:
    """Any point of the configuration space, at a small size."""
    n_head = draw(st.sampled_from([1, 2, 4]))
    tied = draw(st.booleans())
    return GPTConfig(
        vocab_size=5,
        block_size=6,
        n_layer=draw(st.integers(1, 2)),
        n_head=n_head,
        n_kv_head=draw(st.sampled_from([k for k in (0, 1, 2, 4) if k <= n_head])),
        n_embd=8,
        mlp_width=draw(st.sampled_from([0, 3])),
        norm=draw(st.sampled_from(get_args(Norm))),
        norm_position=draw(st.sampled_from(["pre", "post"])),
        norm_gain=draw(st.booleans()),
        norm_bias=draw(st.booleans()),
        final_norm=draw(st.booleans()),
        input_rmsnorm=draw(st.booleans()),
        qk_norm=draw(st.booleans()),
        positions=draw(st.sampled_from(get_args(Positions))),
        activation=draw(st.sampled_from(get_args(Activation))),
        attn_bias=draw(st.booleans()),
        mlp_bias=draw(st.booleans()),
        head_bias=draw(st.booleans()) and not tied,
        attn_proj=draw(st.booleans()),
        tie_lm_head=tied,
        window=draw(st.sampled_from([0, 1, 3])),
        logit_softcap=draw(st.sampled_from([0.0, 2.0])),
        init=draw(st.sampled_from(get_args(Init))),
        zero_init_proj=draw(st.booleans()),
    )


documents = st.lists(st.integers(0, 4), min_size=1, max_size=6)


def random_model(config: GPTConfig, seed: int = 0) -> GPT:
    """A model whose weights are far from their first values, so that every part of it matters."""
    model = GPT(config)
    model.load_state_dict(random_state(model.state_dict(), random.Random(seed)))
    return model


def random_state(item: Any, rng: random.Random) -> Any:
    if isinstance(item, dict):
        return {name: random_state(child, rng) for name, child in item.items()}
    return [random_state(child, rng) for child in item] if isinstance(item, list) else rng.gauss(0, 0.5)


def floats(logits: Sequence[Sequence[Value]]) -> list[list[float]]:
    return [[z.data for z in row] for row in logits]


def assert_close(left: list[list[float]], right: list[list[float]], tolerance: float = 1e-12) -> None:
    assert len(left) == len(right)
    for left_row, right_row in zip(left, right, strict=True):
        assert left_row == pytest.approx(right_row, rel=tolerance, abs=tolerance)


def all_leaves(model: GPT) -> list[Value]:
    return AdamW(model.named_parameters()).leaves


# **** parameters


@pytest.mark.parametrize("vocab_size", [10, 27, 66])
def test_the_mini_gpt_has_16_v_plus_3200_parameters(vocab_size: int) -> None:
    tied = GPTConfig(vocab_size=vocab_size)
    assert GPT(tied).n_parameters() == 16 * vocab_size + 3200
    assert GPT(replace(tied, tie_lm_head=False)).n_parameters() == 32 * vocab_size + 3200


def test_the_microgpt_has_4192_parameters() -> None:
    assert GPT(MICROGPT).n_parameters() == 4192


@given(configs())
def test_the_table_of_the_config_names_exactly_the_parameters_of_the_model(config: GPTConfig) -> None:
    table, model = config.parameters(), GPT(config)
    shapes = {name: shape_of(parameter) for name, parameter in model.state_dict().items()}
    assert shapes == {name: parameter.shape for name, parameter in table.items()}
    assert model.n_parameters() == count_parameters(table)


@given(configs())
def test_first_weights_are_drawn_as_the_table_says(config: GPTConfig) -> None:
    for name, weights in GPT(config).state_dict().items():
        parameter: Parameter = config.parameters()[name]
        numbers = [x for row in weights for x in (row if isinstance(row, list) else [row])]
        if parameter.draw == "constant":
            assert set(numbers) == {parameter.scale}
        elif parameter.draw == "uniform":
            assert all(abs(x) <= parameter.scale for x in numbers)
        else:
            assert all(abs(x) < 6 * parameter.scale for x in numbers)


def test_the_seed_decides_the_first_weights() -> None:
    assert GPT(SMALL, seed=1).state_dict() == GPT(SMALL, seed=1).state_dict()
    assert GPT(SMALL, seed=1).state_dict() != GPT(SMALL, seed=2).state_dict()


# **** what a token may see


@some
@given(configs(), documents, st.integers(0, 6))
def test_cached_logits_equal_a_full_recompute(config: GPTConfig, ids: list[int], cut: int) -> None:
    model = random_model(config)
    cache = model.empty_cache()
    in_two = [*model.logits(ids[:cut], cache), *model.logits(ids[cut:], cache)]
    one_by_one = model.empty_cache()
    singly = [model.logits([index], one_by_one)[0] for index in ids]
    assert_close(floats(in_two), floats(model.logits(ids)))
    assert_close(floats(singly), floats(model.logits(ids)))


@some
@given(configs(), documents, st.data())
def test_a_later_token_never_changes_earlier_logits(config: GPTConfig, ids: list[int], data: st.DataObject) -> None:
    changed_at = data.draw(st.integers(0, len(ids) - 1))
    changed = [*ids[:changed_at], (ids[changed_at] + 1) % 5, *ids[changed_at + 1 :]]
    model = random_model(config)
    before, after = floats(model.logits(ids)), floats(model.logits(changed))
    assert before[:changed_at] == after[:changed_at]


@some
@given(configs(), st.integers(1, 3))
def test_a_token_outside_the_window_of_every_layer_is_not_seen(config: GPTConfig, window: int) -> None:
    model = random_model(replace(config, window=window))
    before, after = floats(model.logits([0, 1, 2, 3, 4, 0])), floats(model.logits([3, 1, 2, 3, 4, 0]))
    reach = config.n_layer * (window - 1)  # each layer carries a token window - 1 places further
    assert before[reach + 1 :] == after[reach + 1 :]


@pytest.mark.parametrize("window", [0, 3])
def test_an_earlier_token_inside_the_window_is_seen(window: int) -> None:
    model = random_model(replace(SMALL, window=window))
    before, after = floats(model.logits([0, 1, 2, 3, 4, 0])), floats(model.logits([3, 1, 2, 3, 4, 0]))
    seen = [b != a for b, a in zip(before, after, strict=True)]
    assert seen == [position < (window or 6) for position in range(6)]


@some
@given(configs(), documents)
def test_a_window_of_the_whole_block_is_no_window(config: GPTConfig, ids: list[int]) -> None:
    wide = random_model(replace(config, window=config.block_size))
    assert floats(wide.logits(ids)) == floats(random_model(replace(config, window=0)).logits(ids))


@some
@given(st.permutations([0, 1, 2, 3]))
def test_without_positions_the_order_of_what_came_before_does_not_matter(order: list[int]) -> None:
    model = random_model(replace(SMALL, positions="none"))
    assert floats(model.logits([*order, 4]))[-1] == pytest.approx(floats(model.logits([0, 1, 2, 3, 4]))[-1], abs=1e-12)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rope"])
def test_with_positions_the_order_matters(positions: Positions) -> None:
    model = random_model(replace(SMALL, positions=positions))
    assert floats(model.logits([0, 1, 2, 3]))[-1] != pytest.approx(floats(model.logits([1, 0, 2, 3]))[-1], abs=1e-6)


def test_more_tokens_than_the_block_are_refused() -> None:
    model = GPT(SMALL)
    cache = model.empty_cache()
    model.logits([0, 1, 2, 3], cache)
    with pytest.raises(ValueError, match="7 tokens do not fit in block_size=6"):
        model.logits([4, 0, 1], cache)


def test_blocks_start_as_the_identity_when_projections_start_at_zero() -> None:
    fresh = GPT(replace(SMALL, n_layer=2))
    assert floats(fresh.logits([0, 1, 2]))[2] == floats(fresh.logits([3, 4, 2]))[2]


def test_the_softcap_bounds_the_logits() -> None:
    free = random_model(replace(SMALL, tie_lm_head=False), seed=3)
    capped = random_model(replace(SMALL, tie_lm_head=False, logit_softcap=0.5), seed=3)
    for row, capped_row in zip(floats(free.logits([0, 1, 2])), floats(capped.logits([0, 1, 2])), strict=True):
        assert capped_row == pytest.approx([0.5 * math.tanh(z / 0.5) for z in row])


# **** grouped queries


@some
@given(configs(), documents, st.sampled_from([1, 2]))
def test_grouped_queries_are_full_attention_with_repeated_keys_and_values(
    config: GPTConfig, ids: list[int], kv: int
) -> None:
    few = random_model(replace(config, n_head=4, n_kv_head=kv))
    full = GPT(replace(few.config, n_kv_head=4))
    state = few.state_dict()
    for name in [name for name in state if ".qkv." in name]:
        size, rows = config.n_embd // 4, state[name]
        heads = [rows[i : i + size] for i in range(0, len(rows), size)]
        keys, values = heads[4 : 4 + kv], heads[4 + kv :]
        repeated = [*heads[:4], *(keys[i * kv // 4] for i in range(4)), *(values[i * kv // 4] for i in range(4))]
        state[name] = [row for head in repeated for row in head]
    full.load_state_dict(state)
    assert_close(floats(few.logits(ids)), floats(full.logits(ids)))


# **** loss


def test_the_first_loss_is_that_of_guessing() -> None:
    loss = GPT(MICROGPT).loss([[0, 5, 13, 13, 1]], [[5, 13, 13, 1, 0]])
    assert loss.data == pytest.approx(math.log(27), abs=0.05)


@some
@given(configs(), st.lists(st.integers(-1, 4), min_size=6, max_size=6))
def test_targets_of_minus_1_are_ignored(config: GPTConfig, targets: list[int]) -> None:
    model, ids = random_model(config), [0, 1, 2, 3, 4, 0]
    logits = model.logits(ids)
    counted = [F.cross_entropy(z, t).data for z, t in zip(logits, targets, strict=True) if t >= 0]
    expected = math.fsum(counted) / len(counted) if counted else 0.0
    assert model.loss([ids], [targets]).data == pytest.approx(expected, rel=1e-12)


def test_without_any_target_the_loss_is_0_and_gives_no_gradient() -> None:
    model = GPT(SMALL)
    model.loss([[0, 1]], [[-1, -1]]).backward()
    assert all(leaf.grad == 0.0 for leaf in all_leaves(model))


@some
@given(configs(), st.lists(documents, min_size=2, max_size=3))
def test_the_loss_of_a_batch_is_the_mean_over_its_tokens(config: GPTConfig, rows: list[list[int]]) -> None:
    model = random_model(config)
    targets = [[(index + 1) % 5 for index in row] for row in rows]
    singly = [model.loss([row], [target]).data * len(row) for row, target in zip(rows, targets, strict=True)]
    together = model.loss(rows, targets).data
    assert together == pytest.approx(math.fsum(singly) / sum(len(row) for row in rows), rel=1e-12)


@some
@given(configs(), st.sampled_from(["none", "rope"]))
def test_documents_packed_in_segments_are_as_if_alone(config: GPTConfig, positions: Positions) -> None:
    model = random_model(replace(config, positions=positions))  # both know distances only
    packed = model.loss([[0, 1, 2, 3, 4, 0]], [[1, 2, 3, 4, 0, 1]], [[7, 7, 8, 8, 8, 8]])
    alone = [model.loss([[0, 1]], [[1, 2]]).data, model.loss([[2, 3, 4, 0]], [[3, 4, 0, 1]]).data]
    assert packed.data == pytest.approx((2 * alone[0] + 4 * alone[1]) / 6, rel=1e-10)


@some
@given(configs())
def test_a_segment_does_not_see_another(config: GPTConfig) -> None:
    model, targets, segments = random_model(config), [[-1, -1, 1, 2]], [[0, 0, 1, 1]]
    assert model.loss([[0, 1, 2, 3]], targets, segments).data == model.loss([[4, 3, 2, 3]], targets, segments).data


# **** gradients and learning

GRADIENT_CONFIGS = {
    "mini-gpt": SMALL,
    "microgpt": replace(SMALL, input_rmsnorm=True, tie_lm_head=False, activation="relu"),
    "post layer norm": replace(
        SMALL, norm="layer", norm_position="post", norm_gain=True, norm_bias=True, attn_bias=True, activation="gelu"
    ),
    "modern": replace(
        SMALL, positions="rope", activation="swiglu", norm_gain=True, final_norm=True, n_kv_head=1, qk_norm=True
    ),
    "dyt": replace(SMALL, norm="dyt", norm_gain=True, norm_bias=True, positions="sinusoidal", activation="silu"),
    "two layers": replace(SMALL, n_layer=2, window=2, logit_softcap=3.0, tie_lm_head=False, head_bias=True),
    "bare": replace(SMALL, norm="none", attn_proj=False, positions="none", mlp_bias=True, mlp_width=3),
}


@pytest.mark.parametrize("name", GRADIENT_CONFIGS)
def test_the_gradient_of_the_whole_model_equals_finite_differences(name: str, rng: random.Random) -> None:
    model = random_model(GRADIENT_CONFIGS[name])
    leaves = all_leaves(model)

    def loss() -> Value:
        return model.loss([[0, 1, 2, 3], [4, 4, 1, 0]], [[1, 2, -1, 4], [4, 1, 0, 2]])

    loss().backward()
    some_leaves = [(leaf, 1.0) for leaf in rng.sample(leaves, 12)]
    directions = [[step] for step in some_leaves] + [[(leaf, rng.gauss(0, 1)) for leaf in leaves] for _ in range(3)]
    for direction in directions:  # single parameters, and all of them at once
        analytic = math.fsum(leaf.grad * u for leaf, u in direction)
        assert analytic == pytest.approx(slope(loss, direction), rel=1e-5, abs=1e-8)


def slope(loss: Any, direction: list[tuple[Value, float]], h: float = 1e-6) -> float:
    """(loss(p + h u) - loss(p - h u)) / 2h"""
    at: dict[float, float] = {}
    start = [leaf.data for leaf, _ in direction]
    for sign in (1, -1):
        for (leaf, u), x in zip(direction, start, strict=True):
            leaf.data = x + sign * h * u
        at[sign] = loss().data
    for (leaf, _), x in zip(direction, start, strict=True):
        leaf.data = x
    return (at[1] - at[-1]) / (2 * h)


def test_every_parameter_that_the_batch_touches_has_a_gradient() -> None:
    model = random_model(replace(SMALL, activation="gelu"))
    model.loss([[0, 1, 2, 3, 4, 0]], [[1, 2, 3, 4, 0, 1]]).backward()
    assert all(leaf.grad for leaf in all_leaves(model))


def test_it_learns_one_document_by_heart() -> None:
    model = GPT(SMALL, seed=1)
    optimizer = AdamW(model.named_parameters())
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = model.loss([[0, 1, 2, 1, 3]], [[1, 2, 1, 3, 0]])
        loss.backward()
        optimizer.step(0.03)
        losses.append(loss.data)
    assert losses[-1] < 0.1 < 1.5 < losses[0]  # 1 is followed by 2 once and by 3 once: it must look further back
