"""Pages of the site opened from disk in a Chromium that can reach no host: each shows itself whole, wide and narrow."""

import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[3] / "build" / "site"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
PAGES = [
    "index.html",
    "course/lessons/value/lesson.html",
    "docs/ablations.html",
    "docs/architecture.html",
    "docs/formulas.html",
    "docs/site/api/nanochat.engine.scalar.html",
    "results/reference/norms-positions/report.html",
    "_modules/nanochat/engine/scalar/value.html",
]


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make browser")
    if CHROMIUM is None:
        pytest.skip("needs chromium on the PATH: make browser installs it, as root")
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: make site")
    os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")  # else it looks for one, and says so
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_its_own_files_only_and_fits_the_screen(browser, name):
    asked, complaints = [], []
    for width in (1440, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.goto((SITE / name).as_uri())
        page.wait_for_load_state("load")
        assert page.locator("h1").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()
    assert complaints == []
    assert asked
    assert all(url.startswith(SITE.as_uri()) for url in asked if not url.startswith("data:")), asked


def test_a_search_finds_a_page_from_disk(browser):
    page = browser.new_page()
    page.goto((SITE / "search.html").as_uri() + "?q=backward")
    page.locator("#search-results li a").first.wait_for(timeout=30_000)
    page.close()
