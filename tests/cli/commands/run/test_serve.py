"""`nanochat serve`: refusals before anything is read, one address, and an end that finishes what was begun."""

import json
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from nanochat.cli.commands.run.serve import _tell

LIBRARIES = ("starlette", "uvicorn", "prometheus_client")


@pytest.fixture
def libraries():
    for name in LIBRARIES:
        pytest.importorskip(name, reason="needs the extra serve: requirements/serve.txt")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--max-batch", "0"], "--max-batch 0 is outside 1 to 256"),
        (["--request-seconds", "-1"], "--request-seconds -1.0 is outside"),
        (["--port", "70000"], "65535"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(nanochat, words, part):
    nanochat("serve", *words).assert_refused(2, part)


def test_without_the_extra_one_sentence_says_what_to_install(nanochat, monkeypatch):
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("nanochat.serving.")]:
        monkeypatch.delitem(sys.modules, name)
    nanochat("serve").assert_refused(3, "requirements/serve.txt")


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "somewhere.example", "::"])
def test_another_machine_needs_a_token(nanochat, host):
    nanochat("serve", "--host", host).assert_refused(2, "--token-file")


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("content", ["", "  \n", "two words", "é"])
def test_a_token_is_one_word_of_ascii(nanochat, tmp_path, content):
    (tmp_path / "token").write_text(content, encoding="utf-8")
    nanochat("serve", "--token-file", "token").assert_refused(2, "holds no token")


@pytest.mark.usefixtures("libraries")
def test_a_port_that_is_taken_is_refused(nanochat, chat_model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        nanochat("serve", "--run", "model.json", "--port", port).assert_refused(2, f"port {port}")


@pytest.mark.parametrize(("has_token", "words"), [(True, "the token as their API key"), (False, "any API key")])
def test_what_clients_need_is_told(capsys, has_token, words):
    _tell(Path("run"), "http://127.0.0.1:8000", has_token=has_token, json=False)
    told = capsys.readouterr()
    assert told.out == "http://127.0.0.1:8000\n"
    assert told.err == f"clients ask http://127.0.0.1:8000/v1, with {words}; Ctrl-C ends it\n"


@pytest.mark.usefixtures("libraries")
def test_a_stream_is_finished_after_sigterm(start, chat_model):
    server = start("serve", "--run", "model.json", "--port", 0, "--json")
    said = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")
    port = int(said["address"].rpartition(":")[2])
    assert said["address"] == f"http://127.0.0.1:{port}"
    client = HTTPConnection("127.0.0.1", port, timeout=20)
    body = json.dumps({"prompt": "what is", "max_tokens": 28, "n": 8, "stream": True, "seed": 3})
    client.request("POST", "/v1/completions", body, {"content-type": "application/json"})
    answer = client.getresponse()
    first = answer.read(50)
    server.send_signal(signal.SIGTERM)
    assert (first + answer.read()).endswith(b"data: [DONE]\n\n")
    client.close()
    assert server.wait(20) == 143
    assert "Traceback" not in server.stderr.read()


@pytest.mark.usefixtures("libraries")
def test_ctrl_c_ends_it_and_whoever_follows_a_run(start, chat_model, tmp_path):
    run = tmp_path / "watched" / "one"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}", encoding="utf-8")
    server = start("serve", "--run", "model.json", "--port", 0, "--runs", "watched", stdout=subprocess.PIPE)
    address = server.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    client = HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=20)
    client.request("GET", "/api/runs/one/events")
    answer = client.getresponse()
    assert answer.readline() == b"event: run\n"
    server.send_signal(signal.SIGINT)
    assert answer.read().startswith(b"data: ")
    client.close()
    assert server.wait(20) == 130
    assert "Traceback" not in server.stderr.read()
