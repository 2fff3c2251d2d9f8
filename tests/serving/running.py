"""A server as it is: uvicorn on a port of its own in a thread of this process, and ways to speak to it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from nanochat.serving.limits import Limits


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        assert set(self.json) == {"error"}
        assert set(self.json["error"]) == {"message", "type", "param", "code"}
        return self.json["error"]


class Site(NamedTuple):
    port: int
    server: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; bytes go as they are, all else as JSON. A header of underscores, None to leave it out."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None:
            named.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, content, named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    def raw(self, sent: bytes) -> bytes:
        """What comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(sent)
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return received


@contextmanager
def site(
    lm: Any, *, limits: Limits | None = None, strict: bool = False, runs: Path = Path("none"), **trust: Any
) -> Iterator[Site]:
    """Serve a model under the name `tiny` while the block lasts."""
    from nanochat.serving.app import create_app
    from nanochat.serving.guard import Trust
    from nanochat.serving.server import bound, server_of

    limits, started = limits or Limits(), threading.Event()
    app = create_app(lm, name="tiny", limits=limits, trust=Trust(**trust), is_context_strict=strict, runs=runs)
    listening, _ = bound("127.0.0.1", 0)
    server = server_of(app, limits, started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield Site(listening.getsockname()[1], server)
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
