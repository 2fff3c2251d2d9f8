"""Every grader on all its seeds: `python tests/course/full.py` writes results/reference/course/graders.md.

Right answers on 200 seeds, known wrong ones on 50; a seed draws the variant and the inputs.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from grading import KEYS, first_laws, misread, refused, starters_not_seen_as_empty, tried

from nanochat.course.lessons import find_exercise
from nanochat.storage.atomic import write_text

OUT = Path(__file__).parents[2] / "results" / "reference" / "course"
RIGHT, WRONG = 200, 50


def main() -> int:
    """Write a table an exercise; 1 where a grader errs."""
    keys = sys.argv[1:] or KEYS
    summary, details, n_errors = [], [], 0
    for key in keys:
        row, lines, errors = examine(key)
        summary.append(row)
        details += lines
        n_errors += errors
        sys.stderr.write(f"{row}\n")
    today = datetime.now(UTC).date()
    text = [
        "# The graders, graded",
        "",
        f"Right answers on {RIGHT} seeds each, known wrong ones on {WRONG}; a seed draws the variant and the inputs.",
        "",
        f"`python tests/course/full.py` ({today})",
        "",
        "| exercise | variants | right | refused | wrong | let through or misnamed | starters run | ms a check |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *summary,
        "",
        *details,
    ]
    if keys == KEYS:
        write_text(OUT / "graders.md", "\n".join(text).rstrip() + "\n")
    return int(n_errors > 0)


def examine(key: str) -> tuple[str, list[str], int]:
    """The line of the summary, the table of known wrong answers, how many errors."""
    exercise = find_exercise(key)
    began = time.process_time()
    refusals = list(refused(key, range(RIGHT)))
    ms = (time.process_time() - began) * 1000 / RIGHT / len(exercise.right)
    lines = [f"## {key}, {exercise.title}", "", "| known wrong answer | first broken law | named |", "|---|---|--:|"]
    n_misread = 0
    for wrong in exercise.wrong:
        tries = list(tried(key, wrong.name, WRONG))
        found = list(misread(key, wrong.name, tries))
        n_misread += len(found)
        laws = ", ".join(f"{law} {n}" for law, n in first_laws(tries).most_common())
        lines.append(f"| {wrong.name} | {laws} | {WRONG - len(found)} of {WRONG} |")
        for seed, variant, what in found[:3]:
            sys.stderr.write(f"{key} {wrong.name}, seed {seed}, {variant}: {what}\n")
    for one in refusals[:3]:
        sys.stderr.write(f"{key}: right answer {one.answer} is refused, seed {one.seed}, {one.variant}: {one.report}\n")
    starters = len(starters_not_seen_as_empty(key))
    cells = [
        f"{key} {exercise.title}",
        len(exercise.variants),
        len(exercise.right),
        f"{len(refusals)} of {RIGHT * len(exercise.right)}",
        len(exercise.wrong),
        f"{n_misread} of {WRONG * len(exercise.wrong)}",
        starters,
        f"{ms:.1f}",
    ]
    row = "| " + " | ".join(map(str, cells)) + " |"
    return row, [*lines, ""], len(refusals) + n_misread + starters


if __name__ == "__main__":
    sys.exit(main())
