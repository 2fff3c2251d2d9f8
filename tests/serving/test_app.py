"""What goes wrong outside: clients that leave, clients that do not read, more than there is room for."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import served

TEXT = "/v1/completions"


@pytest.fixture(scope="module")
def slow():
    """A model that takes its time, with a long context, so that there is something to leave."""
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    from nanochat.serving.limits import Limits

    with site(served.endless(), limits=Limits(max_queue=4, max_batch=4)) as running:
        yield running


def busy(site) -> int:
    found = site.ask("GET", "/ready").json
    return found["live"] + found["waiting"]


def wait_until(true, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def begin(site, body) -> socket.socket:
    """A request whose answer nobody has read yet."""
    content = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=10)
    connection.sendall(
        f"POST {TEXT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n".encode()
        + content
    )
    return connection


def endless(**more):
    """A request for a text that does not end soon."""
    return {"prompt": "what is", "max_tokens": 4000, **more}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("reset", [True, False])
def test_a_client_that_leaves_frees_its_rows(slow, stream, reset):
    connection = begin(slow, endless(n=2, stream=stream))
    assert wait_until(lambda: busy(slow) == 2)
    if stream:
        assert connection.recv(100)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    assert wait_until(lambda: busy(slow) == 0, 2)


def test_who_is_refused_for_a_full_queue_is_told_when_to_come_back(slow):
    connections = [begin(slow, endless(n=4))]
    assert wait_until(lambda: slow.ask("GET", "/ready").json["live"] == 4)
    connections.append(begin(slow, endless(n=4)))
    assert wait_until(lambda: busy(slow) == 8)
    refused = slow.ask("POST", TEXT, {"prompt": "what"})
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (429, "queue_full", "1")
    for connection in connections:
        connection.close()
    assert wait_until(lambda: busy(slow) == 0)
    assert slow.ask("POST", TEXT, {"prompt": "what", "max_tokens": 1}).status == 200


def test_a_client_that_does_not_read_holds_up_nobody(slow):
    connection = begin(slow, endless(stream=True))
    assert wait_until(lambda: busy(slow) == 1)
    assert slow.ask("POST", TEXT, {"prompt": "what", "max_tokens": 3}).status == 200
    connection.close()
    assert wait_until(lambda: busy(slow) == 0)


def test_two_hundred_at_once_are_answered_or_refused(tiny):
    with ThreadPoolExecutor(50) as many:
        asked = [many.submit(tiny.post, TEXT, {"prompt": "what", "max_tokens": 5, "seed": i}) for i in range(200)]
        statuses = [one.result().status for one in asked]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 40  # what fits in the batch and the queue
    assert wait_until(lambda: busy(tiny) == 0)


def test_an_answer_that_takes_too_long_is_broken_off():
    pytest.importorskip("starlette", reason="needs the extra serve")
    from running import site

    from nanochat.serving.limits import Limits

    with site(served.endless(), limits=Limits(request_seconds=0.2)) as running:
        late = running.post(TEXT, endless())
        assert (late.status, late.error["code"]) == (504, "timeout")
        stream = running.post(TEXT, endless(stream=True))
        assert stream.status == 200
        assert b'"code": "timeout"' in stream.body
        assert stream.body.endswith(b"data: [DONE]\n\n")


def test_what_happened_is_counted(tiny):
    tiny.post(TEXT, {"prompt": "what", "max_tokens": 1, "n": 2, "seed": 1})
    lines = tiny.ask("GET", "/metrics").body.decode().splitlines()
    for name in (
        'nanochat_requests_total{path="/v1/completions",status="200"}',
        'nanochat_tokens_total{kind="prompt"}',
        "nanochat_queue_length",
        "nanochat_time_to_first_token_seconds_count",
    ):
        assert any(line.startswith(name) for line in lines), name


def test_it_says_whether_it_is_ready_and_how_it_reads(tiny):
    ready = tiny.ask("GET", "/ready").json
    assert ready["status"] == "ready"
    assert (ready["capacity"], ready["decoder"], ready["reproducible"]) == (8, "fused", True)
