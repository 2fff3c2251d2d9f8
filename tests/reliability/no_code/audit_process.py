"""Starts audit.py in a process of its own and judges what it saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tally import Tally

_PROGRAM = Path(__file__).with_name("audit.py")
_SECONDS = 300


def watch(scratch: Path) -> Tally:
    """One case for each command, which has to end well; one more, failed, for each event that should not have been."""
    tally, home = Tally("everything done once, watched by an audit hook"), scratch / "audit"
    home.mkdir(parents=True)
    settings = {"RELIABILITY_AUDIT": str(home / "log"), "MPLCONFIGDIR": str(home), "MPLBACKEND": "Agg"}
    with tally.timed():
        done = subprocess.run(
            # -P: the folder of the program stays off the path of the code that it watches; -B: no .pyc is written
            [sys.executable, "-P", "-B", str(_PROGRAM)],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode:
        tally.add(f"it ended with {done.returncode}: {done.stderr[-500:]}")
        return tally
    found = json.loads(done.stdout.splitlines()[-1])
    for command, code in found["exits"].items():
        tally.add(f"exit code {code}" if code else None, label=command)
    tally.facts |= {"events looked at": sum(found["seen"].values())} | found["seen"]
    for problem in found["problems"]:
        tally.add(problem)
    return tally
