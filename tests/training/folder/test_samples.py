"""samples.jsonl: the texts that a run draws while it goes on, as if it had never been stopped; none by default."""

import pytest

from nanochat.training.folder.samples import add_sample, sample_of, samples_until
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "abab.txt"
    path.write_text("ab" * 300, encoding="utf-8")
    training = {"steps": 6, "eval_tokens": 64, "eval_every": 0, "sample_every": 2, "keep_last": 0}
    return resolve({"preset": "bigram", "data": {"source": str(path)}, "training": training})


def test_a_run_that_was_stopped_where_it_draws_and_resumed_has_drawn_the_same_texts(config, tmp_path):
    whole = tmp_path / "whole"
    run_training(config, out=whole)
    texts = (whole / "samples.jsonl").read_bytes()
    assert [sample_of(line)["step"] for line in texts.splitlines()] == [2, 4, 6]
    stopped, branch = tmp_path / "stopped", tmp_path / "branch"
    run_training(config, out=stopped, stop_at=4)
    run_training(resume=stopped / "checkpoints" / "step-00000004", out=branch)
    run_training(resume=stopped)
    assert (stopped / "samples.jsonl").read_bytes() == texts
    assert (branch / "samples.jsonl").read_bytes() == texts


def test_a_run_begun_anew_keeps_none_and_one_that_draws_none_has_no_file(config, tmp_path):
    out = tmp_path / "run"
    run_training(config, out=out, stop_at=4)
    never = resolve({"preset": "bigram", "data": {"source": config.data.source}, "training": {"steps": 1}})
    run_training(never, out=out)
    assert not (out / "samples.jsonl").exists()


def test_what_no_line_says_costs_a_text_and_no_run(tmp_path):
    path = tmp_path / "samples.jsonl"
    add_sample(path, 1, "<b>\n")
    with path.open("ab") as file:
        file.write(b'{"step": 2}\n\xff\n{"step": 3, "text": "x", "step": 4}\n' + b"[" * 100_000 + b"\n")
    add_sample(path, 5, "five")
    add_sample(path, 6, "six")
    with path.open("ab") as file:
        file.write(b'{"step": 5, "te')
    assert [sample_of(line) for line in samples_until(path, 6).splitlines()] == [
        {"step": 1, "text": "<b>\n"},
        {"step": 5, "text": "five"},
    ]
    assert samples_until(tmp_path / "none", 6) == b""
