"""`nanochat presets`: what there is to start from."""

from __future__ import annotations

from dataclasses import asdict

from ..models.parameters import count_parameters
from ..models.presets import PRESETS
from .commands import PresetsCommand
from .console import print_json, print_table


def execute(command: PresetsCommand) -> None:
    """A table, or everything as JSON."""
    if command.json:
        print_json({name: asdict(preset) for name, preset in PRESETS.items()})
        return
    rows = [
        {
            "preset": name,
            "mode": preset.mode,
            "parameters": f"{count_parameters(preset.model.parameters()):,}",
            "at_vocabulary": preset.model.vocab_size,
            "source": preset.source,
        }
        for name, preset in PRESETS.items()
    ]
    print_table(rows, right=("parameters", "at_vocabulary"))
