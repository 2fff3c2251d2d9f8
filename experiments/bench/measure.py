"""How fast training and decoding are, side by side with an opponent that runs in alternation.

Every figure that others may be compared with is a ratio of two contenders of one run: see `pairs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ...machine import describe, one_blas_thread
from ...models.flops import flops_per_token
from .contenders import (
    SHAPES,
    Shape,
    compiled_step,
    contender,
    draw_batch,
    first_weights,
    has_torch,
    our_decoder,
    our_step,
    torch_decoder,
)
from .elsewhere import Elsewhere
from .pairs import Clock, Pairs, Step, Timed, take_turns

N_SGEMM = 1024
"""Rows and columns of the product that a training step is measured against."""
_TRAINING_S = 0.15
"""Seconds of a contender's turn: one step of the largest shape, many of the smallest."""

TEXTS = {"one text": 1, "4 texts": 4, "16 texts": 16}
"""At once, and how many they are."""
DECODING: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("one text", "torch, no cache", {}),
    ("one text", "torch, cache", {"floor": 3.0, "aim": 4.5}),
    ("one text", "general path", {}),
    ("4 texts", "general path", {"floor": 6.0}),
    ("16 texts", "general path", {"floor": 12.0}),
)
"""What is compared, in tokens a second, and what is wanted of it; the general path reads one text."""
DECODING_ROUNDS = 3
"""Rounds for each of training: a text is short, and all of its figures are ratios of it."""

Observe = Callable[[str], None]


def sgemm() -> Step:
    """A float32 product of N x N matrices on one core."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((N_SGEMM, N_SGEMM), dtype=np.float32) for _ in range(2))
    return one_blas_thread()(lambda: a @ b)


def run_bench(*, rounds: int = 7, compiled: bool = False, observe: Observe = lambda line: None) -> dict[str, Any]:
    """Every figure of the report, as plain values. Takes a minute or two.

    compiled: torch.compile's step is a contender too, where it can be; `observe` is told what compiling took.
    """
    if not has_torch():
        observe("torch is missing: only our own figures follow")
    ratios: dict[str, Any] = {}
    training = [_bench_training(shape, rounds, ratios, observe, compiled=compiled) for shape in SHAPES]
    decoding = _bench_decoding(rounds, ratios)
    observe("measured decoding")
    return {
        "environment": describe(),
        "date": datetime.now(UTC).date().isoformat(),
        "ratios": ratios,
        "training": training,
        "decoding": decoding,
        "scaling": _bench_scaling(),
    }


def _bench_training(
    shape: Shape, rounds: int, ratios: dict[str, Any], observe: Observe, *, compiled: bool
) -> dict[str, Any]:
    """A row of the table, wall time on all cores; its ratios go into `ratios`, that to sgemm in CPU time."""
    with ExitStack() as until_measured:
        names = ["ours", "torch"] if has_torch() else ["ours"]
        apart = {name: until_measured.enter_context(closing(Elsewhere(contender, shape, name))) for name in names}
        contenders: dict[str, Step | Timed] = {**apart}
        if compiled:
            step, remark = compiled_step(shape, first_weights(shape.model), draw_batch(shape.model, shape.batch_size))
            observe(f"{shape.name}: {remark}")
            contenders |= {"torch.compile": step} if step else {}
        pairs = take_turns({**contenders, "sgemm": sgemm()}, rounds=rounds, seconds=_TRAINING_S)
        peaks = {name: apart[name].peak_bytes() / 2**20 or None for name in names}
    timed = list(contenders)
    for other in timed[1:]:
        goal = {"floor": shape.floor, "aim": shape.aim} if other == "torch" else {}
        ratios[f"training {shape.name}: ours / {other}"] = _ratio(pairs, "ours", other, "wall", **goal)
    work = shape.batch_size * shape.model.block_size * flops_per_token(shape.model) / (2.0 * N_SGEMM**3)
    for name in timed:
        share = _ratio(pairs, name, "sgemm", "cpu", times=work)
        ratios[f"training {shape.name}: {name}, share of sgemm"] = share
    observe(f"measured {shape.name}")
    return {
        "shape": shape.name,
        "ms": {name: pairs.seconds(name).median * 1e3 for name in timed},
        "sgemm_gflops": 2.0 * N_SGEMM**3 / pairs.seconds("sgemm", "cpu").median / 1e9,
        "peak_mib": peaks,
        "cores_of_others": pairs.others,
    }


def _bench_decoding(rounds: int, ratios: dict[str, Any]) -> dict[str, Any]:
    """Tokens a second of greedy texts, CPU time of one thread; their ratios go into `ratios`."""
    shape = SHAPES[1]
    state = first_weights(shape.model)
    contenders: dict[str, Step] = {
        "general path": our_decoder(shape.model, state, general=True),
        **{name: our_decoder(shape.model, state, n) for name, n in TEXTS.items()},
    }
    if has_torch():
        contenders["torch, no cache"] = torch_decoder(shape.model, state, cached=False)
        contenders["torch, cache"] = torch_decoder(shape.model, state, cached=True)
    for decode in contenders.values():
        decode()
    pairs = take_turns(contenders, rounds=DECODING_ROUNDS * rounds, seconds=0.0, rest=0.01)
    for name, other, goal in DECODING:
        if other in contenders:
            found = _ratio(pairs, name, other, "cpu", times=TEXTS[name], **goal)
            ratios[f"decoding {shape.name}: {name} / {other}"] = found
    n_tokens = {name: TEXTS.get(name, 1) * shape.model.block_size for name in contenders}
    rates = {name: n / pairs.seconds(name, "cpu").median for name, n in n_tokens.items()}
    return {"shape": shape.name, "tokens_per_sec": rates, "cores_of_others": pairs.others}


def _ratio(pairs: Pairs, name: str, base: str, clock: Clock, *, times: float = 1.0, **goal: float) -> dict[str, Any]:
    """How many times as fast `name` was; `times`: how much more it did meanwhile."""
    found = {key: value * times for key, value in pairs.ratio(name, base, clock)._asdict().items()}
    return {**found, "clock": clock, "cores_of_others": pairs.others, **goal}


def _bench_scaling() -> list[dict[str, Any]]:
    """Microseconds a token of a training step, as one size grows and the others stay."""
    base = SHAPES[1].model
    variants = [("T", "block_size", n) for n in (32, 64, 128, 256)]
    variants += [("C", "n_embd", n) for n in (64, 128, 256)] + [("L", "n_layer", n) for n in (2, 4, 8)]
    steps, n_tokens = {}, {}
    for axis, field, size in variants:
        model = replace(base, **{field: size})  # type: ignore[arg-type]  # the fields above are integers
        shape = Shape(f"{axis} = {size}", model, 12, 0.0, 0.0)
        steps[shape.name] = our_step(shape, first_weights(model), draw_batch(model, 12))
        n_tokens[shape.name] = 12 * model.block_size
    pairs = take_turns(steps, rounds=3, seconds=0.01, rest=0.0)
    return [{"size": name, "us_per_token": pairs.seconds(name).median / n * 1e6} for name, n in n_tokens.items()]
