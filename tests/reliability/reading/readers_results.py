"""The files of runs and of ablations, as readers.py wants them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mutations import Reader
from samples import remake_manifest, tiny_results, tiny_run, tiny_study

from nanochat.data.large.cache import Parts, cached_tokens
from nanochat.errors import CheckpointError
from nanochat.experiments.ablation.grid import canonical
from nanochat.experiments.ablation.study import CellDamaged, find_result, read_study, start_study, write_result
from nanochat.experiments.ablation.tables import to_rows
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.compression.measure import Measured
from nanochat.experiments.compression.record import Compression, Row, Source, Text, read_compression, write_compression
from nanochat.experiments.compression.report import compression_report, row_table
from nanochat.experiments.reports.run import run_report
from nanochat.experiments.reports.study.report import study_report
from nanochat.experiments.runs import compare_rows, rows_of
from nanochat.storage.atomic import strict_json
from nanochat.training.folder.record import SavedRun, read_run
from nanochat.training.run import run_training

_STEP = "checkpoints/step-00000002"
_KEY = {"text": "a", "tokenizer": "b"}


def result_readers(corpus: Path) -> Iterator[Reader]:
    """A run's files; a cell, which has a checksum, and one whose checksum agrees with every change; a study's files."""
    for name in ("config.json", "env.json", "record.json", "metrics.jsonl"):
        yield Reader(f"{name} of a run", partial(_make_run, corpus), read_run, only=name, use=_report_run)
    yield Reader("checkpoint to go on with", partial(_make_stopped, corpus), _go_on, True, only=f"{_STEP}/*", cost=16)
    name = "checkpoint to go on with, its manifest made anew"
    yield Reader(name, partial(_make_stopped, corpus), _go_on_there, only=f"{_STEP}/[mos]*", mend=_mend, cost=16)
    yield Reader("tokens in the cache", _make_cache, _read_cache, True, use=len)
    make, read = partial(_make_cell, corpus), partial(_read_cell, corpus)
    yield Reader("cell of an ablation", make, read, is_checksummed=True, only="cells/*.json")
    mended = "cell of an ablation, its checksum made anew"
    yield Reader(mended, make, read, only="cells/*.json", mend=_mend_cell)
    yield Reader("outcome of a compression", _make_outcome, read_compression, use=_report_outcome)
    for name in ("config.json", "env.json"):
        yield Reader(f"{name} of an ablation", partial(_make_study, corpus), read_study, only=name, use=_report_study)


def _make_outcome(folder: Path) -> None:
    """Two rows of three blocks each."""
    blocks = (1.0, 2.0, 1.5)
    measured = Measured(loss=1.5, blocks=blocks, bits_per_byte=2.1, n_tokens=9, kl=0.0, argmax_equal=1.0)
    rows = tuple(Row(name, name, 10, 40, measured) for name in ("source", "result"))
    source, text = Source("run", "0" * 64, seed=1, step=2), Text("text.txt", None, 9)
    written = Compression(kind="quantize", method="INT8", command="nanochat", source=source, text=text, rows=rows)
    write_compression(written, folder)


def _report_outcome(found: Compression) -> None:
    compression_report(found)
    row_table(found)


def _make_run(corpus: Path, folder: Path) -> None:
    run_training(tiny_run(corpus), out=folder)


def _report_run(run: SavedRun) -> None:
    rows_of([run])
    compare_rows([run, run])
    run_report(run)


def _make_stopped(corpus: Path, folder: Path) -> None:
    """A run of four steps that was stopped after the second."""
    run_training(tiny_run(corpus, checkpoint_every=1), out=folder, stop_at=2)


def _go_on(folder: Path) -> Any:
    """What the run comes to, in a folder of its own: an older checkpoint takes longer and comes to the same."""
    with tempfile.TemporaryDirectory() as out:
        record = run_training(resume=folder, out=Path(out) / "run")
        if record.status != "ok":
            return record.status, record.reason
        last = Path(out) / "run" / "checkpoints" / "step-00000004"
        return {path.name: path.read_bytes() for path in sorted(last.iterdir())}


def _go_on_there(folder: Path) -> Any:
    """The same from this checkpoint and no other."""
    return _go_on(folder / _STEP)


def _mend(folder: Path) -> None:
    remake_manifest(folder / _STEP, step=2)


def _make_cache(folder: Path) -> None:
    cached_tokens(folder, _KEY, _tokens, vocab_size=100)


def _read_cache(folder: Path) -> Any:
    """Whatever is damaged is made anew, and given back as it was."""
    stream = cached_tokens(folder, _KEY, _tokens, vocab_size=100)
    return stream.ids.tobytes(), stream.marks.tobytes()


def _tokens() -> Parts:
    return Parts([np.arange(100, dtype=np.uint16)], np.dtype(np.uint16), np.array([0, 50, 99]))


def _make_study(corpus: Path, folder: Path) -> None:
    start_study(tiny_study(corpus), folder)
    for result in tiny_results(corpus):
        write_result(result, folder)


def _report_study(study: Any) -> None:
    to_rows(study)
    study_report(analyse(study))


def _make_cell(corpus: Path, folder: Path) -> None:
    write_result(tiny_results(corpus)[0], folder)


def _read_cell(corpus: Path, folder: Path) -> Any:
    """A damaged cell is told of and run again: here that is a refusal."""
    told: list[CellDamaged] = []
    result = find_result(tiny_results(corpus)[0].cell, folder, told.append)
    if result is None:
        raise CheckpointError(told[0].reason)
    return result


def _mend_cell(folder: Path) -> None:
    for path in (folder / "cells").iterdir():
        try:
            content = strict_json(path.read_bytes(), path)
            head = {name: content.pop(name) for name in ("format", "version", "sha256")}
            head["sha256"] = hashlib.sha256(canonical(content).encode()).hexdigest()
        except (CheckpointError, KeyError, TypeError, AttributeError):  # nothing that could be made to agree
            continue
        path.write_text(json.dumps(head | content), encoding="utf-8")
