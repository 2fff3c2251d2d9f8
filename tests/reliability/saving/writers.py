"""Everything that writes a file, as subjects for calls.py: version 0 lies there, version 1 is written over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from calls import Subject
from samples import (
    is_version,
    language_model,
    snapshot_of_size,
    tiny_results,
    tiny_run,
    tiny_study,
    tokenizers,
)

from nanochat.checkpoints.directory import newest_checkpoint, save_directory, verify
from nanochat.checkpoints.formats.arrays import FORMATS
from nanochat.checkpoints.weights import load_snapshot, save_snapshot
from nanochat.data.large.cache import Parts, cached_tokens
from nanochat.experiments.ablation.study import Study, find_result, read_config, start_study, write_result
from nanochat.experiments.ablation.tables import write_tables
from nanochat.inference.language_model import load
from nanochat.storage.atomic import Written, read_json, write_bytes, write_json
from nanochat.tokenizers import load_tokenizer, save_tokenizer
from nanochat.training.folder.metrics import open_metrics
from nanochat.training.folder.record import from_row, read_metrics
from nanochat.training.folder.writer import write_record
from nanochat.training.run import Event, Saved, run_training

_N_FLOATS = 5000  # more than a buffer, so that a file takes several writes
_ROWS = [{"step": step, "loss": step / 8} for step in range(1, 4)]


def subjects(scratch: Path) -> Iterator[Subject]:
    """All of them; the corpus that runs read lies in `scratch`."""
    corpus = scratch / "corpus.txt"
    for form in FORMATS:
        yield from (_checkpoint(form, step) for step in (2, 1))
        yield _model_file(form)
    yield _one_file("a file", write_bytes, (b"old", b"new" * 100_000), Path.read_bytes)
    yield _token_cache()
    yield from _of_tokenizers()
    yield from _of_runs(corpus)
    yield from _of_studies(corpus)


def _one_file(
    name: str, write: Callable[[Path, Any], None], versions: tuple[Any, Any], read: Callable[[Path], Any]
) -> Subject:
    """What is read from the file tells which version it is."""

    def version(folder: Path) -> int | str:
        found = read(folder / "file.json")
        return versions.index(found) if found in versions else "something else"

    return Subject(name, lambda folder, i: write(folder / "file.json", versions[i]), version)


def _checkpoint(form: str, second_step: int) -> Subject:
    """A step's folder after that of step 1, or in its place."""

    def save(folder: Path, i: int) -> None:
        snapshot = snapshot_of_size(_N_FLOATS, i)
        step = second_step if i else 1

        def write_files(draft: Path) -> dict[str, Written]:
            write_json(draft / "state.json", {"step": step})
            return {f"model{form}": save_snapshot(draft / f"model{form}", snapshot)}

        save_directory(folder, step, write_files)

    def version(folder: Path) -> int | str:
        if (folder / "step-00000001").exists():
            verify(folder / "step-00000001")
        snapshot = load_snapshot(newest_checkpoint(folder) / f"model{form}")
        return next((i for i in (0, 1) if is_version(snapshot, _N_FLOATS, i)), "something else")

    return Subject(f"a checkpoint {form}, {'a new' if second_step > 1 else 'the same'} step", save, version)


def _model_file(form: str) -> Subject:
    models = [language_model(seed) for seed in (0, 1)]

    def same(one: Any, other: Any) -> bool:
        weights = other.model.state_dict()
        return all((weight == weights[name]).all() for name, weight in one.model.state_dict().items())

    def version(folder: Path) -> int | str:
        found = load(folder / f"lm{form}")
        return next((i for i in (0, 1) if same(models[i], found)), "something else")

    return Subject(f"lm.save, {form}", lambda folder, i: models[i].save(folder / f"lm{form}"), version)


def _token_cache() -> Subject:
    """Another text is another folder; one that is not there whole is made anew by whoever reads it."""

    def save(folder: Path, i: int) -> None:
        def make() -> Parts:
            return Parts([np.arange(50_000, dtype=np.uint16)], np.dtype(np.uint16))

        stream = cached_tokens(folder, {"text": str(i)}, make, vocab_size=50_000)
        assert stream.ids.tolist() == list(range(50_000))

    def version(folder: Path) -> int:
        return sum((path / "index.json").exists() for path in folder.iterdir()) - 1

    return Subject("tokens in the cache", save, version)


def _of_tokenizers() -> Iterator[Subject]:
    first = language_model().tokenizer
    for kind, tokenizer in tokenizers().items():
        yield _one_file(
            f"a tokenizer, {kind}", lambda path, t: save_tokenizer(t, path), (first, tokenizer), load_tokenizer
        )
    bpe = tokenizers()["bpe"]
    save = lambda path, t: save_tokenizer(t, path, form="huggingface")  # noqa: E731
    yield _one_file("a tokenizer, Hugging Face's form", save, (replace(bpe, pattern="gpt2"), bpe), load_tokenizer)


def _of_runs(corpus: Path) -> Iterator[Subject]:
    def write_metrics(folder: Path, i: int) -> None:
        if i:
            with open_metrics(folder / "metrics.jsonl") as metrics:
                for row in _ROWS:
                    metrics.write(**row)

    def metrics_version(folder: Path) -> int | str:
        rows = read_metrics(folder / "metrics.jsonl")
        if rows != _ROWS[: len(rows)]:
            return f"other rows ({rows})"
        return int(len(rows) == len(_ROWS))

    yield Subject("metrics.jsonl, line by line", write_metrics, metrics_version)
    records = tuple(result.record for result in tiny_results(corpus)[:2])
    finish = lambda path, record: write_record(path.parent, record)  # noqa: E731
    read = lambda path: from_row(read_json(path.with_name("record.json")))  # noqa: E731
    yield _one_file("record.json", finish, records, read)
    yield _whole_run(tiny_run(corpus, steps=2, checkpoint_every=1))


def _whole_run(config: Any) -> Subject:
    """Every checkpoint that a run has told of is whole, whatever stops it; version 1 is a run that came to its end."""
    told: list[Path] = []

    def observe(event: Event) -> None:
        if isinstance(event, Saved):
            told.append(event.path)

    def run(folder: Path, i: int) -> None:
        told.clear()
        if i:
            run_training(config, out=folder / "run", observe=observe)

    def version(folder: Path) -> int | str:
        for path in told:
            verify(path)
        if not (folder / "run" / "record.json").exists():
            return 0
        from_row(read_json(folder / "run" / "record.json"))
        return int(newest_checkpoint(folder / "run" / "checkpoints") == told[-1])

    return Subject("a run, from config.json to record.json", run, version)


def _of_studies(corpus: Path) -> Iterator[Subject]:
    config, results = tiny_study(corpus), tiny_results(corpus)
    cell, result = results[0].cell, results[0]
    other = replace(result, losses=(1.0, *result.losses[1:]))

    def cell_version(folder: Path) -> int | str:
        found = find_result(cell, folder, lambda event: None)
        return next((i for i, one in enumerate((other, result)) if found and found.losses == one.losses), "no cell")

    yield Subject("a cell of an ablation", lambda folder, i: write_result((other, result)[i], folder), cell_version)

    def start(folder: Path, i: int) -> None:
        start_study(replace(config, margin=(0.02, 0.01)[i]), folder)

    def start_version(folder: Path) -> int:
        read_json(folder / "env.json")
        return int(read_config(folder / "config.json") == config)

    yield Subject("config.json and env.json of an ablation", start, start_version)

    def tables(folder: Path, i: int) -> None:
        write_tables(Study(config, results if i else results[:1], (), {}), folder)

    def tables_version(folder: Path) -> int | str:
        lines = [len((folder / name).read_text(encoding="utf-8").splitlines()) for name in _TABLES]
        return int(lines[1] == len(results) + 1) if set(lines[:1]) <= {1, len(results)} else f"tables of {lines} lines"

    yield Subject("ablation.csv and ablation.jsonl", tables, tables_version)


_TABLES = ("ablation.jsonl", "ablation.csv")
