"""Draw the figures of the lessons anew: `python tests/course/draw.py [WORD...]`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from nanochat.course.lessons import LESSONS
from nanochat.storage.atomic import write_text

HOME = Path(__file__).parents[2] / "course" / "lessons"

if __name__ == "__main__":
    for word in sys.argv[1:] or [lesson.word for lesson in LESSONS]:
        for name, svg in import_module(f"nanochat.course.lessons.{word}.figures").figures().items():
            write_text(HOME / word / name, svg)
            sys.stdout.write(f"{word}/{name}\n")
