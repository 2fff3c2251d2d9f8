"""`nanochat certify`: progress on stderr, the verdict on stdout, the certificate in a folder."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..experiments.certify.certificate import Finding, check_place, to_document, write_certificate
from ..experiments.certify.compare import cases, certify
from ..plain import shown_path
from .commands import CertifyCommand
from .console import Remarks, print_json, print_result


def execute(command: CertifyCommand) -> None:
    """Write both files, print one line. Raises CertificateError where something failed."""
    if not command.force:
        check_place(command.out)
    with CertifyDisplay(len(cases(command.presets))) as display:
        certificate = certify(command.presets, seed=command.seed, observe=display)
    write_certificate(certificate, command.out)
    if command.json:
        print_json(to_document(certificate))
    else:
        print_result(f"{certificate.summary()}: {shown_path(command.out / 'certificate.md')}")
    certificate.check()


class CertifyDisplay:
    """A bar that moves in a terminal; what fails is said at once, everywhere."""

    def __init__(self, n_cases: int) -> None:
        self.console = Remarks()
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self.progress = Progress(TextColumn("{task.description}"), *columns, console=self.console)
        self.task = self.progress.add_task("certifying", total=n_cases)

    def __enter__(self) -> CertifyDisplay:
        if self.console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def __call__(self, finding: Finding) -> None:
        self.progress.update(self.task, advance=1, description=finding.kind)
        if not finding.passed:
            self.console.say(
                f"{finding.kind} {finding.name} failed: scalar against tensor {finding.engines_error:.1e}, "
                f"against finite differences {finding.slope_error:.1e}"
            )
