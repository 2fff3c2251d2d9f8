"""Judge an answer: each law on each case, the smallest first, and why it is broken where that is known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .exercise import Answer, Broken, Exercise, Law
from .explaining import explain, observed

State = Literal["ok", "broken", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of one law."""

    law: str
    sentence: str
    state: State
    points: int
    broken: Broken | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One number of the smallest broken case, the student's beside a right one's."""

    label: str
    yours: str
    right: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check found. A file whose answer could not be judged has a `failure` and no verdicts."""

    exercise: str
    """Its key: `3a`."""
    title: str
    file: str
    variant: str
    seed: int
    verdicts: tuple[Verdict, ...] = ()
    why: str = ""
    """The sentence of the known wrong answer that this is."""
    failure: str = ""
    steps: tuple[Step, ...] = ()
    output: str = ""
    """What the file printed, cut."""

    @property
    def passed(self) -> bool:
        """Every law holds, and one at least was asked."""
        return not self.failure and bool(self.verdicts) and all(one.state == "ok" for one in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self) | {"passed": self.passed}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Report:
        """What `to_dict` gave."""
        verdicts = tuple(
            Verdict(**{**one, "broken": Broken(**one["broken"]) if one["broken"] else None})
            for one in content["verdicts"]
        )
        steps = tuple(Step(**one) for one in content["steps"])
        rest = {name: value for name, value in content.items() if name not in ("passed", "verdicts", "steps")}
        return cls(**rest, verdicts=verdicts, steps=steps)


def judge(
    exercise: Exercise,
    answer: Answer,
    variant: str,
    seed: int,
    *,
    key: str = "",
    law: str = "",
    observe: Callable[[str], None] = lambda name: None,
) -> Report:
    """Every law, or only `law`, on the cases of `seed`; `observe` hears the name of each law before it is tried."""
    v = exercise.variants[variant]
    verdicts: list[Verdict] = []
    smallest: list[Any] = []
    for one in exercise.laws:
        if law and one.name != law:
            continue
        broken_before = {verdict.law for verdict in verdicts if verdict.state != "ok"}
        if not law and broken_before & set(one.needs):
            verdicts.append(_verdict(one, "waiting"))
            continue
        observe(one.name)
        found = next(_broken(exercise, one, seed, answer, v), None)
        if found is None:
            verdicts.append(_verdict(one, "ok"))
        else:
            smallest.append(found[0])
            verdicts.append(_verdict(one, "broken", found[1]))
    steps: tuple[Step, ...] = ()
    why = ""
    if smallest:
        observe("why")
        why = explain(exercise, answer, v, seen_cases(exercise, v, seed), smallest)
        steps = tuple(_steps(exercise, answer, smallest[0], v))
    return Report(
        exercise=key,
        title=exercise.title,
        file=exercise.file,
        variant=variant,
        seed=seed,
        verdicts=tuple(verdicts),
        why=why,
        steps=steps,
    )


def cases_of(exercise: Exercise, law: Law, v: Any, seed: int) -> Sequence[Any]:
    """What `law` is tried on."""
    return (law.cases or exercise.cases)(random.Random(seed), v)


def seen_cases(exercise: Exercise, v: Any, seed: int, most: int = 8) -> list[Any]:
    """What known wrong answers are compared on: the smallest cases of the exercise, and of laws with their own."""
    cases = list(exercise.cases(random.Random(seed), v))[:most]
    for law in exercise.laws:
        if law.cases:
            cases += list(law.cases(random.Random(seed), v))[:most]
    return cases


def _verdict(law: Law, state: State, broken: Broken | None = None) -> Verdict:
    return Verdict(law=law.name, sentence=law.sentence, state=state, points=law.points, broken=broken)


def _broken(exercise: Exercise, law: Law, seed: int, answer: Answer, v: Any) -> Iterator[tuple[Any, Broken]]:
    for case in cases_of(exercise, law, v, seed):
        try:
            broken = law.holds(answer, case, v)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (a student's code may raise anything)
            broken = Broken(call=exercise.call(case), expected="a result", got=raised(error))
        if broken is not None:
            yield case, broken


def raised(error: Exception) -> str:
    """`ZeroDivisionError: division by zero (line 12)`, the line being the last one in the student's own file."""
    where, frame = "", error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__") == "student":
            where = f" (line {frame.tb_lineno})"
        frame = frame.tb_next
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


def _steps(exercise: Exercise, answer: Answer, case: Any, v: Any) -> Iterator[Step]:
    yours = observed(exercise, answer, case, v)
    right = observed(exercise, exercise.right[0](v), case, v)
    for label in {**right, **yours}:
        yield Step(label=label, yours=digits(yours.get(label, "-")), right=digits(right.get(label, "-")))


def digits(number: Any) -> str:
    """A number with six figures; a whole one without a point; anything else as Python shows it, in a line."""
    if number is None:
        return "None (is there a `return`?)"
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        text = number if isinstance(number, str) else repr(number)
        return " ".join(text.split())[:80]
    return f"{number:.6g}"
