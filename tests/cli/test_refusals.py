"""Slips that were taken in silence: each is refused, or remarked on, in one sentence."""

import json
import os
import shutil
import sys

import numpy as np
import pytest

from nanochat.cli.options import flags, unknown_variables

TINY = "train --preset bigram --steps 3 --eval-every 0 --batch-size 2 --set eval_tokens=16 --out run".split()


def test_a_file_of_bad_rows_is_a_document_too(nanochat, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": 1}\n', encoding="utf-8")
    done = nanochat("data", "validate", "bad.jsonl", "--json")
    done.assert_refused(3, "bad.jsonl, line 1")
    content = json.loads(done.out)
    assert (content["source"], content["valid"], len(content["problems"])) == ("bad.jsonl", False, 1)


def test_a_second_number_for_a_name_is_refused(nanochat):
    nanochat("graph", "a", "a=1", "a=2").assert_refused(2, "'a=2' is a second number for a")


def test_an_ending_that_no_format_has_is_not_written(nanochat, abab, tmp_path):
    nanochat("data", "convert", abab, "y.xyz").assert_refused(2, "y.xyz names no format that is written")
    assert not (tmp_path / "y.xyz").exists()
    assert nanochat("data", "convert", abab, "y.txt").code == 0


@pytest.mark.parametrize("words", [["--steps", "9" * 20], ["--set", f"training.eval_every={'9' * 20}"]])
def test_a_count_beyond_all_counting_is_refused(nanochat, abab, words):
    code = 2 if words[0] == "--steps" else 3  # a flag is judged by the command line, a setting where it stands
    nanochat(*TINY, "--data", abab, *words).assert_refused(code, "is over 9,007,199,254,740,992")


@pytest.mark.parametrize(
    "words",
    [
        ["graph", "a*b", "a=2", "b=3", "--out", "-"],
        ["data", "convert", "builtin:facts", "-"],
        [*TINY[:-1], "-"],
    ],
)
def test_a_dash_is_no_name_of_a_result(nanochat, tmp_path, words):
    nanochat(*words).assert_refused(2, "- is a file here, not stdout: name a file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", ["--n-samples", "--max-new-tokens", "--alternatives"])
def test_a_number_beyond_all_counting_is_refused_in_a_sentence_of_ordinary_length(nanochat, flag):
    done = nanochat("sample", flag, "1" + 400 * "0")
    done.assert_refused(2, flag)
    assert len(done.err) < 200


def test_a_variable_that_nothing_reads_is_remarked_on(nanochat, monkeypatch):
    monkeypatch.setenv("NANOCHAT_STEP", "5")
    done = nanochat("presets")
    assert done.code == 0
    assert done.complaints == [
        "nanochat: the environment sets NANOCHAT_STEP, which nothing reads: did you mean NANOCHAT_STEPS?"
    ]


def test_every_setting_may_come_from_the_environment_without_a_remark():
    names = [f"NANOCHAT_{flag.name.upper()}" for flag in flags()]
    assert list(unknown_variables([*names, "NANOCHAT_LOG", "HOME"])) == []


def test_a_terminal_of_no_columns_still_shows_tables(nanochat, monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "microgpt" in nanochat("presets").out


def test_questions_to_a_model_without_turns_are_refused_before_anything_is_measured(nanochat, abab, monkeypatch):
    from nanochat.experiments.evaluation import evaluate as evaluation

    assert nanochat(*TINY, "--data", abab).code == 0
    monkeypatch.setattr(evaluation, "build_dataset", lambda *_: pytest.fail("measured"))
    nanochat("eval", "--run", "run", "--questions", "world").assert_refused(3, "was not trained on conversations")


@pytest.mark.slow
def test_a_nonsense_backend_does_not_end_a_training(start, abab, tmp_path):
    process = start(*TINY, "--data", abab, env={**os.environ, "MPLBACKEND": "nonsense"})
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert (tmp_path / "run" / "loss.png").is_file()


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libblas.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        MemoryError(),
    ],
)
def test_too_little_memory_has_one_sentence_however_it_shows(nanochat, monkeypatch, error):
    def fail(parameters):
        raise error

    monkeypatch.setattr("nanochat.cli.commands.presets.count_parameters", fail)
    nanochat("presets").assert_refused(5, "not enough memory")


@pytest.mark.parametrize(
    "words",
    [
        "checkpoint convert run one.json",
        "data convert abab.txt one.jsonl",
        "tokenizer train --data abab.txt --kind char --out one.json",
        "graph a*b a=1 b=2 --out one.dot",
        "runs compare run run --figure one.png",
    ],
)
def test_of_two_that_looked_at_once_the_second_replaces_nothing(nanochat, abab, tmp_path, monkeypatch, words):
    assert nanochat(*TINY, "--data", abab).code == 0
    monkeypatch.setattr("nanochat.cli.folders.check_free_file", lambda path: None)
    assert nanochat(*words.split()).code == 0
    (name,) = (path.name for path in tmp_path.glob("one.*"))
    (tmp_path / name).write_text("mine", encoding="utf-8")
    nanochat(*words.split()).assert_refused(5, f"{name} exists already")
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    assert nanochat(*words.split(), "--force").code == 0


def test_a_figure_that_was_named_is_replaced_only_by_force_and_the_usual_one_is_ours(nanochat, abab, tmp_path):
    assert nanochat(*TINY, "--data", abab).code == 0
    (tmp_path / "f.png").write_text("mine", encoding="utf-8")
    compare = ("runs", "compare", "run", "run")
    nanochat(*compare, "--figure", "f.png").assert_refused(5, "f.png exists already")
    assert [nanochat(*compare).code for _ in range(2)] == [0, 0]
    assert nanochat(*compare, "--figure", "f.png", "--force").code == 0
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_that_memory_does_not_hold_is_refused_as_such(nanochat, abab, monkeypatch):
    assert nanochat(*TINY, "--data", abab).code == 0

    real = np.empty

    def end(shape, dtype=float, **options):
        if dtype is np.uint8:  # what a file is read into
            raise MemoryError
        return real(shape, dtype, **options)

    monkeypatch.setattr(np, "empty", end)
    nanochat("sample", "--run", "run").assert_refused(5, "bytes of memory: there are fewer")


def test_a_study_without_its_cells_is_named_as_one(nanochat, abab, tmp_path):
    words = "ablate --preset bigram --steps 1 --seeds 1 --set eval_tokens=16 --jobs 1 --out study".split()
    assert nanochat(*words, "--data", abab).code == 0
    shutil.rmtree(tmp_path / "study" / "cells")
    nanochat("report", "study").assert_refused(4, "cells is missing")
