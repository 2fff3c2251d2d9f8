"""The door: who may ask, by which name, from which page, with which token, and how much."""

import socket
import time

import pytest
from served import model

TEXT = "/v1/completions"
ASK = {"prompt": "what", "max_tokens": 1}


@pytest.fixture(scope="module")
def closed():
    """A server with a token, an allowed site, and little patience."""
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    from nanochat.serving.limits import Limits

    limits = Limits(body_seconds=0.3, max_body=1000)
    with site(model(), limits=limits, token="secret-word", origins={"http://friend.example"}) as one:
        yield one


def raw_get(path: str, host: str | None = "localhost") -> bytes:
    named = "" if host is None else f"Host: {host}\r\n"
    return f"GET {path} HTTP/1.1\r\n{named}Connection: close\r\n\r\n".encode()


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:5", "LOCALHOST"])
def test_a_name_of_this_machine_is_answered(tiny, host):
    assert tiny.raw(raw_get("/health", host)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io", "[::1", "::1]"])
def test_another_name_is_refused(tiny, host):
    assert tiny.raw(raw_get("/health", host)).split()[1] in (b"403", b"400")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://[", ""])
def test_pages_of_other_sites_may_not_ask(tiny, origin):
    answer = tiny.post(TEXT, ASK, origin=origin)
    assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")


def test_a_page_of_this_server_may_ask(tiny):
    assert tiny.post(TEXT, ASK, origin=tiny.url).status == 200


def test_no_preflight_is_answered_and_no_other_site_is_named(tiny):
    answer = tiny.ask("OPTIONS", TEXT, origin="http://evil.example", access_control_request_method="POST")
    assert answer.status == 403
    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_a_site_that_is_allowed_may_ask(closed):
    friend = {"origin": "http://friend.example"}
    preflight = closed.ask("OPTIONS", TEXT, **friend, access_control_request_method="POST")
    assert preflight.status == 204
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = closed.post(TEXT, ASK, **friend, authorization="Bearer secret-word")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "http://friend.example"


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Bearer", "secret-word", "Basic secret-word", "Bearer é"])
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/api/model", "/api/runs/x/events"])
def test_who_does_not_know_the_token_is_refused(closed, path, given):
    answer = closed.ask("GET", path, **({} if given is None else {"authorization": given}))
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")


def test_who_knows_the_token_is_answered(closed):
    assert closed.ask("GET", "/v1/models", authorization="bearer secret-word").status == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/", "/openapi.json"])
def test_whether_it_lives_and_the_page_are_told_to_all(closed, path):
    assert closed.ask("GET", path).status == 200


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/v1/models", "/", "/api/model", "/openapi.json"])
def test_every_answer_forbids_what_a_browser_should_not_do(tiny, path):
    headers = tiny.ask("GET", path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert (headers["referrer-policy"], headers["cross-origin-resource-policy"]) == ("no-referrer", "same-origin")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", TEXT, 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("GET", "/v1/models/gpt-4", 404, "model_not_found"),
    ],
)
def test_what_is_not_there_is_told_in_the_same_shape(tiny, method, path, status, code):
    answer = tiny.ask(method, path)
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize(
    "path",
    [
        *("/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "/....//app.py", "/%00", "//etc/passwd", "/C:/windows"),
        *("/static/index.html", "/__init__.py", "/index.html/..%2f..%2fapp.py", "/api/runs/..%2f..%2fx/events"),
        *("/api/runs/../events", "/api/runs/%2e%2e/events", "/api/runs/%00/events", "/api/runs//etc/events"),
    ],
)
def test_no_path_leads_to_a_file(tiny, path):
    answer = tiny.raw(raw_get(path))
    assert answer.split()[1] in (b"404", b"400")
    assert b"root:" not in answer


def test_a_body_that_is_not_json_by_name_is_refused(tiny):
    assert tiny.post(TEXT, b'{"prompt": "what"}', content_type="text/plain").status == 415


@pytest.mark.parametrize("n", [999, 1000, 1001])
def test_a_body_may_be_so_large(closed, n):
    body = b'{"prompt": "what", "max_tokens": 1}'
    answer = closed.post(TEXT, body + b" " * (n - len(body)), authorization="Bearer secret-word")
    assert (answer.status == 413) == (n > 1000)


def test_a_body_without_an_end_is_cut_off(closed):
    head = (
        f"POST {TEXT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret-word\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = closed.raw(head.encode() + b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_that_stops_is_not_waited_for(closed):
    head = (
        f"POST {TEXT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret-word\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    answer = closed.raw(head.encode())
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body_timeout" in answer


@pytest.mark.parametrize("sent", [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_stops_is_not_waited_for(closed, sent):
    assert closed.raw(sent) == b""


def test_a_second_head_that_stops_is_not_waited_for(closed):
    first = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = closed.raw(first + b"GET /hea")
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_head_that_is_too_long_is_refused(tiny):
    long = f"GET /health HTTP/1.1\r\nHost: localhost\r\nX: {'a' * 40_000}\r\n\r\n".encode()
    assert tiny.raw(long).startswith(b"HTTP/1.1 400")


def test_a_connection_that_is_used_again_does_not_wait_for_acknowledgements(tiny):
    """Nagle's algorithm would hold each answer after the first back for 40 ms."""
    with socket.create_connection(("127.0.0.1", tiny.port), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(100)
        sockets = [one.transport.get_extra_info("socket") for one in tiny.server.server_state.connections]
        assert sockets
        assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in sockets)


def test_both_lengths_at_once_are_refused(tiny):
    sent = (
        f"POST {TEXT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert tiny.raw(sent.encode()).count(b"HTTP/1.1") == 1


def test_no_prompt_is_in_the_log(tiny, caplog):
    with caplog.at_level("INFO"):
        tiny.post(TEXT, {"prompt": "what", "max_tokens": 1, "user": "marked-somebody", "stop": "marked-stop"})
        tiny.post(TEXT, {"prompt": "marked-prompt"})
        tiny.ask("GET", "/v1/models/marked-model")
    assert "POST /v1/completions 200" in caplog.text
    assert "marked" not in caplog.text


def test_as_many_are_answered_at_once_as_may_be():
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    from nanochat.serving.limits import Limits

    with site(model(), limits=Limits(max_connections=1)) as running:
        slow = socket.create_connection(("127.0.0.1", running.port))
        head = f"POST {TEXT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        slow.sendall(head.encode() + b"Content-Length: 9\r\n\r\n")
        end = time.monotonic() + 10
        while (answer := running.ask("GET", "/health")).status == 200 and time.monotonic() < end:
            time.sleep(0.01)
        slow.close()
        assert (answer.status, answer.error["code"]) == (503, "too_many_connections")
        assert answer.headers["retry-after"] == "1"
