"""Replicas behind nginx and HAProxy, with the configurations of docs/serving: none is missed when it is killed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import served

pytest.importorskip("starlette", reason="needs the extra serve: requirements/serve.txt")

TEXT = "/v1/completions"
DOCS = Path(__file__).parents[2] / "docs" / "serving"
COMMANDS = {
    "nginx": lambda path: ["nginx", "-c", str(path), "-p", f"{path.parent}/", "-e", "stderr", "-g", "daemon off;"],
    "haproxy": lambda path: ["haproxy", "-f", str(path)],
}
FILES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def wait_until(true, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def answers(site) -> bool:
    try:
        return site.ask("GET", "/health").status == 200
    except OSError:
        return False


def busy(site) -> int:
    found = site.ask("GET", "/ready").json
    return found["live"] + found["waiting"]


@pytest.fixture
def before(tmp_path):
    """Starts a proxy before the replicas of two ports; gives what is asked in their place."""
    from running import Site

    begun = []

    def start(kind: str, *ports: int) -> Site:
        if shutil.which(kind) is None:
            pytest.skip(f"needs {kind}: apt-get install {'nginx-light' if kind == 'nginx' else kind}")
        text, port = (DOCS / FILES[kind]).read_text(encoding="utf-8"), free_port()
        for written, there in zip(("8080", "127.0.0.1:8001", "127.0.0.1:8002"), (port, *ports), strict=True):
            assert written in text
            text = text.replace(written, str(there) if written == "8080" else f"127.0.0.1:{there}")
        path = tmp_path / FILES[kind]
        path.write_text(text.replace("bind :", "bind 127.0.0.1:").replace("listen ", "listen 127.0.0.1:"), "utf-8")
        if kind == "nginx":  # its folders elsewhere are root's
            names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            folders = "".join(f"{name}_temp_path {tmp_path};" for name in names)
            text = path.read_text("utf-8").replace("http {", f"pid {tmp_path}/pid;\nhttp {{ {folders}")
            path.write_text(text, "utf-8")
        begun.append(subprocess.Popen(COMMANDS[kind](path), stderr=subprocess.DEVNULL))
        site = Site(port, None)
        assert wait_until(lambda: answers(site)), f"{kind} does not begin"
        return site

    yield start
    for process in begun:
        process.terminate()
        process.wait(10)


@pytest.fixture
def replica(tmp_path):
    """A process that serves the endless model."""
    from running import Site

    served.endless().save(tmp_path / "endless.safetensors")
    command = ["serve", "--run", "endless.safetensors", "--port", "0", "--json", "--name", "tiny"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nanochat", *command], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    said = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
    yield Site(int(said["address"].rpartition(":")[2]), process)
    process.kill()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def another():
    from running import site

    with site(served.endless()) as running:
        yield running


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_a_replica_that_is_killed_is_not_missed(kind, before, replica, another):
    proxy = before(kind, replica.port, another.port)

    def ask(seed):
        return proxy.post(TEXT, {"prompt": "what is", "max_tokens": 1000, "seed": seed % 6})

    with ThreadPoolExecutor(12) as many:
        asked = [many.submit(ask, seed) for seed in range(12)]
        assert wait_until(lambda: busy(replica) > 0)
        os.kill(replica.server.pid, signal.SIGKILL)
        found = [one.result() for one in asked]
    assert [answer.status for answer in found] == [200] * 12
    texts = [answer.json["choices"][0]["text"] for answer in found]
    assert texts[:6] == texts[6:]  # whoever answered
    assert [ask(seed).status for seed in range(3)] == [200] * 3


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_through_a_proxy_frees_its_rows(kind, stream, before, another):
    proxy = before(kind, another.port, another.port)
    content = json.dumps({"prompt": "what is", "max_tokens": 4000, "n": 2, "stream": stream}).encode()
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    head = f"POST {TEXT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    assert wait_until(lambda: busy(another) == 2)
    if stream:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    connection.close()
    assert wait_until(lambda: busy(another) == 0)
    drawn = another.ask("GET", "/metrics").body.decode()
    assert 'nanochat_texts_total{reason="cancelled"} 2.0' in drawn
