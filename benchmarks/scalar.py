"""Measure the scalar engine: replayed, as it is, and with one node per operation; and replayed against PyTorch.

    python benchmarks/scalar.py [--steps 200] [--data names.txt] [--json scalar.json]

Trains the microgpt with all of them in turn, twenty documents a turn, on the same documents from the same weights, and
prints Markdown. Figures are CPU time; ratios are medians over the turns, with quartiles.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from nanochat.data.batches import Batch
from nanochat.engine.scalar.optim import AdamW
from nanochat.experiments.bench.contenders import SHAPES, TRAINING, draw_batch, first_weights, has_torch, torch_step
from nanochat.experiments.bench.pairs import Pairs, take_turns
from nanochat.machine import one_blas_thread
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.bigram.scalar import Bigram
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.scalar import GPT
from nanochat.training.backends import backend_of
from nanochat.training.hyperparameters import TrainingConfig
from plain import PlainAdamW, PlainGPT

NAMES = Path(__file__).parent.parent / "data" / "builtin" / "names.txt"
SEED = 1337
LR = 0.01
BETAS, EPS, WEIGHT_DECAY = (0.9, 0.999), 1e-8, 0.01
BLOCK = 20
"""Documents a turn: the first of them find the caches full of another's numbers."""
GOALS = {
    ("ours", "plain, collector on"): (10.0, 16.0),
    ("ours", "plain, collector off"): (4.5, 6.0),
    ("compiled", "plain, collector on"): (400.0, 900.0),
    ("compiled", "ours"): (40.0, 50.0),
    ("compiled", "torch, eager"): (4.0, 5.0),
}
"""(contender, base): floor and aim of how many times as fast it is."""
RUST_GPT_TOKENS_PER_S = (139.0, 201.0)
RUST_BIGRAM_PAIRS_PER_S = 230.0
TOKENS_AIM, PAIRS_AIM = 400.0, 2300.0
LOSS_TOLERANCE = 1e-9

Document = tuple[list[int], list[int]]


def main() -> int:
    """0, or 1 when a floor is missed or the losses differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="training steps of each engine (default: 200)")
    parser.add_argument("--data", type=Path, default=NAMES, help="names, one a line (default: the built-in list)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", choices=tuple(LEARNERS), help="train one engine and print its peak memory, in MB")
    options = parser.parse_args()
    if options.steps < 2 * BLOCK:
        parser.error(f"--steps {options.steps} is too small: give {2 * BLOCK} or more, two turns")
    if options.only:
        print(peak_memory_mb(options.only, options.steps, options.data))
        return 0
    result = measure(options.steps, options.data)
    print(markdown(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    missed = any(row["ratio"][1] < row["floor"] for row in result["ratios"])
    return int(missed or result["largest_loss_difference"] > LOSS_TOLERANCE)


def measure(steps: int, data: Path) -> dict[str, Any]:
    """All figures, as the JSON file has them."""
    memory = {which: memory_in_own_process(which, steps, data) for which in LEARNERS}  # while we are small
    documents, vocab_size = read_documents(data)
    with gc_paused(), one_blas_thread():
        learners, pairs = race(documents[: steps // BLOCK * BLOCK], vocab_size)
        pairs_per_s = bigram_pairs_per_s(documents[:200], vocab_size)
        against_torch = race_torch() if has_torch() else None
    n_tokens = sum(len(document[0]) for document in documents[: steps // BLOCK * BLOCK])
    losses = np.array([learner.losses for learner in learners.values()])
    races = dict.fromkeys(learners, pairs) | {"torch, eager": against_torch}
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "data": data.name,
        "steps": losses.shape[1],
        "vocab_size": vocab_size,
        "n_parameters": learners["ours"].n_parameters,
        "busy_elsewhere": pairs.others,
        "ms_per_step": {name: 1e3 / BLOCK * pairs.seconds(name, "cpu").median for name in learners},
        "trace_ms_per_shape": learners["compiled"].trace_ms,
        "ratios": [
            {"contender": name, "base": base, "ratio": races[base].ratio(name, base, "cpu"), "floor": floor, "aim": aim}
            for (name, base), (floor, aim) in GOALS.items()
            if races[base] is not None
        ],
        "largest_loss_difference": float(np.abs(losses - losses[0]).max()),
        "final_loss": learners["ours"].losses[-1],
        "tokens_per_s": {name: n_tokens / sum(took.cpu for took in pairs.rounds[name]) for name in learners},
        "bigram_pairs_per_s": pairs_per_s,
        "peak_memory_mb": memory,
    }


class Learner:
    """A model, its optimizer, the losses so far: one step of training is `step(document)`."""

    trace_ms = 0.0

    def __init__(self, vocab_size: int) -> None:
        self.config = GPTConfig(
            vocab_size=vocab_size, block_size=16, input_rmsnorm=True, tie_lm_head=False, activation="relu"
        )
        self.model = GPT(self.config, seed=SEED)
        self.n_parameters = self.model.n_parameters()
        self.losses: list[float] = []


class Ours(Learner):
    """The engine of Values, collector paused, as the training loop runs it."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__(vocab_size)
        self.optimizer = AdamW(self.model.named_parameters(), betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)

    def step(self, document: Document) -> None:
        self.optimizer.zero_grad()
        loss = self.model.loss([document[0]], [document[1]])
        loss.backward()
        self.optimizer.step(LR)
        self.losses.append(loss.data)


class Compiled(Learner):
    """The same steps, replayed: the backend of --compile. Each shape is traced, and compared, before it counts."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__(vocab_size)
        backend = backend_of("scalar", compiled=True)
        settings = TrainingConfig(weight_decay=WEIGHT_DECAY, max_grad_norm=0.0)
        self.replayed = backend.trained(self.model)
        self.optimizer = backend.optimizer(self.replayed, settings)
        self.accumulate = backend.accumulate(self.replayed, settings)
        start = time.process_time()
        for T in range(1, self.config.block_size + 1):
            self.accumulate([Batch(np.zeros((1, T), np.int64), np.zeros((1, T), np.int64))])
        self.trace_ms = 1e3 * (time.process_time() - start) / self.config.block_size

    def step(self, document: Document) -> None:
        self.optimizer.zero_grad()
        self.losses.append(self.accumulate([Batch(np.array([document[0]]), np.array([document[1]]))]))
        self.optimizer.step(LR)


class Plain(Learner):
    """One node per operation. As published, with `loss` a variable of the script: it lives until the next is built, and
    where the collector is on, it walks the last graph too."""

    def __init__(self, vocab_size: int, *, holds_loss: bool = False) -> None:
        super().__init__(vocab_size)
        self.plain, self.holds_loss, self.held = PlainGPT(self.model.state_dict(), self.config.n_head), holds_loss, None
        self.optimizer = PlainAdamW(self.plain, betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)

    def step(self, document: Document) -> None:
        loss: Any = self.plain.loss(*document)
        self.held = loss if self.holds_loss else None  # frees the last one here, before backward
        loss.backward()
        self.optimizer.step(LR)  # and zeroes gradients
        self.losses.append(float(loss.data))


LEARNERS: dict[str, type[Ours | Compiled | Plain]] = {"compiled": Compiled, "ours": Ours, "plain": Plain}


def race(documents: list[Document], vocab_size: int) -> tuple[dict[str, Any], Pairs]:
    """Learners that start alike, and what their turns took. Nothing asks the collector to collect in between: where it
    is on, its counts are those of an uninterrupted run."""
    learners: dict[str, Any] = {
        "compiled": Compiled(vocab_size),
        "ours": Ours(vocab_size),
        "plain, collector on": Plain(vocab_size, holds_loss=True),
        "plain, collector off": Plain(vocab_size),
    }

    def turns(learner: Any) -> Callable[[], None]:
        remaining = iter(documents)

        def turn() -> None:
            for _ in range(BLOCK):
                learner.step(next(remaining))

        return turn

    contenders = {name: turns(learner) for name, learner in learners.items()}
    pairs = take_turns(
        contenders,
        rounds=len(documents) // BLOCK,
        seconds=0,
        rest=0,
        before=lambda name: gc.enable() if name == "plain, collector on" else gc.disable(),
    )
    gc.disable()
    return learners, pairs


def race_torch() -> Pairs:
    """A full row of the microgpt with clipping, replayed in float64 and by PyTorch in float32, each on one thread."""
    import torch

    torch.set_num_threads(1)
    shape, backend = SHAPES[0], backend_of("scalar", compiled=True)
    state, batch = first_weights(shape.model), draw_batch(shape.model, 1)
    model = backend.trained(GPT(shape.model, None))
    model.load_state_dict(state)
    optimizer, accumulate = backend.optimizer(model, TRAINING), backend.accumulate(model, TRAINING)
    batches = cycle([batch])

    def step() -> None:
        optimizer.zero_grad()
        accumulate([next(batches)])
        optimizer.clip_gradients()
        optimizer.step(TRAINING.lr)

    contenders = {"compiled": step, "torch, eager": torch_step(shape, state, batch)}
    return take_turns(contenders, rounds=40, seconds=0.02, rest=0)


def bigram_pairs_per_s(documents: list[Document], vocab_size: int) -> float:
    """Training rate of the preset bigram (tied, no norm), one document a step, collector paused."""
    model = Bigram(BigramConfig(vocab_size=vocab_size), seed=SEED)
    optimizer = AdamW(model.named_parameters(), betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)
    start = time.perf_counter()
    for inputs, targets in documents:
        optimizer.zero_grad()
        model.loss([inputs], [targets]).backward()
        optimizer.step(LR)
    return sum(len(inputs) for inputs, _ in documents) / (time.perf_counter() - start)


def read_documents(path: Path, block_size: int = 16) -> tuple[list[Document], int]:
    """((inputs, targets) of every shuffled line, vocabulary size); token 0 opens and closes, lines are cut to fit."""
    lines = path.read_text(encoding="utf-8").split()
    letters = sorted(set("".join(lines)))
    ids = {letter: i for i, letter in enumerate(letters, start=1)}
    random.Random(SEED).shuffle(lines)
    sequences = [[0, *(ids[letter] for letter in line), 0] for line in lines]
    return [(s[:-1][:block_size], s[1:][:block_size]) for s in sequences], len(letters) + 1


def memory_in_own_process(which: str, steps: int, data: Path) -> float | None:
    """Peak memory in MB of a fresh process that trains one engine; None where the system does not tell."""
    command = [sys.executable, __file__, "--only", which, "--steps", str(steps), "--data", str(data)]
    reply = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return None if reply == "None" else float(reply)


def peak_memory_mb(which: str, steps: int, data: Path) -> float | None:
    """Train `which` alone and return the peak resident size, interpreter and imports included."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    documents, vocab_size = read_documents(data)
    learner = LEARNERS[which](vocab_size)
    with gc_paused():  # no graph is cyclic: what is not needed any more is freed at once
        for document in documents[:steps]:
            learner.step(document)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@contextmanager
def gc_paused() -> Iterator[None]:
    """No cyclic garbage collection inside; on again after if it was."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def machine() -> str:
    """Processor, cores and system, as far as the system tells."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def markdown(result: dict[str, Any]) -> str:
    """The figures as a page to read."""
    ms, rate, memory = result["ms_per_step"], result["tokens_per_s"], result["peak_memory_mb"]
    rows = [
        f"| {name} | {ms[name]:.2f} | {rate[name]:,.0f} | {'not known' if size is None else f'{size:.0f}'} |"
        for name, size in zip(ms, (memory["compiled"], memory["ours"], *[memory["plain"]] * 2), strict=True)
    ]
    ratios = [
        f"| {row['contender']} over {row['base']} | {row['ratio'][1]:.1f} ({row['ratio'][0]:.1f} to "
        f"{row['ratio'][2]:.1f}) | {goal(row['ratio'][1], row['floor'], row['aim'])} |"
        for row in result["ratios"]
    ]
    agree = "agree" if result["largest_loss_difference"] <= LOSS_TOLERANCE else "DIFFER"
    busy, pairs_per_s, (low, high) = result["busy_elsewhere"], result["bigram_pairs_per_s"], RUST_GPT_TOKENS_PER_S
    newline = "\n"
    who = f"{result['date']}, {result['machine']}, {result['python']}"
    return f"""# Scalar engine

{who}{"" if busy is None else f"; other processes kept {busy:.1f} cores busy"}.
One name a step from {result["data"]}, {result["steps"]} steps, {result["n_parameters"]} parameters \
(microgpt, V = {result["vocab_size"]}).

| engine | ms of CPU a step | tokens/s | peak MB |
|---|---:|---:|---:|
{newline.join(rows)}

| how many times as fast | median (quartiles) of turns | goal |
|---|---:|---|
{newline.join(ratios)}

A turn is {BLOCK} names, CPU time. "Collector" is Python's cyclic garbage collector; where it is on, the plain engine
runs as published, with a step's graph alive until the next is built. Compiled steps are replays: to trace a shape and
to compare it with the engine took {result["trace_ms_per_shape"]:.0f} ms before. PyTorch is timed on full rows of 16 \
tokens, its float32 against
the float64 of the replay, one thread each.

Losses {agree}: they differ by at most {result["largest_loss_difference"]:.1e} over all steps \
(limit {LOSS_TOLERANCE:g}); the last is {result["final_loss"]:.4f} nats.

| training rate | ours | nanochat-rs-next (Rust, scalar) | goal |
|---|---:|---:|---|
| GPT, tokens/s | {rate["ours"]:.0f} | {low:.0f} to {high:.0f} | {goal(rate["ours"], high, TOKENS_AIM)} |
| bigram, pairs/s | {pairs_per_s:.0f} | {RUST_BIGRAM_PAIRS_PER_S:.0f} | \
{goal(pairs_per_s, RUST_BIGRAM_PAIRS_PER_S, PAIRS_AIM)} |"""


def goal(figure: float, floor: float, aim: float) -> str:
    """Floor, aim, and which of them the figure has reached."""
    reached = "reached" if figure >= aim else "above the floor" if figure >= floor else "MISSED"
    return f"at least {floor:g}, aim {aim:g}: {reached}"


if __name__ == "__main__":
    raise SystemExit(main())
