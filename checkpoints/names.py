"""The names of what a run leaves behind: files of its folder, and step-N, the folder of a checkpoint."""

from __future__ import annotations

import re
from pathlib import Path

CONFIG, ENVIRONMENT, TOKENIZER = "config.json", "env.json", "tokenizer.json"
METRICS, SAMPLES, LOG = "metrics.jsonl", "samples.jsonl", "log.txt"
RECORD, REPORT, LOSS = "record.json", "report.md", "loss.png"
COMPRESSION = "compression.json"
"""What `nanochat compress` did: in a folder like a run's, with which training does not go on."""
CHECKPOINTS = "checkpoints"
"""The folder of step-N folders."""
MANIFEST, STATE = "MANIFEST.json", "state.json"
"""Of a checkpoint, beside model, optimizer, and a copy of CONFIG and TOKENIZER."""
STEPS = r"step-\d{8,}"
"""What we call a checkpoint, as a pattern."""


def step_folder(parent: Path, step: int) -> Path:
    """parent/step-00000500"""
    return parent / f"step-{step:08d}"


def step_of(folder: Path, *, as_written: bool = True) -> int:
    """500 of step-00000500; -1 of any other name. as_written: step-500, which somebody else made of it, is another."""
    name = folder.name
    return int(name[5:]) if re.fullmatch(STEPS if as_written else r"step-\d+", name) else -1
