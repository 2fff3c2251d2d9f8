"""`nanochat learn` as a student types it."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from nanochat.course.lessons import LESSONS, find_exercise

RIGHT = """
import math
from nanochat.engine import Value

def bend(x):
    n = x.data
    value = max(n, 0.0) + math.log1p(math.exp(-abs(n)))
    slope = 0.5 * (1 + math.tanh(n / 2))
    return Value(value, (x,), (slope,), "softplus")
"""
WRONG = RIGHT.replace("slope = 0.5 * (1 + math.tanh(n / 2))", "slope = float(n > 0)")


@pytest.fixture
def begun(nanochat, tmp_path):
    """A folder with lesson 1 begun and softplus pinned."""
    (tmp_path / "course.toml").write_text('student = "ada"\n[variants]\n1a = "softplus"\n', encoding="utf-8")
    assert nanochat("learn", "start", "1").code == 0
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "01-value" / "bend.py").write_text(text, encoding="utf-8")


def test_a_stranger_is_told_what_to_type(nanochat):
    done = nanochat("learn")
    assert done.code == 0
    assert "nanochat learn start 1" in done.out
    for lesson in LESSONS:
        assert lesson.title in done.out


def test_start_names_what_it_wrote_and_the_next_command(nanochat, tmp_path):
    done = nanochat("learn", "start", "--dir", "meine Übung")
    assert done.code == 0
    assert (tmp_path / "meine Übung" / "01-value" / "bend.py").exists()
    assert "nanochat learn check 1a --dir 'meine Übung'" in done.out
    assert nanochat("learn", "--dir", "meine Übung").out.count("begun") == 2


def test_the_starter_is_empty_and_that_is_a_broken_law(nanochat, begun):
    done = nanochat("learn", "check")
    assert (done.code, done.err) == (9, "")
    assert "bend is still empty" in done.out


def test_a_right_answer_passes_and_the_next_lesson_comes(nanochat, begun):
    write(begun, RIGHT)
    done = nanochat("learn", "check")
    assert (done.code, done.err) == (0, "")
    assert "all 6 laws hold" in done.out
    assert "passed (1 try)" in nanochat("learn").out
    if len(LESSONS) > 1:
        assert "nanochat learn start 2" in nanochat("learn").out


def test_a_wrong_answer_is_explained_and_can_be_tried_again(nanochat, begun):
    write(begun, WRONG)
    done = nanochat("learn", "check", "1a")
    assert done.code == 9
    assert "BROKEN   the slope is what nudging measures, at 100 points:  bend(0) should be slope 0.5" in done.out
    assert "relu's slope" in done.out
    again = next(line for line in done.out.splitlines() if line.startswith("again: nanochat "))
    words = again.split("        ")[0].removeprefix("again: nanochat ").split()
    repeated = nanochat(*words)
    assert repeated.code == 9
    assert "bend(0) should be slope 0.5" in repeated.out


def test_no_explanation_contains_the_mending_code():
    for lesson in LESSONS:
        for key in lesson.keys:
            for wrong in find_exercise(key).wrong:
                assert "=" not in wrong.sentence.replace("x = ", "").replace("==", ""), wrong.sentence


def test_json_is_one_document(nanochat, begun):
    write(begun, WRONG)
    done = nanochat("learn", "check", "--json")
    content = json.loads(done.out)
    assert done.code == 9
    assert (content["exercise"], content["passed"], content["file"]) == ("1a", False, "01-value/bend.py")
    assert [one["state"] for one in content["verdicts"]] == ["ok", "ok", "ok", "broken", "waiting", "waiting"]


def test_steps_show_each_number_beside_the_right_one(nanochat, begun):
    write(begun, WRONG)
    out = nanochat("learn", "check", "--steps").out
    assert any(line.split() == ["slope", "0", "0.5"] for line in out.splitlines())


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["check", "99"], 2, "there is no lesson '99'"),
        (["check", "lab-a"], 2, "lab-a is a lab"),
        (["check", "1c"], 2, "there is no exercise '1c': choose one of 1a, 1b"),
        (["start", "vallue"], 2, "did you mean 'value'"),
        (["check", "1a", "--law", "slop"], 2, "did you mean 'slope'"),
        (["check", "1a", "--seed", "-1"], 2, "--seed"),
        (["check", "1a", "nowhere.py"], 3, "nowhere.py does not exist"),
        (["check", "1a", "01-value"], 3, "is a folder"),
        (["check", "--watch", "--json"], 2, "do not go together"),
        (["compare", "1a"], 5, "is not passed yet"),
    ],
)
def test_bad_words_get_one_sentence(nanochat, begun, words, code, sentence):
    nanochat("learn", *words).assert_refused(code, sentence)


def test_settings_with_an_unknown_key_are_refused(nanochat, begun):
    (begun / "course.toml").write_text("sede = 3\n", encoding="utf-8")
    nanochat("learn").assert_refused(3, "did you mean 'seed'")


def test_a_damaged_progress_is_told_of_before_the_work(nanochat, begun):
    (begun / "progress.json").write_text("{", encoding="utf-8")
    for words in (["learn"], ["learn", "check", "1a"], ["learn", "hint"]):
        nanochat(*words).assert_refused(4, "progress.json")


def test_hints_come_one_at_a_time(nanochat, begun):
    assert [nanochat("learn", "hint").out.count("hint ") for _ in range(4)] == [1, 2, 3, 3]


def test_compare_shows_both_after_passing_or_giving_up(nanochat, begun):
    done = nanochat("learn", "compare", "--give-up")
    assert done.code == 0
    assert "yours: 01-value/bend.py, line " in done.out
    assert "def gelu(self)" in done.out
    assert json.loads((begun / "progress.json").read_text(encoding="utf-8"))["lessons"]["1a"]["gave_up"] is True
    write(begun, RIGHT)
    nanochat("learn", "check")
    assert "slope = 0.5" in nanochat("learn", "compare").out


def test_reset_keeps_what_was_written(nanochat, begun):
    write(begun, RIGHT)
    assert "bend.py.1" in nanochat("learn", "reset").out
    assert (begun / "01-value" / "bend.py.1").read_text(encoding="utf-8") == RIGHT


def test_what_nobody_wrote_is_not_kept_by_reset(nanochat, begun):
    assert "is kept" not in nanochat("learn", "reset").out
    assert not (begun / "01-value" / "bend.py.1").exists()


def test_a_lesson_that_is_not_begun_has_nothing_to_hint_at_or_to_reset(nanochat, tmp_path):
    for word in ("hint", "reset"):
        nanochat("learn", word, "2a").assert_refused(3, "2a is not begun here: `nanochat learn start 2` writes")
    assert list(tmp_path.iterdir()) == []


def test_somebody_without_a_name_is_told_how_to_get_formulas_of_their_own(nanochat, tmp_path):
    out = nanochat("learn", "start", "1").out
    assert "Nobody is named in course.toml" in out
    assert "  nanochat learn reset 1a\n  nanochat learn reset 1b\n" in out
    assert "nobody is named in course.toml" in nanochat("learn", "submit").err
    (tmp_path / "course.toml").write_text('student = "ada"\n', encoding="utf-8")
    assert "Nobody is named" not in nanochat("learn", "start", "2").out
    assert nanochat("learn", "submit", "--force").err == ""


def test_submit_writes_a_zip_once(nanochat, begun):
    assert nanochat("learn", "submit").code == 0
    nanochat("learn", "submit").assert_refused(5, "submission.zip exists already: choose another name, or pass --force")
    assert nanochat("learn", "submit", "--force").code == 0


def test_watch_checks_at_every_save_until_all_laws_hold(nanochat, begun):
    write(begun, WRONG)

    def save():
        for _ in range(600):
            time.sleep(0.1)
            if json.loads((begun / "progress.json").read_text(encoding="utf-8"))["lessons"]["1a"]["tries"]:
                write(begun, RIGHT)
                return

    saver = threading.Thread(target=save)
    saver.start()
    done = nanochat("learn", "check", "--watch")
    saver.join()
    assert done.code == 0
    assert "5 of 6" not in done.out
    assert done.out.count("1a an operation of your own") >= 2  # a check may meet a file that is half written


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_loses_no_report(nanochat, begun):
    write(begun, WRONG)
    begun.chmod(0o555)
    try:
        done = nanochat("learn", "check", "1a")
    finally:
        begun.chmod(0o755)
    assert "relu's slope" in done.out
    done.assert_refused(8, "so nothing is kept there")


def test_a_report_is_as_wide_as_the_terminal(nanochat, begun, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    write(begun, WRONG)
    out = nanochat("learn", "check", "1a", "--plain").out
    assert max(len(line) for line in out.splitlines() if not line.startswith("again")) <= 80


CHANGE = """
import numpy as np
from nanochat.engine.scalar import functional as F
def scalar(xs):
    return [x.tanh() for x in xs]
def tensor(x):
    y = np.tanh(x)
    return y, lambda g: g * (1 - y * y)
"""


@pytest.fixture
def last(nanochat, tmp_path):
    """Lesson 12 begun, its place the activation, and a change that is right."""
    (tmp_path / "course.toml").write_text('student = "ada"\n[variants]\n12c = "activation"\n', encoding="utf-8")
    assert nanochat("learn", "start", "12").code == 0
    (tmp_path / "12-evidence" / "change.py").write_text(CHANGE, encoding="utf-8")
    return tmp_path / "12-evidence"


def study(folder, text="seeds = 2\nsteps = 3\n"):
    asked = 'question = "why not?"\nexpect = "no difference"\n'
    (folder / "study.toml").write_text(asked + text, encoding="utf-8")


def test_a_sweep_asks_for_a_study_first(nanochat, last):
    done = nanochat("learn", "sweep")
    assert done.code == 3
    assert "say there what you ask and what you expect" in done.err
    assert "question = " in (last / "study.toml").read_text(encoding="utf-8")
    assert nanochat("learn", "sweep").code == 3
    assert not (last / "sweep").exists()


def test_a_change_that_is_not_certified_is_not_trained(nanochat, last):
    study(last)
    (last / "change.py").write_text(CHANGE.replace("(1 - y * y)", "(1 - y)"), encoding="utf-8")
    done = nanochat("learn", "sweep")
    assert done.code == 9
    assert "gradients are not its slopes: its backward pass is wrong" in done.out
    assert not (last / "sweep").exists()


def test_a_sweep_ends_with_a_page_that_can_be_written_anew(nanochat, last):
    study(last)
    done = nanochat("learn", "sweep")
    assert done.code == 0
    assert "you expected: no difference" in done.out
    assert "4 of 4: mine, seed 1338" in done.err
    page = (last / "sweep" / "report.md").read_text(encoding="utf-8")
    assert nanochat("report", str(last / "sweep")).code == 0
    assert (last / "sweep" / "report.md").read_text(encoding="utf-8") == page
    study(last, "seeds = 2\nsteps = 4\n")
    assert nanochat("learn", "sweep").code == 5
    assert "12-evidence/sweep/report.md" in nanochat("learn", "submit").out
