"""The figures of `nanochat bench` as Markdown."""

from __future__ import annotations

from typing import Any


def bench_report(figures: dict[str, Any]) -> str:
    """One section for training, decoding and scaling each; ratios above 1 are in our favour."""
    environment = figures["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    machine = (
        f"{environment['platform']}, {environment['cores']} cores, Python {environment['python']}, {packages}, "
        f"BLAS {environment['blas']}; sgemm at {figures['sgemm_gflops']:.0f} GFLOP/s. Contenders take turns in one "
        "process; figures are medians, ratios medians of pairs."
    )
    four = figures["batched_decoding"]["throughput_4_over_1"]
    parts = [
        "# Benchmark",
        machine,
        "## Training step: forward, backward, clip, AdamW (float32)",
        _training(figures["training"]),
        "Share: matrix products of the step over the sgemm rate. Memory: peak of a process of its own.",
        "## Decoding, greedy, one text of block_size tokens",
        _decoding(figures["decoding"]),
        f"Four texts at once: {four:.2f} times the tokens per second of one.",
        "## How the time for a token grows",
        "Training, the nanogpt-cpu shape, one size varied.",
        _scaling(figures["scaling"]),
    ]
    return "\n\n".join(parts) + "\n"


def _training(rows: list[dict[str, Any]]) -> str:
    columns = ["shape", "ours, ms", "torch, ms", "ours / torch, tokens/s", "floor", "aim"]
    columns += ["share, ours", "share, torch", "MiB, ours", "MiB, torch"]
    lines = [
        "| " + " | ".join(columns) + " |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        ms, share, peak = row["ms"], row["sgemm_share"], row["peak_mib"]
        cells = [
            row["shape"],
            f"{ms['ours']:.3g}",
            _or_dash(ms.get("torch"), ".3g"),
            _or_dash(row["ratio"], ".2f"),
            f"{row['floor']:g}",
            f"{row['aim']:g}",
            f"{share['ours']:.0%}",
            _or_dash(share.get("torch"), ".0%"),
            _or_dash(peak["ours"], ".0f"),
            _or_dash(peak.get("torch"), ".0f"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _decoding(figures: dict[str, Any]) -> str:
    lines = ["| contender | tokens/s | ours over it |", "|:--|--:|--:|"]
    for name, rate in figures["tokens_per_sec"].items():
        lines.append(f"| {name} | {rate:,.0f} | {figures['ratio'][name]:.2f} |")
    return "\n".join(lines)


def _scaling(rows: list[dict[str, Any]]) -> str:
    lines = ["| size | microseconds a token |", "|:--|--:|"]
    lines += [f"| {row['axis']} = {row['size']} | {row['us_per_token']:.2f} |" for row in rows]
    return "\n".join(lines)


def _or_dash(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)
