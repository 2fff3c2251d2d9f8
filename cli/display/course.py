"""Where a student stands and what a check found, as a terminal shows it: words first, colour beside them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...course.judging import Report, Verdict
from ...course.lessons import LESSONS
from ...course.progress import Attempt, Progress
from ...course.zoo.labs import LABS
from ...plain import terminal
from ..console import print_result, results

_STATES = {"ok": "green", "broken": "bold red", "waiting": "dim"}
_STANDS = {"passed": "green", "broken": "yellow", "started": "", "": "dim"}
_LEFT = "  "
_MARGIN = 11
"""Columns before what a law says: two, the longest word, two."""


def print_standing(progress: Progress) -> None:
    """One line a lesson, and one a lab."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right")
    for name in ("lesson", "minutes, estimated", "a", "b", "c"):
        table.add_column(name)
    for lesson in LESSONS:
        attempts = [progress.lessons.get(key) for key in lesson.keys]
        minutes = f"{lesson.reading_min} to read, {lesson.working_min} to do"
        table.add_row(str(lesson.number), _text(lesson.title), minutes, *map(_standing, attempts))
    for lab in LABS:
        table.add_row(lab.word, _text(lab.title), f"{lab.minutes} in all")
    results().print(table)


def _standing(attempt: Attempt | None) -> Text:
    state = attempt.status if attempt else ""
    words = {"": "-", "started": "begun", "broken": "not yet", "passed": "passed"}[state]
    tries = f" ({attempt.tries} {'try' if attempt.tries == 1 else 'tries'})" if attempt and attempt.tries else ""
    return Text(words + tries, style=_STANDS[state])


def print_report(report: Report, path: str, *, plain: bool, steps: bool) -> None:
    """The laws one by one, the smallest broken case of each, why, and how to go on."""
    console = results(plain=plain)
    title = (f"{report.exercise} {report.title}", "bold")
    about = ("   " + ", ".join(filter(None, [report.variant, terminal(path, keep="")])), "dim")
    head = Text.assemble(title, "   ", _verdict(report), about)
    console.print(head, soft_wrap=True)
    if report.failure:
        _print_line(console, Text("NO", style="bold red"), _text(report.failure))
    for verdict in report.verdicts:
        state = verdict.state
        label = Text(state.upper() if state == "broken" else state, style=_STATES[state])
        _print_line(console, label, _law(verdict, is_dim=state == "waiting"))
    if report.why:
        console.print()
        _print_line(console, Text("why", style="bold"), _text(report.why))
    if steps and report.steps:
        _print_steps(console, report)
    if report.output.strip():
        console.print(Text("the file printed:", style="dim"))
        console.print(_text(_beginning(report.output)), soft_wrap=True)


def _print_line(console: Console, label: Text, text: Text) -> None:
    """A word, and beside it a text in as many lines as it takes."""
    lines = text.wrap(console, max(30, console.width - _MARGIN))
    for i, line in enumerate(lines):
        line.rstrip()
        head = Text(_LEFT).append(label) if i == 0 else Text()
        head.pad_right(_MARGIN - len(head))
        console.print(head.append(line), soft_wrap=True)


def _verdict(report: Report) -> Text:
    if report.failure:
        return Text("not judged", style="bold red")
    n = sum(verdict.state == "ok" for verdict in report.verdicts)
    if report.passed:
        held = f"all {n} laws hold" if n > 1 else "the law holds"
        return Text(held, style="bold green")
    return Text(f"{n} of {len(report.verdicts)} laws hold", style="bold red")


def _law(verdict: Verdict, *, is_dim: bool) -> Text:
    text = Text(verdict.sentence, style="dim" if is_dim else "")
    if broken := verdict.broken:
        text.append(":  ")
        text.append(terminal(broken.call, keep=""), style="bold")
        text.append(terminal(f" should be {broken.expected}, yours is {broken.got}", keep=""))
    return text


def _print_steps(console: Console, report: Report) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("yours", justify="right")
    table.add_column("right", justify="right")
    for step in report.steps:
        differs = step.yours != step.right
        table.add_row(_text(_LEFT + step.label), Text(terminal(step.yours), style="red" if differs else ""), step.right)
    console.print(table)


def _beginning(output: str, most: int = 12) -> str:
    """The first lines of what the file printed."""
    lines = [line[:200] for line in output.splitlines()]
    more = len(lines) - most
    return "\n".join([*lines[:most], *([f"({more} more lines)"] if more > 0 else [])])


def print_sources(columns: Sequence[tuple[str, str]]) -> None:
    """Pieces of code with their places, one under another."""
    for place, code in columns:
        results().print(Text(place, style="bold"), soft_wrap=True)
        print_result(code.rstrip("\n") + "\n")


def _text(words: str) -> Text:
    return Text(terminal(words))
