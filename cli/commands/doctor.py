"""`nanochat doctor`: what this machine is, and what may be wrong with it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from ... import __version__
from ..console import print_json, print_table
from ..options import JsonFlag
from ..parser import Commands

commands = Commands()


@commands.work("doctor", "nanochat doctor")
def doctor(*, json: JsonFlag = False) -> None:
    """Look at this machine: versions, cores, memory, and whether results can be written."""
    findings = examine()
    if json:
        print_json(findings)
    else:
        print_table([{"what": key.replace("_", " "), "found": value} for key, value in findings.items()])


def examine() -> dict[str, Any]:
    """Every finding as a plain value."""
    from ... import machine

    environment = machine.describe()
    resident = machine.resident_bytes()
    return {
        "nanochat": __version__,
        "python": f"{environment['python']} ({environment['implementation']})",
        "platform": environment["platform"],
        "cores": environment["cores"],
        "packages": ", ".join(f"{name} {number}" for name, number in environment["packages"].items()),
        "blas": environment["blas"],
        "sgemm_gflops": round(_sgemm_rate(), 1),
        "memory_in_use": f"{resident / 2**20:.0f} MiB" if resident else "the system does not say",
        "free_disk": f"{shutil.disk_usage(Path.cwd()).free / 2**30:.1f} GiB",
        "results_writable": _writable(Path("results")),
        "nanochat_variables": ", ".join(sorted(k for k in os.environ if k.startswith("NANOCHAT_"))) or "none",
    }


def _sgemm_rate() -> float:
    """Billions of floating-point operations a second in a 512 x 512 float32 product, the best of five."""
    import numpy as np

    n = 512
    a = np.ones((n, n), dtype=np.float32)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best / 1e9


def _writable(folder: Path) -> str:
    existing = folder if folder.exists() else Path.cwd()
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            return "yes"
    except OSError as error:
        return f"no: {error.strerror}"
