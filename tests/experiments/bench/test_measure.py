"""Benchmarks measure what they say; none of their times is asserted."""

from __future__ import annotations

import numpy as np
import pytest

from nanochat.experiments.bench import contenders
from nanochat.experiments.bench.contenders import SHAPES, compiled_step, draw_batch, first_weights, split_rows
from nanochat.experiments.bench.profile import profile_step
from nanochat.models.build import build_model


@pytest.mark.parametrize("n", [1, 2, 4])
def test_parts_of_a_batch_are_the_batch(n: int):
    batch = draw_batch(SHAPES[1].model, 12)
    parts = split_rows(batch, n)
    np.testing.assert_array_equal(np.concatenate([part.inputs for part in parts]), batch.inputs)
    assert {len(part.targets) for part in parts} == {12 // n}


def test_a_profile_counts_every_call_of_a_replayed_step():
    shape = SHAPES[0]
    model = build_model(shape.model, "tensor")
    model.load_state_dict(first_weights(shape.model))
    batch = draw_batch(shape.model, 1)
    step = profile_step(model, batch, n_steps=2)
    calls = {op.name: op.calls for op in step.ops}
    assert calls.pop("linear") == 3 * 5  # qkv, proj, fc, proj, head: a product forward and two backward
    assert calls.pop("add") == 2
    assert calls.pop("cross_entropy") == 2  # recorded whole, forward and backward
    assert set(calls) == {"rms_norm", "embedding_sum", "self_attention", "relu", "sum of gradients"}
    linear = next(op for op in step.ops if op.name == "linear")
    weights = sum(p.size for name, p in shape.model.parameters().items() if len(p.shape) == 2 and name[:1] != "w")
    assert linear.flops == 6 * 16 * weights  # 16 tokens, a product forward and two backward
    assert all(op.seconds > 0 for op in step.ops)
    assert step.replay_s > 0
    assert step.graph_s > 0
    assert 0 < step.n_bytes < 1 << 16


def test_what_cannot_be_compiled_is_left_out_with_a_reason(monkeypatch):
    batch = draw_batch(SHAPES[0].model, 1)
    monkeypatch.setattr(contenders, "has_torch", lambda: False)
    assert compiled_step(SHAPES[0], {}, batch) == (None, "torch.compile is left out, since torch is missing")
    monkeypatch.setattr(contenders, "has_torch", lambda: True)
    monkeypatch.setenv("CXX", "no-such-compiler")
    step, reason = compiled_step(SHAPES[0], {}, batch)
    assert step is None
    assert "there is no C++ compiler (no-such-compiler): install one, or set CXX" in reason
