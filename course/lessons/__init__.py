"""The lessons: what each is called, needs and takes, and its exercises. Their texts lie beside as package data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.resources import files

from ...errors import UsageError
from ...validation import nearest
from ..exercise import Exercise


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One lesson. Its folder is a word, since its place in the course may change."""

    number: int
    word: str
    """Of its folder here; a student's is `03-probabilities`."""
    title: str
    idea: str
    """The one idea, in a line."""
    exercises: tuple[str, ...]
    """Modules in its folder, each with an EXERCISE: a, which is a must, and b."""
    reading_min: int
    """Estimated, as is the next one: nobody has been measured."""
    working_min: int
    needs: tuple[str, ...] = ()
    """Words of the lessons before it that it builds on."""

    @property
    def folder(self) -> str:
        """Its name among a student's files."""
        return f"{self.number:02d}-{self.word}"

    @property
    def keys(self) -> tuple[str, ...]:
        """Of its exercises: 3a, 3b."""
        return tuple(f"{self.number}{letter}" for letter in "abc"[: len(self.exercises)])

    def graders(self) -> str:
        """The sha256 of its exercises, as they are installed here."""
        there = sorted(files(f"{__package__}.{self.word}").iterdir(), key=lambda one: one.name)
        digest = sha256()
        for one in there:
            if one.name.endswith(".py"):
                digest.update(one.read_bytes())
        return digest.hexdigest()

    def text(self) -> str:
        """The lesson, in Markdown."""
        return files(f"{__package__}.{self.word}").joinpath("lesson.md").read_text(encoding="utf-8")

    def figures(self) -> dict[str, str]:
        """Its pictures, as they are committed: name of the file -> SVG."""
        there = files(f"{__package__}.{self.word}").iterdir()
        return {one.name: one.read_text(encoding="utf-8") for one in there if one.name.endswith(".svg")}


LESSONS = (
    Lesson(
        number=1,
        word="value",
        title="A number that remembers",
        idea="slopes multiply along a path and add over paths",
        exercises=("bend", "join"),
        reading_min=40,
        working_min=30,
    ),
    Lesson(
        number=2,
        word="engine",
        title="Your own engine",
        idea="each operation stores its local slopes, and order is everything",
        exercises=("number", "order"),
        reading_min=30,
        working_min=75,
        needs=("value",),
    ),
    Lesson(
        number=3,
        word="probabilities",
        title="Probabilities",
        idea="logits become probabilities, and those one number of surprise",
        exercises=("softmax", "hessian"),
        reading_min=30,
        working_min=45,
        needs=("value",),
    ),
    Lesson(
        number=4,
        word="counting",
        title="A model that counts",
        idea="a language model is a table of probabilities, nats measure it, and training finds the counts",
        exercises=("count", "slopes", "milestone"),
        reading_min=35,
        working_min=45,
        needs=("engine", "probabilities"),
    ),
    Lesson(
        number=5,
        word="arrays",
        title="The same in arrays",
        idea="a derivative of arrays is a function g -> g J, and broadcasting turns around into sums",
        exercises=("product", "lookup"),
        reading_min=35,
        working_min=60,
        needs=("value", "probabilities"),
    ),
    Lesson(
        number=6,
        word="norms",
        title="Norms and the residual stream",
        idea="a norm takes the scale out, so the gradient is at right angles to x; the residual adds",
        exercises=("rms", "layer"),
        reading_min=35,
        working_min=60,
        needs=("value", "arrays"),
    ),
    Lesson(
        number=7,
        word="attention",
        title="Attention",
        idea="a weighted mean of the past, whose weights are asked for",
        exercises=("look", "heads"),
        reading_min=40,
        working_min=75,
        needs=("probabilities", "arrays"),
    ),
    Lesson(
        number=8,
        word="transformer",
        title="The whole transformer",
        idea="embed, gather, think, add, predict, and the same in two spellings",
        exercises=("forward", "batch"),
        reading_min=45,
        working_min=90,
        needs=("norms", "attention"),
    ),
    Lesson(
        number=9,
        word="loop",
        title="The loop",
        idea="zero, backward, clip, step, and what each guard is for",
        exercises=("step", "train"),
        reading_min=40,
        working_min=60,
        needs=("counting", "transformer"),
    ),
    Lesson(
        number=10,
        word="drawing",
        title="Drawing and remembering",
        idea="a distribution is shaped and drawn from, and a cache is the same attention",
        exercises=("sample", "remember"),
        reading_min=30,
        working_min=60,
        needs=("probabilities", "attention"),
    ),
    Lesson(
        number=11,
        word="tokens",
        title="Tokens",
        idea="the most frequent pair becomes a symbol, and again",
        exercises=("merges", "encode"),
        reading_min=30,
        working_min=60,
        needs=("counting",),
    ),
    Lesson(
        number=12,
        word="evidence",
        title="Does it help?",
        idea="a difference needs pairs, seeds, an interval, and a decision made before",
        exercises=("interval", "flips", "change"),
        reading_min=30,
        working_min=60,
        needs=("transformer", "loop"),
    ),
)


def find_lesson(name: str) -> Lesson:
    """By number, word or the key of an exercise: `3`, `probabilities`, `3a`. Raises UsageError."""
    for lesson in LESSONS:
        if name.lower() in (str(lesson.number), lesson.word, lesson.folder, *lesson.keys):
            return lesson
        if name[:-1] == str(lesson.number) and name[-1].isalpha():
            raise UsageError(f"there is no exercise {name!r}: choose one of {', '.join(lesson.keys)}")
    if name.lower() in ("lab-a", "lab-b", "lab-c"):
        lab = name.lower()
        raise UsageError(f"{lab} is a lab, which `nanochat zoo` judges: see `nanochat zoo list --lab {lab[-1]}`")
    known = [str(lesson.number) for lesson in LESSONS] + [lesson.word for lesson in LESSONS]
    raise UsageError(f"there is no lesson {name!r}: {nearest(name, known)}")


def find_key(name: str) -> str:
    """The key of an exercise; of a lesson it is that of exercise a. Raises UsageError."""
    lesson = find_lesson(name)
    return name.lower() if name.lower() in lesson.keys else lesson.keys[0]


@cache
def find_exercise(key: str) -> Exercise:
    """The exercise of a key such as `3a`. Raises UsageError."""
    lesson = find_lesson(key)
    module = lesson.exercises["abc".index(key[-1])]
    exercise: Exercise = import_module(f"{__package__}.{lesson.word}.{module}").EXERCISE
    return exercise
