"""The figures of `nanochat bench` as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .against import is_quiet
from .measure import N_SGEMM


def bench_report(figures: dict[str, Any]) -> str:
    """One section for ratios, training, decoding and scaling each; ratios above 1 are in our favour."""
    environment, training, decoding = figures["environment"], figures["training"], figures["decoding"]
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    machine = (
        f"{figures['date']}, {environment['processor']}, {environment['platform']}, {environment['cores']} cores, "
        f"Python {environment['python']}, {packages}, BLAS {environment['blas']}; sgemm at "
        f"{max(row['sgemm_gflops'] for row in training):.0f} GFLOP/s a core; {_busy([*training, decoding])}. "
        "Contenders take turns, in training each in a process of its own; figures are medians, ratios medians and "
        "quartiles of pairs. A ratio is called faster or slower where three quarters of its pairs say so."
    )
    note = (
        "Training: wall time on all cores. Decoding: CPU time of one thread. Share of sgemm: which part of the CPU "
        f"time goes into the products of a step, if they ran as fast as one of {N_SGEMM} rows and columns on one core."
    )
    parts = [
        "# Benchmark",
        machine,
        "## How many times as fast",
        _ratios(figures["ratios"]),
        note,
        "## Training step: forward, backward, clip, AdamW (float32)",
        _training(training),
        "Memory: peak of the contender's process, with those that work for it.",
        "## Decoding, greedy, texts of block_size tokens",
        _decoding(decoding),
        "## How the time for a token grows",
        "Training, the nanogpt-cpu shape, one size varied.",
        _scaling(figures["scaling"]),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(ratio: Mapping[str, Any]) -> str:
    """What quartiles allow to say of a ratio of speeds, and of the goals that it has."""
    if not is_quiet(ratio):
        return f"not to be quoted: others took {ratio['cores_of_others']:.1f} cores"
    words = ["faster" if ratio["lower"] > 1 else "slower" if ratio["upper"] < 1 else "no difference"]
    if "floor" in ratio:
        reached = [name for name in ("aim", "floor") if ratio["median"] >= ratio.get(name, math.inf)]
        words.append(f"{reached[0]} {ratio[reached[0]]:g} reached" if reached else f"floor {ratio['floor']:g} MISSED")
    return ", ".join(words)


def _busy(measured: list[dict[str, Any]]) -> str:
    """How much of the machine others took while these were measured."""
    found = [one["cores_of_others"] for one in measured if one["cores_of_others"] is not None]
    return f"other processes took up to {max(found):.1f} cores" if found else "how busy it was is not known"


def _ratios(ratios: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| | median | quartiles | |", "|:--|--:|--:|:--|"]
    for name, ratio in ratios.items():
        says = "" if name.endswith("sgemm") else verdict(ratio)
        lines.append(f"| {name} | {ratio['median']:.2f} | {ratio['lower']:.2f} to {ratio['upper']:.2f} | {says} |")
    return "\n".join(lines)


def _training(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0]["ms"])
    columns = ["shape", *(f"{name}, ms" for name in names), *(f"MiB, {name}" for name in rows[0]["peak_mib"])]
    lines = ["| " + " | ".join(columns) + " |", "|:--" + "|--:" * (len(columns) - 1) + "|"]
    for row in rows:
        cells = [row["shape"], *(_or_dash(row["ms"].get(name), ".3g") for name in names)]
        cells += [_or_dash(peak, ".0f") for peak in row["peak_mib"].values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _decoding(figures: dict[str, Any]) -> str:
    lines = ["| contender | tokens/s |", "|:--|--:|"]
    lines += [f"| {name} | {rate:,.0f} |" for name, rate in figures["tokens_per_sec"].items()]
    return "\n".join(lines)


def _scaling(rows: list[dict[str, Any]]) -> str:
    lines = ["| size | microseconds a token |", "|:--|--:|"]
    lines += [f"| {row['size']} | {row['us_per_token']:.2f} |" for row in rows]
    return "\n".join(lines)


def _or_dash(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)
