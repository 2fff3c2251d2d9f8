"""The page as text: nothing in it can turn what a model says into markup, nothing is from elsewhere, all is shipped."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "serving/static").iterdir() if path.is_file()}
MODULES = {name: text for name, text in FILES.items() if name.endswith(".js")}
LONGEST = 400

MARKUP = r"""innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|setHTML|srcdoc
    |parseHTML|\beval\b|\bFunction\b|javascript:|setAttribute\(\s*['"`](?:style|on)|set(?:Timeout|Interval)\(\s*['"`]"""
"""Ways from text to elements or code; the policy that the server sends forbids some of them, a browser may not."""
ELSEWHERE = r"""(?:https?:|['"`(=]\s*)//|@import|url\(|\bimport\("""
SVG = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("name", sorted(set(FILES) - {"__init__.py"}))
def test_text_never_becomes_markup_or_code(name):
    assert re.findall(MARKUP, FILES[name], re.VERBOSE) == []


@pytest.mark.parametrize("slip", ["a.innerHTML = x", "eval(x)", "new Function(x)", "a.setAttribute('style', x)"])
def test_the_rule_finds_what_it_forbids(slip):
    assert re.search(MARKUP, slip, re.VERBOSE)


@pytest.mark.parametrize(
    "slip", ["fetch('https://x.org')", '<script src="//x.org/a.js">', "@import 'a'", "url(a.woff)"]
)
def test_nothing_comes_from_elsewhere(slip):
    assert {
        name: found for name, text in FILES.items() if (found := re.findall(ELSEWHERE, text.replace(SVG, "")))
    } == {}
    assert re.search(ELSEWHERE, slip)


def test_addresses_are_relative_so_that_a_proxy_may_add_a_path():
    assert {name for name, text in FILES.items() if re.search(r"""['"`]/(?!/)\w""", text)} == set()


def test_the_document_holds_no_script_and_no_style():
    html = FILES["index.html"]
    assert re.findall(r"<style|\bstyle=|\bon\w+=|<script(?![^>]*\bsrc=)", html) == []


def test_every_file_is_asked_for_and_every_file_asked_for_is_there():
    asked = set(re.findall(r'(?:src|href)="([\w.]+)"', FILES["index.html"]))
    for text in MODULES.values():
        asked |= set(re.findall(r"from '\./([\w.]+)'", text))
    assert asked | {"index.html", "__init__.py"} == set(FILES)


def test_every_file_is_in_the_wheel():
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    patterns = shipped["nanochat.serving.static"]
    assert [
        name for name in FILES if name != "__init__.py" and not any(Path(name).match(one) for one in patterns)
    ] == []


def test_no_module_and_no_line_of_one_is_long():
    assert {name: n for name, text in MODULES.items() if (n := text.count("\n")) > LONGEST} == {}
    assert [line for text in MODULES.values() for line in text.splitlines() if len(line) > 120] == []
