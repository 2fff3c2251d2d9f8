"""Exercise 8a: a whole GPT in Values, forward; and how many numbers it learns."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ....engine.scalar import functional as F
from ....engine.scalar.value import Value
from ....models.gpt.config import GPTConfig
from ....models.gpt.scalar import GPT
from ...exercise import Answer, Broken, Exercise, Observation, law
from ...judging import digits
from .mistakes import MISTAKES, Vector, Weights, answer_with, small

_SIZES = ({"vocab_size": 27, "block_size": 16, "n_layer": 1, "n_embd": 16}, {"vocab_size": 100, "block_size": 7})
VARIANTS = {
    "rms, relu2": small("rms", "relu2"),
    "rms, gelu, own head": small("rms", "gelu", tied=False),
    "rms, silu, norm at the end": small("rms", "silu", final=True),
    "layer, relu, norm at the end": small("layer", "relu", final=True),
    "layer, silu, own head": small("layer", "silu", tied=False),
    "layer, gelu, own head, norm at the end": small("layer", "gelu", tied=False, final=True),
    "post layer, gelu": small("layer", "gelu", post=True),
    "post rms, relu2, own head": small("rms", "relu2", tied=False, post=True),
    "post layer, silu, own head": small("layer", "silu", tied=False, post=True),
}


@dataclass(frozen=True)
class Text:
    """Ids, and every weight as nested lists of floats."""

    ids: tuple[int, ...]
    weights: Weights
    n_layer: int

    def __str__(self) -> str:
        return f"logits(weights, {list(self.ids)}, n_layer={self.n_layer}, n_head=2)"

    def values(self) -> Weights:
        """The weights as new Values."""
        return {name: _map(table, Value) for name, table in self.weights.items()}


def _map(table: Any, f: Callable[[float], Any]) -> Any:
    return [_map(row, f) for row in table] if isinstance(table, list) else f(table)


def formula(v: GPTConfig) -> str:
    """The model in lines, for a starter."""
    norm, head = f"{v.norm}_norm", "wte.weight" if v.tie_lm_head else "lm_head.weight"
    attention = "project(heads of causal attention(qkv({})))"
    mlp = f"mlp.proj {v.activation}(mlp.fc {{}})"
    lines = ["x[t] = wte.weight[ids[t]] + wpe.weight[t]", "in each block, for every token:"]
    for branch in (attention, mlp):
        inner = (
            f"x + {branch.format(f'{norm}(x)')}" if v.norm_position == "pre" else f"{norm}(x + {branch.format('x')})"
        )
        lines.append(f"    x = {inner}")
    last = f"{norm}(x[t])" if v.final_norm else "x[t]"
    return "\n    ".join([*lines, f"logits[t] = {head} {last}"])


def names(v: GPTConfig) -> str:
    """Every weight with its shape, for a starter."""
    shapes = {"wte.weight": "(V, C)", "wpe.weight": "(T, C)", "h.0.attn.qkv.weight": "(3C, C): q, then k, then v"}
    shapes |= {"h.0.attn.proj.weight": "(C, C)", "h.0.mlp.fc.weight": "(4C, C)", "h.0.mlp.proj.weight": "(C, 4C)"}
    shapes |= {} if v.tie_lm_head else {"lm_head.weight": "(V, C)"}
    return "\n    ".join(f"{name:22}{shape}" for name, shape in shapes.items())


def _starter(v: GPTConfig) -> str:
    return f'''"""Exercise 8a: a GPT, 60 lines or fewer.

    {formula(v)}

A matrix W times a row x is F.linear(x, W). weights is a dictionary, of nested lists of Values:

    {names(v)}
                          and the same for h.1, h.2, ...

The C channels of q, k and v are cut into n_head heads, neighbours together. Norms have no gain, nothing has a bias.
Check it with:  nanochat learn check 8a
"""

from nanochat.engine.scalar import functional as F


def logits(weights, ids, *, n_layer, n_head):
    """ids, T whole numbers -> T lists of V Values: what follows each token"""
    ...


def n_parameters(*, vocab_size, block_size, n_layer, n_embd):
    """How many numbers such a model learns"""
    ...
'''


def drawn(rng: random.Random, v: GPTConfig, n_tokens: int, n_layer: int) -> Text:
    """Random weights, none of them small; the first two tokens differ."""
    table = replace(v, n_layer=n_layer).parameters()

    def fill(shape: tuple[int, ...]) -> Any:
        return [fill(shape[1:]) for _ in range(shape[0])] if shape else rng.choice((-1, 1)) * rng.randint(2, 12) / 10

    ids = [*rng.sample(range(v.vocab_size), 2), *(rng.randrange(v.vocab_size) for _ in range(n_tokens - 2))]
    return Text(tuple(ids), {name: fill(parameter.shape) for name, parameter in table.items()}, n_layer)


def _cases(rng: random.Random, v: GPTConfig) -> list[Text]:
    return [drawn(rng, v, *sizes) for sizes in ((3, 1), (3, 2))]


def _run(answer: Answer, case: Text) -> list[Vector]:
    got: list[Vector] = answer["logits"](case.values(), list(case.ids), n_layer=case.n_layer, n_head=2)
    return got


# **** laws


def _rows(answer: Answer, case: Text, v: GPTConfig) -> Broken | None:
    problem = _flaw(_run(answer, case), case, v)
    said = f"{len(case.ids)} lists of {v.vocab_size} Values"
    return Broken(call=str(case), expected=said, got=problem) if problem else None


def _flaw(got: Any, case: Text, v: GPTConfig) -> str:
    """What came back in place of T lists of V Values, in words."""
    if not isinstance(got, (list, tuple)) or not all(isinstance(row, (list, tuple)) for row in got):
        first = got[0] if isinstance(got, (list, tuple)) and got else got
        return "one list of Values" if isinstance(first, Value) else digits(got)
    if [len(row) for row in got] != [v.vocab_size] * len(case.ids):
        return f"lists of {', '.join(str(len(row)) for row in got)}"
    others = [z for row in got for z in row if not isinstance(z, Value)]
    return f"a {type(others[0]).__name__} in them" if others else ""


def _future(answer: Answer, case: Text, v: GPTConfig) -> Broken | None:
    changed = replace(case, ids=(*case.ids[:-1], (case.ids[-1] + 1) % v.vocab_size))
    return _first(_run(answer, changed)[:-1], _numbers(_run(answer, case))[:-1], f"{changed}", ", as with another end")


def _order(answer: Answer, case: Text, v: GPTConfig) -> Broken | None:
    """The first two change places: one layer of attention without positions would not see it."""
    changed = replace(case, ids=(case.ids[1], case.ids[0], *case.ids[2:]))
    before, after = (_numbers(_run(answer, one))[-1] for one in (case, changed))
    if any(abs(a - b) > 1e-9 for a, b in zip(before, after, strict=True)):
        return None
    return Broken(call=f"{changed}, the last row", expected="another than in the old order", got="the same")


def _value(answer: Answer, case: Text, v: GPTConfig) -> Broken | None:
    return _first(_run(answer, case), projects(case, v), str(case), "")


def _learns(answer: Answer, case: Text, v: GPTConfig) -> Broken | None:
    weights = case.values()
    missed = _unreached(weights, answer["logits"](weights, list(case.ids), n_layer=case.n_layer, n_head=2))
    if not missed:
        return None
    call = f"backward() of a loss of {case}"
    return Broken(call=call, expected="a slope in every matrix", got=f"none in {', '.join(missed[:2])}")


def _count(answer: Answer, case: Text, v: GPTConfig) -> Broken | None:
    for sizes in _SIZES:
        sizes = {"n_layer": 3, "n_embd": 8} | sizes
        got, expected = answer["n_parameters"](**sizes), answer_with(v)["n_parameters"](**sizes)
        if got != expected:
            words = ", ".join(f"{name}={n}" for name, n in sizes.items())
            return Broken(call=f"n_parameters({words})", expected=f"{expected:,}", got=digits(got))
    return None


def projects(case: Text, v: GPTConfig) -> list[list[float]]:
    """What the project's own GPT says with these weights."""
    model = GPT(replace(v, n_layer=case.n_layer), seed=None)
    model.load_state_dict(case.weights)
    return _numbers(model.logits(case.ids))


def _unreached(weights: Weights, rows: list[Vector]) -> list[str]:
    """Names of weights that a loss of all rows sends no slope to."""
    F.mean([F.cross_entropy(row, 0) for row in rows]).backward()
    return [name for name, table in weights.items() if not any(x.grad for row in table for x in row)]


def _numbers(rows: Sequence[Sequence[Value]]) -> list[list[float]]:
    return [[z.data for z in row] for row in rows]


def _first(rows: Sequence[Sequence[Value]], expected: list[list[float]], call: str, why: str) -> Broken | None:
    for t, (got, right) in enumerate(zip(_numbers(rows), expected, strict=True)):
        for i, (z, x) in enumerate(zip(got, right, strict=True)):
            if not abs(z - x) <= 1e-9 * max(1.0, abs(x)):
                return Broken(call=f"{call}[{t}][{i}]", expected=digits(x) + why, got=digits(z))
    return None


def _observe(answer: Answer, case: Text, v: GPTConfig) -> Observation:
    count = {"n_parameters of the tour": answer["n_parameters"](**_SIZES[0])}
    weights = case.values()
    rows = answer["logits"](weights, list(case.ids), n_layer=case.n_layer, n_head=2)
    if problem := _flaw(rows, case, v):
        return count | {"logits": problem}
    found = {f"z[{t}][{i}]": z for t, row in enumerate(_numbers(rows)) for i, z in enumerate(row)}
    return count | found | {"no slope": " ".join(_unreached(weights, rows)) or "nowhere"}


# **** a second right answer


def _token_by_token(v: GPTConfig) -> Answer:
    """As the project has it: one token through all blocks, which remember keys and values."""

    def logits(weights: Weights, ids: Sequence[int], *, n_layer: int, n_head: int) -> list[Vector]:
        model = GPT(replace(v, n_layer=n_layer, n_head=n_head), seed=None)
        for name, _ in list(model.named_parameters()):
            *path, last = name.split(".")
            home: Any = model
            for part in path:
                home = home[int(part)] if part.isdigit() else getattr(home, part)
            setattr(home, last, weights[name])
        return model.logits(ids)

    return answer_with(v, logits, lambda **sizes: _by_hand(v, **sizes))


def _by_hand(v: GPTConfig, *, vocab_size: int, block_size: int, n_layer: int, n_embd: int) -> int:
    tables = vocab_size * (1 if v.tie_lm_head else 2) + block_size
    return n_embd * (tables + 12 * n_layer * n_embd)


EXERCISE = Exercise(
    title="a GPT",
    file="forward.py",
    asks=("logits", "n_parameters"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=str,
    laws=(
        law("rows", "there is a row of V Values for every token", _rows, 1),
        law("future", "a later token changes no earlier row", _future, 2, "rows"),
        law("order", "tokens in another order are another text", _order, 1, "rows"),
        law("value", "the logits are those of the project's GPT with the same weights", _value, 4, "rows"),
        law("learns", "a loss of them sends a slope into every matrix", _learns, 2, "rows"),
        law("count", "n_parameters counts every number once", _count, 2),
    ),
    observe=_observe,
    right=(answer_with, _token_by_token),
    wrong=MISTAKES,
    hints=(
        "All of a layer at once, or token by token: both are right. Begin with F.add(wte[id], wpe[t]); how long is it?",
        "A head has channels i to i+D of q[t], and those of k and v of tokens 0 to t: F.attention(q, keys, values).",
        "Count by the shapes above: C (V + T) for the tables, 12 C^2 in a block, and the head if it is its own.",
    ),
    project="nanochat.models.gpt.scalar:Block",
    allowed=("math", "nanochat.engine"),
)
