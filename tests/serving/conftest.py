"""served.py and running.py lie beside the tests, and are imported by their names; one server is enough for most."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if str(Path(__file__).parent) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tiny() -> Iterator[Any]:
    """A server of the tiny model, with the usual limits and no token."""
    for name in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(name, reason="needs the extra serve: requirements/serve.txt")
    from running import site
    from served import model

    with site(model()) as running:
        yield running


@pytest.fixture(scope="session")
def client(tiny: Any) -> Iterator[Any]:
    """The real one."""
    openai = pytest.importorskip("openai", reason="needs the openai package")
    with openai.OpenAI(base_url=f"{tiny.url}/v1", api_key="none", max_retries=0, timeout=20) as one:
        yield one
