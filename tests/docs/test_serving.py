"""docs/serving.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_row_of_the_security_list_names_a_test_that_is_there():
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    section = text[text.index("## Security") : text.index("\nYours:")]
    rows = [row.split("|") for row in section.splitlines() if row.startswith("| ") and "test |" not in row]
    files = [
        *(ROOT / "tests" / "serving").rglob("test_*.py"),
        ROOT / "tests" / "cli" / "commands" / "run" / "test_serve.py",
    ]
    there = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}
    there |= {file.stem for file in files}
    for _, what, names, *_ in rows:
        named = re.findall(r"\btest_\w+", names)
        assert named or "browser/" in names, what
        assert set(named) - {"test_static"} <= there, what
    assert len(rows) >= 12
