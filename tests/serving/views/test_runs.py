"""Runs as they are written: every line once, in order; begun anew is told, and so is the end."""

import json
import os
import time
from http.client import HTTPConnection
from threading import Thread

import pytest
from served import model

pytest.importorskip("starlette", reason="needs the extra serve: requirements/serve.txt")

from nanochat.serving.views import runs


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_LOOK_SECONDS", 0.01)
    return tmp_path / "runs"


@pytest.fixture
def watched(root):
    from running import site

    with site(model(), runs=root) as running:
        yield running


def begin(root, name="one", steps=9):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"training": {"steps": steps}}), encoding="utf-8")
    return folder


def write(path, *rows):
    with path.open("ab", buffering=0) as file:
        for row in rows:
            file.write(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n")


class Followed:
    """The events of a run, one after the other."""

    def __init__(self, site, name="one"):
        self.connection = HTTPConnection("127.0.0.1", site.port, timeout=20)
        self.connection.request("GET", f"/api/runs/{name}/events")
        self.answer = self.connection.getresponse()
        assert self.answer.getheader("content-type").startswith("text/event-stream")

    def close(self):
        self.connection.close()
        self.answer.close()

    def next(self):
        """(event, data); None at the end."""
        lines = []
        while (line := self.answer.readline()) not in (b"\n", b""):
            lines.append(line.decode().rstrip("\n").partition(": ")[2])
        return (lines[0], json.loads(lines[1])) if lines else None


@pytest.fixture
def follow(watched):
    """Begins to; in the end it leaves."""
    begun = []

    def following(name="one"):
        begun.append(Followed(watched, name))
        return begun[-1]

    yield following
    for one in begun:
        one.close()


def test_lines_are_told_as_they_are_written(root, watched, follow):
    folder = begin(root)
    write(folder / "metrics.jsonl", {"step": 0, "val_loss": 3.5}, {"step": 1, "loss": 3.0, "lr": 0.1})
    followed = follow()
    assert followed.next()[1] | {"age_s": 0} == {
        "name": "one",
        "status": "unfinished",
        "step": 1,
        "steps": 9,
        "age_s": 0,
        "served": False,
    }
    assert followed.next() == ("metrics", [{"step": 0, "val_loss": 3.5}, {"step": 1, "loss": 3.0, "lr": 0.1}])
    write(folder / "metrics.jsonl", b'{"step": 2, "loss"')
    write(folder / "samples.jsonl", {"step": 2, "text": "<img onerror=alert(1)>"})
    assert followed.next() == ("samples", [{"step": 2, "text": "<img onerror=alert(1)>"}])
    write(folder / "metrics.jsonl", b": null}\n\xff no line of ours\n")
    assert followed.next() == ("metrics", [{"step": 2, "loss": None}])
    write(folder / "metrics.jsonl", {"step": 3, "loss": 1.0})
    write(folder / "record.json", {"status": "ok", "steps": 3})
    rest = [followed.next(), followed.next(), followed.next()]
    assert rest == [("metrics", [{"step": 3, "loss": 1.0}]), ("ended", {"status": "ok"}), None]


def test_a_run_that_is_begun_anew_is_told_from_its_beginning(root, watched, follow):
    folder = begin(root)
    write(folder / "metrics.jsonl", {"step": 1, "loss": 3.0})
    followed = follow()
    assert [followed.next()[0], followed.next()[0]] == ["run", "metrics"]
    (folder / "metrics.jsonl").unlink()
    assert followed.next() == ("restart", {})
    write(folder / "metrics.jsonl", {"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0})
    found = []
    while len(found) < 2:
        name, rows = followed.next()
        assert name == "metrics"
        found += rows
    assert found == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]


def test_runs_are_listed_newest_first_and_damaged_ones_as_such(root, watched):
    assert watched.ask("GET", "/api/runs").json == {"runs": []}
    for i, name in enumerate(("old", "new", "broken")):
        folder = begin(root, name)
        write(folder / "metrics.jsonl", *({"step": step, "loss": 1.0} for step in range(1, 200)))
        os.utime(folder / "config.json", (1000 + i, 1000 + i))
    write(root / "new" / "record.json", {"status": "diverged"})
    (root / "broken" / "config.json").write_text("{", encoding="utf-8")
    os.utime(root / "broken" / "config.json", (1, 1))
    (root / "no-run").mkdir()
    rows = watched.ask("GET", "/api/runs").json["runs"]
    assert [(row["name"], row["status"], row["step"], row["steps"]) for row in rows] == [
        ("new", "diverged", 199, 9),
        ("old", "unfinished", 199, 9),
        ("broken", "damaged", None, None),
    ]


@pytest.mark.parametrize("name", ["none", "..", "%2e%2e", "one%2f..%2fone", "%00", "no-run", "a" * 5000])
def test_what_is_no_run_is_not_followed(root, watched, name):
    begin(root)
    (root / "no-run").mkdir()
    answer = watched.ask("GET", f"/api/runs/{name}/events")
    assert answer.status == 404
    assert answer.error["code"] in ("run_not_found", "not_found")


def test_a_server_that_stops_ends_what_is_followed(root, watched, follow):
    begin(root)
    followed = follow()
    assert followed.next()[0] == "run"
    watched.server.should_exit = True
    assert followed.answer.read() == b""  # a whole chunked body: http.client would raise IncompleteRead


def test_who_leaves_is_followed_no_longer(root, watched, follow, monkeypatch):
    begin(root)
    open_tails = []
    monkeypatch.setattr(runs.Tail, "close", lambda tail: open_tails.remove(tail))
    monkeypatch.setattr(runs.Tail, "read", lambda tail: open_tails.append(tail) or [] if tail not in open_tails else [])
    followed = follow()
    followed.next()
    end = time.monotonic() + 10
    while len(open_tails) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(open_tails) == 2
    followed.close()
    while open_tails and time.monotonic() < end:
        time.sleep(0.01)
    assert open_tails == []


def test_a_file_that_is_none_ends_the_events_with_a_sentence(root, watched, follow):
    folder = begin(root)
    (folder / "metrics.jsonl").mkdir()
    followed = follow()
    assert followed.next()[0] == "run"
    name, found = followed.next()
    assert (name, found["error"]["code"]) == ("error", "run_damaged")
    assert followed.next() is None


def test_a_run_that_trains_is_followed_to_its_end(root, watched, follow, tmp_path):
    from nanochat.training.resolve import resolve
    from nanochat.training.run import run_training

    source = tmp_path / "abab.txt"
    source.write_text("ab" * 300, encoding="utf-8")
    training = {"steps": 40, "eval_tokens": 64, "eval_every": 10, "sample_every": 20}
    config = resolve({"preset": "bigram", "data": {"source": str(source)}, "training": training})
    folder = begin(root)
    (folder / "config.json").unlink()
    thread = Thread(target=run_training, args=(config,), kwargs={"out": root / "live"})
    thread.start()
    while not (root / "live" / "config.json").exists():
        time.sleep(0.001)
    followed, events = follow("live"), []
    while (event := followed.next()) is not None:
        events.append(event)
    thread.join(20)
    rows = [row for name, found in events if name == "metrics" for row in found]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 41))
    assert [row["step"] for row in rows if "val_loss" in row] == [0, 10, 20, 30, 40]
    assert [row["step"] for name, found in events if name == "samples" for row in found] == [20, 40]
    assert events[-1] == ("ended", {"status": "ok"})
