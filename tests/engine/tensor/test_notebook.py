"""A Tensor in a notebook: shape, op, gradient and a heat map that is as large as an eye takes in."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from nanochat.engine.tensor import Tensor
from nanochat.engine.tensor import functional as F
from nanochat.engine.tensor.notebook import describe, heat_map


def test_a_tensor_says_what_it_is():
    w = Tensor([[1.0, 2.0]], requires_grad=True)
    assert describe(w) == "Tensor (1, 2) float64, a leaf: backward() not called yet"
    y = F.matmul(w, Tensor([[3.0], [4.0]]))
    assert describe(y) == "Tensor (1, 1) float64, computed by matmul"
    y.sum().backward()
    assert describe(w) == "Tensor (1, 2) float64, a leaf: its gradient has norm 5"
    assert describe(y) == "Tensor (1, 1) float64, computed; backward() has freed its graph"
    assert describe(Tensor(1.0)) == "Tensor () float64, a constant"


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 2, 3), (0,), (2, 0), (100, 100)])
def test_a_heat_map_of_any_shape_is_an_image(shape):
    drawn = heat_map(np.ones(shape)).split("<p>")[0]
    if drawn:
        assert 1 <= len(ET.fromstring(drawn)) <= 32 * 32
    assert bool(drawn) == bool(np.prod(shape))


def test_a_heat_map_of_zeros_says_that_the_largest_is_0():
    assert "the largest of size 0" in heat_map(np.zeros((2, 2)))


def test_what_is_not_finite_is_grey_and_hides_nothing_else():
    drawn = heat_map(np.array([1.0, np.nan, -np.inf, -1.0]))
    assert drawn.count("#a3a3a3") == 2
    assert "#b91c1c" in drawn
    assert "#1d4ed8" in drawn
    assert Tensor([1.0])._repr_mimebundle_()["text/html"].startswith("<p>Tensor (1,)")
