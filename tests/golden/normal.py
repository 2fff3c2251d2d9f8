"""What is taken out of a golden document before it is compared, rule by rule; all else is law to the bit.

Golden material is made and compared on one machine: versions, cores and the BLAS stay in. What goes is what two runs
on one machine differ in: where they lay, when they ran, and how fast.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

_MEASURED = (
    "steps_per_sec tokens_per_sec steps/s tok/s wall_s cpu_s seconds training_s peak_memory_bytes ms "
    "ms_per_token MB_per_s predicted_s memory_bytes available_mib sgemm_gflops memory_in_use free_disk"
).split()
_NAMES = "|".join(map(re.escape, _MEASURED))
_COLUMNS = re.compile(
    r"(?i)^(tokens/s|steps/s|seconds|CPU seconds|peak memory.*|steps per second|tokens per second"
    r"|decoding a token|memory at most)$"
)

# (what the rule takes out, pattern, what stands there instead), in this order, in every text
_RULES: list[tuple[str, str, str]] = [
    ("date and time of day", r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "<date>"),
    ("a measured field of JSON", rf'"({_NAMES})": (?:"[^"]*"|[-+.\deE]+|null|NaN)', r'"\1": "<measured>"'),
    ("a measured row of a comparison", rf'("field": "(?:{_NAMES})",)[^}}]*', r"\1 <measured> "),
    (
        "digest of a cell, which covers its seconds",
        r'("format": "nanochat-cell".*?"sha256": )"\w+"',
        r"\1<of measured>",
    ),
    ("a measured field of log.txt", rf"\b({_NAMES})=[\d.]+", r"\1=<measured>"),
    ("speed and time left of a progress line", r"[\d,.]+ steps/s(?:\s+.* left)?", "<speed>"),
    ("time left of a line that has no speed yet", r"(?m) +[\d.:]+ \w+ left$", " <left>"),
    ("seconds in a sentence or the words of a figure", r"\b(in|took|after) [\d,.]+ (s|min|ms)\b", r"\1 <time>"),
    ("a measured row of a list in the terminal", rf"(?m)^({_NAMES}) .*$", r"\1 <measured>"),
]


def normal_text(text: str, folders: dict[str, str]) -> str:
    """The text without what only this making of it has; `folders` are absolute paths and the words in their place."""
    for path in sorted(folders, key=len, reverse=True):
        text = text.replace(path, folders[path])
    for _, pattern, instead in _RULES:
        text = re.sub(pattern, instead, text)
    return _without_measured_cells(text)


def normal_screen(text: str, folders: dict[str, str]) -> str:
    """Of a command's output: runs of spaces are one, since the widths of a table follow the figures in it."""
    text = normal_text(text, folders)
    if text.startswith(("{", "[")):  # JSON is not padded
        return text
    return re.sub(r"(?m)[ \t]+$", "", re.sub(r"(?<=\S) {2,}", " ", text))


def normal_file(path: Path, folders: dict[str, str]) -> str:
    """A file as text to be compared: itself, or the digest of its bytes."""
    if path.name.startswith("costs") and path.suffix == ".png":
        return "<a figure of measured seconds>\n"
    data = path.read_bytes()
    if path.suffix in {".png", ".safetensors", ".gz"}:
        return f"sha256 {hashlib.sha256(data).hexdigest()} of {len(data)} bytes\n"
    text = data.decode("utf-8")
    if path.suffix == ".csv":
        return _normal_csv(text)
    return normal_text(text, folders)


def outline(text: str) -> str:
    """Of a document of measurements only the fields and the kinds of their values."""
    return json.dumps(_kinds(json.loads(text)), indent=1) + "\n"


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kinds(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_kinds(each) for each in value]
    return type(value).__name__


def _normal_csv(text: str) -> str:
    """No cell of a measured column; the files that are compared hold no quoted comma."""
    lines = [line.split(",") for line in text.splitlines()]
    measured = {i for i, name in enumerate(lines[0]) if name in _MEASURED} if lines else set()
    kept = [
        ["<measured>" if i in measured and n else cell for i, cell in enumerate(row)] for n, row in enumerate(lines)
    ]
    return "".join(",".join(row) + "\n" for row in kept)


def _without_measured_cells(text: str) -> str:
    """Markdown without the cells of measured columns and rows."""
    out, columns = [], set[int]()
    for line in text.splitlines(keepends=True):
        if not line.startswith("|"):
            columns = set()
            out.append(line)
            continue
        cells = line.rstrip("\n").split(" | ")
        bare = [cell.strip("| ") for cell in cells]
        if not columns:
            columns = {i for i, cell in enumerate(bare) if _COLUMNS.match(cell) and i > 0} or {-1}
            out.append(line)
        elif bare[0].startswith((":-", "--")):
            out.append(line)
        else:
            row = _COLUMNS.match(bare[0]) is not None
            out.append(
                " | ".join("<measured>" if i in columns or (row and i) else c for i, c in enumerate(cells)) + "\n"
            )
    return "".join(out)
