"""`nanochat presets`: what there is to start from."""

from __future__ import annotations

from dataclasses import asdict

from ...models.parameters import count_parameters
from ...models.presets import PRESETS
from ..console import print_json, print_table
from ..options import JsonFlag
from ..parser import Commands

commands = Commands()


@commands.work("presets", "nanochat presets")
def show_presets(*, json: JsonFlag = False) -> None:
    """List the presets with their parameter counts and sources."""
    if json:
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
