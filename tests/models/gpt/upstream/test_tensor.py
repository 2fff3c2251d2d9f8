"""Both spellings of what nanochat adds are one function, with and without a cache, and no token sees the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.models.base import logits_array
from nanochat.models.build import build_model
from nanochat.models.gpt import tensor
from nanochat.models.gpt.decode import can_decode
from nanochat.models.gpt.upstream.config import UpstreamConfig

TOLERANCE = 1e-10
"""Of max|a - b| / max(1, max|b|), float64: a thousand roundings."""
ADDED = ("value_embed", "residual_mix", "smear", "backout")
added = st.fixed_dictionaries({name: st.booleans() for name in ADDED})
others = st.fixed_dictionaries(
    {
        "n_layer": st.integers(1, 3),
        "n_kv_head": st.sampled_from([0, 1]),
        "head_dim": st.sampled_from([0, 6]),
        "positions": st.sampled_from(["rope", "learned"]),
        "norm_position": st.sampled_from(["pre", "post"]),
        "qk_norm": st.booleans(),
        "window": st.sampled_from([0, 2]),
        "input_rmsnorm": st.booleans(),
    }
)


def config_of(**changed: Any) -> UpstreamConfig:
    return UpstreamConfig(
        **{"vocab_size": 5, "block_size": 5, "n_head": 2, "n_embd": 8, "value_gate_channels": 3, **changed}
    )


def both(config: UpstreamConfig, seed: int = 0) -> tuple[Any, Any]:
    """With the same weights, none of them zero."""
    rng = np.random.default_rng(seed)
    state = {name: rng.normal(0.3 * (len(p.shape) < 2), 0.5, p.shape) for name, p in config.parameters().items()}
    scalar, arrays = build_model(config, "scalar"), build_model(config, "tensor", "float64")
    scalar.load_state_dict(state)
    arrays.load_state_dict(state)
    return scalar, arrays


def assert_close(a: Any, b: Any, what: str = "") -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert np.abs(a - b).max(initial=0.0) <= TOLERANCE * max(1.0, np.abs(b).max(initial=0.0)), what


def slopes(parameter: Any) -> np.ndarray:
    return np.array([slopes(item) for item in parameter] if isinstance(parameter, list) else parameter.grad)


@given(added, others, st.integers(0, 99))
def test_loss_gradients_and_logits_agree(extras: dict[str, bool], rest: dict[str, Any], seed: int) -> None:
    scalar, arrays = both(config_of(**extras, **rest), seed)
    rng = np.random.default_rng(seed)
    inputs, targets = rng.integers(0, 5, (2, 2, 5))
    targets[rng.random((2, 5)) < 0.2] = -1
    segments = np.stack([np.zeros(5, int), np.sort(rng.integers(3, 6, 5))])
    losses = scalar.loss(inputs.tolist(), targets.tolist(), segments.tolist()), arrays.loss(inputs, targets, segments)
    for loss in losses:
        loss.backward()
    assert_close(float(losses[1]), float(losses[0]), "loss")
    named = dict(arrays.named_parameters())
    for name, parameter in scalar.named_parameters():
        assert_close(np.zeros(1) if named[name].grad is None else named[name].grad, slopes(parameter), name)
    assert_close(logits_array(arrays, inputs), logits_array(scalar, inputs), "logits")


ALL = config_of(n_layer=3, positions="rope", qk_norm=True, window=3, **dict.fromkeys(ADDED, True))


def test_reading_in_parts_with_a_cache_is_reading_at_once() -> None:
    scalar, arrays = both(ALL)
    ids, caches = [3, 1, 4, 2, 2], (scalar.empty_cache(), arrays.empty_cache())
    whole = logits_array(arrays, [ids])
    for first, last in ((0, 2), (2, 3), (3, 5)):
        for model, cache in zip((scalar, arrays), caches, strict=True):
            assert_close(logits_array(model, [ids[first:last]], cache), whole[:, first:last])


def test_rows_of_different_length_join_leave_and_go_on_as_if_alone() -> None:
    _, model = both(ALL)
    rows = [[3, 1, 4], [2], [0, 0]]
    caches = [model.empty_cache() for _ in rows]
    for row, cache in zip(rows, caches, strict=True):
        model.predict(np.array([row]), cache)
    batch = caches[0]
    for other in caches[1:]:
        batch.join(other)
    batch.leave(0)
    found = model.predict(np.array([[1], [4]]), batch)
    for i, row in enumerate(([0, 0, 1], [2, 4])):  # the last row took the place of the one that left
        assert_close(found[i, -1], logits_array(model, [row])[0, -1])


def test_a_cache_that_is_set_back_forgets_what_stood_behind() -> None:
    _, model = both(ALL)
    cache = model.empty_cache()
    model.predict(np.array([[3, 1, 4]]), cache)
    cache.set_lengths(np.array([1]))
    assert_close(model.predict(np.array([[2]]), cache)[0, -1], logits_array(model, [[3, 2]])[0, -1])


def test_no_token_sees_those_after_it() -> None:
    _, model = both(ALL)
    ids = np.array([[3, 1, 4, 2, 2]])
    changed = ids.copy()
    changed[0, 3] = 0
    assert np.array_equal(model.predict(ids)[0, :3], model.predict(changed)[0, :3])


def test_smear_stays_inside_a_segment() -> None:
    _, model = both(config_of(smear=True, positions="none"))
    inputs, targets = np.array([[1, 2, 3, 4]]), np.array([[-1, -1, 3, 1]])
    apart = model.loss(inputs, targets, np.array([[0, 0, 1, 1]]))
    alone = model.loss(inputs[:, 2:], targets[:, 2:])
    assert_close(float(apart), float(alone))


@pytest.mark.parametrize("name", ADDED)
def test_each_addition_changes_what_the_model_computes(name: str) -> None:
    """A switch that did nothing would pass every comparison of spellings."""
    config = config_of(**{name: True}, n_layer=2)
    _, model = both(config)
    plain = tensor.GPT(config_of(n_layer=2), None, dtype=np.float64)  # type: ignore[arg-type]
    plain.load_state_dict(
        {key: value for key, value in model.state_dict().items() if key in dict(plain.named_parameters())}
    )
    ids = np.array([[3, 1, 4]])
    assert np.abs(model.predict(ids) - plain.predict(ids)).max() > 1e-3


def test_the_fused_decoder_leaves_what_it_does_not_know_to_the_model() -> None:
    assert not can_decode(both(config_of(norm="rms"))[1])
