"""`nanochat bench`: figures of speed as Markdown and JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ....errors import ConfigError, UsageError
from ....machine import one_blas_thread
from ....models.gpt.config import GPTConfig
from ....models.presets import PRESETS, get_preset
from ....validation import nearest
from ...console import print_json, print_result, print_table, say
from ...options import JsonFlag, OutFlag, ReplaceFlag
from ...parser import Commands

commands = Commands()


@commands.work("bench", "nanochat bench --profile --preset nanogpt-cpu")
def bench(
    profile: Annotated[
        bool, typer.Option("--profile", help="Take one replayed training step apart, op by op.")
    ] = False,
    preset: Annotated[str, typer.Option(help="Whose step.", metavar="NAME")] = "nanogpt-cpu",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the contenders take turns.")] = 7,
    torch_compile: Annotated[
        bool,
        typer.Option("--torch-compile", help="Let torch.compile's training step take part; compiling takes minutes."),
    ] = False,
    against: Annotated[
        Path | None, typer.Option(help="A bench.json: end with 9 where we are slower than then.", metavar="FILE")
    ] = None,
    out: OutFlag = None,
    *,
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> None:
    """Measure training steps and decoding, side by side with PyTorch where it is installed.

    Ratios of contenders that take turns are compared, never times: a ratio of the file of --against has become worse
    where its median lies below the lower quartile of then.
    """
    from ....checkpoints.ownership import check_pair
    from ....experiments.bench.against import check_against, read_ratios
    from ....experiments.bench.measure import run_bench
    from ....experiments.bench.report import bench_report
    from ....storage.atomic import write_json, write_text

    if preset not in PRESETS:
        raise UsageError(f"--preset {preset!r} is unknown: {nearest(preset, PRESETS)}")
    if profile:
        _take_apart(preset, as_json=json)
        return
    if out and not force:
        check_pair(out, "bench", {"environment", "training"})
    kept = read_ratios(against) if against else {}
    figures = run_bench(rounds=rounds, compiled=torch_compile, observe=say)
    report = bench_report(figures)
    if out:
        write_text(out / "bench.md", report)
        write_json(out / "bench.json", figures)
    if json:
        print_json(figures)
    else:
        print_result(report.rstrip("\n"))
    if against:
        check_against(against, kept, figures["ratios"])


def _take_apart(name: str, *, as_json: bool) -> None:
    """One replayed training step of a preset, op by op."""
    from ....experiments.bench.contenders import draw_batch, first_weights
    from ....experiments.bench.profile import profile_step
    from ....models.build import build_model

    preset = get_preset(name)
    if not isinstance(preset.model, GPTConfig):
        raise ConfigError(f"--profile {name} has no ops worth the name: choose a GPT preset")
    model = build_model(preset.model, "tensor")
    model.load_state_dict(first_weights(preset.model))
    batch = draw_batch(preset.model, int(preset.training.get("batch_size", 1)))
    with one_blas_thread():
        step = profile_step(model, batch)
    if as_json:
        print_json({"preset": name, **step._asdict(), "ops": [asdict(op) for op in step.ops]})
        return
    print_table([_row(op, step.replay_s) for op in step.ops], right=("calls", "ms", "share", "MB", "GFLOP_per_s"))
    rest = max(0.0, step.replay_s - sum(op.seconds for op in step.ops))
    say(
        f"one step forward and backward, one thread: {step.replay_s * 1e3:.3f} ms replayed in {step.n_bytes / 1e6:.2f} "
        f"MB, {rest * 1e3:.3f} of them between the calls; {step.graph_s * 1e3:.3f} ms by the graph"
    )


def _row(op: Any, seconds: float) -> dict[str, Any]:
    return {
        "op": op.name,
        "calls": op.calls,
        "ms": f"{op.seconds * 1e3:.3f}",
        "share": f"{op.seconds / seconds:.0%}",
        "MB": f"{op.n_bytes / 1e6:.2f}",
        "GFLOP_per_s": f"{op.flops / op.seconds / 1e9:.1f}" if op.flops and op.seconds else "",
    }
