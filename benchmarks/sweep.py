"""How much faster a sweep is on all cores than its cells one after another, and what a cell costs on top.

python benchmarks/sweep.py [--cells 8] [--seconds 10] [--mode scalar] [--rounds 1]
Prints a Markdown table. Cells are runs of the mini-GPT on built-in names, as long as asked for; processes start once
a sweep, and their start is part of its time.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.grid import Cell
from nanochat.experiments.ablation.sweep import AblationConfig, CellDone, CellStarted, run_ablation
from nanochat.experiments.bench.pairs import spread, take_turns
from nanochat.training.config import RunConfig
from nanochat.training.resolve import resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=8, help="a multiple of four")
    parser.add_argument("--seconds", type=float, default=10.0, help="about so long a cell takes alone")
    parser.add_argument("--mode", choices=("scalar", "tensor"), default="scalar")
    parser.add_argument("--rounds", type=int, default=1, help="of both in turn (default: 1)")
    arguments = parser.parse_args()
    base = sized(arguments.mode, arguments.seconds)
    study = AblationConfig(base=base, seeds=arguments.cells // 4)
    cells, jobs = study.cells(), os.cpu_count() or 1
    alone: list[float] = []
    shares: list[float] = []
    contenders = {
        "one after another": lambda: alone.extend(map(timed, cells)),
        "sweep": lambda: shares.append(share_beside(study, jobs)),
    }
    pairs = take_turns(contenders, rounds=arguments.rounds, seconds=0)
    serial, swept, gain = (*map(pairs.seconds, contenders), pairs.ratio("sweep", "one after another"))
    print(
        f"{platform.system()}, {jobs} cores, Python {platform.python_version()}; {len(cells)} {arguments.mode} cells of"
    )
    print(
        f"{base.training.steps} steps, {min(alone):.1f} to {max(alone):.1f} s each alone; {arguments.rounds} rounds.\n"
    )
    print("| | median | quartiles |\n|:--|--:|--:|")
    for name, found, unit in (
        ("one after another in one process", serial, " s"),
        (f"`--jobs {jobs}`", swept, " s"),
        ("throughput", gain, "x"),
    ):
        print(f"| {name} | {found.median:.2f}{unit} | {found.lower:.2f} to {found.upper:.2f} |")
    beside = spread(shares)
    print(
        "| beside the cells, of the processes' time from first start to last end "
        f"| {beside.median:.1%} | {beside.lower:.1%} to {beside.upper:.1%} |"
    )
    if pairs.others is not None:
        print(f"| cores that other processes took | {pairs.others:.2f} | |")


def share_beside(study: AblationConfig, jobs: int) -> float:
    """Sweep the study: which share of the processes' time, from first start to last end, is of no cell."""
    begun: list[float] = []
    ended: list[float] = []

    def observe(event: object) -> None:
        if isinstance(event, CellStarted):
            begun.append(time.perf_counter())
        elif isinstance(event, CellDone):
            ended.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        found = run_ablation(study, Path(folder), jobs=jobs, observe=observe)
    inside = sum(result.measured.wall_s for result in found.results)
    return 1 - inside / (jobs * (ended[-1] - begun[0]))


def sized(mode: str, seconds: float) -> RunConfig:
    """A mini-GPT with as many steps as take about that long here."""
    settings = {"eval_every": 0, "eval_tokens": 256, "replicas": 1}
    base = resolve({"preset": "mini-gpt", "mode": mode, "training": {"steps": 50, **settings}})
    base = replace(base, training=replace(base.training, steps=50))
    rate = run_cell(Cell("probe", base)).record.steps_per_sec  # its preparation and validation are not steps
    return replace(base, training=replace(base.training, steps=max(50, round(seconds * rate))))


def timed(cell: Cell) -> float:
    """Seconds of a cell in this process."""
    start = time.perf_counter()
    result = run_cell(cell)
    assert result.is_ok, result.record.reason
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
