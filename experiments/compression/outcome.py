"""From a model and what was made of it to a Compression: everything that is measured of the two, and of controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import machine
from ...checkpoints.formats.packing import packed_bytes
from ...checkpoints.weights import Snapshot
from ...compression.blocks import in_arrays
from ...data.builtin.world import Question
from ...data.dataset import Dataset
from ...inference.language_model import LanguageModel, model_of
from ...models.parameters import count_parameters
from ...plain import shown_path
from ...training.inputs import content_sha256
from ..evaluation.identity import weights_sha256
from ..evaluation.matching import share
from ..evaluation.quiz import Questions, ask, questions_about
from .measure import Measured, measure, measure_speed
from .record import Compression, Kind, Role, Row, Source, Text, Weight

_PROMPTS, _PROMPT_TOKENS, _SAMPLE_TOKENS = 10, 16, 60


@dataclass(frozen=True)
class Candidate:
    """A model that is to be measured."""

    role: Role
    snapshot: Snapshot
    steps: int = 0
    cpu_s: float = 0.0


def compare(
    source: Snapshot,
    path: Path,
    candidates: Mapping[str, Candidate],
    dataset: Dataset,
    *,
    kind: Kind,
    method: str,
    command: str,
    questions: Questions = "none",
    notes: tuple[str, ...] = (),
) -> Compression:
    """What was made of the source, which was read from `path`, beside it and beside controls, by their names.

    Raises ConfigError where they do not compare.
    """
    named = {"source": Candidate("source", source)} | dict(candidates)
    rows, models = measured_rows(named, dataset, questions=questions_about(questions))
    name = next(name for name, one in named.items() if one.role == "result")
    return Compression(
        kind=kind,
        method=method,
        command=command,
        source=_source(source, models["source"], path),
        text=_text(dataset, rows[0].measured),
        rows=rows,
        speed=measure_speed(models["source"], models[name]),
        samples=samples_of(models["source"], models[name], dataset),
        weights=what_became(source, named[name].snapshot),
        notes=notes,
        environment=machine.describe(),
    )


def measured_rows(
    candidates: Mapping[str, Candidate], dataset: Dataset, *, questions: Sequence[Question] = ()
) -> tuple[tuple[Row, ...], dict[str, LanguageModel]]:
    """A row of each, the first of which is the source, and the models. Raises ConfigError where they do not compare."""
    models = {name: model_of(in_arrays(one.snapshot), Path(name)) for name, one in candidates.items()}
    found = measure(models, dataset)
    rows = tuple(_row(name, one, models[name], found[name], questions) for name, one in candidates.items())
    return rows, models


def _row(
    name: str, one: Candidate, model: LanguageModel, measured: Measured, questions: Sequence[Question]
) -> Row:  # fmt: skip
    exact = share(answer.is_right for answer in ask(model, questions)).value if questions else None
    return Row(
        name=name,
        role=one.role,
        parameters=count_parameters(model.config.parameters()),
        n_bytes=n_bytes(one.snapshot),
        measured=measured,
        steps=one.steps,
        cpu_s=one.cpu_s,
        exact=exact,
    )


def n_bytes(snapshot: Snapshot) -> int:
    """Of the weights as a .safetensors file holds them."""
    return sum(
        packed_bytes(np.shape(weight), stored)
        if (stored := snapshot.storage.get(name)) is not None
        else np.asarray(weight).nbytes
        for name, weight in snapshot.weights.items()
    )


def what_became(before: Snapshot, after: Snapshot) -> tuple[Weight, ...]:
    """Of each weight of the model that was made."""
    found = []
    for name, weight in after.weights.items():
        stored = after.storage.get(name)
        error = 0.0
        if name in before.weights:
            one, other = np.asarray(before.weights[name], np.float64), np.asarray(weight, np.float64)
            if one.shape == other.shape:
                norm = float(np.linalg.norm(one))
                error = float(np.linalg.norm(other - one)) / norm if norm else 0.0
            else:
                error = 1 - other.size / max(1, one.size)
        found.append(Weight(name, stored.words if stored else str(np.asarray(weight).dtype), error))
    return tuple(found)


def samples_of(source: LanguageModel, result: LanguageModel, dataset: Dataset) -> tuple[tuple[str, str], ...]:
    """Greedy texts of both from the same pieces of the validation text."""
    ids, found = dataset.val.ids, []
    for i in range(_PROMPTS):
        start = i * max(0, len(ids) - _PROMPT_TOKENS) // _PROMPTS
        piece = [int(id_) for id_ in ids[start : start + _PROMPT_TOKENS] if id_ != source.tokenizer.bos_id]
        prompt = source.tokenizer.decode(piece)
        options: dict[str, Any] = {"max_new_tokens": _SAMPLE_TOKENS, "temperature": 0, "long_prompt": "truncate-left"}
        found.append((source.generate(prompt, **options), result.generate(prompt, **options)))
    return tuple(found)


def _source(snapshot: Snapshot, model: LanguageModel, path: Path) -> Source:
    known = {name: snapshot.origin.get(name) for name in ("seed", "step", "preset")}
    return Source(path=shown_path(path), weights_sha256=weights_sha256(model), **known)


def _text(dataset: Dataset, measured: Measured) -> Text:
    source = dataset.config.source
    return Text(source=shown_path(source), sha256=content_sha256(source), n_tokens=measured.n_tokens)


def sizes(before: Snapshot, after: Snapshot) -> list[dict[str, str]]:
    """A row for each weight of either, in bytes of a file."""
    rows = []
    for name in dict.fromkeys([*before.weights, *after.weights]):
        one, other = (_only(snapshot, name) for snapshot in (before, after))
        stored = after.storage.get(name)
        weight = after.weights.get(name, before.weights.get(name))
        shape = " x ".join(map(str, np.shape(weight)))
        words = stored.words if stored else "gone" if name not in after.weights else str(np.asarray(weight).dtype)
        rows.append({"weight": name, "shape": shape, "stored": words, "before": f"{one:,}", "after": f"{other:,}"})
    return rows


def _only(snapshot: Snapshot, name: str) -> int:
    """Bytes of one weight; 0 of one that is not there."""
    return n_bytes(replace(snapshot, weights={name: snapshot.weights[name]})) if name in snapshot.weights else 0
