"""log.txt: which spans and how much, by NANOCHAT_LOG; a log that cannot be written is one sentence."""

import logging
import os
import re

import pytest

from nanochat.errors import ConfigError, GuardError, WriteError
from nanochat.training.folder.log import LOGGER, RunLog, span
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} level=(DEBUG|INFO|ERROR) (span|event)=(\w+)(.*)")


def lines_of(tmp_path, **training) -> list[tuple[str, str, str]]:
    path = tmp_path / "abab.txt"
    path.write_text("ab" * 100, encoding="utf-8")
    training = {"steps": 2, "eval_every": 1, "sample_every": 2, "eval_tokens": 32, **training}
    run_training(
        resolve({"preset": "bigram", "data": {"source": str(path)}, "training": training}), out=tmp_path / "run"
    )
    log = tmp_path / "run" / "log.txt"
    if not log.exists():
        return []
    matches = [LINE.fullmatch(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert all(matches)
    return [(match[1], match[3], match[4]) for match in matches]


def test_a_run_logs_its_parts_and_their_times(tmp_path):
    lines = lines_of(tmp_path)
    names = [name for _, name, _ in lines]
    saved_and_validated = ["checkpoint", "evaluation"]
    assert names == ["data", "start", "evaluation", *saved_and_validated, *saved_and_validated, "sampling", "end"]
    assert {level for level, _, _ in lines} == {"INFO"}
    for _, name, rest in lines:
        assert name in ("start", "end") or re.match(r" ms=\d+\.\d\d", rest)


def test_debug_adds_a_span_for_each_step(tmp_path, monkeypatch):
    monkeypatch.setenv("NANOCHAT_LOG", "debug")
    steps = [rest for level, name, rest in lines_of(tmp_path) if name == "step"]
    assert [re.search(r"step=(\d+)", rest)[1] for rest in steps] == ["1", "2"]


def test_warning_leaves_a_good_run_silent(tmp_path, monkeypatch):
    monkeypatch.setenv("NANOCHAT_LOG", "warning")
    assert lines_of(tmp_path) == []


def test_a_divergence_is_logged_as_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("NANOCHAT_LOG", "error")
    ((level, name, rest),) = lines_of(tmp_path, lr=1e300, optimizer="sgd", weight_decay=1e10)
    assert (level, name) == ("ERROR", "diverged")
    assert "not finite" in rest


def test_a_level_that_does_not_exist_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("NANOCHAT_LOG", "loud")
    with pytest.raises(ConfigError, match="NANOCHAT_LOG='loud' is not a level: choose one of debug, info"):
        lines_of(tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_log_that_cannot_be_opened_is_one_sentence(tmp_path):
    (tmp_path / "log.txt").mkdir()
    before = list(LOGGER.handlers)
    with pytest.raises(WriteError, match=r"cannot write .*log\.txt"), RunLog(tmp_path / "log.txt"):
        LOGGER.info("event=start")
    assert before == LOGGER.handlers


def test_the_logger_is_as_before_after_a_run_that_failed(tmp_path):
    before = (list(LOGGER.handlers), LOGGER.level)
    with pytest.raises(ZeroDivisionError), RunLog(tmp_path / "log.txt"):
        raise ZeroDivisionError("oops")
    assert (list(LOGGER.handlers), LOGGER.level) == before
    assert "level=ERROR event=stopped reason='oops'" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_a_span_is_logged_even_where_its_block_fails(tmp_path):
    with RunLog(tmp_path / "log.txt"):
        with pytest.raises(ZeroDivisionError), span("data", source="x"):
            raise ZeroDivisionError
        with span("hidden", logging.DEBUG):
            pass
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert re.search(r"span=data ms=\d+\.\d\d source=x", text)
    assert "hidden" not in text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_a_log_that_is_a_pipe_is_refused_and_nobody_waits_for_its_reader(tmp_path):
    os.mkfifo(tmp_path / "log.txt")
    with pytest.raises(GuardError, match=r"log\.txt is no regular file"), RunLog(tmp_path / "log.txt", append=True):
        LOGGER.error("event=test")
