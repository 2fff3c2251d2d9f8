"""A sequence of messages between parts, read from its Mermaid fence and drawn as SVG: time runs downward."""

import re
from itertools import pairwise

from ink import LABEL_WIDTH, WIDTH, document, words

_STEP = 34.0
_TOP = 34.0
_LOOP = 34.0


def draw(source: str) -> str:
    """The SVG of a sequence diagram; raises ValueError on a line that means nothing here."""
    parts: dict[str, str] = {}
    messages: list[tuple[str, str, str, bool]] = []
    for line in source.strip().splitlines()[1:]:
        if match := re.fullmatch(r"participant (\w+)(?: as (.*))?", line.strip()):
            parts[match[1]] = match[2] or match[1]
        elif match := re.fullmatch(r"(\w+)(--?)>>(\w+): (.*)", line.strip()):
            messages.append((match[1], match[3], match[4], match[2] == "--"))
        else:
            raise ValueError(f"{line!r} is no line of a sequence that we draw: see docs/site/sequence.py")
    places = _places(list(parts), messages, parts)
    height = _TOP + _STEP * (len(messages) + 0.7)
    drawn = [shape for name, x in places.items() for shape in _part(parts[name], x, height)]
    for i, message in enumerate(messages):
        drawn += _message(message, places, _TOP + _STEP * (i + 1))
    last = max(
        places[source] + (len(text) * LABEL_WIDTH + _LOOP if source == target else 60.0)
        for source, target, text, _ in messages
    )
    said = "; ".join(f"{parts[source]} to {parts[target]}: {text}" for source, target, text, _ in messages)
    return document(max(last, max(places.values()) + 70), height, f"Sequence: {said}", drawn)


def _places(names: list[str], messages: list[tuple[str, str, str, bool]], parts: dict[str, str]) -> dict[str, float]:
    """The height line of each part, far enough from the one before for the words between them."""
    places = {names[0]: len(parts[names[0]]) * WIDTH / 2 + 12}
    for before, name in pairwise(names):
        room = (len(parts[before]) + len(parts[name])) * WIDTH / 2 + 34
        for source, target, text, _ in messages:
            if {source, target} == {before, name} or (source == target == before):
                room = max(room, len(text) * LABEL_WIDTH + (24 if source != target else _LOOP))
        places[name] = places[before] + room
    return places


def _part(title: str, x: float, height: float) -> list[str]:
    half = len(title) * WIDTH / 2 + 10
    return [
        f'<path class="wire" d="M{x:.1f} 26V{height:.1f}" stroke-dasharray="2 4"/>',
        f'<rect class="box" x="{x - half:.1f}" y="0" width="{2 * half:.1f}" height="26" rx="5"/>',
        words(title, x, 17, "first", anchor="middle"),
    ]


def _message(message: tuple[str, str, str, bool], places: dict[str, float], y: float) -> list[str]:
    source, target, text, is_answer = message
    dashed = ' stroke-dasharray="4 3"' if is_answer else ""
    x0, x1 = places[source], places[target]
    if source == target:
        path = f"M{x0:.1f} {y - 12:.1f}h18v12h-18"
        return [
            f'<path class="wire" d="{path}"{dashed}/>',
            f'<path class="head" d="M{x0:.1f} {y:.1f}l8 -3.6v7.2z"/>',
            words(text, x0 + 24, y - 2, "label"),
        ]
    back = 8 if x1 < x0 else -8
    return [
        f'<path class="wire" d="M{x0:.1f} {y:.1f}H{x1:.1f}"{dashed}/>',
        f'<path class="head" d="M{x1:.1f} {y:.1f}l{back} -3.6v7.2z"/>',
        words(text, min(x0, x1) + 12, y - 5, "label"),
    ]
