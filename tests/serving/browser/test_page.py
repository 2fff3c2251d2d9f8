"""The page as a whole: every view fits, reads well and can be walked by keyboard, at three sizes, in both schemes."""

import importlib.util
from pathlib import Path

import pytest

SIZES = [(390, 844), (768, 1024), (1440, 900)]
RULES = {"light": {}, "dark": {"runOnly": ["color-contrast", "link-in-text-block"]}}
"""All in the light; those that colours can break in the dark."""
VIEWS = ["next?text=the+capital", "attention?text=the+capital+of", "gradients?step=8", "training?run=ended", "chat"]

STOPS = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, [tabindex]')]
  .filter(node => node.tabIndex >= 0 && !node.disabled && node.checkVisibility())"""
"""What Tab has to reach."""


@pytest.fixture(scope="module")
def axe():
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("needs axe-playwright-python: make browser")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_and_breaks_no_rule_of_accessibility_at_any_size_in_either_scheme(watched, axe, view):
    page = watched.open(view)
    page.evaluate(axe)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{width} px: it scrolls sideways"
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("rules => axe.run({ resultTypes: ['violations'], ...rules })", rules)
            told = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]
            assert told == [], f"{width} px, {scheme}"


@pytest.mark.parametrize("view", VIEWS)
def test_tab_reaches_every_control_of_a_view_and_shows_where_it_is(watched, view):
    page = watched.open(view)
    page.evaluate(f"window.left = new Set(({STOPS})())")
    page.locator("body").evaluate("node => { node.tabIndex = -1; node.focus(); }")
    for _ in range(page.evaluate("left.size")):
        page.keyboard.press("Tab")
        seen = page.evaluate("""() => {
          const at = document.activeElement, look = getComputedStyle(at);
          left.delete(at);
          return {
            what: at.outerHTML.slice(0, 90),
            outline: look.outlineStyle,
            width: parseFloat(look.outlineWidth),
            right: at.getBoundingClientRect().right,
          };
        }""")
        assert seen["outline"] == "solid", seen
        assert seen["width"] >= 2, seen
        assert seen["right"] > 0, seen
    assert page.evaluate("[...left].map(node => node.outerHTML.slice(0, 90))") == []


@pytest.mark.parametrize("view", VIEWS)
def test_every_figure_says_what_it_shows_in_a_sentence(watched, view):
    page = watched.open(view)
    for caption in page.locator("figure").all():
        words = caption.locator("figcaption").inner_text()
        assert words.rstrip().endswith("."), words
        assert len(words) > 20, words


def test_a_link_opens_its_view_and_another_view_is_a_link_away(watched):
    page = watched.open("gradients?formula=p*q&values=p:3,q:4&step=1")
    assert page.locator("#formula").input_value() == "p*q"
    page.get_by_role("link", name="Training").click()
    page.locator(".plot svg").wait_for()
    page.go_back()
    page.locator("svg.graph").wait_for()
    assert page.locator("#formula").input_value() == "p*q"
    assert page.locator("[aria-current=page]").inner_text() == "Gradients"


def test_the_first_tab_skips_to_the_page(watched):
    page = watched.open("next?text=the")
    page.locator("body").evaluate("node => { node.tabIndex = -1; node.focus(); }")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "view"


def test_a_server_that_wants_a_token_is_given_it_once_and_the_address_forgets_it(watched, chromium, runs):
    from running import site
    from served import model

    with site(model(), runs=runs, token="open sesame") as guarded:
        page = watched.page
        page.goto(f"{guarded.url}/#next?text=the&token=open+sesame")
        page.locator(".candidates button").first.wait_for()
        assert "sesame" not in page.evaluate("location.href")
        assert page.locator("#text").input_value() == "the"
        page.evaluate("sessionStorage.clear()")
        page.reload()
        page.locator("#token").fill("open sesame")
        page.keyboard.press("Enter")
        page.locator(".candidates button").first.wait_for()
    watched.asked[:] = [url for url in watched.asked if not url.startswith(guarded.url)]
    assert all("401" in text for text in watched.complaints)  # the browser itself tells of a refusal
    watched.complaints.clear()
