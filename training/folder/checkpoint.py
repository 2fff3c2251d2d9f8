"""A run's checkpoint: everything that it needs to go on, bit for bit, written to a folder and read back.

step-00000500/{model.safetensors, optimizer.safetensors, state.json, config.json, tokenizer.json, MANIFEST.json}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...checkpoints.directory import save_directory
from ...checkpoints.formats.arrays import FORMATS, read_arrays, write_arrays
from ...checkpoints.names import CONFIG, MANIFEST, STATE, TOKENIZER
from ...checkpoints.weights import load_snapshot, save_snapshot, structure_problems
from ...errors import CheckpointError
from ...storage.atomic import Written, write_chunks, write_json
from ...storage.reading import reading
from ..prepare import Workshop
from .state import Progress, State, state_of, write_state

_PIECE = 1 << 22


def write_checkpoint(parent: Path, workshop: Workshop, progress: Progress, data_sha256: str) -> Path:
    """parent/step-N, whole or not at all. Raises WriteError."""
    config = workshop.config
    ending = f".{config.training.checkpoint_format}"
    origin = {"step": progress.step, "preset": config.preset, "data": config.data.source, "seed": config.seed}
    origin["layout"] = workshop.dataset.corpus.layout

    def write_files(draft: Path) -> dict[str, Written]:
        snapshot = replace(workshop.language_model.snapshot(), origin=origin)
        written = {f"model{ending}": save_snapshot(draft / f"model{ending}", snapshot)}
        del snapshot  # copies of all weights, which need not lie beside those of the optimizer's memory
        memory = workshop.optimizer.state_dict()
        arrays = {
            name: np.reshape(memory[slot][parameter], shape)
            for name, (slot, parameter, shape) in _slots(workshop).items()
        }
        written[f"optimizer{ending}"] = write_arrays(draft / f"optimizer{ending}", arrays)
        state = state_of(
            progress,
            data_sha256=data_sha256,
            streams={"dropout": workshop.dropout_rng.bit_generator.state},
            optimizer_steps=memory["n_steps"],
            max_grad_norm=config.training.max_grad_norm,
        )
        write_state(draft / STATE, state)
        write_json(draft / CONFIG, asdict(config))
        write_json(draft / TOKENIZER, workshop.dataset.tokenizer.to_dict())
        return written

    return save_directory(parent, progress.step, write_files)


def restore(workshop: Workshop, folder: Path, state: State) -> None:
    """Weights, then the optimizer's memory, then the random streams, from a checkpoint that was verified.

    The streams come last, so that nothing before could have drawn from them; the arrays read are let go of one file
    after the other, so that going on takes no more memory than starting did. Raises CheckpointError.
    """
    try:
        _restore_weights(workshop, folder)
        _restore_memory(workshop, folder, state)
        _restore_streams(workshop, state)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise CheckpointError(f"{folder} does not fit this run: {error}") from error


def copy_checkpoint(folder: Path, parent: Path, step: int) -> None:
    """The same checkpoint under another parent, with a manifest of its own: a branch begins. Raises WriteError."""

    def write_files(draft: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.name != MANIFEST:
                write_chunks(draft / path.name, _pieces(path))

    save_directory(parent, step, write_files)


def _pieces(path: Path) -> Iterator[memoryview]:
    with reading(path) as source:
        while source.left:
            yield source.read(min(_PIECE, source.left))


def _restore_weights(workshop: Workshop, folder: Path) -> None:
    weights = load_snapshot(_file(folder, "model")).weights
    expected = {name: parameter.shape for name, parameter in workshop.config.model.parameters().items()}
    _check(structure_problems(expected, weights), folder)
    workshop.model.load_state_dict(weights)


def _restore_memory(workshop: Workshop, folder: Path, state: State) -> None:
    slots = _slots(workshop)
    arrays, _ = read_arrays(_file(folder, "optimizer"))
    _check(structure_problems({name: shape for name, (_, _, shape) in slots.items()}, arrays), folder)
    memory: dict[str, Any] = {"n_steps": state.optimizer_steps}
    for name, (slot, parameter, _) in slots.items():
        if slot == "v" and (arrays[name] < 0).any():
            raise CheckpointError(f"{folder} does not fit this run: {name}, a mean of squares, holds negative numbers")
        memory.setdefault(slot, {})[parameter] = arrays[name].ravel()
    workshop.optimizer.load_state_dict(memory)


def _restore_streams(workshop: Workshop, state: State) -> None:
    workshop.dropout_rng.bit_generator.state = dict(state.streams["dropout"])


def _slots(workshop: Workshop) -> dict[str, tuple[str, str, tuple[int, ...]]]:
    """What the optimizer remembers: "m/wte.weight" -> (slot, parameter, shape)."""
    table = workshop.config.model.parameters()
    return {
        f"{slot}/{name}": (slot, name, parameter.shape)
        for slot in workshop.optimizer.slots
        for name, parameter in table.items()
    }


def _file(folder: Path, stem: str) -> Path:
    """The file of that name in whichever format it was written. Raises CheckpointError."""
    for ending in FORMATS:
        if (folder / f"{stem}{ending}").is_file():
            return folder / f"{stem}{ending}"
    raise CheckpointError(
        f"{folder} has no {stem}{FORMATS[0]}: it holds a model to sample from, not a run to go on with; "
        "choose a checkpoint that `nanochat train` wrote"
    )


def _check(problems: list[str], folder: Path) -> None:
    if problems:
        raise CheckpointError(f"{folder} does not fit this run: {'; '.join(problems)}")
