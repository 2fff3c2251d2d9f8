"""Checkpoints, bare models and folders of GPT-2, as readers.py wants them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mutations import Reader
from samples import language_model, quantised, remake_manifest, save_checkpoint, save_small_gpt2

from nanochat.checkpoints.directory import save_directory
from nanochat.checkpoints.formats.arrays import FORMATS
from nanochat.checkpoints.weights import save_snapshot
from nanochat.inference.language_model import load


class Loaded:
    """A model that was loaded; its repr has every bit that decides what it does."""

    def __init__(self, path: Path) -> None:
        self.model = load(path)

    def __repr__(self) -> str:
        model = self.model
        weights = {name: np.asarray(weight) for name, weight in model.model.state_dict().items()}
        bits = {name: (weight.dtype.str, weight.shape, weight.tobytes()) for name, weight in weights.items()}
        return repr((bits, asdict(model.config), model.tokenizer.to_dict(), model.mode, model.stops_at_bos))


def model_readers() -> Iterator[Reader]:
    """In each format: a checkpoint, one whose manifest agrees with every change, and a bare model."""
    for form in FORMATS:
        make = partial(_make_checkpoint, form)
        yield Reader(f"checkpoint {form}", make, Loaded, is_checksummed=True)
        name = f"checkpoint {form}, its manifest made anew"
        yield Reader(name, make, Loaded, only=f"model{form}", use=_speak, mend=remake_manifest)
    for form in FORMATS:
        packed = form == ".json.gz"  # gzip has a checksum of its own
        yield Reader(f"model{form}", partial(_make_file, form), partial(_read_file, form), packed, use=_speak)
    yield Reader("checkpoint, quantised", _make_quantised, Loaded, is_checksummed=True)
    again = "checkpoint, quantised, its manifest made anew"
    yield Reader(again, _make_quantised, Loaded, only="model.safetensors", use=_speak, mend=remake_manifest)
    yield Reader("GPT-2's folder", save_small_gpt2, Loaded, use=_speak)


def _make_checkpoint(form: str, folder: Path) -> None:
    _move_up(save_checkpoint(folder, form), folder)


def _make_quantised(folder: Path) -> None:
    """Of every type that a weight is stored in."""
    snapshot = quantised()
    write = lambda draft: {"model.safetensors": save_snapshot(draft / "model.safetensors", snapshot)}  # noqa: E731
    _move_up(save_directory(folder / "checkpoints", 1, write), folder)


def _move_up(saved: Path, folder: Path) -> None:
    """The files of one step, into the folder itself."""
    for path in saved.iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(folder / "checkpoints")


def _make_file(form: str, folder: Path) -> None:
    language_model().save(folder / f"lm{form}")


def _read_file(form: str, folder: Path) -> Loaded:
    return Loaded(folder / f"lm{form}")


def _speak(loaded: Any) -> None:
    loaded.model.generate("a", max_new_tokens=2, seed=1)
    loaded.model.generate("", max_new_tokens=2, temperature=0)
