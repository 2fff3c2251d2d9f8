"""Laws of Module: what is a parameter, what it is called, and what a state_dict must hold to fit."""

from typing import Any

import pytest

from nanochat.engine.module import Module, shape_of
from nanochat.engine.scalar import Value, nn


class Tied(Module):
    """Two names for one weight, a list of layers, and attributes that are no parameters."""

    def __init__(self) -> None:
        self.size = 3
        self.title = "no parameter"
        self.wte = nn.Embedding(3, 2)
        self.h = [nn.Linear(2, 2, bias=True), nn.Linear(2, 2)]
        self.nothing = None
        self.empty: list[Value] = []
        self.lm_head = self.wte.weight
        self.gain = Value(1.0)


class ArrayLike:
    """As much of a Tensor as Module knows: shape, data, grad."""

    def __init__(self, *values: float) -> None:
        self.data = Array(values)
        self.grad = None
        self.shape = (len(values),)


class Array(list[float]):
    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self),)

    def __setitem__(self, key: Any, values: Any) -> None:
        super().__setitem__(slice(None) if key is Ellipsis else key, values)

    def copy(self) -> "Array":
        return Array(self)


def test_names_are_paths_of_attributes_in_order_of_declaration() -> None:
    names = [name for name, _ in Tied().named_parameters()]
    assert names == ["wte.weight", "h.0.weight", "h.0.bias", "h.1.weight", "gain"]


def test_a_shared_weight_is_named_and_counted_once() -> None:
    model = Tied()
    assert "lm_head" not in model.state_dict()
    assert model.n_parameters() == 3 * 2 + (2 * 2 + 2) + 2 * 2 + 1
    assert len(model.parameters()) == 5


def test_state_dict_is_a_copy() -> None:
    model = Tied()
    state = model.state_dict()
    state["wte.weight"][0][0] = 99.0
    assert model.wte.weight[0][0].data == 0.0
    model.wte.weight[1][1].data = 5.0
    assert state["wte.weight"][1][1] == 0.0


def test_state_dict_round_trips_into_another_model() -> None:
    model, other = Tied(), Tied()
    for i, row in enumerate(model.wte.weight):
        for j, leaf in enumerate(row):
            leaf.data = 10.0 * i + j
    other.load_state_dict(model.state_dict())
    assert other.state_dict() == model.state_dict()


def test_loading_writes_into_the_leaves_that_are_there() -> None:
    model = Tied()
    leaf, state = model.wte.weight[2][1], model.state_dict()
    state["wte.weight"][2][1] = 7
    model.load_state_dict(state)
    assert model.wte.weight[2][1] is leaf
    assert leaf.data == 7.0
    assert isinstance(leaf.data, float)
    assert model.lm_head is model.wte.weight  # still tied


def test_arrays_are_written_in_place_and_read_as_copies() -> None:
    class Layer(Module):
        def __init__(self) -> None:
            self.weight = ArrayLike(1.0, 2.0)

    layer = Layer()
    data, state = layer.weight.data, layer.state_dict()
    layer.load_state_dict({"weight": Array([3.0, 4.0])})
    assert layer.weight.data is data
    assert list(data) == [3.0, 4.0]
    assert list(state["weight"]) == [1.0, 2.0]
    assert layer.n_parameters() == 2


def test_load_state_dict_lists_every_problem_and_changes_nothing() -> None:
    model = Tied()
    state = model.state_dict()
    state["wte.weight"] = [[1.0, 1.0]]
    state["h.0.bias"] = [1.0, 1.0]
    del state["gain"]
    state["extra"] = 0.0
    with pytest.raises(ValueError, match="the weights do not fit the model") as caught:
        model.load_state_dict(state)
    message = str(caught.value)
    assert "gain is missing" in message
    assert "extra is unexpected" in message
    assert "wte.weight has shape (1, 2), the model has (3, 2)" in message
    assert [leaf.data for leaf in model.h[0].bias or []] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("parameter", "shape"), [(1.0, ()), ([], (0,)), ([1.0, 2.0], (2,)), ([[1.0], [2.0]], (2, 1)), ([[], []], (2, 0))]
)
def test_shape_of_nested_lists(parameter: Any, shape: tuple[int, ...]) -> None:
    assert shape_of(parameter) == shape
