"""The classic formulation of scalar autograd, to measure ours against: one node for every `*` and every `+`.

Written for this benchmark from the idea of micrograd and microgpt (Karpathy 2020 and 2026): a node keeps its children
and the local derivatives as two tuples, constants become nodes, a - b is a + (b * -1), a / b is a * b**-1, and
`backward` recurses to sort the graph, as they do. It is slow by its nature and does not belong to the package.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Vector = list["Node"]
EPS = 1e-5


class Node:
    """A number, its gradient, and the numbers that it was computed from."""

    __slots__ = ("children", "data", "grad", "local_grads")

    def __init__(self, data: float, children: tuple[Node, ...] = (), local_grads: tuple[float, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self.children = children
        self.local_grads = local_grads

    def __add__(self, other: Node | float) -> Node:
        other = other if isinstance(other, Node) else Node(other)
        return Node(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Node | float) -> Node:
        other = other if isinstance(other, Node) else Node(other)
        return Node(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent: float) -> Node:
        return Node(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def exp(self) -> Node:
        return Node(math.exp(self.data), (self,), (math.exp(self.data),))

    def log(self) -> Node:
        return Node(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> Node:
        return Node(max(0.0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Node:
        return self * -1

    def __radd__(self, other: float) -> Node:
        return self + other

    def __rmul__(self, other: float) -> Node:
        return self * other

    def __sub__(self, other: Node | float) -> Node:
        return self + (-other)

    def __truediv__(self, other: Node | float) -> Node:
        return self * other**-1

    def backward(self) -> None:
        """Add d(self)/d(node) to `grad` of every node below. The recursion goes as deep as the graph."""
        order: list[Node] = []
        _visit(self, set(), order)
        self.grad = 1.0
        for node in reversed(order):
            for child, local_grad in zip(node.children, node.local_grads):  # noqa: B905 (strict= would slow it)
                child.grad += local_grad * node.grad


def _visit(node: Node, visited: set[Node], order: list[Node]) -> None:
    """Children before parents. As a closure in `backward` it would be a cycle that only the collector frees."""
    if node not in visited:
        visited.add(node)
        for child in node.children:
            _visit(child, visited, order)
        order.append(node)


def linear(x: Vector, weight: list[Vector]) -> Vector:
    """W x: one product and one sum node for every weight       x (in,), W (out, in) -> (out,)"""
    return [sum(w * v for w, v in zip(row, x)) for row in weight]  # type: ignore[misc]  # noqa: B905


def rms_norm(x: Vector) -> Vector:
    """x / sqrt(mean(x^2) + eps)       (C,) -> (C,)"""
    mean_square = sum(v * v for v in x) / len(x)
    scale = (mean_square + EPS) ** -0.5
    return [v * scale for v in x]


def softmax(x: Vector) -> Vector:
    """exp(x - max(x)) / sum       (n,) -> (n,)"""
    largest = max(v.data for v in x)
    exps = [(v - largest).exp() for v in x]
    total = sum(exps)
    return [e / total for e in exps]


class PlainGPT:
    """The microgpt: one block, pre-norm and input norm without gain, ReLU, untied head, no biases."""

    def __init__(self, state: Mapping[str, Any], n_head: int) -> None:
        """`state` is the state_dict of models.gpt.scalar.GPT: names and nested lists of floats, (out, in)."""
        self.n_head = n_head
        self.weights = {name: [[Node(v) for v in row] for row in rows] for name, rows in state.items()}

    def state_dict(self) -> dict[str, list[list[float]]]:
        """name -> rows of floats, as the constructor takes them."""
        return {name: [[w.data for w in row] for row in rows] for name, rows in self.weights.items()}

    def loss(self, ids: Sequence[int], targets: Sequence[int]) -> Node:
        """Mean cross-entropy in nats over one document       (T,), (T,) -> ()"""
        keys: list[Vector] = []
        values: list[Vector] = []
        losses = []
        for position, (index, target) in enumerate(zip(ids, targets, strict=True)):
            p = softmax(self.logits(index, position, keys, values))
            losses.append(-p[target].log())
        return sum(losses) / len(losses)  # type: ignore[return-value]

    def logits(self, index: int, position: int, keys: list[Vector], values: list[Vector]) -> Vector:
        """One token, after those whose keys and values are given       () -> (V,)"""
        weights = self.weights
        x = [t + p for t, p in zip(weights["wte.weight"][index], weights["wpe.weight"][position], strict=True)]
        x = rms_norm(x)
        x = [a + b for a, b in zip(x, self._attention(rms_norm(x), keys, values), strict=True)]
        hidden = [h.relu() for h in linear(rms_norm(x), weights["h.0.mlp.fc.weight"])]
        x = [a + b for a, b in zip(x, linear(hidden, weights["h.0.mlp.proj.weight"]), strict=True)]
        return linear(x, weights["lm_head.weight"])

    def _attention(self, x: Vector, keys: list[Vector], values: list[Vector]) -> Vector:
        n_embd = len(x)
        size = n_embd // self.n_head
        qkv = linear(x, self.weights["h.0.attn.qkv.weight"])
        query = qkv[:n_embd]
        keys.append(qkv[n_embd : 2 * n_embd])
        values.append(qkv[2 * n_embd :])
        y: Vector = []
        for first in range(0, n_embd, size):
            channels = range(first, first + size)
            p = softmax([sum(query[c] * key[c] for c in channels) / size**0.5 for key in keys])
            y += [sum(p_s * value[c] for p_s, value in zip(p, values, strict=True)) for c in channels]  # type: ignore[misc]
        return linear(y, self.weights["h.0.attn.proj.weight"])


class PlainAdamW:
    """p -= lr (m_hat / (sqrt(v_hat) + eps) + decay p), number by number: every weight of the microgpt is decayed."""

    def __init__(self, model: PlainGPT, *, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
        self.parameters = [w for rows in model.weights.values() for row in rows for w in row]
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self.m = [0.0] * len(self.parameters)
        self.v = [0.0] * len(self.parameters)
        self.n_steps = 0

    def step(self, lr: float) -> None:
        """Move every parameter, then forget its gradient."""
        self.n_steps += 1
        beta1, beta2 = self.betas
        for i, p in enumerate(self.parameters):
            self.m[i] = beta1 * self.m[i] + (1 - beta1) * p.grad
            self.v[i] = beta2 * self.v[i] + (1 - beta2) * p.grad**2
            m_hat = self.m[i] / (1 - beta1**self.n_steps)
            v_hat = self.v[i] / (1 - beta2**self.n_steps)
            p.data -= lr * (m_hat / (v_hat**0.5 + self.eps) + self.weight_decay * p.data)
            p.grad = 0.0
