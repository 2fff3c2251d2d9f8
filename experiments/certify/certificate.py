"""What a certificate says, when it passes, and how it is written: certificate.json and certificate.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...checkpoints.ownership import check_pair
from ...errors import NanochatError
from ...machine import describe
from ...storage.atomic import write_json, write_text
from ...storage.strict_json import finite_or_null
from .finding import ENGINES_TOLERANCE, SLOPE_TOLERANCE, TORCH_LOSS_TOLERANCE, Finding, worst
from .installed import what_changed
from .reading import read_failures, read_finding

N_DIRECTIONS = 32
"""Random directions in which each parameter is moved."""
_OF_TORCH = "The torch column is PyTorch's float64 on the same numbers; edges are compared by the tests."
MEASURE = "max|a - b| / max(1, max|b|)"
_MOST_NAMED = 6
"""Failures, in a sentence."""


class CertificateError(NanochatError):
    """The engines disagree, or a gradient is not the slope: a bug of ours, in files that are ours."""

    exit_code = 1


class ChangedCodeError(CertificateError):
    """The same, after somebody changed files of the program: a law does not hold any more."""

    exit_code = 9


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """All findings of one seed."""

    seed: int
    findings: tuple[Finding, ...]
    not_compared: Mapping[str, str]
    """Ops that only one engine has, and why."""
    backend: str = "numpy"
    """torch: PyTorch was compared, too."""

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """'op attention', 'model rustgpt', ..."""
        return [f"{finding.kind} {finding.name}" for finding in self.findings if not finding.passed]

    def summary(self) -> str:
        """One line: how many pass, and the worst errors."""
        n, n_passed = len(self.findings), len(self.findings) - len(self.failures)
        return (
            f"{n_passed} of {n} pass: scalar against tensor {worst(f.engines_error for f in self.findings):.1e} "
            f"and compiled {worst(f.compiled_error for f in self.findings):.1e} (allowed {ENGINES_TOLERANCE:g}), "
            "against finite differences "
            f"{worst(f.slope_error for f in self.findings):.1e} (allowed {SLOPE_TOLERANCE:g})"
        ) + (f"; {self._torch()}" if self.backend == "torch" else "")

    def _torch(self) -> str:
        compared = [finding for finding in self.findings if finding.torch_errors]
        return (
            f"torch against tensor, {len(compared)} of them: losses "
            f"{worst(f.torch_errors['loss'] for f in compared):.1e} (allowed {TORCH_LOSS_TOLERANCE:g}), gradients "
            f"{worst(f.torch_error for f in compared):.1e} (allowed {ENGINES_TOLERANCE:g})"
        )

    def check(self) -> None:
        """Raises CertificateError, which says what failed and how to read it; ChangedCodeError where files changed."""
        if self.passed:
            return
        n, n_failed = len(self.findings), len(self.failures)
        more = [f"{n_failed - _MOST_NAMED} more"] if n_failed > _MOST_NAMED else []
        what = (
            f"{n_failed} of {n} comparisons failed with seed {self.seed} "
            f"({'; '.join([*self.failures[:_MOST_NAMED], *more])}); "
            f"first {read_failures(self.findings)}"
        )
        changed = what_changed()
        if changed:
            raise ChangedCodeError(f"{what}: {changed}")
        if changed is None:
            raise CertificateError(f"{what}: if you changed no file of nanochat, this is a bug: please report it")
        raise CertificateError(f"{what}: no file of nanochat was changed, so this is a bug: please report it")


def check_place(folder: Path) -> None:
    """Raises GuardError where a certificate would replace what is none."""
    check_pair(folder, "certificate", {"passed", "tolerances"})


def write_certificate(certificate: Certificate, folder: Path) -> None:
    """certificate.json and certificate.md. Raises WriteError."""
    content = to_document(certificate)
    write_json(folder / "certificate.json", content)
    write_text(folder / "certificate.md", to_markdown(certificate, content["environment"]))


def to_document(certificate: Certificate) -> dict[str, Any]:
    """Everything as plain values; a number that is not finite becomes None, since JSON has no word for it."""
    return {
        "passed": certificate.passed,
        "seed": certificate.seed,
        "dtype": "float64",
        "measure": MEASURE,
        "directions": N_DIRECTIONS,
        "tolerances": {"scalar_tensor": ENGINES_TOLERANCE, "finite_differences": SLOPE_TOLERANCE},
        "environment": {"nanochat": __version__} | describe(),
        "failures": certificate.failures,
        "not_compared": dict(certificate.not_compared),
        "findings": [_row_of_json(finding) for finding in certificate.findings],
    } | ({"backend": certificate.backend} if certificate.backend != "numpy" else {})


def _row_of_json(finding: Finding) -> dict[str, Any]:
    row = {"passed": finding.passed} | finite_or_null(asdict(finding))
    if not finding.torch_errors:
        del row["torch_errors"]  # as a certificate without PyTorch has always been
    return row


def to_markdown(certificate: Certificate, environment: Mapping[str, Any]) -> str:
    """The certificate for people."""
    verdict = "passed" if certificate.passed else "FAILED: " + "; ".join(certificate.failures)
    packages = ", ".join(f"{name} {number}" for name, number in environment["packages"].items() if name != "nanochat")
    lines = [
        "# Certificate of gradients",
        "",
        f"Verdict: **{verdict}**. {certificate.summary()}.",
        "",
        "Each row was computed four times from the same tokens and the same random weights, in float64: in single",
        "numbers (scalar), in arrays (tensor), in single numbers replayed as arrays (compiled), and by central finite",
        "differences of the loss.",
        f"An error is {MEASURE}.",
        f"Between the engines it is the worst of the loss and all gradients, allowed {ENGINES_TOLERANCE:g}; against",
        f"differences the worst of {N_DIRECTIONS} random directions a parameter, allowed {SLOPE_TOLERANCE:g}.",
        "Ops and layers are differenced on both paths, models on the tensor path. Edges (nan, infinities, nothing at",
        "all, targets that are no class) are compared between the engines: results, gradients, refusals; nan as nan.",
        "The compiled column is against scalar, traced at other numbers than those of the row.",
        *([_OF_TORCH] if certificate.backend == "torch" else []),
        "",
        *([] if certificate.passed else [f"How to read it: {read_failures(certificate.findings)}.", ""]),
        f"Seed {certificate.seed}; nanochat {environment['nanochat']}, Python {environment['python']}, {packages},",
        f"BLAS {environment['blas']}, {environment['platform']}.",
        "",
    ]
    head, line = (" torch against tensor |", "---:|") if certificate.backend == "torch" else ("", "")
    for kind, title in (("op", "Ops"), ("layer", "Layers"), ("model", "Whole models"), ("edge", "Edges")):
        rows = [finding for finding in certificate.findings if finding.kind == kind]
        if rows:
            lines += [
                f"## {title}", "",
                f"| name | what | numbers | scalar against tensor | compiled |{head} finite differences | verdict |",
                f"|---|---|---:|---:|---:|{line}---:|---|",
                *(_row(row, third=bool(head)) for row in rows), "",
            ]  # fmt: skip
    if certificate.not_compared:
        lines += ["## Not compared", ""]
        lines += [f"- {name}: {why}" for name, why in certificate.not_compared.items()]
    return "\n".join(lines).rstrip() + "\n"


def _row(finding: Finding, *, third: bool) -> str:
    torch = f" {finding.torch_error:.1e} |" if finding.torch_errors else " |"
    verdict = "pass" if finding.passed else f"FAIL: {read_finding(finding)}"
    return (
        f"| {finding.name} | {finding.remark} | {finding.n_numbers} "
        f"| {finding.engines_error:.1e} | {finding.compiled_error:.1e} |{torch if third else ''} "
        f"{finding.slope_error:.1e} | {verdict} |"
    )
