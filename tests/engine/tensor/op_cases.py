"""Arrays and static arguments for every op."""

from __future__ import annotations

import numpy as np

R = np.random.default_rng(1)


def n(*shape):
    return R.standard_normal(shape)


def positive(*shape):
    return R.uniform(0.5, 2.0, shape)


def away_from_zero(*shape):
    return positive(*shape) * R.choice([-1.0, 1.0], shape)


IDS = np.array([[0, 3, 3], [1, 0, 4]])
TARGETS = np.array([[1, 0], [-1, 3]])
SEGMENTS = np.array([[0, 0, 0, 1, 1], [0, 1, 1, 1, 2]])

# op name -> [(arrays, static)]: a test fails if an op of ops/ is missing here
CASES = {
    "abs": [((away_from_zero(3, 4),), {})],
    "add": [((n(2, 3), n(2, 3)), {}), ((n(2, 3), n(3)), {}), ((n(2, 1, 4), n(3, 1)), {}), ((n(), n(2)), {})],
    "attention": [
        ((n(2, 2, 5, 4), n(2, 2, 5, 4), n(2, 2, 5, 4)), {}),
        ((n(2, 4, 3, 2), n(2, 2, 5, 2), n(2, 2, 5, 2)), {}),
        ((n(1, 2, 40, 2), n(1, 2, 40, 2), n(1, 2, 40, 2)), {}),
        ((n(1, 2, 40, 2), n(1, 1, 40, 2), n(1, 1, 40, 2)), {"window": 7}),
        ((n(1, 4, 35, 2), n(1, 2, 40, 2), n(1, 2, 40, 2)), {}),
        ((n(2, 2, 5, 2), n(2, 2, 5, 2), n(2, 2, 5, 2)), {"segments": SEGMENTS}),
        ((n(2, 2, 2, 2), n(2, 1, 5, 2), n(2, 1, 5, 2)), {"lengths": np.array([3, 5]), "window": 2}),
        ((n(1, 1, 33, 2) * 40, n(1, 1, 33, 2) * 40, n(1, 1, 33, 2)), {}),
    ],
    "concat": [((n(2, 3), n(2, 1)), {}), ((n(1, 3), n(2, 3), n(1, 3)), {"axis": 0})],
    "cross_entropy": [
        ((n(2, 2, 5),), {"targets": np.array([[1, 0], [4, 3]])}),
        ((n(2, 2, 5),), {"targets": TARGETS}),
        ((n(2, 2, 5),), {"targets": TARGETS, "label_smoothing": 0.1}),
        ((n(2, 2, 5) * 3,), {"targets": TARGETS, "softcap": 2.0, "label_smoothing": 0.2}),
        ((n(2, 5) * 100,), {"targets": np.array([1, 2]), "label_smoothing": 0.2}),
    ],
    "div": [((n(2, 3), away_from_zero(2, 3)), {}), ((n(3), away_from_zero(2, 1)), {})],
    "dropout": [((n(4, 5),), {"p": 0.3})],
    "dyt": [
        ((n(2, 3, 4), n(1)), {}),
        ((n(2, 3, 4), n(1), n(4)), {}),
        ((n(3, 4), n(1), n(4), n(4)), {}),
    ],
    "embedding_sum": [
        ((n(5, 3), n(4, 3)), {"ids": IDS, "positions": np.arange(IDS.shape[-1])}),
        ((n(5, 3), n(4, 3)), {"ids": IDS[:1], "positions": np.arange(1, 1 + IDS.shape[-1])}),
        ((n(5, 3), n(4, 3)), {"ids": IDS, "positions": np.arange(IDS.size).reshape(IDS.shape) % 4}),
    ],
    "embedding": [((n(5, 3),), {"ids": IDS}), ((n(300, 2),), {"ids": np.array([7, 299, 7, 0])})],
    "exp": [((n(3, 4),), {})],
    "gelu": [((n(3, 4) * 2,), {})],
    "getitem": [
        ((n(4, 3),), {"index": slice(1, 3)}),
        ((n(4, 3, 2),), {"index": (Ellipsis, 0)}),
        ((n(4, 3),), {"index": np.array([0, 0, 2])}),
    ],
    "layer_norm": [((n(2, 3, 4),), {}), ((n(3, 4), n(4)), {}), ((n(2, 3, 4), n(4), n(4)), {"eps": 0.1})],
    "linear": [((n(2, 3, 4), n(5, 4)), {}), ((n(3, 4), n(5, 4), n(5)), {}), ((n(4), n(2, 4), n(2)), {})],
    "log": [((positive(3, 4),), {})],
    "matmul": [((n(3, 4), n(4, 2)), {}), ((n(2, 3, 4), n(4, 2)), {}), ((n(2, 1, 3, 4), n(3, 4, 2)), {})],
    "maximum": [((n(3, 4), n(3, 4)), {}), ((n(3, 4), n(4)), {})],
    "mean": [((n(3, 4),), {}), ((n(3, 4, 2),), {"axis": (0, -1)}), ((n(3, 4),), {"axis": 0, "keepdims": True})],
    "merge_heads": [((n(2, 2, 3, 4),), {})],
    "mul": [((n(2, 3), n(2, 3)), {}), ((n(2, 3), n(3)), {}), ((n(2, 1, 4), n(3, 1)), {})],
    "neg": [((n(3),), {})],
    "power": [
        ((away_from_zero(3, 4),), {"exponent": p}) for p in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -1.0, -2.0)
    ] + [((positive(3, 4),), {"exponent": p}) for p in (0.5, -0.5, 1.5)],
    "relu": [((away_from_zero(3, 4),), {})],
    "relu2": [((away_from_zero(3, 4),), {})],
    "reshape": [((n(3, 4),), {"shape": (2, -1)})],
    "rms_norm": [((n(2, 3, 4),), {}), ((n(3, 4), n(4)), {"eps": 0.1})],
    "rope": [
        ((n(2, 2, 3, 4),), {"positions": np.array([0, 1, 5])}),
        ((n(2, 2, 3, 4),), {"positions": np.array([[0, 1, 5], [2, 3, 4]]), "base": 100.0}),
    ],
    "scale": [((n(3, 4),), {"factor": -0.5})],
    "self_attention": [
        ((n(2, 5, 24),), {"n_head": 2}),
        ((n(2, 5, 16),), {"n_head": 4, "n_kv_head": 2, "window": 3}),
        ((n(2, 5, 16),), {"n_head": 2, "n_kv_head": 1, "positions": np.arange(5), "qk_norm_eps": 1e-5}),
        ((n(2, 5, 12),), {"n_head": 2, "positions": np.arange(10).reshape(2, 5), "segments": SEGMENTS}),
    ],
    "shift": [((n(3, 4),), {"by": 0.7})],
    "silu": [((n(3, 4) * 2,), {})],
    "softmax": [((n(2, 3, 4),), {}), ((n(3, 4) * 100,), {})],
    "split_heads": [((n(2, 3, 8),), {"n_head": 2})],
    "sqrt": [((positive(3, 4),), {})],
    "sub": [((n(2, 3), n(2, 3)), {}), ((n(3), n(2, 1)), {})],
    "sum": [((n(3, 4),), {}), ((n(3, 4, 2),), {"axis": (0, 2)}), ((n(3, 4),), {"axis": -1, "keepdims": True})],
    "swiglu": [((n(2, 3, 8) * 2,), {})],
    "tanh": [((n(3, 4),), {})],
    "transpose": [((n(3, 4, 2),), {}), ((n(3, 4, 2),), {"axes": (1, 0, 2)}), ((n(3, 4, 2),), {"axes": (0, -1, 1)})],
}  # fmt: skip
