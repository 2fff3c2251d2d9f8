"""The shipped instruments on a specimen: laws of `nanochat health`, rows of `nanochat certify`, the loss."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from operator import attrgetter
from typing import Any

import numpy as np

from ...experiments.certify.case import Case
from ...experiments.certify.compare import examine_any as certify_case
from ...experiments.certify.models import layer_cases, model_case
from ...experiments.certify.ops import op_cases
from ...experiments.health.law import Finding
from ...experiments.health.laws import LAWS
from ...experiments.health.subject import Subject, of_config
from ...models.presets import get_preset
from ...training.config import RunConfig
from ...training.evaluate import evaluate
from ...training.resolve import resolve
from ...training.trainer import train_steps
from . import attention
from .specimen import Specimen

_MODEL = {
    "n_layer": 2, "n_embd": 16, "n_head": 2, "block_size": 12, "norm": "layer", "norm_gain": True, "norm_bias": True,
    "final_norm": True, "activation": "gelu", "init": "gpt2", "zero_init_proj": False, "input_rmsnorm": False,
    "mlp_bias": True, "attn_bias": True, "dropout": 0.1,
}  # fmt: skip
"""Small, with every part that a specimen can sit in."""
_TRAINING = {
    "steps": 200, "batch_size": 8, "lr": 3e-3, "optimizer": "adamw", "weight_decay": 0.1, "max_grad_norm": 1.0,
    "lr_schedule": "cosine", "eval_every": 0, "eval_tokens": 4000, "replicas": 1,
}  # fmt: skip


def settings_of(specimen: Specimen | None = None) -> dict[str, Any]:
    """The small run in which a specimen shows itself, or the one without any, as settings."""
    model = _MODEL | dict(specimen.model if specimen else {})
    training = _TRAINING | dict(specimen.training if specimen else {})
    return {"preset": "microgpt", "mode": "tensor", "model": model, "training": training}


def habitat(specimen: Specimen | None = None, seed: int = 1337) -> RunConfig:
    """The same, resolved."""
    return resolve({**settings_of(specimen), "seed": seed})


def as_toml(settings: Mapping[str, Any]) -> str:
    """Settings as a file for --config."""
    tables = {name: value for name, value in settings.items() if isinstance(value, dict)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def subject_of(config: RunConfig, n_steps: int = 0) -> Subject:
    """The run as it would begin, or after n_steps, to be made with the specimen injected."""
    if not n_steps:
        return of_config(config)
    trained, fresh = of_config(config).session, of_config(config)  # as of a run: no thread has a copy of the model yet
    settings = replace(trained.config.training, steps=n_steps, warmup=0)
    steps = train_steps(trained.model, trained.optimizer, trained.accumulate, trained.batches.batch, settings)
    metrics = tuple({"grad_norm": one.grad_norm} for one in steps)
    first = fresh.model.state_dict()
    fresh.model.load_state_dict(trained.model.state_dict())
    return replace(fresh, metrics=metrics, first_weights=first)


def shipped(specimen: Specimen) -> Any:
    """What stands where the fault goes when nothing is injected: the mended version."""
    assert specimen.fault is not None, "a trap has none"
    step = getattr(attention, specimen.fault.__name__, None)
    if specimen.places[0].endswith(":self_attention") and step is not None:
        return step
    module, _, names = specimen.places[0].partition(":")
    return attrgetter(names)(import_module(f"...{module}", __package__))


def laws_on(subject: Subject, names: Sequence[str] = ()) -> dict[str, Finding]:
    """Laws by name, all of them if none is named, tried."""
    with subject.config.engine.session(), np.errstate(all="ignore"):
        return {law.name: law.tried_on(subject) for law in LAWS if not names or law.name in names}


def rows() -> dict[str, list[Case]]:
    """The rows of a certificate that cost little, by `op NAME`, variants together."""
    found: dict[str, list[Case]] = {}
    for case in (*op_cases(), *layer_cases(), model_case("microgpt", get_preset("microgpt").model)):
        found.setdefault(f"{case.kind} {case.name.partition(' (')[0]}", []).append(case)
    return found


def row_fails(cases: Sequence[Case], seed: int = 1337) -> bool:
    """Whether one of these rows of a certificate does, now."""
    with np.errstate(all="ignore"):
        return not all(certify_case(case, seed).passed for case in cases)


def find(specimen: Specimen, names: Sequence[str], seed: int = 1337) -> dict[str, bool]:
    """Which of these instruments find something now, in the specimen's habitat."""
    laws = [name for name in names if name in LAW_NAMES]
    findings = laws_on(subject_of(habitat(specimen, seed), specimen.n_steps), laws) if laws else {}
    table = rows()
    return {
        name: findings[name].verdict == "fail" if name in findings else row_fails(table[name], seed) for name in names
    }


def losses(config: RunConfig) -> tuple[float, float]:
    """Mean training loss of the last 50 steps, and validation loss, in nats a token; nan where the run was stopped."""
    session = of_config(config).session
    found: list[float] = []
    with config.engine.session(), np.errstate(all="ignore"):
        steps: Any = train_steps(
            session.model, session.optimizer, session.accumulate, session.batches.batch, session.config.training
        )
        found = [one.loss for one in steps]
        result = evaluate(session.model, session.validation(), session.dataset.tokenizer.token_bytes())
    return float(np.mean(found[-50:])), result.loss


LAW_NAMES = tuple(law.name for law in LAWS)
