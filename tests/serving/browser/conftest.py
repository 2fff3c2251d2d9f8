"""One server with a model of random weights, one Chromium that can reach nothing else, and a page for each test.

Needs what `make browser` installs; without it these tests are skipped, with the reason.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",  # as root, in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PATIENCE_MS = 30_000
"""How long a wait may take before it counts as never; nothing that holds takes so long on any machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Run:
    """A run's folder, written by hand."""

    def __init__(self, root: Path, name: str, steps: int) -> None:
        self.folder = root / name
        self.folder.mkdir(parents=True)
        (self.folder / "config.json").write_text(json.dumps({"training": {"steps": steps}}), encoding="utf-8")

    def write(self, file: str, *rows: dict[str, Any]) -> None:
        with (self.folder / file).open("a", encoding="utf-8") as opened:
            opened.write("".join(json.dumps(row) + "\n" for row in rows))

    def train(self, first: int, last: int) -> None:
        """Steps from first to last with a validation and a sample at the end."""
        self.write("metrics.jsonl", *({"step": i, "loss": 3.0 + 2.0 / i, "lr": 0.01} for i in range(first, last + 1)))
        self.write("metrics.jsonl", {"step": last, "val_loss": 3.0 + 2.5 / last})
        self.write("samples.jsonl", {"step": last, "text": f"drawn at {last}"})

    def end(self) -> None:
        (self.folder / "record.json").write_text('{"status": "ok"}', encoding="utf-8")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, of which one has ended."""
    root = tmp_path_factory.mktemp("served") / "runs"
    ended = Run(root, "ended", 40)
    ended.train(1, 20)
    ended.train(21, 40)
    ended.end()
    return root


@pytest.fixture
def begin(runs: Path) -> Callable[[str, int], Run]:
    """Begin a run of that name and so many steps."""
    return partial(Run, runs)


@pytest.fixture(scope="session")
def site(runs: Path) -> Iterator[Any]:
    for name in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(name, reason="needs the extra serve: requirements/serve.txt")
    from running import site
    from served import model

    with site(model(), runs=runs) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make browser")
    if CHROMIUM is None:
        pytest.skip("needs chromium on the PATH: make browser installs it, as root")
    os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")  # else it looks for one, and says so
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page, and all that it asked for and complained of."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"{error}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, view: str) -> Any:
        """Show a view as its link does, once it has drawn; -> the page."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/#{view}")
        self.page.locator(READY[view.partition("?")[0]]).first.wait_for()
        self.page.locator("[aria-busy]").wait_for(state="detached")
        return self.page


READY = {
    "next": ".candidates button",
    "attention": "figure .lens",
    "gradients": "svg.graph",
    "training": ".plot svg",
    "chat": "#say",
}
"""What a view shows when it has drawn."""


@pytest.fixture(scope="session")
def only(chromium: Any, site: Any) -> Watched:
    """One page for all tests: a new one costs more than most of them."""
    return Watched(chromium.new_page(), site.url)


@pytest.fixture
def watched(only: Watched) -> Iterator[Watched]:
    """Whatever a test does, the page asks nobody else and the console stays empty."""
    only.page.set_viewport_size({"width": 1440, "height": 900})
    only.page.emulate_media(color_scheme="light")
    only.complaints.clear()
    only.asked.clear()
    yield only
    assert only.complaints == []
    assert [url for url in only.asked if not url.startswith((f"{only.url}/", "about:"))] == []
