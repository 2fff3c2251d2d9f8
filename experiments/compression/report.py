"""The report of one compression: what it costs, beside its source and its controls, from compression.json alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...plain import code_span, markdown
from ...storage.atomic import write_text
from ..reports.markdown import bullets, document, fenced, table
from ..reports.numbers import count, digits, rough, signed
from ..statistics.crossed import CrossedInterval, crossed_interval
from .record import Compression, Row, read_compression

AT_WORK = (
    "On disk it is smaller; at work its weights are float32, so memory and speed are those of the model that it was "
    "made of: NumPy has no fast product of anything else."
)
ZEROS = (
    "Weights that are 0 take as many bytes as others, and are multiplied like others: on disk and at work nothing is "
    "smaller or faster."
)
_LEGEND = (
    "Loss in nats a token of the validation text. Differences are paired, token by token, with the 95 % interval for "
    "other text of this kind, by {n} blocks of this one; of one model, they say nothing of other seeds. KL: of what "
    "the source says of each next token to what the model says, in nats. Same choice: how often their likeliest token "
    "is the same. Bytes: of the weights in a file."
)
_SHOWN_WEIGHTS = 60


def write_compression_report(folder: Path) -> Path:
    """Write report.md beside compression.json. Raises CheckpointError, WriteError."""
    found = read_compression(folder)
    write_text(folder / "report.md", compression_report(found))
    return folder / "report.md"


def compression_report(found: Compression) -> str:
    """The answer first, then the figures, what became of each weight, and texts side by side."""
    n_blocks = len(found.before.measured.blocks)
    parts = [
        f"# {markdown(found.method[:1].upper() + found.method[1:])}",
        f"**{markdown(headline(found))}**",
        _source(found),
        bullets([markdown(note) for note in found.notes]) if found.notes else "",
        "## What it costs",
        _rows(found),
        _LEGEND.format(n=n_blocks),
        *_controls(found),
        *_speed(found),
        "## Texts, greedy, from the same beginnings of the validation text",
        *_samples(found),
        "## Weights",
        _weights(found),
        "## Reproduce",
        fenced(found.command, "sh"),
    ]
    return document(parts)


def difference(row: Row, other: Row) -> CrossedInterval:
    """The first minus the second, in nats a token, block by block."""
    blocks = np.array(row.measured.blocks) - np.array(other.measured.blocks)
    return crossed_interval(blocks[None])


def headline(found: Compression) -> str:
    """What a reader wants to know: of a student first whether teaching it was worth its time."""
    result, source = found.result, found.before
    cost = difference(result, source)
    share = result.n_bytes / source.n_bytes
    told = f"{share:.3f} of the bytes and {signed(cost.mean)} nats a token ({signed(cost.low)} to {signed(cost.high)})"
    if found.kind == "distill":
        return f"{_per_second(found)} The student has {told} against its teacher."
    said = f"{found.method[:1].upper()}{found.method[1:]}: {told} against the model that it was made of."
    control = next((row for row in found.rows if row.role == "control"), None)
    if control is not None:
        against = difference(result, control)
        said += f" Against the same model tuned alike: {_span(against)}."
    return said


def _per_second(found: Compression) -> str:
    """The first sentence about a student."""
    timed = next((row for row in found.rows if row.role == "control" and "CPU time" in row.name), None)
    if timed is None:
        return "Whether a teacher is worth its time was not measured here."
    gap = difference(found.result, timed)
    if gap.low > 0:
        return (
            f"Per second of CPU plain training is better: for as much time as teaching took it ends {_nats(-gap.mean)}."
        )
    if gap.high < 0:
        return f"Per second of CPU the teacher is worth it: plain training for as much time ends {_nats(-gap.mean)}."
    return f"Per second of CPU neither is shown to be better: plain training for as much time ends {_nats(-gap.mean)}."


def _nats(difference: float) -> str:
    return f"{rough(abs(difference))} nats {'higher' if difference > 0 else 'lower'}"


def row_table(found: Compression) -> list[dict[str, str]]:
    """The figures of each model as a terminal shows them."""
    return [dict(zip(_HEADER, cells, strict=True)) for cells in _cells(found)]


_HEADER = (
    "model",
    "parameters",
    "bytes",
    "loss",
    "against source",
    "bits a byte",
    "kl",
    "same choice",
    "steps",
    "cpu s",
)


def _cells(found: Compression) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in found.rows:
        measured = row.measured
        is_source = row.role == "source"
        bits = measured.bits_per_byte
        rows.append((
            row.name,
            f"{row.parameters:,}",
            f"{row.n_bytes:,} ({row.n_bytes / found.before.n_bytes:.3f})",
            digits(measured.loss),
            "" if is_source else _span(difference(row, found.before)),
            "-" if bits is None else digits(bits),
            "" if is_source else f"{measured.kl:.2g}",
            "" if is_source else f"{100 * measured.argmax_equal:.1f} %",
            f"{row.steps:,}" if row.steps else "",
            count(row.cpu_s) if row.cpu_s else "",
        ))  # fmt: skip
    return rows


def _rows(found: Compression) -> str:
    cells = [(markdown(first), *rest) for first, *rest in _cells(found)]
    header: tuple[str, ...] = _HEADER
    if any(row.exact is not None for row in found.rows):
        header = (*header, "right answers")
        cells = [
            (*line, "-" if row.exact is None else f"{100 * row.exact:.1f} %")
            for line, row in zip(cells, found.rows, strict=True)
        ]
    return table(header, cells, right=set(range(1, len(header))))


def _span(interval: CrossedInterval) -> str:
    return f"{signed(interval.mean)} ({signed(interval.low)} to {signed(interval.high)})"


def _source(found: Compression) -> str:
    known, text = found.source, found.text
    words = [f"Made of {code_span(known.path)}"]
    words += [f"{name} {value}" for name in ("preset", "seed", "step") if (value := getattr(known, name)) is not None]
    return (
        f"{', '.join([words[0], *map(markdown, words[1:])])}, weights sha256 {code_span(known.weights_sha256[:12])}; "
        f"measured on {text.n_tokens:,} tokens of {code_span(text.source)}, sha256 {code_span(str(text.sha256)[:12])}."
    )


def _controls(found: Compression) -> list[str]:
    controls = [row for row in found.rows if row.role == "control"]
    if not controls:
        return []
    lines = [
        f"The result minus {markdown(row.name)}: {_span(difference(found.result, row))} nats a token."
        for row in controls
    ]
    if found.kind == "distill" and (closed := gap_closed(found)) is not None:
        lines.append(
            f"Of the gap between training alone for equal steps and the teacher, teaching closes {closed:.2f}."
        )
    return ["## Against controls", bullets(lines)]


def gap_closed(found: Compression) -> float | None:
    """(alone - taught) / (alone - teacher), at equal steps; None where there is no such control or no gap."""
    alone = next((row for row in found.rows if row.role == "control" and "equal steps" in row.name), None)
    if alone is None or alone.measured.loss <= found.before.measured.loss:
        return None
    gap = alone.measured.loss - found.before.measured.loss
    return (alone.measured.loss - found.result.measured.loss) / gap


def _speed(found: Compression) -> list[str]:
    if found.speed is None:
        return []
    speed = found.speed
    rows = [
        ("whole rows", f"{speed.forward_tokens_per_s:,.0f}", _times(speed.forward)),
        ("one token after the other", f"{speed.decode_tokens_per_s:,.0f}", _times(speed.decode)),
    ]
    said = "Of CPU time, both models in turn; times as fast as the source, median of the rounds and quartiles."
    return ["## Speed", table(("", "tokens a second", "times as fast"), rows, right={1, 2}), said]


def _times(quartiles: tuple[float, float, float]) -> str:
    low, median, high = quartiles
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def _samples(found: Compression) -> list[str]:
    parts: list[str] = []
    same = sum(before == after for before, after in found.samples)
    parts.append(
        f"{same} of {len(found.samples)} are the same, letter by letter. Above the source's, below the result's."
    )
    for before, after in found.samples:
        parts.append(fenced(before if before == after else f"{before}\n----\n{after}"))
    return parts


def _weights(found: Compression) -> str:
    rows: list[Any] = [
        (code_span(weight.name), weight.stored, f"{weight.error:.4f}") for weight in found.weights[:_SHOWN_WEIGHTS]
    ]
    left = len(found.weights) - len(rows)
    more = f"\n\n{left} more are in [compression.json](compression.json)." if left > 0 else ""
    return table(("weight", "stored as", "relative change"), rows, right={2}) + more
