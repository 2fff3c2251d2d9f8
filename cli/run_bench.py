"""`nanochat bench`: figures of speed as Markdown and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..checkpoints.ownership import check_pair
from ..errors import ConfigError
from ..experiments.bench.contenders import draw_batch, first_weights
from ..experiments.bench.measure import run_bench
from ..experiments.bench.profile import profile_ops
from ..experiments.bench.report import bench_report
from ..models.build import build_model
from ..models.gpt.config import GPTConfig
from ..models.presets import get_preset
from ..storage.atomic import write_json, write_text
from .commands import BenchCommand
from .console import print_json, print_result, print_table, say


def execute(command: BenchCommand) -> None:
    """The comparison, or one step op by op; with --out also bench.md and bench.json there."""
    if command.profile:
        return _profile(command)
    if command.out and not command.force:
        check_pair(command.out, "bench", {"environment", "training"})
    figures = run_bench(rounds=command.rounds, observe=say)
    report = bench_report(figures)
    if command.out:
        write_text(command.out / "bench.md", report)
        write_json(command.out / "bench.json", figures)
    if command.json:
        print_json(figures)
    else:
        print_result(report.rstrip("\n"))
    return None


def _profile(command: BenchCommand) -> None:
    preset = get_preset(command.profile)
    if not isinstance(preset.model, GPTConfig):
        raise ConfigError(f"--profile {command.profile} has no ops worth the name: choose a GPT preset")
    model = build_model(preset.model, "tensor")
    model.load_state_dict(first_weights(preset.model))
    batch = draw_batch(preset.model, int(preset.training.get("batch_size", 1)))
    ops, seconds = profile_ops(lambda: model.loss(*batch))
    if command.json:
        print_json({"preset": command.profile, "seconds": seconds, "ops": [asdict(op) for op in ops]})
        return
    print_table([_row(op, seconds) for op in ops], right=("calls", "ms", "share", "MB", "GFLOP_per_s"))
    say(f"one step forward and backward, with the profiler's own cost: {seconds * 1e3:.2f} ms")


def _row(op: Any, seconds: float) -> dict[str, Any]:
    return {
        "op": op.name,
        "calls": op.calls,
        "ms": f"{op.seconds * 1e3:.3f}",
        "share": f"{op.seconds / seconds:.0%}",
        "MB": f"{op.n_bytes / 1e6:.2f}",
        "GFLOP_per_s": f"{op.flops / op.seconds / 1e9:.1f}" if op.flops and op.seconds else "",
    }
