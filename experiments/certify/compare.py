"""Compares scalar path, tensor path and finite differences, op by op, layer by layer, preset by preset, edge by edge.

What is compared stands in ops.py, models.py and edges.py, what is said about it in certificate.py.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Literal
from zlib import crc32

import numpy as np

from ...engine.gradcheck import directional_error
from ...engine.module import shape_of
from ...errors import missing_extra
from ...models.presets import PRESETS, get_preset
from .case import Case, Side, gradient_of
from .certificate import N_DIRECTIONS, Certificate
from .edges import Edge, edge_cases
from .finding import SLOPE_TOLERANCE, Finding, worst
from .models import layer_cases, model_case
from .ops import NOT_COMPARED, op_cases
from .replay import replay
from .third import NOT_IN_TORCH, torch_errors

_STEPS = (1e-5, 1e-7)
"""Half-widths of the differences; the second where the first may have stepped over the kink of a ReLU."""


def certify(
    presets: Sequence[str] = tuple(PRESETS),
    *,
    only: str = "",
    seed: int = 1337,
    backend: Literal["numpy", "torch"] = "numpy",
    observe: Callable[[Finding], None] = lambda _: None,
) -> Certificate:
    """Compare every op, layer and edge, and the models of these presets, or of all these what has `only` in its name.

    backend    torch: a third column, of PyTorch against the tensor path.

    Raises ConfigError for an unknown preset, and where PyTorch is asked for and missing.
    """
    if backend == "torch" and find_spec("torch") is None:
        raise missing_extra("torch")
    findings = []
    for case in cases(presets, only):
        findings.append(examine_any(case, seed, backend=backend))
        observe(findings[-1])
    return Certificate(
        seed=seed,
        findings=tuple(findings),
        not_compared=NOT_COMPARED | (NOT_IN_TORCH if backend == "torch" else {}),
        backend=backend,
    )


def cases(presets: Sequence[str], only: str = "") -> list[Case | Edge]:
    """All that will be compared: whatever has `only` in its name, in letters of either case."""
    models = [model_case(name, get_preset(name).model) for name in presets]
    every: list[Case | Edge] = [*op_cases(), *layer_cases(), *models, *edge_cases()]
    return [case for case in every if only.casefold() in case.name.casefold()]


def examine_any(case: Case | Edge, seed: int, *, backend: str = "numpy") -> Finding:
    """The finding of a row, whatever it ends in: of a changed engine all rows are told, not one error."""
    try:
        return case.examine() if isinstance(case, Edge) else examine(case, seed, backend=backend)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (it is the finding)
        return Finding(
            kind=case.kind,
            name=case.name,
            remark=case.remark,
            n_numbers=0,
            loss=math.nan,
            loss_error=math.nan,
            gradient_errors={},
            slope_errors={},
            scalar_slope_errors={},
            compiled_error=math.nan,
            raised=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
        )


def examine(case: Case, seed: int, *, backend: str = "numpy") -> Finding:
    """Both paths and the differences on the same numbers, drawn from a stream of the case's own name.

    backend    torch: PyTorch on them, too.
    """
    stream = [seed, crc32(f"{case.kind} {case.name}".encode())]
    scalar, tensor = case.build(np.random.default_rng(stream))
    scalar_loss, tensor_loss = scalar.loss(), tensor.loss()
    scalar_loss.backward()
    tensor_loss.backward()
    assert scalar.parameters.keys() == tensor.parameters.keys(), f"{case.name}: the paths name different parameters"
    return Finding(
        kind=case.kind,
        name=case.name,
        remark=case.remark,
        n_numbers=sum(math.prod(shape_of(parameter)) for parameter in tensor.parameters.values()),
        loss=float(scalar_loss),
        loss_error=relative_error(float(tensor_loss), float(scalar_loss)),
        gradient_errors={
            name: relative_error(gradient_of(parameter), gradient_of(scalar.parameters[name]))
            for name, parameter in tensor.parameters.items()
        },
        slope_errors=slope_errors(tensor, sum(stream)),
        compiled_error=compiled_error(scalar, float(scalar_loss), np.random.default_rng([*stream, 1])),
        torch_errors=torch_errors(tensor, float(tensor_loss), relative_error) if backend == "torch" else {},
        scalar_slope_errors={} if case.kind == "model" else slope_errors(scalar, sum(stream)),
    )


def compiled_error(side: Side, loss: float, rng: np.random.Generator) -> float:
    """The worst of loss and gradients, replayed, against those that the engine has just found."""
    found, gradients = replay(side, rng)
    expected = {name: gradient_of(parameter) for name, parameter in side.parameters.items()}
    return worst([relative_error(found, loss), *(relative_error(g, expected[name]) for name, g in gradients.items())])


def slope_errors(side: Side, seed: int) -> dict[str, float]:
    """The worst |gradient . d - difference| / max(1, |difference|) of each parameter, over N_DIRECTIONS directions d

    A difference that steps over the kink of a ReLU is no slope, so what fails is measured again with a smaller step:
    the kink is missed then, while a wrong gradient stays wrong.
    """
    wide, narrow = _STEPS
    errors = directional_error(side.loss, side.parameters, N_DIRECTIONS, random.Random(seed), wide)
    doubtful = {name: side.parameters[name] for name, error in errors.items() if not error <= SLOPE_TOLERANCE}
    if doubtful:
        again = directional_error(side.loss, doubtful, N_DIRECTIONS, random.Random(seed), narrow)
        errors |= {name: min(errors[name], error) for name, error in again.items()}
    return errors


def relative_error(a: Any, b: Any) -> float:
    """max|a - b| / max(1, max|b|)"""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.abs(a - b).max(initial=0.0) / max(1.0, float(np.abs(b).max(initial=0.0))))
