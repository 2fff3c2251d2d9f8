"""`nanochat certify`: progress on stderr, the verdict on stdout, the certificate in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ....errors import UsageError
from ....models.presets import PRESETS, is_preset
from ....plain import shown_path
from ....validation import nearest
from ...console import Remarks, print_json, print_result
from ...options import JsonFlag, ReplaceFlag
from ...parser import Commands

if TYPE_CHECKING:
    from ....experiments.certify.finding import Finding

commands = Commands()


@commands.work("certify", "nanochat certify --preset nanogpt-cpu")
def certify(
    preset: Annotated[
        list[str] | None, typer.Option(help="Certify this preset's model; repeatable; all by default.", metavar="NAME")
    ] = None,
    only: Annotated[
        str,
        typer.Option(help="Compare what has this in its name, e.g. attention, and write nothing.", metavar="NAME"),
    ] = "",
    backend: Annotated[
        Literal["numpy", "torch"], typer.Option(help="torch adds a column: PyTorch against the arrays.")
    ] = "numpy",
    seed: Annotated[int, typer.Option(min=0, help="Root of the random weights, tokens and directions.")] = 1337,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of certificate.json and certificate.md.",
            metavar="DIR",
            readable=False,
            rich_help_panel="Output",
        ),
    ] = Path("results/certificates"),
    *,
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> None:
    """Prove that both engines compute the same losses and gradients, and that these are the slopes.

    Every op, every layer and the whole model of each preset, in float64: scalar path, tensor path, finite differences.
    """
    from ....experiments.certify.certificate import check_place, to_document, write_certificate
    from ....experiments.certify.compare import cases
    from ....experiments.certify.compare import certify as check_engines

    unknown = [name for name in preset or () if not is_preset(name)]
    if unknown:
        raise UsageError(f"--preset {unknown[0]!r} is unknown: {nearest(unknown[0], PRESETS)}")
    presets = tuple(preset or PRESETS)
    compared = cases(presets, only)
    if not compared:
        names = [case.name for case in cases(presets)]
        raise UsageError(f"--only {only!r} is in no name of what is compared: {nearest(only, names)}")
    if not force and not only:
        check_place(out)
    with CertifyDisplay(len(compared)) as display:
        certificate = check_engines(presets, only=only, seed=seed, backend=backend, observe=display)
    if not only:  # a part is no certificate, and must not take the place of one
        write_certificate(certificate, out)
    if json:
        print_json(to_document(certificate))
    else:
        print_result(certificate.summary() + ("" if only else f": {shown_path(out / 'certificate.md')}"))
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
            from ....experiments.certify.reading import read_finding  # NumPy: not before it is at work

            self.console.say(
                f"{finding.kind} {finding.name} failed: scalar against tensor {finding.engines_error:.1e}, "
                f"against finite differences {finding.slope_error:.1e}: {read_finding(finding)}"
            )
