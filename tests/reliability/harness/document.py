"""docs/reliability.md from docs/reliability.json, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FORMAT, VERSION = "nanochat-reliability", 1

_INTRODUCTION = """\
Whatever happens to a run (kill -9, a full disk, a flipped bit, a closed laptop), the newest good checkpoint is found by
itself, and a resumed run ends with the same bits as one that was never interrupted. That is a promise, so it is
counted: faults are injected on purpose, and every outcome is judged by an oracle that can say no."""

_READING = """\
A case is one independent trial, judged on its own. A failure is a case whose outcome breaks the promise of its row; the
first of them would be listed under the table. `make reliability` runs everything again and writes this page from
[reliability.json](reliability.json). The ordinary tests run the same cases in smaller numbers, and plant faults of
their own (a checksum that says yes to everything, a save that writes in place) to see that they are caught."""

_NOT_PROMISED = """\
- **The same bits elsewhere.** Resuming gives the same bits on the same machine with the same BLAS, its kernels, NumPy
  and C library; the number of threads changes none. Matrix products round differently from one BLAS, and from one
  processor, to the next; a checkpoint's manifest keeps what was used, and resuming with another warns.
- **The same bits with and without the KV cache.** A product of one row is computed in another order than the same row
  among many. The texts agree except where rounding tips a balance.
- **Power cuts.** Processes are killed here, machines are not. Files and folders are synced before they are renamed,
  which is what makes a power cut safe; that order is tested, hardware is not. A disk that says "synced" and loses it
  can lose the newest checkpoint, but no damaged one passes for whole: the checksums find it.
- **Checksums against malice.** SHA-256 in a manifest finds accidents. Who can write the files can write the manifest;
  what that gains is a model with other weights, and no code: nothing that is read is executed or unpickled.
- **Formats without a checksum** (a bare model.json or .safetensors, a tokenizer, a config, a corpus): a change that
  leaves a valid file gives another valid value. The promise there is a sentence or a value, never a traceback, a hang
  or a swollen memory."""


_NOT_TRIED = """\
- **Other systems.** Everything here ran on the machine named above. Windows and macOS have other locks, signals, links
  and file names; a network file system (NFS, SMB) may keep neither locks nor the order of renames. None was tried.
- **Hardware.** No power was cut, no disk pulled, no bit flipped in memory.
- **Time.** The clock was not set back or forth. The longest run here takes seconds: what shows after days was not seen.
- **Crowds.** At most three commands write at one time, and at most three loops stand beside a training.
- **Signals** other than SIGINT, SIGTERM, SIGHUP and SIGKILL; two of them in a row; one sent to a worker alone.
- **Stdout that fails**, permissions that change in the middle, and memory that runs out: the ordinary tests have a few
  cases of each, none is counted here."""


def render(content: Mapping[str, Any]) -> str:
    """The whole document."""
    sections = content["sections"]
    n, n_failed = (sum(line[key] for section in sections for line in section["lines"]) for key in ("n", "n_failed"))
    parts = [
        "# Reliability, counted",
        _INTRODUCTION,
        f"**{n:,} injected faults and hostile inputs, {_failures(n_failed)}.** {_where(content)}",
        "## What is promised",
        _table(
            ("what", "promise", "cases", "failures"),
            [(_link(s), s["promise"], _count(s, "n"), _count(s, "n_failed")) for s in sections],
        ),
        "## How to read this",
        _READING,
        *(_section(section) for section in sections),
        "## What is not promised",
        _NOT_PROMISED,
        "## What was not tried",
        _NOT_TRIED,
    ]
    return "\n\n".join(parts) + "\n"


def _section(section: Mapping[str, Any]) -> str:
    rows = [
        (line["name"], f"{line['n']:,}", f"{line['n_failed']:,}", _facts(line["facts"]), f"{line['seconds']:,.1f}")
        for line in section["lines"]
    ]
    failures = [f"- {line['name']}: `{text}`" for line in section["lines"] for text in line["failures"]]
    parts = [f"## {section['title']}", section["how"], _table(("case", "n", "failures", "seen", "seconds"), rows)]
    return "\n\n".join([*parts, *(["\n".join(failures)] if failures else [])])


def _where(content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        f"Measured on {content['date']} with `{content['command']}` in {content['seconds'] / 60:.0f} minutes: "
        f"{machine['cores']} cores, {machine['platform']} {machine['machine']}, Python {machine['python']}, "
        f"{packages}, BLAS {machine['blas']}."
    )


def _failures(n_failed: int) -> str:
    return "no failure" if not n_failed else "1 failure" if n_failed == 1 else f"{n_failed:,} failures"


def _link(section: Mapping[str, Any]) -> str:
    title = section["title"]
    return f"[{title}](#{''.join(ch for ch in title.lower() if ch.isalnum() or ch in ' -').replace(' ', '-')})"


def _count(section: Mapping[str, Any], key: str) -> str:
    return f"{sum(line[key] for line in section['lines']):,}"


def _facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}: {value:,}" if isinstance(value, int | float) else f"{name}: {value}" for name, value in facts.items()
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    numbers = {"cases", "failures", "n", "seconds"}
    lines = [header, ["--:" if name in numbers else "---" for name in header], *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
