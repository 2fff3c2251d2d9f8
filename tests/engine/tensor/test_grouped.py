"""nanochat's optimizer: each rule by its own law, and the groups by name."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanochat.engine.tensor import Tensor
from nanochat.engine.tensor.grouped import Group, GroupedMuon, MuonRules, evened, polar_express
from nanochat.engine.tensor.optim import AdamW

SHAPES = {"wte.weight": (5, 4), "h.0.qkv.weight": (12, 4), "h.0.proj.weight": (4, 6), "h.0.scale": (1,)}
TABLE = (
    Group(pattern="wte.*", rate=2.0, betas=(0.9, 0.999), weight_decay=0.1),
    Group(pattern="*.scale", rate=0.5, fixed=True, betas=(0.9, 0.999)),
)
PLAIN = MuonRules(equalize_rows=False, renormalize=False, variance=False, cautious=False)


def parameters(seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    return {name: Tensor(rng.standard_normal(shape), requires_grad=True) for name, shape in SHAPES.items()}


def optimizer_of(named: dict[str, Tensor], **changed: Any) -> GroupedMuon:
    options: dict[str, Any] = {"groups": TABLE, "rules": MuonRules(), "parts": {}, "base_lr": 0.1, "eps": 1e-8}
    return GroupedMuon(named.items(), **options | changed)


def step(named: dict[str, Tensor], optimizer: Any, seed: int = 1, lr: float = 0.1) -> dict[str, np.ndarray]:
    """What each parameter moved by."""
    rng, before = np.random.default_rng(seed), {name: p.data.copy() for name, p in named.items()}
    for parameter in named.values():
        assert parameter.grad is not None
        parameter.grad[...] = rng.standard_normal(parameter.shape)
    optimizer.step(lr)
    return {name: p.data - before[name] for name, p in named.items()}


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9)])
def test_polar_express_brings_singular_values_near_1(shape: tuple[int, int]) -> None:
    g = np.random.default_rng(0).standard_normal(shape)
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    values = np.diag(u.T @ polar_express(g) @ vt.T)  # of the same directions
    assert s.max() / s.min() > 1.5
    assert np.abs(values - 1).max() < 0.15  # 0.86 to 1.14, its five quintics over all sizes
    assert np.abs(u.T @ polar_express(g) @ vt.T - np.diag(values)).max() < 1e-10


def test_groups_have_adamw_with_a_rate_of_their_own() -> None:
    named, twin = parameters(), parameters()
    moved = step(named, optimizer_of(named))
    expected = step(twin, AdamW(twin.items(), weight_decay=0.1), lr=0.2)
    np.testing.assert_allclose(moved["wte.weight"], expected["wte.weight"], rtol=1e-12)
    assert abs(moved["h.0.scale"].item()) == pytest.approx(0.5, rel=1e-6)  # the first step of Adam is the rate


def test_a_fixed_group_keeps_its_rate_and_follows_the_schedule() -> None:
    for base in (0.1, 0.3):
        named = parameters()
        moved = step(named, optimizer_of(named, base_lr=base), lr=base / 4)
        assert abs(moved["h.0.scale"].item()) == pytest.approx(0.5 / 4, rel=1e-6)


def test_the_parts_of_a_matrix_move_as_matrices_of_their_own() -> None:
    named = parameters()
    moved = step(named, optimizer_of(named, parts={"*.qkv.weight": (4, 4, 4)}))["h.0.qkv.weight"]
    for i in range(3):
        rows = slice(4 * i, 4 * i + 4)
        alone = {"h.0.part.weight": Tensor(parameters()["h.0.qkv.weight"].data[rows].copy(), requires_grad=True)}
        optimizer = optimizer_of(alone)
        parameter = alone["h.0.part.weight"]
        parameter.grad[...] = named["h.0.qkv.weight"].grad[rows]  # type: ignore[index]
        before = parameter.data.copy()
        optimizer.step(0.1)
        np.testing.assert_allclose(parameter.data - before, moved[rows], rtol=1e-12)
    fused = parameters()
    assert np.abs(step(fused, optimizer_of(fused))["h.0.qkv.weight"] - moved).max() > 1e-3


@pytest.mark.parametrize("name", ["h.0.qkv.weight", "h.0.proj.weight"])
def test_muon_plus_gives_a_step_the_norm_of_an_orthogonal_matrix(name: str) -> None:
    named = parameters()
    moved = step(named, optimizer_of(named, rules=replace(PLAIN, renormalize=True)))[name]
    out, into = SHAPES[name]
    assert np.linalg.norm(moved) == pytest.approx(0.1 * math.sqrt(max(1, out / into)) * math.sqrt(min(out, into)))


def test_muon_eq_makes_a_step_independent_of_the_size_of_rows() -> None:
    rows = np.array([[1.0], [10.0], [0.1], [3.0]])
    optimizer = optimizer_of(parameters(), rules=replace(PLAIN, equalize_rows=True))
    g, unused = np.random.default_rng(0).standard_normal((4, 6)), np.zeros((4, 6))
    np.testing.assert_allclose(optimizer._direction(g, unused), optimizer._direction(g * rows, unused), atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 4)])
def test_nor_muon_keeps_the_norm_and_evens_rows_out(shape: tuple[int, int]) -> None:
    x, v = np.random.default_rng(0).standard_normal(shape), np.zeros(shape)
    y = evened(x, v, 0.9)
    assert np.linalg.norm(y) == pytest.approx(np.linalg.norm(x))
    sizes = np.linalg.norm(y, axis=1 if shape[0] >= shape[1] else 0)
    np.testing.assert_allclose(sizes, sizes[0])  # after one step each has its own mean square
    assert np.count_nonzero(v) == max(shape)


def test_cautious_decay_spares_what_the_step_moves_away_from_0() -> None:
    plain, cautious, none = ({**parameters()} for _ in range(3))
    rules = replace(PLAIN, cautious=True)
    all_moved = step(plain, optimizer_of(plain, rules=PLAIN, weight_decay=0.5))["h.0.proj.weight"]
    some = step(cautious, optimizer_of(cautious, rules=rules, weight_decay=0.5))["h.0.proj.weight"]
    free = step(none, optimizer_of(none, rules=PLAIN))["h.0.proj.weight"]
    towards_0 = free * parameters()["h.0.proj.weight"].data <= 0
    assert 0 < towards_0.sum() < towards_0.size
    np.testing.assert_array_equal(some[towards_0], all_moved[towards_0])
    np.testing.assert_array_equal(some[~towards_0], free[~towards_0])


def test_its_memory_goes_on_where_it_stopped() -> None:
    whole, part = parameters(), parameters()
    optimizer = optimizer_of(whole, weight_decay=0.1)
    for seed in range(4):
        step(whole, optimizer, seed)
    first = optimizer_of(part, weight_decay=0.1)
    for seed in range(2):
        step(part, first, seed)
    again = {name: Tensor(p.data.copy(), requires_grad=True) for name, p in part.items()}
    second = optimizer_of(again, weight_decay=0.1)
    second.load_state_dict(first.state_dict())
    for seed in range(2, 4):
        step(again, second, seed)
    for name, parameter in again.items():
        np.testing.assert_array_equal(parameter.data, whole[name].data)


def test_a_vector_that_no_group_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"h\.0\.scale of shape \(1,\) is in no group"):
        optimizer_of(parameters(), groups=TABLE[:1])
