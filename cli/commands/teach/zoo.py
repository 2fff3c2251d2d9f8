"""`nanochat zoo`: bugs of public code, put into this program one at a time, for its own instruments to find."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import DataError, UsageError
from ....plain import shown_path, typed
from ...console import print_json, print_result, print_table, say, write_result
from ...options import JsonFlag
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....course.zoo.casebook import Standing
    from ....course.zoo.specimen import Specimen

commands = Commands("Bugs of public code, put in one at a time, for you to find.", "nanochat zoo show B4")

IdArgument = Annotated[
    str, typer.Argument(metavar="N", help="A specimen, as B4 of `nanochat zoo list`, or ada-3 of an exam.")
]
LogOption = Annotated[
    Path, typer.Option("--log", help="Where it is noted what you tried.", metavar="FILE", readable=False)
]
LOG = Path("results/zoo.json")
LAW_BROKEN = 9


@commands.work("list", "nanochat zoo list --lab b")
def list_(
    *,
    lab: Annotated[str, typer.Option(help="Those of a lab alone, and your points: a, b or c.", metavar="LAB")] = "",
    log: LogOption = LOG,
    json: JsonFlag = False,
) -> None:
    """List the specimens: what each is seen by, and how far you are with it. No word on what it is."""
    from ....course.zoo.catalogue import specimens
    from ....course.zoo.labs import find_lab

    asked = find_lab(lab if lab.lower().startswith("lab") else f"lab-{lab}") if lab else None
    rows = [_row(key, one, log) for key, one in specimens().items() if asked is None or key[0] in asked.rooms]
    if json:
        print_json(rows)
        return
    columns = ("specimen", "state", "points", "symptom") if asked else ("specimen", "lab", "state", "symptom")
    print_table([{key: row[key] for key in columns} for row in rows])
    if asked:
        print_result(_points(rows))


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
    from shlex import quote

    from ....course.zoo.casebook import find, read_events, standing
    from ....course.zoo.instruments import as_toml, settings_of
    from ....course.zoo.mending import source_of

    key, specimen = find(number)
    if config:
        write_result(as_toml(settings_of(specimen)))
        return
    known, word = standing(read_events(log), key, specimen), quote(key)
    if source:
        _check_named(key, known)
        _check_faulty(key, specimen)
        write_result(source_of(specimen))
        return
    print_result(f"{key}   {known.state}\nsymptom   {specimen.symptom}")
    if known.named:
        print_result(
            f"name      {specimen.name}: {specimen.title}\nseen in   {specimen.case}\n"
            f"injected  {', '.join(specimen.places) or 'nowhere'}\n"
            f"found by  {', '.join(specimen.found_by) or 'nothing: it is no bug'}\n"
            f"blind     {', '.join(specimen.blind)}"
        )
    else:
        print_result(
            f"try       nanochat zoo show {word} --config > {word}.toml\n"
            f"          nanochat zoo run {word} -- health --config {word}.toml\n"
            f"          nanochat zoo run {word} -- certify --preset microgpt --out {word}-certificate\n"
            f"          nanochat zoo run {word} -- train --config {word}.toml --out {word}-run\n"
            f"          nanochat zoo run {word} -- health --run {word}-run"
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
    from ....course.zoo.casebook import find, note, read_events
    from ....course.zoo.specimen import injected

    key, specimen = find(number)
    read_events(log)  # a log of something else is refused before the work
    with injected(specimen, called=key):
        code = _call(words, key)
    note(log, specimen=key, command=" ".join(words), exit=code)
    if code:
        raise typer.Exit(code)


def _call(words: list[str], key: str) -> int:
    """The command's exit code; what a bug lets it die of is a finding, and told as one."""
    from ...app import run as call

    try:
        return call(words)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 (no bug of ours: it was put there)
        say(f"nanochat: with {key} in the program, {words[0]} ends in {type(error).__name__}: {error}")
        return LAW_BROKEN


@commands.work("name", "nanochat zoo name B4 no-causal-mask")
def name(
    number: IdArgument,
    answer: Annotated[str, typer.Argument(help="One of `nanochat zoo names`.")],
    *,
    log: LogOption = LOG,
) -> None:
    """Say what a specimen is. Guesses are counted; exit code 9 where it is something else."""
    from shlex import quote

    from ....course.zoo.casebook import find, note, read_events, standing
    from ....course.zoo.catalogue import check_answer

    key, specimen = find(number)
    check_answer(answer)
    note(log, specimen=key, answer=answer)
    known = standing(read_events(log), key, specimen)
    guesses = f"{known.guesses} {'guess' if known.guesses == 1 else 'guesses'}"
    if answer != specimen.name:
        print_result(f"{key} is not {answer} ({guesses})")
        raise typer.Exit(LAW_BROKEN)
    print_result(f"{key} is {answer}: {specimen.title} ({guesses})")
    if known.points < 2:
        why = "it took more than three guesses" if known.guesses > 3 else "no instrument was used before"
        print_result(f"no points for the name: {why}")
    if specimen.fault:
        print_result(f"mend it: nanochat zoo show {quote(key)} --source > {quote(key)}.py")


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
    from shlex import quote

    from ....course.running import check
    from ....course.source import read_source
    from ....course.zoo.casebook import find, note, read_events, standing
    from ....course.zoo.mending import KEY, check_file
    from ...display.course import print_report

    key, specimen = find(number)
    _check_named(key, standing(read_events(log), key, specimen))
    _check_faulty(key, specimen)
    begin = f"write it with `nanochat zoo show {quote(key)} --source > {quote(shown_path(file))}`"
    if not file.exists():
        raise DataError(f"{shown_path(file)} does not exist: {begin}")
    text = read_source(file)
    if not text.strip():
        raise DataError(f"{shown_path(file)} is empty: {begin}")
    check_file(specimen, text, file, key)
    report = check(KEY + specimen.id, file, variant="", seed=1337, text=text)
    if json:
        print_json({**report.to_dict(), "file": shown_path(file)})
    else:
        print_report(report, shown_path(file), plain=False, steps=False)
    note(log, specimen=key, mended=report.passed)
    if not report.passed:
        raise typer.Exit(LAW_BROKEN)


@commands.work("exam", "nanochat zoo exam --student ada")
def exam(
    *,
    student: Annotated[str, typer.Option(help="Whose exam: the name draws its specimens.", metavar="ID")] = "",
    log: LogOption = LOG,
    json: JsonFlag = False,
) -> None:
    """Show six specimens of your own, one of them a trap, and the points that the log is worth so far.

    They are of all rooms, in no order, and known by your name and a number alone: `nanochat zoo show ada-1`.
    """
    from ....course.zoo.casebook import drawn

    if not student:
        raise UsageError("whose exam is it? Give --student ID: it draws the specimens")
    rows = [_row(key, specimen, log) for key, specimen in drawn(student).items()]
    if json:
        asked = [{key: row[key] for key in row if key not in ("lab", "can_be_mended")} for row in rows]
        print_json({"student": student, "points": _sum(rows), "most": _most(rows), "specimens": asked})
        return
    shown = ("specimen", "state", "guesses", "commands", "points", "symptom")
    print_table([{key: row[key] for key in shown} for row in rows], title=f"Exam of {student}")
    print_result(_points(rows))
    say(f"noted in {shown_path(log)}")


def _check_named(key: str, known: Standing) -> None:
    """What is mended tells what it is."""
    from shlex import quote

    if not known.named:
        raise UsageError(f"{key} has no name yet: find it, then `nanochat zoo name {quote(key)} NAME`")


def _check_faulty(key: str, specimen: Specimen) -> None:
    """A trap has nothing to mend."""
    if not specimen.fault:
        raise UsageError(f"{key} cannot be mended, and has no source: nothing is wrong there")


def _points(rows: list[dict[str, Any]]) -> str:
    return (
        f"{_sum(rows)} of {_most(rows)} points: 2 for a name within three guesses and after an instrument, "
        "1 for mending"
    )


def _sum(rows: list[dict[str, Any]]) -> int:
    return sum(row["points"] for row in rows)


def _most(rows: list[dict[str, Any]]) -> int:
    return sum(3 if row["can_be_mended"] else 2 for row in rows)


def _row(key: str, specimen: Specimen, log: Path) -> dict[str, Any]:
    """What may be told of it before it is named."""
    from ....course.zoo.casebook import read_events, standing

    known = standing(read_events(log), key, specimen)
    return {
        "specimen": key,
        "lab": specimen.lab,
        "state": known.state,
        "symptom": specimen.symptom,
        "guesses": known.guesses,
        "commands": len(known.commands),
        "points": known.points,
        "can_be_mended": specimen.fault is not None,
    }
