"""Run the fault harness at full counts and write docs/reliability.json and docs/reliability.md.

    python tests/reliability/measure.py [--quick] [--only NAME ...] [--jobs N] [--json FILE]

--quick runs about a tenth and writes nothing unless --json says where. Exits with 1 if any case failed. `make
reliability` runs it at full counts; that takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from queue import Empty
from typing import Any

import conftest  # noqa: F401  (puts the rooms of the harness on the path)
from document import FORMAT, VERSION, render
from sections import SECTIONS, TENTH, Counts
from tally import Tally

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.json"
_ON_DISK = ("kills",)
_LONG = ("pairs", "signals", "links", "texts", "kills", "resumes", "places", "mutations")
"""The parts to begin with, so that no process works alone at the end."""
_COMMAND = "python tests/reliability/measure.py"


def main() -> int:
    """0, or 1 if any case failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about a tenth of the counts")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="these parts")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes at work (default: 2)")
    parser.add_argument(
        "--json", type=Path, help=f"write the figures here, and the page beside them (full: {DOCUMENT.name})"
    )
    options = parser.parse_args()
    start = time.perf_counter()
    lines = run(options.only, is_quick=options.quick, jobs=options.jobs)
    content = describe(lines, seconds=time.perf_counter() - start, is_quick=options.quick)
    goal = options.json or (DOCUMENT if not options.quick and options.only == list(SECTIONS) else None)
    if goal:
        goal.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        goal.with_suffix(".md").write_text(render(content), encoding="utf-8")
    n_failed = sum(tally.n_failed for tallies in lines.values() for tally in tallies)
    sys.stderr.write(f"{n_failed} failures in {sum(t.n for ts in lines.values() for t in ts):,} cases\n")
    return int(n_failed > 0)


def run(names: Iterable[str], *, is_quick: bool, jobs: int) -> dict[str, list[Tally]]:
    """The tallies of each part; the parts are shared out among processes."""
    context = multiprocessing.get_context("spawn")
    lines: dict[str, list[Tally]] = {name: [] for name in names}
    waiting, results = (
        sorted(lines, key=lambda name: _LONG.index(name) if name in _LONG else len(_LONG)),
        context.Queue(),
    )
    at_work: dict[str, Any] = {}
    while waiting or at_work:
        while waiting and len(at_work) < jobs:
            name = waiting.pop(0)
            at_work[name] = context.Process(target=work, args=(name, is_quick, results))
            at_work[name].start()
        try:
            name, tally = results.get(timeout=1.0)
        except Empty:
            for name, process in list(at_work.items()):
                if not process.is_alive() and results.empty():
                    lines[name].append(Tally("the process of this part", 1, 1, [f"it ended with {process.exitcode}"]))
                    del at_work[name]
            continue
        if tally is None:
            at_work.pop(name).join()
            continue
        lines[name].append(tally)
        say(name, tally)
    return lines


def work(name: str, is_quick: bool, results: Any) -> None:
    """One part, in a process of its own."""
    scratch = Path(tempfile.mkdtemp(prefix="nanochat-reliability-", dir=fast_folder(name)))
    tempfile.tempdir = str(scratch)
    try:
        for tally in SECTIONS[name].cases(TENTH if is_quick else Counts(), scratch):
            results.put((name, tally))
        results.put((name, None))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def fast_folder(name: str) -> str | None:
    """Memory, where the system offers it, for what handles small files 100,000 times; a disk for what is killed."""
    memory = Path("/dev/shm")
    return str(memory) if name not in _ON_DISK and os.access(memory, os.W_OK) else None


def say(name: str, tally: Tally) -> None:
    """Progress, a line a tally."""
    verdict = f"{tally.n_failed} FAILED" if tally.n_failed else "ok"
    sys.stderr.write(f"{name:10} {tally.name:60.60} {tally.n:>8,} {verdict:>10} {tally.seconds:8.1f} s\n")
    for failure in tally.failures[:5]:
        sys.stderr.write(f"           {failure[:500]}\n")


def describe(lines: dict[str, list[Tally]], *, seconds: float, is_quick: bool) -> dict[str, Any]:
    """What the document is made of."""
    from nanochat import machine

    return {
        "format": FORMAT,
        "version": VERSION,
        "command": _COMMAND + (" --quick" if is_quick else ""),
        "date": date.today().isoformat(),
        "machine": machine.describe(),
        "seconds": round(seconds),
        "sections": [
            {
                "name": name,
                "title": SECTIONS[name].title,
                "promise": SECTIONS[name].promise,
                "how": SECTIONS[name].how,
                "lines": [asdict(tally) for tally in tallies],
            }
            for name, tallies in lines.items()
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
