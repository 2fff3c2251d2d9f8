"""Random transformers in float64: the array model against PyTorch, and small ones against the scalar model too.

Every switch of GPTConfig is drawn, with weights up to where every softmax is 0 or 1, ignored targets and segments.
Loss, logits, every gradient, and the logits of decoding with a cache. torch is imported when `check` is called.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanochat.models.gpt import scalar
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.tensor import GPT

TOLERANCE = 1e-9
"""Of max|a - b| / max(1, max|b|), over all gradients together: a million roundings of float64, since the largest
weights and an eps of 1e-8 under a root multiply each by a thousand or more."""
MOST_PRODUCTS = 8_000
"""Tokens times weights of what the scalar model does too: some 50 ms."""
SATURATED = 40.0
"""e^-40 is lost beside 1 in float64."""
SCALES = (0.02, 0.3, 1.0, 3.0, 10.0)
"""Standard deviation of the weights: from first weights to a net that has exploded."""


@dataclass(frozen=True)
class Trial:
    """A model, its weights and a batch."""

    config: GPTConfig
    weights: Mapping[str, np.ndarray]
    ids: np.ndarray
    targets: np.ndarray
    segments: np.ndarray | None
    in_single_numbers: bool
    """Small enough for the scalar model."""


def check(n: int, seed: int) -> list[str]:
    """What was wrong with trials 0 to n - 1 of this seed: one line each, with the trial that shows it again."""
    failures = []
    for i in range(n):
        problems = problems_of(draw(i, seed))
        if problems:
            failures.append(f"seed {seed}, trial {i}: {'; '.join(problems)}: {draw(i, seed).config}")
    return failures


def draw(i: int, seed: int) -> Trial:
    """Trial i of a seed, tiny or, every third, of a usual shape."""
    r, rng, is_small = random.Random(f"{seed} {i}"), np.random.default_rng([seed, i]), i % 3 != 2
    config = draw_config(r, is_small=is_small)
    scale, attention, head = r.choice(SCALES), r.choice((1.0, 1.0, 30.0, 1000.0)), r.choice((1.0, 1.0, 100.0))
    weights = {name: rng.normal(0.0, scale, parameter.shape) for name, parameter in config.parameters().items()}
    for name, weight in weights.items():
        weight *= attention if ".qkv." in name else head if name.startswith("lm_head") else 1.0
    B, T = r.choice((1, 2, 3) if is_small else (1, 2, 9)), r.randint(1, config.block_size)
    ids, targets = rng.integers(0, config.vocab_size, (2, B, T))
    targets[rng.random((B, T)) < r.choice((0.0, 0.4, 0.95, 1.0))] = -1
    segments = r.choice((None, None, np.sort(rng.integers(0, 3, (B, T)), 1), rng.integers(-1, 3, (B, T))))
    n_products = ids.size * sum(weight.size for weight in weights.values())
    return Trial(config, weights, ids, targets, segments, in_single_numbers=n_products <= MOST_PRODUCTS)


def draw_config(r: random.Random, *, is_small: bool) -> GPTConfig:
    """Any of them, tiny or of a usual shape."""

    def half() -> bool:
        return r.random() < 0.5

    n_head, positions, is_tied = r.choice((1, 2, 3, 4)), r.choice(("learned", "sinusoidal", "rope", "none")), half()
    size = r.choice((1, 2, 3, 4, 6) if is_small else (4, 8, 16))
    size += size % 2 if positions == "rope" else 0
    return GPTConfig(
        vocab_size=r.choice((1, 2, 3, 5, 11) if is_small else (2, 27, 257, 300)),
        block_size=r.choice((1, 2, 3, 5, 8) if is_small else (33, 64, 65, 100)),
        n_layer=r.choice((1, 1, 2, 3)),
        n_head=n_head,
        n_kv_head=r.choice([k for k in range(n_head + 1) if k == 0 or n_head % k == 0]),
        n_embd=n_head * size,
        mlp_width=r.choice((0, 1, 3, 7)),
        norm=r.choice(("none", "rms", "layer", "dyt")),
        norm_position=r.choice(("pre", "post")),
        norm_gain=half(),
        norm_bias=half(),
        norm_eps=r.choice((1e-5, 1e-8, 1e-2)),
        final_norm=half(),
        input_rmsnorm=half(),
        qk_norm=half(),
        positions=positions,
        activation=r.choice(("relu", "relu2", "gelu", "silu", "swiglu")),
        attn_bias=half(),
        mlp_bias=half(),
        head_bias=not is_tied and half(),
        attn_proj=r.random() < 0.7,
        tie_lm_head=is_tied,
        window=r.choice((0, 0, 1, 2, 3, 50)),
        logit_softcap=r.choice((0.0, 0.0, 0.5, 5.0, 30.0)),
        zero_init_proj=False,
    )


def saturation(trial: Trial) -> str:
    """'attention' or 'logits' where a softmax of the trial is 0 and 1 to the last bit somewhere, else 'none'."""
    model = GPT(trial.config, dtype=np.float64)
    model.load_state_dict(trial.weights)
    logits = np.sort(model.logits(trial.ids).data)
    if logits.shape[-1] > 1 and (logits[..., -1] - logits[..., -2]).max() > SATURATED:
        return "logits"
    return "attention" if any(np.abs(w).max() > SATURATED for n, w in trial.weights.items() if ".qkv." in n) else "none"


def problems_of(trial: Trial) -> list[str]:
    """'tensor gradients 6e+16', ...: what lies further from PyTorch than TOLERANCE."""
    expected = _torch_results(trial)
    results = {"tensor": _tensor_results(trial)}
    if trial.in_single_numbers:
        results["scalar"] = _scalar_results(trial)
    problems = []
    for engine, found in results.items():
        for what, arrays in found.items():
            error = _error(arrays, expected[what])
            if not error <= TOLERANCE:
                problems.append(f"{engine} {what} {error:.1e}")
    error = _error([_decoded(trial)], expected["logits"])
    return problems if error <= TOLERANCE else [*problems, f"decoded logits {error:.1e}"]


Results = dict[str, list[np.ndarray]]


def _torch_results(trial: Trial) -> Results:
    import torch
    import torch_reference as reference

    weights = {name: torch.tensor(w, requires_grad=True) for name, w in trial.weights.items()}
    ids, targets = torch.tensor(trial.ids), torch.tensor(trial.targets)
    segments = None if trial.segments is None else torch.tensor(trial.segments)
    loss = reference.loss(trial.config, weights, ids, targets, segments)
    loss.backward()
    gradients = [np.zeros(w.shape) if w.grad is None else w.grad.numpy() for w in weights.values()]
    with torch.no_grad():
        logits = reference.logits(trial.config, weights, ids).numpy()
    return {"loss": [loss.detach().numpy()], "gradients": gradients, "logits": [logits]}


def _tensor_results(trial: Trial) -> Results:
    model = GPT(trial.config, dtype=np.float64)
    model.load_state_dict(trial.weights)
    loss = model.loss(trial.ids, trial.targets, trial.segments)
    loss.backward()
    named = dict(model.named_parameters())
    gradients = [
        np.zeros(w.shape) if named[name].grad is None else named[name].grad for name, w in trial.weights.items()
    ]
    return {"loss": [loss.data], "gradients": gradients, "logits": [model.logits(trial.ids).data]}


def _scalar_results(trial: Trial) -> Results:
    model = scalar.GPT(trial.config)
    model.load_state_dict(trial.weights)
    loss = model.loss(
        trial.ids.tolist(), trial.targets.tolist(), None if trial.segments is None else trial.segments.tolist()
    )
    loss.backward()
    named = dict(model.named_parameters())
    logits = [[[z.data for z in row] for row in model.logits(ids)] for ids in trial.ids.tolist()]
    gradients = [np.array(_gradients(named[name])) for name in trial.weights]
    return {"loss": [np.array(loss.data)], "gradients": gradients, "logits": [np.array(logits)]}


def _gradients(item: Any) -> Any:
    return [_gradients(child) for child in item] if isinstance(item, list) else item.grad


def _decoded(trial: Trial) -> np.ndarray:
    """The logits, half of the tokens read at once and the others one by one       -> (B, T, V)"""
    model, (B, T) = GPT(trial.config, dtype=np.float64), trial.ids.shape
    model.load_state_dict(trial.weights)
    cache, starts = model.empty_cache(B), [0, *range(max(1, T // 2), T)]
    parts = [model.logits(trial.ids[:, a:b], cache).data for a, b in zip(starts, [*starts[1:], T], strict=True)]
    return np.concatenate(parts, axis=1)


def _error(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """max|a - b| / max(1, max|b|) over all arrays; nan is no error where both have it in the same place."""
    largest = max([1.0, *(np.abs(b[np.isfinite(b)]).max(initial=0.0) for b in expected)])
    with np.errstate(invalid="ignore"):
        return max(
            float(np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b)).max(initial=0.0)) / largest
            for a, b in zip(found, expected, strict=True)
        )
