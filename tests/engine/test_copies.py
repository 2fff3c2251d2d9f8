"""Copies and pickles: a leaf is born anew, any other node is refused, a model is copied whole."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nanochat.engine import Value
from nanochat.engine.tensor import Tensor
from nanochat.engine.tensor.optim import AdamW
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig

WAYS: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]  # noqa: S301


def value_leaf() -> Value:
    leaf = Value(3.0)
    leaf.grad = 2.0
    return leaf


def tensor_leaf() -> Tensor:
    leaf = Tensor(np.array(3.0), requires_grad=True)
    leaf.grad = np.array(2.0)
    return leaf


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [value_leaf, tensor_leaf])
def test_a_copied_leaf_is_younger_and_has_its_own_gradient(way: Any, make: Any) -> None:
    leaf = make()
    younger = Value(1.0) if make is value_leaf else Tensor([1.0])

    twin = way(leaf)
    (twin * twin).sum().backward() if make is tensor_leaf else (twin * twin).backward()

    assert twin.born > younger.born > leaf.born
    assert float(twin.data) == float(leaf.data) == 3.0
    assert (float(leaf.grad), float(twin.grad)) == (2.0, 8.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("node", [lambda: value_leaf() * 2, lambda: tensor_leaf() * 2.0], ids=["Value", "Tensor"])
def test_a_node_that_was_computed_is_refused_with_the_way_out(way: Any, node: Any) -> None:
    with pytest.raises(TypeError, match=r"that was computed.*cannot be copied or pickled.*take (Value|Tensor)\("):
        way(node())


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_a_copied_model_is_the_same_function_and_its_own_owner(mode: Any) -> None:
    model = build_model(GPTConfig(vocab_size=5, block_size=3, n_embd=8, n_head=2), mode)
    twin = copy.deepcopy(model)
    ids, targets = np.array([[1, 2, 3]]), np.array([[2, 3, 4]])
    if mode == "scalar":
        ids, targets = ids.tolist(), targets.tolist()

    loss, other = model.loss(ids, targets), twin.loss(ids, targets)
    other.backward()

    assert float(loss) == float(other)
    for parameter, copied in zip(model.parameters(), twin.parameters(), strict=True):
        assert parameter is not copied
        if mode == "tensor":
            assert parameter.grad is None
            assert copied.grad is not None
            assert not np.shares_memory(parameter.data, copied.data)


@pytest.mark.parametrize("way", [copy.deepcopy, WAYS[2]])
def test_a_copied_optimizer_would_move_nothing_and_is_refused(way: Any) -> None:
    with pytest.raises(TypeError, match="an optimizer cannot be copied"):
        way(AdamW([("w", tensor_leaf())]))
