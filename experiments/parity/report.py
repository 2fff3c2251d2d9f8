"""A scorecard as text, JSON and Markdown, with the curve of both sides."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ... import __version__
from ...machine import describe
from ...plain import code_span, markdown
from ...storage.atomic import write_json, write_text
from ..reports.figures import canvas, save_figure
from .compare import NOT_COMPARED, Scorecard
from .score import Line

CURVE = "curve.svg"
_HOW = (
    "Both sides get the same weights and the same rows; theirs runs in a process of its own, with the schedules and "
    "rates of its own script. Lines 3 to 6 are of weights shaken by noise, in float64: with the first ones some "
    "gradients are 0, and Adam makes full steps of their rounding. Upstream's tables of rope are computed anew, from "
    "its own base, and for float64 its casts to float32 (at the pinned commit to bfloat16, too) are left out. A curve "
    "in float32 says little at this size: line 8 has its noise floor beside it."
)
_SIZES = "n_layer n_embd n_head n_kv_head block_size vocab_size window_pattern rows steps seed".split()


def to_text(card: Scorecard) -> str:
    """A line each, as the terminal shows it."""
    model = f"upstream-d{card.case.n_layer}{'-pin' if card.case.revision == 'pin' else ''}"
    head = f"nanochat parity: {model} of {card.case.n_embd} channels against {card.against}"
    rows = [f" {line.number} {line.name:<17} {_figure(line)}" for line in card.lines]
    width = max(map(len, rows))
    lines = [
        f"{row:<{width}}  {line.verdict:<7}  {line.limit}".rstrip() for row, line in zip(rows, card.lines, strict=True)
    ]
    return "\n".join([head, *lines, f" not compared: {NOT_COMPARED}"])


def _figure(line: Line) -> str:
    return line.figure or f"skipped: {line.reason}"


def to_document(card: Scorecard) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "verdict": card.verdict,
        "against": card.against,
        "commit": card.commit,
        "case": asdict(card.case) | {"text": f"{len(card.case.text)} characters" if card.case.text else ""},
        "lines": [asdict(line) for line in card.lines],
        "curves": dict(card.curves),
        "not_compared": NOT_COMPARED,
        "environment": {"nanochat": __version__} | describe(),
    }


def write_skipped(reason: str, folder: Path) -> None:
    """Where nothing could be compared, and why; what an earlier comparison said is replaced. Raises WriteError."""
    write_json(folder / "parity.json", {"verdict": "skipped", "reason": reason, "lines": []})
    write_text(folder / "parity.md", f"# Parity with nanochat\n\nVerdict: **skipped**: {markdown(reason)}\n")


def write_scorecard(card: Scorecard, folder: Path) -> None:
    """parity.json, parity.md, and the curve where there is one. Raises WriteError."""
    write_json(folder / "parity.json", to_document(card))
    if card.curves:
        with canvas(height=3.5) as (figure, axes):
            for name, style in (("theirs", "-"), ("ours", "--")):
                axes.plot(range(1, len(card.curves[name]) + 1), card.curves[name], style, label=name)
            axes.set_xlabel("step")
            axes.set_ylabel("training loss, nats a token")
            axes.legend()
        save_figure(figure, folder / CURVE)
    write_text(folder / "parity.md", to_markdown(card))


def to_markdown(card: Scorecard) -> str:
    """The scorecard for people."""
    rows = [
        f"| {line.number} | {line.name} | {markdown(_figure(line))} | {markdown(line.limit)} | {line.verdict} |"
        for line in card.lines
    ]
    settings = ", ".join(f"{name} {value}" for name, value in vars(card.case).items() if name in _SIZES)
    parts = [
        "# Parity with nanochat",
        f"Verdict: **{card.verdict}**, against {code_span(card.against)}.",
        "| | what | found | allowed | |\n|--:|---|---|---|---|\n" + "\n".join(rows),
        f"Sizes: {settings}.",
        _HOW,
        *([f"![Training loss of both sides]({CURVE})"] if card.curves else []),
        f"Not compared: {NOT_COMPARED}.",
    ]
    return "\n\n".join(parts) + "\n"
