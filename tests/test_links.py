"""Every relative link in a Markdown file leads to a file, and a #fragment to a heading in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "results").glob("*.md")]
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?[^)]*\)")


def headings(path: Path) -> set[str]:
    """The fragments that a viewer makes of the headings: lower case, punctuation dropped, spaces to hyphens."""
    lines = re.findall(r"^#+ +(.+?) *#*$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document):
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", document.read_text(encoding="utf-8")))
    dead = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        goal = document.parent / path if path else document
        if not goal.exists() or (fragment and goal.suffix == ".md" and fragment not in headings(goal)):
            dead.append(link)
    assert not dead, f"{document.relative_to(ROOT)} links to what is not there: {', '.join(dead)}"
