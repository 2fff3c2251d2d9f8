"""`nanochat parity`: are our model, update and curve those of karpathy/nanochat?"""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ....errors import ConfigError, UsageError
from ...console import print_json, print_result, say
from ...options import JsonFlag, ReplaceFlag, check_count
from ...parser import Commands

if TYPE_CHECKING:
    from ....experiments.parity.compare import Asking

commands = Commands()
_BIG, _ROWS, _WIDTH = 256, 2, 32
"""Tokens of a row, which the short window of 129 fits into, rows of a batch, channels a layer."""


@commands.work("parity", "nanochat parity --upstream ../nanochat")
def parity(
    upstream: Annotated[
        Path | None,
        typer.Option(help="A checkout of karpathy/nanochat; without: what was recorded of it.", metavar="DIR"),
    ] = None,
    revision: Annotated[
        Literal["auto", "head", "pin"], typer.Option(help="2026-07 (92d63d4) or 2026-02 (2f09686); auto looks.")
    ] = "auto",
    depth: Annotated[int, typer.Option(help="Layers; of two, backout changes nothing.")] = 3,
    steps: Annotated[int, typer.Option(help="Of a training run.")] = 200,
    seeds: Annotated[int, typer.Option(help="Runs in float32.")] = 5,
    data: Annotated[Path | None, typer.Option(help="A text; without: a builtin one.", metavar="FILE")] = None,
    python: Annotated[
        str, typer.Option(help="What runs upstream, with torch; this one.", metavar="PY", show_default=False)
    ] = sys.executable,
    what: Annotated[str, typer.Option(help="Of model, update, curve, seeds and speed.", metavar="LIST")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds for one answer of upstream.")] = 1800.0,
    gate_speed: Annotated[float, typer.Option(help="Fail where we are not so many times as fast; 0: never.")] = 0.0,
    out: Annotated[Path, typer.Option(help="Folder of the results.", metavar="DIR", readable=False)] = Path(
        "results/parity"
    ),
    record: Annotated[
        Path | None,
        typer.Option(help="Write upstream's answers to the recorded case, and compare nothing.", metavar="FILE"),
    ] = None,
    *,
    print_command: Annotated[bool, typer.Option("--print-command", help="Print what is run, and run nothing.")] = False,
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> None:
    """Compare with karpathy/nanochat, line by line: nine figures, each with its limit. Exit code 9: one does not hold.

    Upstream runs in a process of its own, since both packages are called nanochat. Without --upstream ours is compared
    with what both commits answered when they were recorded.
    """
    from ....checkpoints.ownership import check_pair
    from ....experiments.parity import compare, report
    from ....storage.atomic import write_json

    for flag, value, least in (("--depth", depth, 1), ("--steps", steps, 2), ("--seeds", seeds, 1)):
        check_count(flag, value, least)
    check_count("--timeout", timeout, 0.01, 1e6)
    check_count("--gate-speed", gate_speed, 0, 1e6)
    chosen = tuple(filter(None, (word.strip() for word in what.split(",")))) or compare.EVERYTHING
    if wrong := [word for word in chosen if word not in compare.EVERYTHING]:
        raise UsageError(f"--what {wrong[0]!r} is unknown: choose of {', '.join(compare.EVERYTHING)}")
    if upstream is None and (record or print_command or gate_speed or data or what):
        raise UsageError(
            "--record, --print-command, --gate-speed, --data and --what are about a checkout: give --upstream DIR"
        )
    if not force and not print_command:
        check_pair(out, "parity", {"verdict", "lines"})
    try:
        if upstream is None:
            card = compare.against_recording("pin" if revision == "pin" else "head", observe=say)
        else:
            asking = _asking(upstream, revision, depth, steps, data, out, recorded=record is not None)
            asking = compare.Asking(
                **vars(asking) | {"python": python, "timeout": timeout, "what": chosen, "seeds": seeds}
                | {"gate_speed": gate_speed}
            )  # fmt: skip
            if print_command:
                _print_command(asking)
                return
            if record:
                write_json(record, compare.record(asking))
                say(f"recorded {asking.checkout.commit[:7]} in {record}")
                return
            card = compare.against_checkout(asking, observe=say)
    except ConfigError as error:
        if not print_command:
            report.write_skipped(str(error), out)
        raise
    report.write_scorecard(card, out)
    if json:
        print_json(report.to_document(card))
    else:
        print_result(report.to_text(card))
    card.check()


def _asking(
    upstream: Path, revision: str, depth: int, steps: int, data: Path | None, out: Path, *, recorded: bool
) -> Asking:
    """The checkout, and the case: that of the recordings, or a larger one that learns a text."""
    from ....data.builtin import read_builtin
    from ....experiments.parity.case import EDITIONS, Case
    from ....experiments.parity.compare import Asking
    from ....experiments.parity.theirs import open_checkout
    from ....storage.reading import OURS, decode_text, read_bytes

    checkout = open_checkout(upstream, revision)
    case = Case(revision=checkout.revision)
    if not recorded:
        wording = replace(OURS, error=ConfigError, missing="{path} is missing: give a text with --data")
        text = read_builtin("tales") if data is None else decode_text(read_bytes(data, wording), str(data), ConfigError)
        if len(text) < 10 * _BIG:
            raise ConfigError(f"{data} has {len(text):,} characters: give a text of {10 * _BIG:,} or more")
        case = Case(
            revision=checkout.revision,
            n_layer=depth,
            n_embd=_WIDTH * depth,
            n_head=depth,
            block_size=_BIG,
            vocab_size=len(set(text)),
            rows=_ROWS,
            steps=steps,
            warmup=min(40, steps // 5),
            warmdown=0.65 if checkout.revision == "head" else 0.5,
            weight_decay=EDITIONS[checkout.revision].weight_decay,
            text=text,
        )
    return Asking(checkout=checkout, case=case, folder=out, python=sys.executable)


def _print_command(asking: Asking) -> None:
    from ....experiments.parity.theirs import command

    words, environment = command(asking.checkout, asking.python, asking.folder.resolve(), asking.case.revision)
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    print_result(f"{given} {shlex.join(words)} < JOB.json > ANSWER.json")
