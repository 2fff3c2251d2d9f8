"""`nanochat compress quantize`: weights in fewer bits on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ....errors import UsageError
from ....plain import shown_path
from ...options import DryRunFlag, ForceFlag, JsonFlag, OutFlag, check_count
from ...parser import Commands, Work
from .subject import QuestionsFlag, SourceFlag, TextFlag

if TYPE_CHECKING:
    from ....compression.quantizing import Scheme
    from ....experiments.evaluation.quiz import Questions

_BITS = (16, 8, 4)
commands = Commands()


@commands.words("quantize", "nanochat compress quantize --run latest --bits 8 --out results/compressed/int8")
def _words(
    *,
    run: SourceFlag = "latest",
    bits: Annotated[int, typer.Option(help="Of a weight: 16, 8 or 4.")] = 8,
    floats: Annotated[
        Literal["float16", "bfloat16"] | None, typer.Option("--float", help="Of 16 bits; float16 if not given.")
    ] = None,
    group: Annotated[
        int | None,
        typer.Option(help="Columns of a row that share a scale; 0: all, as 8 bits have. 64 of 4 bits.", metavar="N"),
    ] = None,
    method: Annotated[
        Literal["nearest", "gptq"], typer.Option(help="gptq makes up for each rounding, by calibration text.")
    ] = "nearest",
    embedding_bits: Annotated[int, typer.Option(help="Of embeddings and head beside blocks of 4: 8 or 4.")] = 8,
    calibration_rows: Annotated[int, typer.Option(help="Rows of the training text that gptq reads.")] = 128,
    data: TextFlag = "",
    questions: QuestionsFlag = "none",
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
) -> Work:
    """Store a model in fewer bits, and measure what that costs.

    Every command takes the result. It is smaller on disk alone: at work its weights are float32 again, since NumPy has
    no fast product of anything else, so memory and speed stay as they were.
    """
    if bits not in _BITS:
        raise UsageError(f"--bits {bits} is not offered: give one of {', '.join(map(str, _BITS))}")
    if embedding_bits not in (8, 4) or (embedding_bits == 4 and bits != 4):
        raise UsageError(
            f"--embedding-bits {embedding_bits} does not go with --bits {bits}: give 8, or 4 beside --bits 4"
        )
    if floats and bits != 16:
        raise UsageError(f"--float {floats} has 16 bits, and --bits is {bits}: leave one of them out")
    if bits == 16 and (method == "gptq" or group):
        raise UsageError("--bits 16 rounds every number by itself: leave out --method gptq and --group")
    if group is not None:
        check_count("--group", group, 0)
    check_count("--calibration-rows", calibration_rows, 1)
    return partial(
        quantize_run, run=run, bits=bits, floats=floats or "float16", group=group, method=method,
        embedding_bits=embedding_bits, calibration_rows=calibration_rows, data=data, questions=questions, out=out,
        force=force, dry_run=dry_run, json=json,
    )  # fmt: skip


def quantize_run(
    *,
    run: str,
    bits: int,
    floats: Literal["float16", "bfloat16"],
    group: int | None,
    method: Literal["nearest", "gptq"],
    embedding_bits: int,
    calibration_rows: int,
    data: str,
    questions: Questions,
    out: Path | None,
    force: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Round, write, measure."""
    from ....compression.blocks import gpt_of
    from ....compression.calibration import calibration_rows as rows_of
    from ....compression.quantizing import Scheme, quantize
    from ....experiments.compression.folder import write_model
    from ....experiments.compression.outcome import Candidate
    from .subject import claimed_folder, conclude, find_subject, print_sizes

    scheme = Scheme(
        dtype=floats if bits == 16 else "int8" if bits == 8 else "int4",
        group=(64 if bits == 4 else 0) if group is None else group,
        method=method,
        embedding_dtype="int4" if embedding_bits == 4 else "int8",
    )
    subject = find_subject(run, data)
    ids = None
    if method == "gptq":
        ids = rows_of(subject.dataset.train, calibration_rows, gpt_of(subject.snapshot).config.block_size)
    result = quantize(subject.snapshot, scheme, ids)
    if dry_run:
        print_sizes(subject.snapshot, result)
        return
    with claimed_folder(out, subject, f"int{bits}" if bits < 16 else floats, force=force) as folder:
        write_model(folder, result, subject.config)
        conclude(
            folder, subject, {"quantised": Candidate("result", result)}, kind="quantize", method=scheme.words,
            command=_command(run, bits, scheme, calibration_rows), questions=questions,
            notes=_notes(subject.dataset.config.source, method, calibration_rows), json=json,
        )  # fmt: skip


def _notes(source: str, method: str, rows: int) -> tuple[str, ...]:
    from ....experiments.compression.report import AT_WORK

    calibrated = (
        (f"Calibrated on {rows} rows of the training text of {shown_path(source)}.",) if method == "gptq" else ()
    )
    return (AT_WORK, *calibrated)


def _command(run: str, bits: int, scheme: Scheme, rows: int) -> list[str]:
    """The words that give this again."""
    words = ["quantize", "--run", run, "--bits", str(bits)]
    if bits == 16:
        words += ["--float", scheme.dtype]
    else:
        words += ["--group", str(scheme.group)]
    if scheme.method == "gptq":
        words += ["--method", "gptq", "--calibration-rows", str(rows)]
    if scheme.embedding_dtype == "int4":
        words += ["--embedding-bits", "4"]
    return words
