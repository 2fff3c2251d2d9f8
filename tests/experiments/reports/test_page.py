from html.parser import HTMLParser

import pytest

from nanochat.errors import GuardError
from nanochat.experiments.ablation.sweep import run_ablation
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.page import MARK, to_page, write_page
from nanochat.experiments.reports.study.report import write_study_report
from nanochat.plain import code_span, markdown

AWKWARD = [
    "a|b",
    "<script>x</script>",
    "*a* _b_ `c` **d**",
    "a\\b",
    "[x](y) ![z](w)",
    "&lt; $x$ ~",
    "# 1. -",
    "`",
    "a``b",
]


class Reader(HTMLParser):
    """Text by the tag that it stands in, and whether every tag was closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and data.strip():
            self.texts.append((self.open[-1], data))


def read(text, pictures=None):
    return Reader(to_page(text, (pictures or {}).__getitem__))


@pytest.mark.parametrize("text", AWKWARD)
def test_text_arrives_as_it_stands_wherever_it_came_from(text):
    in_words = "".join(data for tag, data in read(f"# t\n\nx {markdown(text)} y\n").texts if tag == "p")
    assert in_words == f"x {text} y"
    row = read(f"# t\n\n| a | b |\n| :-- | --: |\n| {markdown(text)} | 1 |\n").texts
    assert [data for tag, data in row if tag == "td"] == [text, "1"]


@pytest.mark.parametrize("text", ["a_b", "a``b", "<b>", "x*y*z", "a&amp;b"])
def test_code_arrives_as_it_stands(text):
    assert ("code", text) in read(f"# t\n\nsee {code_span(text)} there\n").texts


def test_what_reports_are_written_with_becomes_html():
    text = "# T `x`\n\n**bold**, *slanted*.\n\n- one\n- two\n\n```sh\n<a> | b\n\nc\n```\n"
    text += "\n<details>\n<summary>All</summary>\n\nx\n\n</details>\n"
    found = read(text)
    assert found.open == []
    assert {("strong", "bold"), ("em", "slanted"), ("li", "two"), ("pre", "<a> | b\n\nc"), ("summary", "All")} <= {
        *found.texts
    }
    assert ("title", "T x") in found.texts


def test_pictures_are_inside_and_links_to_neighbours_are_not():
    found = read("# t\n\n![a < b](f.png) [cells](cells.csv) [paper](https://arxiv.org/abs/1)\n", {"f.png": b"123"})
    (picture,) = [attrs for tag, attrs in found.tags if tag == "img"]
    assert picture == {"alt": "a < b", "src": "data:image/png;base64,MTIz"}
    assert [attrs["href"] for tag, attrs in found.tags if tag == "a"] == ["https://arxiv.org/abs/1"]


def test_the_page_of_a_study_needs_nothing_beside_it(tiny_study, tmp_path):
    analysis = analyse(run_ablation(tiny_study, tmp_path))
    page = write_page(write_study_report(analysis, tmp_path))
    found = Reader(page.read_text(encoding="utf-8"))
    assert found.open == []
    assert sum(tag == "img" for tag, _ in found.tags) >= 3
    assert not [a for _, a in found.tags if not str(a.get("src", "data:")).startswith("data:")]
    assert page.read_text(encoding="utf-8").startswith(MARK)
    assert write_page(tmp_path / "report.md") == page
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(GuardError, match="was not written by nanochat report"):
        write_page(tmp_path / "report.md")
