"""PyTorch, the third column: every op, layer and preset agrees with the arrays, and one that does not fails by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nanochat.cli import main
from nanochat.errors import ConfigError
from nanochat.experiments.certify import compare
from nanochat.experiments.certify.case import Case
from nanochat.experiments.certify.certificate import Certificate, to_document, to_markdown
from nanochat.experiments.certify.compare import relative_error
from nanochat.experiments.certify.finding import Finding
from nanochat.experiments.certify.models import layer_cases, model_case
from nanochat.experiments.certify.ops import op_cases
from nanochat.experiments.certify.third import NOT_IN_TORCH, torch_errors
from nanochat.models.presets import PRESETS

MODELS = [model_case(name, preset.model) for name, preset in PRESETS.items()]
CASES = {f"{case.kind} {case.name}": case for case in [*op_cases(), *layer_cases(), *MODELS]}


@pytest.fixture
def torch() -> Iterator[Any]:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(n_threads)


def finding_of(case: Case) -> Finding:
    """With the torch column alone: what else a certificate measures is tested beside this file."""
    import numpy as np

    _, side = case.build(np.random.default_rng(3))
    loss = side.loss()
    loss.backward()
    errors = torch_errors(side, float(loss), relative_error)
    return Finding(
        kind=case.kind,
        name=case.name,
        remark="",
        n_numbers=1,
        loss=0.0,
        loss_error=0.0,
        gradient_errors={},
        slope_errors={},
        compiled_error=0.0,
        torch_errors=errors,
        scalar_slope_errors={},
    )


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_torch_agrees_with_the_arrays(torch: Any, name: str) -> None:
    found = finding_of(CASES[name])
    assert bool(found.torch_errors) is (CASES[name].name not in NOT_IN_TORCH)
    assert found.torch_agrees, found.torch_errors


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        ("rotate", "op rope"),
        ("seen", "op attention (window)"),
        ("same_segment", "op attention (segments)"),
        ("cross_entropy", "op cross_entropy"),
    ],
)
def test_a_wrong_spelling_fails_by_name(torch: Any, monkeypatch: pytest.MonkeyPatch, fault: str, fails: str) -> None:
    from nanochat.engine.torch import functional

    real = getattr(functional, fault)
    wrong = {
        "rotate": lambda x, turns: real(x, -turns),
        "seen": lambda T, S, window, same, device: real(T, S, window and window + 1, same, device),
        "same_segment": lambda segments: real(segments * 0),
        "cross_entropy": lambda logits, *, targets, softcap=0.0: real(logits, targets=targets.clamp(min=0)),
    }[fault]
    monkeypatch.setattr(functional, fault, wrong)
    monkeypatch.setitem(functional.OPS, fault, wrong)
    assert not finding_of(CASES[fails]).torch_agrees


@pytest.mark.oracle
def test_the_command_adds_a_column(torch: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("nanochat.experiments.certify.compare.N_DIRECTIONS", 2)
    with pytest.raises(SystemExit) as left:
        main(["certify", "--preset", "microgpt", "--only", "silu", "--backend", "torch"])
    assert left.value.code in (0, None)
    assert "torch against tensor, 3 of them: losses" in capsys.readouterr().out


# **** without PyTorch


def test_without_torch_its_column_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="--backend torch` needs torch, which is not installed"):
        compare.certify(("microgpt",), backend="torch")


def certificate(backend: str, errors: dict[str, float]) -> Certificate:
    numbers: dict[str, Any] = {"loss_error": 0.0, "gradient_errors": {}, "slope_errors": {}, "scalar_slope_errors": {}}
    row = Finding(
        kind="op", name="exp", remark="", n_numbers=1, loss=1.0, compiled_error=0.0, torch_errors=errors, **numbers
    )
    return Certificate(seed=1, findings=(row,), not_compared={}, backend=backend)


@pytest.mark.parametrize(
    ("loss", "gradient", "passed"), [(1e-13, 1e-11, True), (1e-11, 0.0, False), (0.0, 1e-9, False)]
)
def test_a_loss_has_1e_12_and_a_gradient_1e_10(loss: float, gradient: float, passed: bool) -> None:
    document = certificate("torch", {"loss": loss, "x": gradient})
    assert document.passed is passed
    assert ("look at engine/torch" in to_markdown(document, to_document(document)["environment"])) is not passed


def test_a_certificate_without_torch_says_nothing_of_it() -> None:
    document = to_document(certificate("numpy", {}))
    assert "torch" not in str(document["findings"]) + certificate("numpy", {}).summary()
    assert "backend" not in document
