"""Whatever is asked, the answer is one that the document of the server names, and never an error of its own."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_no_request_is_too_strange(tiny, tmp_path):
    pytest.importorskip("schemathesis", reason="needs requirements/clients.txt")
    main = "from schemathesis.cli import schemathesis; schemathesis()"
    settings = ["--config-file", Path(__file__).with_name("schemathesis.toml").as_posix()]
    options = ["--exclude-path-regex", "events", "--no-color"]  # events end with their run
    done = subprocess.run(
        [sys.executable, "-c", main, *settings, "run", f"{tiny.url}/openapi.json", *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert tiny.post("/v1/completions", {"prompt": "what", "max_tokens": 1}).status == 200
