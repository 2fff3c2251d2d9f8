"""How fast training and decoding are, side by side with an opponent that runs in alternation.

Contenders take turns in short rounds, so that a machine that slows down slows all of them down; what is quoted are
medians of paired ratios.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ...machine import describe
from ...models.flops import flops_per_token
from .contenders import (
    SHAPES,
    Shape,
    Step,
    draw_batch,
    first_weights,
    has_torch,
    our_decoder,
    our_step,
    torch_decoder,
    torch_step,
)


@dataclass(frozen=True)
class Timing:
    """Seconds a step of each contender, medians, and ratios to the first."""

    seconds: Mapping[str, float]
    ratios: Mapping[str, float]
    """Median over rounds of contender's time over the first one's, in the same round."""


def take_turns(contenders: Mapping[str, Step], *, rounds: int = 7, seconds: float = 0.4, rest: float = 0.25) -> Timing:
    """Each in turn for about `seconds`, `rounds` times, after a warm-up; threads of the last may settle for `rest`."""
    counts = {}
    for name, step in contenders.items():
        for _ in range(3):
            step()
        counts[name] = max(3, round(seconds / max(1e-7, _time(step, 3))))
        time.sleep(rest)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, step in contenders.items():
            step()  # caches and threads wake up
            times[name].append(_time(step, counts[name]))
            time.sleep(rest)
    first = times[next(iter(times))]
    ratios = {name: median(b / a for a, b in zip(first, values, strict=True)) for name, values in times.items()}
    return Timing({name: median(values) for name, values in times.items()}, ratios)


def _time(step: Step, n: int) -> float:
    """Mean seconds of n steps."""
    start = time.perf_counter()
    for _ in range(n):
        step()
    return (time.perf_counter() - start) / n


def sgemm_rate(n: int = 1024) -> float:
    """Floating-point operations a second of a float32 product of n x n matrices, all cores, the best of ten."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, n), dtype=np.float32) for _ in range(2))
    return 2.0 * n**3 / min(_time(lambda: a @ b, 1) for _ in range(10))


def share_of_sgemm(shape: Shape, seconds: float, rate: float) -> float:
    """Which share of the machine's sgemm rate a training step of `seconds` reaches with its matrix products."""
    n_tokens = shape.batch_size * shape.model.block_size
    return n_tokens * flops_per_token(shape.model) / seconds / rate


def run_bench(*, rounds: int = 7, observe: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Every figure of the report, as plain values. Takes some minutes."""
    if not has_torch():
        observe("torch is missing: only our own figures follow")
    rate = sgemm_rate()
    figures: dict[str, Any] = {"environment": describe(), "sgemm_gflops": rate / 1e9, "training": []}
    for shape in SHAPES:
        figures["training"].append(_bench_training(shape, rate, rounds))
        observe(f"measured {shape.name}")
    figures["decoding"] = _bench_decoding(rounds)
    figures["batched_decoding"] = _bench_batches(rounds)
    figures["scaling"] = _bench_scaling(rounds)
    return figures


def _bench_training(shape: Shape, rate: float, rounds: int) -> dict[str, Any]:
    state, batch = first_weights(shape.model), draw_batch(shape.model, shape.batch_size)
    contenders = {"ours": our_step(shape, state, batch)}
    if has_torch():
        contenders["torch"] = torch_step(shape, state, batch)
    timing = take_turns(contenders, rounds=rounds)
    return {
        "shape": shape.name,
        "ms": {name: seconds * 1e3 for name, seconds in timing.seconds.items()},
        "ratio": timing.ratios.get("torch"),
        "floor": shape.floor,
        "aim": shape.aim,
        "sgemm_share": {name: share_of_sgemm(shape, s, rate) for name, s in timing.seconds.items()},
        "peak_mib": {name: peak_memory(shape, name) for name in contenders},
    }


def _bench_decoding(rounds: int) -> dict[str, Any]:
    config = SHAPES[1].model
    state = first_weights(config)
    contenders = {"ours": our_decoder(config, state)}
    if has_torch():
        contenders["torch, no cache"] = torch_decoder(config, state, cached=False)
        contenders["torch, cache"] = torch_decoder(config, state, cached=True)
    timing = take_turns(contenders, rounds=rounds)
    rates = {name: config.block_size / seconds for name, seconds in timing.seconds.items()}
    return {"shape": SHAPES[1].name, "tokens_per_sec": rates, "ratio": dict(timing.ratios)}


def _bench_batches(rounds: int) -> dict[str, float]:
    """How much more text four rows give in the time of one: tokens a second at batch 4 over batch 1."""
    config = SHAPES[1].model
    state = first_weights(config)
    timing = take_turns({"1": our_decoder(config, state), "4": our_decoder(config, state, 4)}, rounds=rounds)
    return {"throughput_4_over_1": 4 / timing.ratios["4"]}


def _bench_scaling(rounds: int) -> list[dict[str, Any]]:
    """Microseconds a token of a training step, as one size grows and the others stay."""
    base = SHAPES[1].model
    variants = [("T", "block_size", n) for n in (32, 64, 128, 256)]
    variants += [("C", "n_embd", n) for n in (64, 128, 256)] + [("L", "n_layer", n) for n in (2, 4, 8)]
    rows = []
    for axis, field, size in variants:
        model = replace(base, **{field: size})  # type: ignore[arg-type]  # the fields above are integers
        shape = Shape(f"{axis}{size}", model, 12, 0.0, 0.0)
        step = our_step(shape, first_weights(shape.model), draw_batch(shape.model, 12))
        seconds = take_turns({"ours": step}, rounds=max(1, rounds // 3)).seconds["ours"]
        rows.append({"axis": axis, "size": size, "us_per_token": seconds / (12 * shape.model.block_size) * 1e6})
    return rows


def peak_memory(shape: Shape, contender: str) -> float | None:
    """MiB that a process of its own needs at most for some steps; None where the system does not say."""
    program = (
        "import re; from nanochat.experiments.bench.contenders import SHAPES, contender\n"
        f"step = contender(SHAPES[{SHAPES.index(shape)}], {contender!r})\n"
        "for _ in range(5): step()\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])"
    )
    if not Path("/proc/self/status").is_file():  # ru_maxrss would count what the parent held before exec
        return None
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path("/"))
    return float(done.stdout) / 2**10
