"""`nanochat zoo`: bugs of public code, put into this program one at a time, for its own instruments to find."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import UsageError
from ....plain import shown_path, typed
from ...console import print_json, print_result, print_table, say, write_result
from ...options import JsonFlag
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....course.zoo.specimen import Specimen

commands = Commands("Bugs of public code, put in one at a time, for you to find.", "nanochat zoo show B4")

IdArgument = Annotated[str, typer.Argument(metavar="N", help="A specimen, as B4: `nanochat zoo list` shows them.")]
LogOption = Annotated[
    Path, typer.Option("--log", help="Where it is noted what you tried.", metavar="FILE", readable=False)
]
LOG = Path("results/zoo.json")
LAW_BROKEN = 9


@commands.work("list", "nanochat zoo list")
def list_(*, log: LogOption = LOG, json: JsonFlag = False) -> None:
    """List the specimens: what each is seen by, and how far you are with it. No word on what it is."""
    from ....course.zoo.catalogue import specimens

    rows = [_row(specimen, log) for specimen in specimens().values()]
    if json:
        print_json(rows)
    else:
        print_table([{key: row[key] for key in ("specimen", "lab", "state", "symptom")} for row in rows])


@commands.work("names", "nanochat zoo names")
def names() -> None:
    """List the names that an answer may have, in alphabetical order."""
    from ....course.zoo.catalogue import answers

    print_result("\n".join(answers()))


@commands.work("show", "nanochat zoo show B4")
def show(
    number: IdArgument,
    *,
    source: Annotated[bool, typer.Option("--source", help="Its function, to be mended; once you named it.")] = False,
    config: Annotated[bool, typer.Option("--config", help="Settings of a small run in which it shows itself.")] = False,
    log: LogOption = LOG,
) -> None:
    """Tell what is seen of a specimen; once you have named it, all that is known."""
    from ....course.zoo.casebook import read_events, standing
    from ....course.zoo.catalogue import find_specimen
    from ....course.zoo.instruments import as_toml, settings_of
    from ....course.zoo.mending import source_of

    specimen = find_specimen(number)
    if config:
        write_result(as_toml(settings_of(specimen)))
        return
    known = standing(read_events(log), specimen)
    if source and not known.named:
        raise UsageError(f"{specimen.id} has no name yet: find it, then `nanochat zoo name {specimen.id} NAME`")
    if source:
        write_result(source_of(specimen))
        return
    print_result(f"{specimen.id}   {known.state}\nsymptom   {specimen.symptom}")
    if known.named:
        print_result(
            f"name      {specimen.name}: {specimen.title}\nseen in   {specimen.case}\n"
            f"injected  {', '.join(specimen.places) or 'nowhere'}\n"
            f"found by  {', '.join(specimen.found_by) or 'nothing: it is no bug'}\n"
            f"blind     {', '.join(specimen.blind)}"
        )
    else:
        print_result(
            f"try       nanochat zoo show {specimen.id} --config > {specimen.id}.toml\n"
            f"          nanochat zoo run {specimen.id} -- health --config {specimen.id}.toml\n"
            f"          nanochat zoo run {specimen.id} -- certify --preset microgpt --out {specimen.id}-certificate"
        )


@commands.words("run", "nanochat zoo run B4 -- health --preset microgpt --set mode=tensor")
def _run(
    number: IdArgument,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND...", help="Any command of nanochat.")
    ] = None,
    *,
    log: LogOption = LOG,
) -> Work:
    """Run any command of nanochat with the specimen in the program, as long as it runs; no file is touched."""
    words = [typed(word) for word in command or ()]
    if not words:
        raise UsageError(f"there is no command to run: write e.g. `nanochat zoo run {number} -- health`")
    if words[0] in ("zoo", "learn"):
        raise UsageError(f"{words[0]} is not run with a specimen: give an instrument, e.g. health or certify")
    return partial(run, number, words, log)


def run(number: str, words: list[str], log: Path) -> None:
    """Inject, call, note; the exit code is the command's."""
    from ....course.zoo.casebook import note, read_events
    from ....course.zoo.catalogue import find_specimen
    from ....course.zoo.specimen import injected
    from ...app import run as call

    specimen = find_specimen(number)
    read_events(log)  # a log of something else is refused before the work
    with injected(specimen):
        code = call(words)
    note(log, specimen=specimen.id, command=" ".join(words), exit=code)
    if code:
        raise typer.Exit(code)


@commands.work("name", "nanochat zoo name B4 no-causal-mask")
def name(
    number: IdArgument,
    answer: Annotated[str, typer.Argument(help="One of `nanochat zoo names`.")],
    *,
    log: LogOption = LOG,
) -> None:
    """Say what a specimen is. Guesses are counted; exit code 9 where it is something else."""
    from ....course.zoo.casebook import note, read_events, standing
    from ....course.zoo.catalogue import check_answer, find_specimen

    specimen = find_specimen(number)
    check_answer(answer)
    note(log, specimen=specimen.id, answer=answer)
    known = standing(read_events(log), specimen)
    guesses = f"{known.guesses} {'guess' if known.guesses == 1 else 'guesses'}"
    if answer != specimen.name:
        print_result(f"{specimen.id} is not {answer} ({guesses})")
        raise typer.Exit(LAW_BROKEN)
    print_result(f"{specimen.id} is {answer}: {specimen.title} ({guesses})")
    if specimen.fault:
        print_result(f"mend it: nanochat zoo show {specimen.id} --source > {specimen.id}.py")


@commands.work("mend", "nanochat zoo mend B4 B4.py")
def mend(
    number: IdArgument,
    file: Annotated[Path, typer.Argument(help="The function, mended.", readable=False)],
    *,
    log: LogOption = LOG,
    json: JsonFlag = False,
) -> None:
    """Put your function in the specimen's place: what found the bug has to find nothing. Exit code 9 where it does.

    Your file runs in a process of its own, with limits. That guards against accidents; it is no sandbox.
    """
    from ....course.running import check
    from ....course.source import read_source
    from ....course.zoo.casebook import note, read_events
    from ....course.zoo.catalogue import find_specimen
    from ....course.zoo.mending import KEY, check_file, exercise_of
    from ...display.course import print_report

    specimen = find_specimen(number)
    exercise_of(specimen.id)  # a trap is refused
    read_events(log)
    text = read_source(file)
    check_file(specimen, text, file)
    report = check(KEY + specimen.id, file, variant="", seed=1337, text=text)
    if json:
        print_json({**report.to_dict(), "file": shown_path(file)})
    else:
        print_report(report, shown_path(file), plain=False, steps=False)
    note(log, specimen=specimen.id, mended=report.passed)
    if not report.passed:
        raise typer.Exit(LAW_BROKEN)


@commands.work("exam", "nanochat zoo exam --student ada")
def exam(
    *,
    student: Annotated[str, typer.Option(help="Whose exam: the name draws its specimens.", metavar="ID")] = "",
    log: LogOption = LOG,
    json: JsonFlag = False,
) -> None:
    """Show six specimens of your own, one of them a trap, and the points that the log is worth so far."""
    from ....course.zoo.casebook import drawn

    if not student:
        raise UsageError("whose exam is it? Give --student ID: it draws the specimens")
    rows = [_row(specimen, log) for specimen in drawn(student)]
    points, most = sum(row["points"] for row in rows), sum(3 if row["can_be_mended"] else 2 for row in rows)
    if json:
        print_json({"student": student, "points": points, "most": most, "specimens": rows})
        return
    shown = ("specimen", "state", "guesses", "commands", "points", "symptom")
    print_table([{key: row[key] for key in shown} for row in rows], title=f"Exam of {student}")
    print_result(f"{points} of {most} points: 2 for a name within three guesses and after an instrument, 1 for mending")
    say(f"noted in {shown_path(log)}")


def _row(specimen: Specimen, log: Path) -> dict[str, Any]:
    """What may be told of it before it is named."""
    from ....course.zoo.casebook import read_events, standing

    known = standing(read_events(log), specimen)
    return {
        "specimen": specimen.id,
        "lab": specimen.lab,
        "state": known.state,
        "symptom": specimen.symptom,
        "guesses": known.guesses,
        "commands": len(known.commands),
        "points": known.points,
        "can_be_mended": specimen.fault is not None,
    }
