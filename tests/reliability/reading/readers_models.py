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
from samples import language_model, remake_manifest, save_checkpoint, save_small_gpt2

from nanochat.checkpoints.formats.arrays import FORMATS
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
    yield Reader("GPT-2's folder", save_small_gpt2, Loaded, use=_speak)


def _make_checkpoint(form: str, folder: Path) -> None:
    """The files of one step, in the folder itself."""
    saved = save_checkpoint(folder, form)
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
