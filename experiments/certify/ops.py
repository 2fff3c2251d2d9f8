"""Every op that both engines have, spelled in Values beside the array op that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...engine.scalar import Value
from ...engine.scalar import functional as S
from ...engine.tensor import Tensor
from ...engine.tensor import functional as F
from ...engine.tensor.ops.divergence import kl_divergence
from ...engine.tensor.tensor import apply
from . import third
from .case import Case, Side, both_sides, flatten

NOT_COMPARED = {
    "concat, getitem, merge_heads, reshape, split_heads, transpose": "the scalar path arranges lists instead",
    "dropout": "the scalar path has none",
}
"""Checked against finite differences alone, by the tests of the tensor engine."""

Numbers = Any
"""A Value, or a nested list of them."""
Shapes = dict[str, tuple[int, ...]]

_TARGETS = np.array([[3, -1, 0], [6, 1, 3]])
_TEACHER = np.linspace(-2.0, 3.0, 42).reshape(2, 3, 7) ** 2 % 3
_TEMPERATURE = 2.0
_SEGMENTS = np.array([[4, 4, 4, 5, 5], [0, 1, 1, 1, 2]])
_IDS = np.array([[1, 1, 4], [0, 1, 2]])
_POSITIONS = np.array([0, 1, 2, 3, 7])
_LENGTHS = np.array([3, 5])
_N_HEAD, _N_KV_HEAD = 4, 2
_SATURATED = {"q": 1e7, "k": 1e7, "v": 10.0}
"""Factors: one key has all the weight, and a rounding of the others' gradient would outweigh all there is."""


def op_cases() -> list[Case]:
    """At least one case for each op, more where an option is other code."""
    qkv: Shapes = {"q": (2, _N_HEAD, 5, 4), "k": (2, _N_KV_HEAD, 5, 4), "v": (2, _N_KV_HEAD, 5, 4)}
    wide: Shapes = {"q": (1, 2, 5, 24), "k": (1, 2, 5, 24), "v": (1, 2, 5, 24)}
    packed: Shapes = {"qkv": (2, 5, (_N_HEAD + 2 * _N_KV_HEAD) * 4)}
    heads: dict[str, Any] = {"n_head": _N_HEAD, "n_kv_head": _N_KV_HEAD}
    x: Shapes = {"x": (3, 5)}
    rows: Shapes = {"x": (2, 3, 8)}
    gain: Shapes = {"weight": (8,)}
    bias: Shapes = {"bias": (8,)}
    logits: Shapes = {"logits": (2, 3, 7)}
    return [
        *(_case(name, {"a": (3, 4), "b": (4,)}, _broadcast(spelling)) for name, spelling in _BINARY.items()),
        *(_case(name, x, _each(spelling)) for name, spelling in _UNARY.items()),
        _case("power", x, _each(lambda v: v**3), exponent=3.0),
        _case("scale", x, _each(lambda v: v * -0.5), factor=-0.5),
        _case("shift", x, _each(lambda v: v + 0.7), by=0.7),
        _case("sum", x, lambda x: S.sum(flatten(x))),
        _case("mean", x, lambda x: S.mean(flatten(x))),
        _case(
            "matmul",
            {"a": (3, 5), "b": (5, 2)},
            lambda a, b: [[S.dot(row, list(c)) for c in zip(*b, strict=True)] for row in a],
        ),
        _case("linear", {"x": (2, 3, 4), "weight": (5, 4), "bias": (5,)}, _by_row(S.linear)),
        _case("embedding", {"weight": (5, 3)}, lambda weight: [weight[i] for i in _IDS.reshape(-1)], ids=_IDS),
        _case(
            "embedding_sum",
            {"tokens": (5, 3), "places": (4, 3)},
            lambda tokens, places: [S.add(tokens[i], places[t]) for row in _IDS for t, i in enumerate(row)],
            ids=_IDS,
            positions=np.arange(_IDS.shape[1]),
        ),
        _case("layer_norm", rows | gain | bias, _by_row(S.layer_norm)),
        _case("rms_norm", rows | gain, _by_row(S.rms_norm)),
        _case("dyt", rows | {"alpha": (1,)} | gain | bias, _by_row(lambda x, a, w, b: S.dyt(x, a[0], w, b))),
        *(_case(f.__name__, rows, _by_row(f)) for f in (S.relu, S.relu2, S.gelu, S.silu, S.swiglu, S.softmax)),
        _case("cross_entropy", logits, _cross_entropy, "one target ignored", targets=_TARGETS),
        _case(
            "cross_entropy (capped)", logits, lambda z: _cross_entropy(_each(_cap)(z)), targets=_TARGETS, softcap=2.0
        ),
        _case(
            "kl_divergence",
            logits,
            _kl_divergence,
            "at temperature 2",
            teacher=_TEACHER,
            targets=_TARGETS,
            temperature=_TEMPERATURE,
        ),
        _case(
            "cross_entropy (smoothed)",
            logits,
            lambda z: _cross_entropy(z, label_smoothing=0.1),
            targets=_TARGETS,
            label_smoothing=0.1,
        ),
        _case(
            "rope", {"x": (2, 2, 5, 4)}, lambda x: [[_rope(head) for head in row] for row in x], positions=_POSITIONS
        ),
        _case("attention", qkv, _attention, "each key head serves two query heads"),
        _case("attention (window)", qkv, lambda *x: _attention(*x, window=2), "window 2", window=2),
        _case("attention (segments)", qkv, lambda *x: _attention(*x, segments=_SEGMENTS), segments=_SEGMENTS),
        _case(
            "attention (cached)",
            qkv | {"q": (2, _N_HEAD, 2, 4)},
            lambda *x: _attention(*x, lengths=_LENGTHS),
            "rows of 3 and 5 keys",
            lengths=_LENGTHS,
        ),
        _case("attention (saturated)", wide, _attention, "one key has all the weight", sizes=_SATURATED),
        _case("attention (one key)", wide, lambda *x: _attention(*x, window=1), "window 1", sizes=_SATURATED, window=1),
        _case("self_attention", packed, lambda x: _self_attention(x, placed=False), **heads),
        _case(
            "self_attention (rope, QK norm)",
            packed,
            lambda x: _self_attention(x, placed=True),
            positions=_POSITIONS,
            qk_norm_eps=1e-5,
            **heads,
        ),
    ]


_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": lambda a, b: a.max(b),
}
_UNARY: dict[str, Callable[[Value], Value]] = {
    "neg": lambda v: -v,
    "exp": lambda v: v.exp(),
    "log": lambda v: v.log(),
    "sqrt": lambda v: v.sqrt(),
    "tanh": lambda v: v.tanh(),
    "abs": abs,
}


def _case(
    name: str,
    shapes: Shapes,
    scalar: Callable[..., Numbers],
    remark: str = "",
    sizes: Mapping[str, float] | None = None,
    **static: Any,
) -> Case:
    """F.<name up to a bracket>(*arrays, **static) beside scalar(*nested lists)."""

    def build(rng: np.random.Generator) -> tuple[Side, Side]:
        op = getattr(F, name.partition(" (")[0], _distilled)  # looked up now: a test can put a wrong one there
        arrays = {
            key: _draw(shape, rng, positive=name in ("log", "sqrt")) * (sizes or {}).get(key, 1.0)
            for key, shape in shapes.items()
        }
        ours, arrays_side = both_sides(arrays, scalar, lambda *tensors: op(*tensors, **static), rng)
        spelled = None if name in third.NOT_IN_TORCH else lambda: third.op(name, static)
        return ours, arrays_side._replace(third=spelled)

    what = ", ".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in shapes.items())
    return Case(kind="op", name=name, remark=f"{what}; {remark}" if remark else what, build=build)


def _draw(shape: tuple[int, ...], rng: np.random.Generator, *, positive: bool) -> np.ndarray:
    """Normal numbers moved away from 0 by 0.2: no kink, no pole nearby"""
    x = rng.standard_normal(shape)
    return np.abs(x) + 0.2 if positive else x + np.copysign(0.2, x)


def _each(f: Callable[[Value], Value]) -> Callable[[Numbers], Numbers]:
    """f of every Value of a nested list"""

    def spelling(x: Numbers) -> Numbers:
        return [spelling(child) for child in x] if isinstance(x, list) else f(x)

    return spelling


def _by_row(f: Callable[..., Numbers]) -> Callable[..., Numbers]:
    """f(row, *parameters) of every innermost list of x"""

    def spelling(x: Numbers, *parameters: Numbers) -> Numbers:
        return [spelling(child, *parameters) for child in x] if isinstance(x[0], list) else f(x, *parameters)

    return spelling


def _broadcast(f: Callable[[Value, Value], Value]) -> Callable[[Numbers, Numbers], Numbers]:
    """f of each row of a (3, 4) with b (4,), number by number"""
    return lambda a, b: [[f(u, v) for u, v in zip(row, b, strict=True)] for row in a]


def _cap(z: Value) -> Value:
    return (z * 0.5).tanh() * 2.0


def _cross_entropy(logits: Numbers, label_smoothing: float = 0.0) -> Value:
    """Mean over the rows whose target counts"""
    pairs = zip((z for row in logits for z in row), _TARGETS.reshape(-1), strict=True)
    return S.mean(
        [S.cross_entropy(z, int(target), label_smoothing=label_smoothing) for z, target in pairs if target >= 0]
    )


def _distilled(logits: Tensor, **static: Any) -> Tensor:
    return apply(kl_divergence, logits, **static)


def _kl_divergence(logits: Numbers) -> Value:
    """T^2 sum_j p_j (log p_j - log q_j), mean over the rows whose target counts"""
    divergences = []
    pairs = zip((z for row in logits for z in row), _TEACHER.reshape(-1, 7), _TARGETS.reshape(-1), strict=True)
    for student, teacher, target in pairs:
        if target >= 0:
            p = np.exp(teacher / _TEMPERATURE)
            q = S.softmax([z * (1 / _TEMPERATURE) for z in student])
            terms = [(math.log(a) - b.log()) * a for a, b in zip((p / p.sum()).tolist(), q, strict=True)]
            divergences.append(S.sum(terms) * _TEMPERATURE**2)
    return S.mean(divergences)


def _rope(head: Sequence[list[Value]]) -> Numbers:
    return [S.rope(x, int(position)) for x, position in zip(head, _POSITIONS, strict=True)]


def _attention(
    q: Numbers,
    k: Numbers,
    v: Numbers,
    *,
    window: int = 0,
    segments: np.ndarray | None = None,
    lengths: np.ndarray | None = None,
) -> Numbers:
    """The masks of ops.attention, by which keys are in a list       (B, H, T, D), (B, Hkv, S, D) x 2 -> (B, H, T, D)"""
    y = []
    for b, heads in enumerate(q):
        end = len(k[b][0]) if lengths is None else int(lengths[b])
        for h, queries in enumerate(heads):
            keys, values = k[b][h * len(k[b]) // len(heads)], v[b][h * len(k[b]) // len(heads)]
            for position, query in enumerate(queries, end - len(queries)):
                first = max(0, position + 1 - window) if window else 0
                seen = [
                    s for s in range(first, position + 1) if segments is None or segments[b][s] == segments[b][position]
                ]
                y.append(S.attention(query, [keys[s] for s in seen], [values[s] for s in seen]))
    return y


def _self_attention(qkv: Numbers, *, placed: bool) -> Numbers:
    """Split into heads, placed by rope and QK norm, attended, merged       (B, T, (H + 2 Hkv) D) -> (B, T, H D)"""
    y = []
    for row in qkv:
        heads = [[x[i : i + 4] for x in row] for i in range(0, len(row[0]), 4)]  # (H + 2 Hkv, T, D)
        n_placed = _N_HEAD + _N_KV_HEAD
        if placed:
            heads[:n_placed] = [[S.rms_norm(x) for x in _rope(head)] for head in heads[:n_placed]]
        flat = _attention([heads[:_N_HEAD]], [heads[_N_HEAD:n_placed]], [heads[n_placed:]])  # (H T, D)
        y.append([[flat[h * len(row) + t] for h in range(_N_HEAD)] for t in range(len(row))])  # (T, H, D)
    return y
