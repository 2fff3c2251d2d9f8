"""A trace is the model looked at, not another model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.engine.tensor import Tensor, ops
from nanochat.errors import ConfigError, UsageError
from nanochat.inference.trace import attention_weights, trace
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.tensor import Attention
from nanochat.models.initial import draw_weights

IDS = [3, 1, 4, 1, 5]


def built(mode="tensor", dtype="float64", **fields):
    config = GPTConfig(vocab_size=7, block_size=6, n_embd=8, n_head=4, n_layer=2, zero_init_proj=False, **fields)
    model = build_model(config, mode, dtype)
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    return model, config


@settings(max_examples=settings().max_examples // 2)
@given(
    st.sampled_from(["float32", "float64"]),
    st.fixed_dictionaries(
        {
            "n_kv_head": st.sampled_from([0, 1, 2]),
            "norm": st.sampled_from(["none", "rms", "layer", "dyt"]),
            "norm_position": st.sampled_from(["pre", "post"]),
            "positions": st.sampled_from(["learned", "sinusoidal", "rope", "none"]),
            "activation": st.sampled_from(["relu", "swiglu"]),
            "qk_norm": st.booleans(),
            "attn_proj": st.booleans(),
            "tie_lm_head": st.booleans(),
            "final_norm": st.booleans(),
            "window": st.sampled_from([0, 1, 3]),
            "logit_softcap": st.sampled_from([0.0, 2.0]),
        }
    ),
)
def test_its_logits_are_the_models_to_the_bit(dtype, fields):
    model, config = built(dtype=dtype, **fields)
    found = trace(model, config, IDS)
    np.testing.assert_array_equal(found.logits, model.predict(np.array([IDS]))[0])
    np.testing.assert_allclose(found.attention.sum(-1), 1, rtol=1e-6)
    assert not np.triu(found.attention, 1).any()


@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.sampled_from([1, 2, 4]))
def test_the_weights_times_the_values_are_attention(seed, window, n_kv_head):
    q, k, v = (np.random.default_rng(seed).normal(size=(2, h, 5, 3)) for h in (4, n_kv_head, n_kv_head))
    q, k, v = q[:1], k[:1], v[:1]
    expected, _ = ops.attention(q, k, v, window=window)
    config = GPTConfig(vocab_size=7, block_size=5, n_embd=12, n_head=4, n_kv_head=n_kv_head, window=window)
    qkv = np.concatenate([q, k, v], 1).swapaxes(1, 2).reshape(1, 5, -1)
    weights = attention_weights(Attention(config, np.float64), Tensor(qkv), np.arange(5))
    np.testing.assert_allclose(weights @ np.repeat(v[0], 4 // n_kv_head, axis=0), expected[0], atol=1e-12)


def test_a_scalar_model_is_seen_as_it_is():
    model, config = built("scalar")
    expected = [[z.data for z in row] for row in model.logits(IDS)]
    np.testing.assert_allclose(trace(model, config, IDS).logits, expected, atol=1e-9)


def test_the_first_norms_are_those_of_the_embedding_and_the_last_guess_is_the_models():
    model, config = built()
    found = trace(model, config, IDS)
    embedded = model.wte.weight.data[IDS] + model.wpe.weight.data[: len(IDS)]
    np.testing.assert_allclose(found.residual_norms[0], np.sqrt((embedded**2).mean(-1)))
    assert found.lens.shape == (3, len(IDS), 7)
    np.testing.assert_array_equal(found.lens[-1], found.logits)


@pytest.mark.parametrize("ids", [[], [7], [-1], [0] * 7])
def test_what_cannot_be_traced_is_said(ids):
    with pytest.raises(UsageError, match="a trace takes 1 to 6 tokens"):
        trace(*built(), ids)
    with pytest.raises(ConfigError, match="no layer"):
        trace(None, BigramConfig(vocab_size=3), [0])
