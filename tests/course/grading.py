"""Grade the graders: right answers that are refused, known wrong ones let through or called by another name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import NamedTuple

from nanochat.course.exercise import Exercise, Wrong
from nanochat.course.judging import Report, judge
from nanochat.course.lessons import LESSONS, find_exercise
from nanochat.course.source import obstacle
from nanochat.course.variation import variant_of

KEYS = [key for lesson in LESSONS for key in lesson.keys]
MUST = [key for key in KEYS if key.endswith("a")]


class Refusal(NamedTuple):
    """A right answer that a law calls wrong."""

    key: str
    answer: int
    seed: int
    variant: str
    report: Report


class Try(NamedTuple):
    """A known wrong answer, judged."""

    seed: int
    variant: str
    report: Report


def refused(key: str, seeds: Iterable[int]) -> Iterator[Refusal]:
    """Every right answer on every seed, with the variant that the seed draws; those that are refused."""
    exercise = find_exercise(key)
    for seed in seeds:
        variant = variant_of(exercise, key, seed)
        for i, right in enumerate(exercise.right):
            report = judge(exercise, right(exercise.variants[variant]), variant, seed)
            if not report.passed:
                yield Refusal(key, i, seed, variant, report)


def one_seed_a_variant(key: str) -> list[int]:
    """The first seed that draws each variant: all variants, each on inputs of its own."""
    exercise = find_exercise(key)
    first: dict[str, int] = {}
    seeds = count()
    while len(first) < len(exercise.variants):
        seed = next(seeds)
        first.setdefault(variant_of(exercise, key, seed), seed)
    return list(first.values())


def tried(key: str, name: str, n_seeds: int) -> Iterator[Try]:
    """A known wrong answer on the first seeds in whose variant it is wrong."""
    exercise = find_exercise(key)
    wrong = next(one for one in exercise.wrong if one.name == name)
    for seed, variant in _where_it_applies(exercise, key, wrong, n_seeds):
        yield Try(seed, variant, judge(exercise, wrong.answer(exercise.variants[variant]), variant, seed))


def misread(key: str, name: str, tries: Iterable[Try]) -> Iterator[tuple[int, str, str]]:
    """(seed, variant, what happened) where a known wrong answer passed, or got a sentence that is not its own."""
    exercise = find_exercise(key)
    sentence = next(one.sentence for one in exercise.wrong if one.name == name)
    for seed, variant, report in tries:
        if report.passed:
            yield seed, variant, "it passes"
        elif report.why != sentence:
            called = [one.name for one in exercise.wrong if one.sentence == report.why]
            yield seed, variant, f"it is called {called}"


def first_laws(tries: Iterable[Try]) -> Counter[str]:
    """The first law that each broke, by how often."""
    reports = [one.report for one in tries]
    return Counter(next((one.law for one in report.verdicts if one.state == "broken"), "none") for report in reports)


def _where_it_applies(exercise: Exercise, key: str, wrong: Wrong, n_seeds: int) -> Iterator[tuple[int, str]]:
    """(seed, variant), the first so many in whose variant it is wrong."""
    drawn = ((seed, variant_of(exercise, key, seed)) for seed in count())
    return islice(((seed, name) for seed, name in drawn if wrong.applies(exercise.variants[name])), n_seeds)


def starters_not_seen_as_empty(key: str) -> list[str]:
    """Variants whose starter would be run."""
    exercise = find_exercise(key)
    texts = {name: exercise.starter(v) for name, v in exercise.variants.items()}
    return [name for name, text in texts.items() if "still empty" not in obstacle(exercise, text, text)]
