"""Layers on lists of Values: names, shapes, first values, and that each is the function it is named after."""

from collections.abc import Callable

import pytest

from nanochat.engine.module import Module, shape_of
from nanochat.engine.scalar import Value, nn
from nanochat.engine.scalar import functional as F

LAYERS: dict[str, tuple[Callable[[], Module], dict[str, tuple[int, ...]]]] = {
    "linear": (lambda: nn.Linear(3, 2), {"weight": (2, 3)}),
    "linear with bias": (lambda: nn.Linear(3, 2, bias=True), {"weight": (2, 3), "bias": (2,)}),
    "embedding": (lambda: nn.Embedding(5, 3), {"weight": (5, 3)}),
    "rms": (lambda: nn.RMSNorm(3, gain=True, eps=1e-5), {"weight": (3,)}),
    "rms without gain": (lambda: nn.RMSNorm(3, gain=False, eps=1e-5), {}),
    "layer": (lambda: nn.LayerNorm(3, gain=True, bias=True, eps=1e-5), {"weight": (3,), "bias": (3,)}),
    "layer without": (lambda: nn.LayerNorm(3, gain=False, bias=False, eps=1e-5), {}),
    "dyt": (lambda: nn.DyT(3, gain=True, bias=True), {"alpha": (1,), "weight": (3,), "bias": (3,)}),
    "identity": (nn.Identity, {}),
}


def leaves(*xs: float) -> list[Value]:
    return [Value(x) for x in xs]


def floats(ys: list[Value]) -> list[float]:
    return [y.data for y in ys]


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_are_exactly_those_of_the_table(name: str) -> None:
    build, shapes = LAYERS[name]
    assert {key: shape_of(value) for key, value in build().state_dict().items()} == shapes


def test_no_two_leaves_of_a_layer_are_one() -> None:
    layer = nn.Linear(3, 2, bias=True)
    assert len({id(leaf) for row in layer.weight for leaf in row}) == 6
    assert len({id(leaf) for leaf in layer.bias or []}) == 2


def test_a_fresh_norm_with_gain_is_the_norm_without() -> None:
    x = leaves(1.0, -2.0, 0.5)
    assert floats(nn.RMSNorm(3, gain=True, eps=1e-5)(x)) == floats(F.rms_norm(x))
    assert floats(nn.LayerNorm(3, gain=True, bias=True, eps=1e-5)(x)) == floats(F.layer_norm(x))
    assert floats(nn.DyT(3, gain=True, bias=True)(x)) == floats(F.dyt(x, Value(0.5)))
    assert nn.Identity()(x) == x


def test_linear_multiplies_rows() -> None:
    layer = nn.Linear(2, 2, bias=True)
    layer.load_state_dict({"weight": [[1.0, 2.0], [3.0, 4.0]], "bias": [10.0, 20.0]})
    assert floats(layer(leaves(1.0, -1.0))) == [9.0, 19.0]


def test_an_embedding_gives_its_row_and_only_that_row_gets_a_gradient() -> None:
    layer = nn.Embedding(3, 2)
    F.sum(layer(1)).backward()
    assert [[leaf.grad for leaf in row] for row in layer.weight] == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


def test_eps_reaches_the_norm() -> None:
    x = leaves(1.0, 1.0, 1.0)
    assert floats(nn.RMSNorm(3, gain=False, eps=3.0)(x)) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("index", [-1, 5])
def test_an_id_outside_the_table_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match=rf"id {index} is out of bounds: a table of 5 rows takes 0 to 4"):
        nn.Embedding(5, 3)(index)
