"""`health`: a table that fits 80 columns, sentences for what is broken, and runs that cannot be examined."""

import json

import pytest

BIGRAM = ("--preset", "bigram", "--set", "mode=tensor")


@pytest.fixture
def run(nanochat, abab, tmp_path):
    """A run of three steps."""
    words = "train --preset bigram --eval-every 0 --set eval_tokens=32 --batch-size 2 --steps 3 --out run".split()
    assert nanochat(*words, "--data", abab).code == 0
    return tmp_path / "run"


def test_a_sound_configuration_is_a_table_of_80_columns(nanochat):
    done = nanochat("health", *BIGRAM)
    assert done.code == 0
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80
    assert "does not" not in done.out
    assert "a bigram keeps no cache" in nanochat("health", *BIGRAM, "--every").out


def test_what_is_broken_says_why_and_ends_in_9(nanochat, run, abab):
    done = nanochat("health", "--run", "run", "--json")
    report = json.loads(done.out)
    assert {"law", "verdict", "number", "unit", "allowed", "sentence"} == set(report["findings"][0])
    assert done.code == (0 if report["passed"] else 9)


def test_a_run_without_a_checkpoint_is_one_sentence(nanochat, run):
    for path in sorted((run / "checkpoints").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    nanochat("health", "--run", "run").assert_refused(4, "checkpoint")


def test_a_run_of_another_version_is_one_sentence(nanochat, run):
    for path in (run / "checkpoints").rglob("MANIFEST.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**content, "version": 999}), encoding="utf-8")
    nanochat("health", "--run", "run").assert_refused(4, "999")


@pytest.mark.usefixtures("run")
def test_a_run_has_its_settings(nanochat):
    nanochat("health", "--run", "run", "--preset", "bigram").assert_refused(2, "either a run or a configuration")
    nanochat("health", "--run", "nowhere").assert_refused(3, "nowhere")


def test_figures_are_drawn_where_there_is_something_inside(nanochat, tmp_path):
    words = ("--preset", "microgpt", "--set", "mode=tensor", "--figures")
    assert nanochat("health", *words, "pictures").code == 0
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "attention.png", "depth.png", "embeddings.png",
    ]  # fmt: skip
    nanochat("health", *words, "pictures").assert_refused(5, "exists already")
    nanochat("health", "--preset", "bigram", "--figures", "none").assert_refused(3, "leave it out")
