"""The two spellings of a model are one function: same logits, same loss, same gradients, whatever the switches say."""

import itertools
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.models.base import ModelConfig, logits_array
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import Activation, GPTConfig, Norm, Positions
from nanochat.models.initial import draw_weights
from nanochat.models.presets import PRESETS
from nanochat.training.config import RunConfig, TrainingConfig
from nanochat.training.run import run_training
from nanochat.training.trainer import StepMetrics

TOLERANCE = 1e-10
"""Of max|a - b| / max(1, max|b|): a thousand roundings of float64, a millionth of any real difference."""

SWITCHES: dict[str, list[dict[str, Any]]] = {
    "layers": [{"n_layer": 1}, {"n_layer": 2}],
    "heads": [{"n_head": 1}, {"n_head": 2}, {"n_head": 4, "n_kv_head": 2}, {"n_head": 4, "n_kv_head": 1}],
    "mlp": [{"mlp_width": 0}, {"mlp_width": 3}],
    "norm": [{"norm": norm} for norm in get_args(Norm)],
    "place": [{"norm_position": "pre"}, {"norm_position": "post"}],
    "gain": [{"norm_gain": False}, {"norm_gain": True}],
    "bias": [{"norm_bias": False}, {"norm_bias": True}],
    "final": [{"final_norm": False}, {"final_norm": True}],
    "input": [{"input_rmsnorm": False}, {"input_rmsnorm": True}],
    "qk": [{"qk_norm": False}, {"qk_norm": True}, {"qk_norm": True, "norm_eps": 0.0, "attn_scale": 1.5}],
    "positions": [*({"positions": name} for name in get_args(Positions)), {"positions": "rope", "rope_base": 50.0}],
    "activation": [{"activation": activation} for activation in get_args(Activation)],
    "attention biases": [{"attn_bias": False}, {"attn_bias": True}],
    "mlp biases": [{"mlp_bias": False}, {"mlp_bias": True}],
    "head": [{}, {"tie_lm_head": False}, {"tie_lm_head": False, "head_bias": True}],
    "projection": [{"attn_proj": True}, {"attn_proj": False}, {"head_dim": 6}],
    "window": [{"window": 0}, {"window": 2}, {"window": 2, "window_pattern": "LS"}],
    "cap": [{"logit_softcap": 0.0}, {"logit_softcap": 2.0}, {"logit_softcap": 2.0, "label_smoothing": 0.2}],
}
"""Every switch of the configuration space, and what it can be."""
SMALL = GPTConfig(vocab_size=5, block_size=5, n_embd=8)


def configuration(choice: dict[str, int]) -> GPTConfig:
    return replace(SMALL, **{k: v for name, i in choice.items() for k, v in SWITCHES[name][i].items()})


def pairs_of(choice: dict[str, int]) -> set[Any]:
    return set(itertools.combinations(sorted(choice.items()), 2))


def pairwise() -> list[dict[str, int]]:
    """Few choices in which any two values of any two switches meet: most faults need no more than two to show."""
    values = [(name, i) for name, options in SWITCHES.items() for i in range(len(options))]
    left = {tuple(sorted(pair)) for pair in itertools.combinations(values, 2) if pair[0][0] != pair[1][0]}
    rows = []
    while left:
        row = dict(min(left))
        for name, options in SWITCHES.items():
            if name not in row:
                gains = [len(left & pairs_of({**row, name: i})) for i in range(len(options))]
                row[name] = gains.index(max(gains))
        left -= pairs_of(row)
        rows.append(row)
    return rows


ROWS = pairwise()
choices = st.fixed_dictionaries({name: st.integers(0, len(options) - 1) for name, options in SWITCHES.items()})


def both(config: ModelConfig, seed: int = 0) -> tuple[Any, Any]:
    """The scalar and the tensor model with the same weights, none of them zero."""
    rng = np.random.default_rng(seed)
    state = {name: rng.normal(0.0, 0.5, p.shape) for name, p in config.parameters().items()}
    scalar, tensor = build_model(config, "scalar"), build_model(config, "tensor", "float64")
    scalar.load_state_dict(state)
    tensor.load_state_dict(state)
    return scalar, tensor


def batch(config: ModelConfig, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two rows, one of them in segments, some targets ignored."""
    rng = np.random.default_rng(seed)
    T = config.block_size
    inputs, targets = rng.integers(0, config.vocab_size, (2, 2, T))
    targets[rng.random((2, T)) < 0.2] = -1
    segments = np.stack([np.zeros(T, int), np.sort(rng.integers(3, 6, T))])
    return inputs, targets, segments


def gradients(parameter: Any) -> np.ndarray:
    if isinstance(parameter, list):
        return np.array([gradients(item) for item in parameter])
    return np.zeros(parameter.data.shape) if parameter.grad is None else np.asarray(parameter.grad)


def assert_equal(a: Any, b: Any, what: str = "") -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, what
    assert np.abs(a - b).max(initial=0.0) <= TOLERANCE * max(1.0, np.abs(b).max(initial=0.0)), what


def assert_parity(config: ModelConfig, seed: int = 0) -> None:
    scalar, tensor = both(config, seed)
    inputs, targets, segments = batch(config, seed)
    for how in (None, segments):
        for model in (scalar, tensor):
            for parameter in model.parameters():
                clear(parameter)
        scalar_loss = scalar.loss(inputs.tolist(), targets.tolist(), None if how is None else how.tolist())
        tensor_loss = tensor.loss(inputs, targets, how)
        scalar_loss.backward()
        tensor_loss.backward()
        assert_equal(float(tensor_loss), float(scalar_loss), "loss")
        named = dict(tensor.named_parameters())
        assert list(named) == [name for name, _ in scalar.named_parameters()] == list(config.parameters())
        for name, parameter in scalar.named_parameters():
            assert_equal(gradients(named[name]), gradients(parameter), name)
    assert_equal(logits_array(tensor, inputs), logits_array(scalar, inputs), "logits")


def clear(parameter: Any) -> None:
    if isinstance(parameter, list):
        for item in parameter:
            clear(item)
    elif getattr(parameter, "shape", None) is None:
        parameter.grad = 0.0
    else:
        parameter.grad = None


# **** the transformer


def test_the_rows_cover_every_pair_of_values() -> None:
    met = set().union(*map(pairs_of, ROWS))
    values = [(name, i) for name, options in SWITCHES.items() for i in range(len(options))]
    wanted = {tuple(sorted(p)) for p in itertools.combinations(values, 2) if p[0][0] != p[1][0]}
    assert met == wanted
    assert len(ROWS) < 50


def test_the_switches_name_every_field_that_changes_the_function() -> None:
    fields = {key for options in SWITCHES.values() for option in options for key in option}
    others = {"vocab_size", "block_size", "n_embd", "dropout", "init", "init_scale", "zero_init_proj"}
    assert fields | others == set(GPTConfig.__dataclass_fields__)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "".join(map(str, row.values())))
def test_pairwise(row: dict[str, int]) -> None:
    assert_parity(configuration(row))


@given(choices, st.integers(0, 1000))
def test_any_configuration(choice: dict[str, int], seed: int) -> None:
    assert_parity(configuration(choice), seed)


@pytest.mark.parametrize("size", [{"block_size": 1}, {"vocab_size": 1}, {"n_embd": 2, "n_head": 1}, {"norm_eps": 0.5}])
def test_extreme_sizes(size: dict[str, Any]) -> None:
    assert_parity(replace(SMALL, **({"n_head": 2, "final_norm": True} | size)))


def test_first_weights_drawn_once_give_the_same_loss() -> None:
    scalar, tensor = build_model(SMALL, "scalar"), build_model(SMALL, "tensor", "float64")
    drawn = draw_weights(SMALL.parameters(), np.random.default_rng(1337))
    scalar.load_state_dict(drawn)
    tensor.load_state_dict(drawn)
    inputs, targets, _ = batch(SMALL)
    for name, parameter in tensor.state_dict().items():
        np.testing.assert_array_equal(parameter, np.array(scalar.state_dict()[name]))
    assert_equal(float(tensor.loss(inputs, targets)), float(scalar.loss(inputs.tolist(), targets.tolist())))


def test_a_batch_without_targets_is_0_with_gradient_0_in_both() -> None:
    for model in both(SMALL):
        loss = model.loss(np.array([[0, 1]]), np.array([[-1, -1]]))
        assert float(loss) == 0.0
        loss.backward()
        assert all(not gradients(parameter).any() for parameter in model.parameters())


def test_both_caches_decode_the_same() -> None:
    config = configuration({"positions": 2, "heads": 2, "window": 1, "qk": 1, "cap": 1})
    scalar, tensor = both(config)
    caches = scalar.empty_cache(), tensor.empty_cache()
    for part in ([3], [1, 4], [2, 2]):
        assert_equal(logits_array(tensor, [part], caches[1]), logits_array(scalar, [part], caches[0]))


# **** bigrams and runs


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_bigrams(tied: bool, norm: bool) -> None:
    assert_parity(BigramConfig(vocab_size=6, block_size=5, tie_lm_head=tied, input_rmsnorm=norm))


@pytest.mark.parametrize(
    ("preset", "steps"),
    [("bigram", 10), ("mini-gpt", 10), ("microgpt", 10), pytest.param("microgpt", 100, marks=pytest.mark.slow)],
)
def test_runs_from_one_seed_have_the_same_loss_at_each_step(preset: str, steps: int) -> None:
    curves = {}
    for mode in ("scalar", "tensor"):
        losses = curves[mode] = []
        base = PRESETS[preset]
        training = TrainingConfig(**{**base.training, "steps": steps, "eval_every": 0, "eval_tokens": 16})
        config = RunConfig(
            preset=preset, model_kind=base.model_kind, mode=mode, dtype="float64", model=base.model, training=training
        )  # fmt: skip
        run_training(config, observe=lambda e, losses=losses: losses.append(e.loss) if type(e) is StepMetrics else None)
    assert len(curves["scalar"]) == steps
    np.testing.assert_allclose(curves["tensor"], curves["scalar"], rtol=0, atol=1e-9)
