"""The site: each document has its place, each diagram is drawn; where it is built, no page needs another host.

Needs neither Sphinx nor a browser. `make site` builds first and then runs this.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
GLUE = ROOT / "docs" / "site"
SITE = ROOT / "build" / "site"
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *(path for path in (ROOT / "docs").rglob("*.md") if GLUE not in path.parents),
    *(ROOT / "course").rglob("lessons/*/lesson.md"),
    *(ROOT / "course").rglob("zoo/lab-*.md"),
    *(ROOT / "results").glob("*.md"),
    *(ROOT / "results" / "reference").rglob("*.md"),
]
FENCES = [
    (path, fence)
    for path in DOCUMENTS
    for fence in re.findall(r"^```mermaid\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
]


@pytest.fixture(scope="module")
def diagrams():
    sys.path.insert(0, str(GLUE))
    try:
        import diagrams
    finally:
        sys.path.remove(str(GLUE))
    return diagrams


def test_every_document_has_its_place_in_the_contents():
    named, missing = set(), []
    for contents in GLUE.glob("*.md"):
        for fence in re.findall(
            r"^```{toctree}\n(.*?)^```", contents.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            for name in re.findall(r"^/(.+)$", fence, re.MULTILINE):
                found = set(ROOT.glob(f"{name}.md"))
                missing += [] if found or "*" in name else [name]
                named |= found
    assert not missing
    assert named == set(DOCUMENTS), "name it in docs/site/contents.md"


@pytest.mark.parametrize(("path", "fence"), FENCES, ids=[f"{path.stem}-{i}" for i, (path, _) in enumerate(FENCES)])
def test_a_diagram_is_drawn_with_all_its_words(diagrams, path, fence):
    svg = diagrams.draw(fence)
    shown = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    for words in re.findall(r'\[(?!")([^\]]*)\]|\["([^"]*)"\]', fence):
        for line in "".join(words).split("<br/>"):
            assert line.replace("'", "&#x27;") in shown
    n_arrows = len(re.findall(r"-->|-\.->|->>", fence))
    assert n_arrows * 0.7 <= svg.count('class="head"') <= n_arrows  # arrows into rooms stand for several


def test_what_is_no_diagram_of_ours_is_named(diagrams):
    with pytest.raises(ValueError, match="a ~~~ b"):
        diagrams.draw("flowchart LR\n    a ~~~ b")


class Page(HTMLParser):
    """What a page loads, where it leads, and the places in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids |= {named[name] for name in ("id", "name") if name in named}
        self.loads += [named[name] for name in ("src", "srcset", "poster", "data") if name in named]
        if "href" in named:
            (self.links if tag == "a" else self.loads).append(named["href"])


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: make site")
    return {path: Page(path) for path in sorted(SITE.rglob("*.html"))}


def test_pages_load_nothing_from_elsewhere(pages):
    loaded = {path: [url for url in page.loads if re.match(r"([a-z]+:)?//", url)] for path, page in pages.items()}
    assert not {path: urls for path, urls in loaded.items() if urls}
    for path in [*SITE.rglob("*.css"), *SITE.rglob("*.js"), *SITE.rglob("*.svg")]:
        text = path.read_text(encoding="utf-8")
        elsewhere = r"(url\(|@import|importScripts\(|fetch\(|from|import\()\s*[\"']?(https?:)?//"
        assert not re.search(elsewhere, text), path


def test_links_within_the_site_lead_to_a_page_and_a_place(pages):
    n_links, broken = 0, []
    for path, page in pages.items():
        for url in page.links + page.loads:
            if re.match(r"[a-z]+:|//", url):
                continue
            name, _, fragment = unquote(url).partition("#")
            name = name.partition("?")[0]
            goal = (path.parent / name).resolve() if name else path
            n_links += 1
            if not goal.exists() or (fragment and goal in pages and fragment not in pages[goal].ids):
                broken.append((path.relative_to(SITE).as_posix(), url))
    assert not broken
    assert n_links > 1000
