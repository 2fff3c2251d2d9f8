"""Measure the scalar engine: against one node per operation, step by step, and in tokens and pairs per second.

    python benchmarks/scalar.py [--steps 40] [--data names.txt] [--json scalar.json]

Trains the microgpt with both engines in turn, on the same documents from the same weights, and prints Markdown. A
quiet machine gives the truest ratios; they are medians over the steps, of two times taken one after the other.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from nanochat.engine.scalar.optim import AdamW
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.bigram.scalar import Bigram
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.scalar import GPT
from plain import PlainAdamW, PlainGPT

NAMES = Path(__file__).parent.parent / "data" / "builtin" / "names.txt"
SEED = 1337
LR = 0.01
BETAS, EPS, WEIGHT_DECAY = (0.9, 0.999), 1e-8, 0.01
GOALS = {"gc_on": (10.0, 16.0), "gc_off": (4.5, 6.0)}
"""Floor and aim of each ratio."""
RUST_GPT_TOKENS_PER_S = (139.0, 201.0)
RUST_BIGRAM_PAIRS_PER_S = 230.0
TOKENS_AIM, PAIRS_AIM = 400.0, 2300.0
LOSS_TOLERANCE = 1e-9

Document = tuple[list[int], list[int]]


def main() -> int:
    """0, or 1 when a floor is missed or the losses differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, help="training steps of each engine (default: 40)")
    parser.add_argument("--data", type=Path, default=NAMES, help="names, one a line (default: the built-in list)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", choices=("ours", "plain"), help="train one engine and print its peak memory, in MB")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps {options.steps} is too small: give 1 or more")
    if options.only:
        print(peak_memory_mb(options.only, options.steps, options.data))
        return 0
    result = measure(options.steps, options.data)
    print(markdown(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    missed = any(result["ratio"][key] < floor for key, (floor, _) in GOALS.items())
    return int(missed or result["largest_loss_difference"] > LOSS_TOLERANCE)


def measure(steps: int, data: Path) -> dict[str, Any]:
    """All figures, as the JSON file has them."""
    memory = {which: memory_in_own_process(which, steps, data) for which in ("ours", "plain")}  # while we are small
    documents, vocab_size = read_documents(data)
    with gc_paused():
        rows = race(documents[:steps], vocab_size)
        pairs_per_s = bigram_pairs_per_s(documents[:200], vocab_size)
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    medians = {key: statistics.median(columns[key]) for key in ("ours", "plain_gc_on", "plain_gc_off")}
    ratios = {
        key: [t / ours for t, ours in zip(columns[f"plain_{key}"], columns["ours"], strict=True)] for key in GOALS
    }
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "data": data.name,
        "steps": steps,
        "vocab_size": vocab_size,
        "n_parameters": Learner("ours", vocab_size).n_parameters,
        "ms_per_step": {key: 1e3 * seconds for key, seconds in medians.items()},
        "ratio": {key: statistics.median(values) for key, values in ratios.items()},
        "ratio_quartiles": {key: quartiles(values) for key, values in ratios.items()},
        "largest_loss_difference": max(columns["loss_difference"]),
        "final_loss": columns["loss"][-1],
        "tokens_per_s": {key: sum(columns["tokens"]) / sum(columns[key]) for key in medians},
        "bigram_pairs_per_s": pairs_per_s,
        "peak_memory_mb": memory,
    }


class Learner:
    """A model, its optimizer and one step of training, for either engine."""

    def __init__(self, engine: str, vocab_size: int, *, holds_loss: bool = False) -> None:
        """holds_loss: a step's graph lives until the next one is built, as where a script names it `loss` in a loop."""
        self.holds_loss = holds_loss
        self.held: Any = None
        config = GPTConfig(
            vocab_size=vocab_size, block_size=16, input_rmsnorm=True, tie_lm_head=False, activation="relu"
        )
        model = GPT(config, seed=SEED)
        self.n_parameters = model.n_parameters()
        if engine == "ours":
            optimizer = AdamW(model.named_parameters(), betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)
            self.loss: Callable[[Document], Any] = lambda document: model.loss([document[0]], [document[1]])
            self.zero_grad: Callable[[], None] = optimizer.zero_grad
            self.update: Callable[[float], None] = optimizer.step
        else:
            plain = PlainGPT(model.state_dict(), config.n_head)
            plain_optimizer = PlainAdamW(plain, betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)
            self.loss = lambda document: plain.loss(*document)
            self.zero_grad = lambda: None  # its step does this
            self.update = plain_optimizer.step

    def step(self, document: Document) -> tuple[float, float]:
        """(seconds, loss) of one step; the time includes freeing a graph."""
        start = time.perf_counter()
        self.zero_grad()
        node = self.loss(document)
        self.held = node if self.holds_loss else None  # frees the last one here, before backward
        node.backward()
        self.update(LR)
        loss = float(node.data)
        del node
        return time.perf_counter() - start, loss


def race(documents: list[Document], vocab_size: int) -> list[dict[str, float]]:
    """One row a step: seconds and losses of three learners that start alike and take turns in going first.

    Ours runs with the garbage collector paused, as the training loop runs it. Of two plain ones the first is as
    published: collector on, and `loss` a variable of the script, so that the collector also walks the last graph.
    Nothing asks it to collect in between: its counts and thresholds then are those of an uninterrupted run.
    """
    learners = {
        "ours": Learner("ours", vocab_size),
        "plain_gc_on": Learner("plain", vocab_size, holds_loss=True),
        "plain_gc_off": Learner("plain", vocab_size),
    }
    rows = []
    for i, document in enumerate(documents):
        row: dict[str, float] = {"tokens": len(document[0])}
        losses = {}
        order = list(learners)
        for name in order[i % 3 :] + order[: i % 3]:
            if name == "plain_gc_on":
                gc.enable()
            row[name], losses[name] = learners[name].step(document)
            gc.disable()
        row["loss"] = losses["ours"]
        row["loss_difference"] = max(abs(loss - losses["ours"]) for loss in losses.values())
        rows.append(row)
    return rows


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
    learner = Learner(which, vocab_size)
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


def quartiles(values: list[float]) -> list[float]:
    """[lower, upper]; of a single value, that value twice."""
    cuts = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return [cuts[0], cuts[2]]


def markdown(result: dict[str, Any]) -> str:
    """The figures as a page to read."""
    ms, rate, memory = result["ms_per_step"], result["tokens_per_s"], result["peak_memory_mb"]

    def row(label: str, key: str, which: str) -> str:
        ratio, wanted = "1", ""
        if key != "ours":
            collector = key.removeprefix("plain_")
            low, high = result["ratio_quartiles"][collector]
            ratio = f"{result['ratio'][collector]:.1f} ({low:.1f} to {high:.1f})"
            wanted = goal(result["ratio"][collector], *GOALS[collector])
        size = "not known" if memory[which] is None else f"{memory[which]:.0f}"
        return f"| {label} | {ms[key]:.1f} | {ratio} | {wanted} | {rate[key]:.0f} | {size} |"

    agree = "agree" if result["largest_loss_difference"] <= LOSS_TOLERANCE else "DIFFER"
    low, high = RUST_GPT_TOKENS_PER_S
    pairs_per_s = result["bigram_pairs_per_s"]
    return f"""# Scalar engine

{result["date"]}, {result["machine"]}, {result["python"]}. One name a step from {result["data"]}, \
{result["steps"]} steps, {result["n_parameters"]} parameters (microgpt, V = {result["vocab_size"]}).

| engine | ms per step | times ours | goal | tokens/s | peak MB |
|---|---:|---:|---|---:|---:|
{row("ours, collector paused", "ours", "ours")}
{row("one node per operation, collector on", "plain_gc_on", "plain")}
{row("one node per operation, collector off", "plain_gc_off", "plain")}

Milliseconds are medians over the steps; a ratio is the median, with quartiles, of the ratios step by step on the same
name. "Collector" is Python's cyclic garbage collector; where it is on, the plain engine runs as published, with a
step's graph alive until the next is built. Memory is that of a process of its own, interpreter included.

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
