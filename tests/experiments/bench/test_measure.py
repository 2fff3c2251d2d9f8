"""Benchmarks measure what they say; none of their times is asserted."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nanochat.experiments.bench.contenders import SHAPES, draw_batch, first_weights, split_rows
from nanochat.experiments.bench.measure import take_turns
from nanochat.experiments.bench.profile import profile_ops
from nanochat.models.build import build_model


def test_contenders_take_turns_and_a_ratio_is_over_the_first():
    order: list[str] = []

    def sleeper(name: str, seconds: float):
        def step() -> None:
            order.append(name)
            time.sleep(seconds)

        return step

    timing = take_turns({"a": sleeper("a", 0.002), "b": sleeper("b", 0.02)}, rounds=2, seconds=0.01, rest=0)
    assert timing.ratios["a"] == 1.0
    assert timing.ratios["b"] > 1.0
    assert "".join(order).count("ab") >= 3  # the warm-up and each round


@pytest.mark.parametrize("n", [1, 2, 4])
def test_parts_of_a_batch_are_the_batch(n: int):
    batch = draw_batch(SHAPES[1].model, 12)
    parts = split_rows(batch, n)
    np.testing.assert_array_equal(np.concatenate([part.inputs for part in parts]), batch.inputs)
    assert {len(part.targets) for part in parts} == {12 // n}


def test_a_profile_counts_every_op_of_a_step():
    shape = SHAPES[0]
    model = build_model(shape.model, "tensor")
    model.load_state_dict(first_weights(shape.model))
    batch = draw_batch(shape.model, 1)
    ops, seconds = profile_ops(lambda: model.loss(*batch), n_steps=2)
    calls = {op.name: op.calls for op in ops}
    assert calls == {
        "linear": 5,  # qkv, proj, fc, proj, head
        "rms_norm": 3,
        "add": 2,
        "embedding_sum": 1,
        "self_attention": 1,
        "relu": 1,
        "cross_entropy": 1,
    }
    linear = next(op for op in ops if op.name == "linear")
    weights = sum(p.size for name, p in shape.model.parameters().items() if len(p.shape) == 2 and name[:1] != "w")
    assert linear.flops == 6 * 16 * weights  # 16 tokens, a product forward and two backward
    assert 0 < sum(op.seconds for op in ops) <= seconds
