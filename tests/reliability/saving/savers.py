"""What kills.py kills: checkpoints and models of 0.1 to 40 MB in every format, saved again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kills import Saver
from samples import is_version, snapshot_of_size

from nanochat.checkpoints.directory import newest_checkpoint, prune, save_directory
from nanochat.checkpoints.formats.arrays import FORMATS
from nanochat.checkpoints.weights import load_snapshot, save_snapshot
from nanochat.storage.atomic import write_json

BYTES_A_FLOAT = {".safetensors": 4, ".json": 24, ".json.gz": 10}
"""Of a weight in a file of that format, about."""
_KEEP_LAST = 2


def folder_saver(form: str, megabytes: float) -> Saver:
    """A checkpoint of two files at each step; all but the last two are pruned."""
    n_floats = _n_floats(form, megabytes)

    def save(folder: Path, version: int) -> None:
        def write_files(draft: Path) -> None:
            save_snapshot(draft / f"model{form}", snapshot_of_size(n_floats, version))
            write_json(draft / "state.json", {"step": version})

        save_directory(folder, version, write_files)
        prune(folder, keep_last=_KEEP_LAST)

    return Saver(f"checkpoints {form}, {megabytes:g} MB", save, lambda folder: _newest(folder, form, n_floats))


def same_step_saver(form: str, megabytes: float) -> Saver:
    """A checkpoint of the same step, replaced each time."""
    n_floats = _n_floats(form, megabytes)

    def save(folder: Path, version: int) -> None:
        snapshot = snapshot_of_size(n_floats, version)
        save_directory(folder, 7, lambda draft: save_snapshot(draft / f"model{form}", snapshot))

    return Saver(f"the same step {form}, {megabytes:g} MB", save, lambda folder: _newest(folder, form, n_floats))


def file_saver(form: str, megabytes: float) -> Saver:
    """A model in one file, as lm.save writes it, replaced each time."""
    n_floats = _n_floats(form, megabytes)

    def newest(folder: Path) -> int:
        return _version(folder / f"lm{form}", n_floats)

    def save(folder: Path, version: int) -> None:
        save_snapshot(folder / f"lm{form}", snapshot_of_size(n_floats, version))

    return Saver(f"one file {form}, {megabytes:g} MB", save, newest)


def savers(sizes: dict[float, int]) -> Iterator[tuple[Saver, int]]:
    """Each format in each size (MB), with the number of kills that the size gets."""
    for megabytes, n_trials in sizes.items():
        for form in FORMATS:
            yield folder_saver(form, megabytes), n_trials
            yield file_saver(form, megabytes), n_trials
        yield same_step_saver(FORMATS[0], megabytes), n_trials


def every_saver() -> Iterator[Saver]:
    """Each way of saving, small: for kills before every call."""
    for form in FORMATS:
        yield folder_saver(form, 0.05)
        yield same_step_saver(form, 0.05)
        yield file_saver(form, 0.05)


def _n_floats(form: str, megabytes: float) -> int:
    return int(megabytes * 1e6 / BYTES_A_FLOAT[form])


def _newest(folder: Path, form: str, n_floats: int) -> int:
    return _version(newest_checkpoint(folder) / f"model{form}", n_floats)


def _version(path: Path, n_floats: int) -> int:
    """The version that a file holds; -1 where its weights are not those of the version that they name."""
    snapshot = load_snapshot(path)
    version = int(snapshot.weights["w"][0])
    return version if is_version(snapshot, n_floats, version) else -1
