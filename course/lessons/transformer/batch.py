"""Exercise 8b: the same GPT in arrays, a whole batch at once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....models.gpt.config import GPTConfig
from ....models.gpt.scalar import GPT as ScalarGPT
from ....models.gpt.tensor import GPT as TensorGPT
from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ..arrays.spelling import Array, first_difference, seen
from .forward import drawn, formula, names
from .mistakes import small

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "relu2": lambda x: np.maximum(x, 0.0) ** 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
}
VARIANTS = {
    "rms, relu2": small("rms", "relu2"),
    "layer, relu, norm at the end": small("layer", "relu", final=True),
    "post layer, silu, own head": small("layer", "silu", tied=False, post=True),
}


@dataclass(frozen=True)
class Rows:
    """Ids (B, T), and every weight as an array."""

    ids: Array
    weights: dict[str, Array]
    n_layer: int

    def __str__(self) -> str:
        return f"logits(weights, {self.ids.tolist()}, n_layer={self.n_layer}, n_head=2)"


def _starter(v: GPTConfig) -> str:
    bends = {"relu": "max(x, 0)", "relu2": "max(x, 0)^2", "silu": "x / (1 + exp(-x))"}
    return f'''"""Exercise 8b: the GPT of 8a in arrays, a batch at once.

    {formula(v)}

    {v.activation}(x) = {bends[v.activation]}        under the root of a norm stands + 1e-5

weights is a dictionary of arrays; a weight (N, K) takes a row x (K,) to W x (N,):

    {names(v)}

Check it with:  nanochat learn check 8b
"""

import numpy as np


def logits(weights, ids, *, n_layer, n_head):
    """ids (B, T) of whole numbers -> (B, T, V)"""
    ...
'''


def _cases(rng: random.Random, v: GPTConfig) -> list[Rows]:
    cases = []
    for n_rows, n_tokens, n_layer in ((1, 2, 1), (2, 3, 1), (3, 4, 2)):
        text = drawn(rng, v, n_tokens, n_layer)
        rows = [list(text.ids), *([rng.randrange(v.vocab_size) for _ in text.ids] for _ in range(n_rows - 1))]
        weights = {name: np.array(table) for name, table in text.weights.items()}
        cases.append(Rows(np.array(rows), weights, n_layer))
    return cases


def _run(answer: Answer, case: Rows) -> Array:
    weights = {name: array.copy() for name, array in case.weights.items()}
    return np.asarray(answer["logits"](weights, case.ids.copy(), n_layer=case.n_layer, n_head=2))


def _shape(answer: Answer, case: Rows, v: GPTConfig) -> Broken | None:
    expected, got = (*case.ids.shape, v.vocab_size), _run(answer, case).shape
    return None if got == expected else Broken(call=str(case), expected=f"shape {expected}", got=f"shape {got}")


def _future(answer: Answer, case: Rows, v: GPTConfig) -> Broken | None:
    changed = replace(case, ids=case.ids.copy())
    changed.ids[:, -1] = (changed.ids[:, -1] + 1) % v.vocab_size
    before, after = _run(answer, case)[:, :-1], _run(answer, changed)[:, :-1]
    return first_difference(after, before, "logits", str(changed), close=1e-9, why=", as with another end")


def _rows(answer: Answer, case: Rows, v: GPTConfig) -> Broken | None:
    """The last row alone is what it is among others."""
    alone = replace(case, ids=case.ids[-1:])
    together, by_itself = _run(answer, case)[-1:], _run(answer, alone)
    why = ", as among the other rows"
    return first_difference(by_itself, together, "logits", str(alone), close=1e-9, why=why)


def _value(answer: Answer, case: Rows, v: GPTConfig) -> Broken | None:
    """Against the scalar spelling."""
    model = ScalarGPT(replace(v, n_layer=case.n_layer), seed=None)
    model.load_state_dict(case.weights)
    expected = np.array([[[z.data for z in row] for row in model.logits(ids)] for ids in case.ids.tolist()])
    return first_difference(_run(answer, case), expected, "logits", str(case), close=1e-9)


def _observe(answer: Answer, case: Rows, v: GPTConfig) -> Observation:
    return seen({"z": _run(answer, case)}, {"z": (*case.ids.shape, v.vocab_size)})


# **** right and wrong


@dataclass(frozen=True)
class _Spelling:
    """The right one; each field is a place where a mistake goes in."""

    heads: Callable[[Array, int], Array] = lambda x, h: x.reshape(*x.shape[:2], h, -1).swapaxes(1, 2)
    scale: Callable[[int, int], float] = lambda d, c: 1 / math.sqrt(d)
    causal: bool = True
    norm_axis: Any = -1
    by_head: bool = False
    projection: Callable[[Array], Array] = lambda w: w.T
    places: Callable[[Array, Array], Array] = lambda table, ids: table[: ids.shape[1]]
    residual: bool = True
    last_block: bool = False

    def __call__(self, v: GPTConfig) -> Callable[..., Array]:
        def logits(weights: dict[str, Array], ids: Array, *, n_layer: int, n_head: int) -> Array:
            x = weights["wte.weight"][ids] + self.places(weights["wpe.weight"], ids)  # (B, T, C)
            for layer in range(n_layer):
                name = f"h.{n_layer - 1 if self.last_block else layer}"
                for branch in (self._attention, self._mlp):
                    if v.norm_position == "pre":
                        x = x * self.residual + branch(v, weights, name, self._norm(v, x), n_head)
                    else:
                        x = self._norm(v, x * self.residual + branch(v, weights, name, x, n_head))
            x = self._norm(v, x) if v.final_norm else x
            z: Array = x @ weights["wte.weight" if v.tie_lm_head else "lm_head.weight"].T
            return z

        return logits

    def _norm(self, v: GPTConfig, x: Array) -> Array:
        x = x - x.mean(self.norm_axis, keepdims=True) if v.norm == "layer" else x
        n: Array = x / np.sqrt((x * x).mean(self.norm_axis, keepdims=True) + v.norm_eps)
        return n

    def _attention(self, v: GPTConfig, weights: dict[str, Array], name: str, x: Array, n_head: int) -> Array:
        b, t, c = x.shape
        qkv = x @ weights[f"{name}.attn.qkv.weight"].T  # (B, T, 3C)
        if self.by_head:
            qkv = qkv.reshape(b, t, n_head, 3, -1).swapaxes(2, 3).reshape(b, t, 3 * c)
        q, k, values = (self.heads(part, n_head) for part in np.split(qkv, 3, axis=-1))  # (B, H, T, D)
        scores = q @ k.swapaxes(-1, -2) * self.scale(c // n_head, c)
        if self.causal:
            scores = np.where(np.tri(t, dtype=bool), scores, -np.inf)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        y = (e / e.sum(-1, keepdims=True) @ values).swapaxes(1, 2).reshape(b, t, c)
        return y @ self.projection(weights[f"{name}.attn.proj.weight"])

    def _mlp(self, v: GPTConfig, weights: dict[str, Array], name: str, x: Array, n_head: int) -> Array:
        hidden = _ACTIVATIONS[v.activation](x @ weights[f"{name}.mlp.fc.weight"].T)
        y: Array = hidden @ weights[f"{name}.mlp.proj.weight"].T
        return y


_RIGHT = _Spelling()


def _with(**changed: Any) -> Callable[[GPTConfig], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: {"logits": spelled(v)}


def _projects(v: GPTConfig) -> Answer:
    def logits(weights: dict[str, Array], ids: Array, *, n_layer: int, n_head: int) -> Array:
        model = TensorGPT(replace(v, n_layer=n_layer, n_head=n_head), seed=None, dtype=np.float64)
        model.load_state_dict(weights)
        return model.predict(ids)

    return {"logits": logits}


EXERCISE = Exercise(
    title="a GPT in arrays",
    file="batch.py",
    asks=("logits",),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=str,
    laws=(
        Law(name="shape", sentence="there are V logits for every token of every row", holds=_shape),
        Law(name="future", sentence="a later token changes no earlier logits", holds=_future, needs=("shape",)),
        Law(name="rows", sentence="a row does not depend on the rows beside it", holds=_rows, needs=("shape",)),
        Law(
            name="value",
            sentence="the logits are those of the scalar spelling",
            holds=_value,
            points=3,
            needs=("shape",),
        ),
    ),
    observe=_observe,
    right=(_with(), _projects),
    wrong=(
        Wrong(
            name="heads by reshape",
            answer=_with(heads=lambda x, h: x.reshape(x.shape[0], h, x.shape[1], -1)),
            sentence="reshape to (B, H, T, D) reads across tokens: reshape to (B, T, H, D), then swap the axes.",
        ),
        Wrong(
            name="head by head",
            answer=_with(by_head=True),
            sentence="q, k and v were taken head by head; here all q come first, then all k, then all v.",
        ),
        Wrong(
            name="future",
            answer=_with(causal=False),
            sentence="a token attends to those after it: the scores need a mask.",
        ),
        Wrong(
            name="scale by C",
            answer=_with(scale=lambda d, c: 1 / math.sqrt(c)),
            sentence="the scores are divided by the root of all C channels: a score sums over the D of one head.",
        ),
        Wrong(
            name="norm of a sequence",
            answer=_with(norm_axis=(-2, -1)),
            sentence="the norm's mean goes over tokens as well, so a token knows of later ones: the last axis alone.",
        ),
        Wrong(
            name="norm of everything",
            answer=_with(norm_axis=None),
            sentence="the norm's mean goes over the whole batch, so rows depend on each other: the last axis alone.",
        ),
        Wrong(
            name="projection not turned",
            answer=_with(projection=lambda w: w),
            sentence="attn.proj is square, so x @ W runs as well as x @ W.T; a weight is (out, in), so the rows are "
            "the outputs.",
        ),
        Wrong(
            name="places by row",
            answer=_with(places=lambda table, ids: table[np.arange(len(ids)) % len(table)][:, None]),
            sentence="the place was taken from the row of the batch: it is the index along T that says where a token "
            "stands.",
        ),
        Wrong(
            name="no residual",
            answer=_with(residual=False),
            sentence="each branch replaced the stream: it adds to it.",
        ),
        Wrong(
            name="the last block again",
            answer=_with(last_block=True),
            sentence="every layer took the weights of one block: each has its own.",
        ),
    ),
    hints=(
        "As 8a with (B, T) in front: weights['wte.weight'][ids] looks all tokens up, x @ W.T is a linear layer.",
        "Heads: (B, T, C) to (B, T, H, D) to (B, H, T, D), scores (B, H, T, T), and back in the opposite order.",
        "A value is wrong? Print x after each branch in both spellings, for one token: which is the first to differ?",
    ),
    project="nanochat.models.gpt.tensor:Block",
    allowed=("numpy",),
)
