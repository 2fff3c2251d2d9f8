"""`zoo`: a bug is put in, found, named and mended; wrong words are a sentence each."""

import json

import pytest

from nanochat.cli import app
from nanochat.course.zoo.casebook import drawn

QUICK = ("health", "--preset", "bigram", "--set", "mode=tensor")
HEALTH = ("health", "--preset", "microgpt", "--set", "mode=tensor", "--json")


def test_a_bug_is_found_named_and_mended_and_the_exam_counts_it(nanochat, tmp_path):
    shown = nanochat("zoo", "show", "B4")
    assert "no-causal-mask" not in shown.out
    done = nanochat("zoo", "run", "B4", "--", *HEALTH)
    assert done.code == 9
    broken = {one["law"] for one in json.loads(done.out)["findings"] if one["verdict"] == "fail"}
    assert {"causality", "cache"} <= broken
    assert nanochat(*HEALTH).code == 0  # it is out again
    nanochat("zoo", "show", "B4", "--source").assert_refused(2, "B4 has no name yet")
    assert nanochat("zoo", "name", "b4", "no-scale").code == 9
    assert nanochat("zoo", "name", "B4", "no-causal-mask").code == 0
    assert "nanoGPT#331" in nanochat("zoo", "show", "B4").out
    source = nanochat("zoo", "show", "B4", "--source").out
    path = tmp_path / "B4.py"
    path.write_text(source, encoding="utf-8")
    assert nanochat("zoo", "mend", "B4", path).code == 9
    path.write_text(source.replace("    e = np.exp(", "    s = np.where(seen, s, -np.inf)\n    e = np.exp("), "utf-8")
    assert nanochat("zoo", "mend", "B4", path).code == 0
    state = {one["specimen"]: one for one in json.loads(nanochat("zoo", "list", "--json").out)}
    assert (state["B4"]["state"], state["B4"]["guesses"], state["B4"]["points"]) == ("mended", 2, 3)


def test_the_small_run_is_a_file_of_settings(nanochat, tmp_path):
    """Without dropout in it this one cannot be seen."""
    (tmp_path / "B13.toml").write_text(nanochat("zoo", "show", "B13", "--config").out, encoding="utf-8")
    done = nanochat("zoo", "run", "B13", "--", "health", "--config", "B13.toml", "--json")
    assert [one["law"] for one in json.loads(done.out)["findings"] if one["verdict"] == "fail"] == ["dropout"]


def test_a_failing_certificate_is_the_specimens_and_what_a_bug_dies_of_is_told(nanochat, monkeypatch):
    done = nanochat("zoo", "run", "A4", "--", "certify", "--only", "log", "--preset", "bigram")
    assert (done.code, "report" in done.err) == (9, False)
    assert "specimen A4 is in the program" in done.err
    monkeypatch.setattr(
        app, "parse", lambda words, right=app.parse: {"p": 1}["q"] if words == ["presets"] else right(words)
    )
    nanochat("zoo", "run", "A4", "--", "presets").assert_refused(9, "with A4 in the program, presets ends in KeyError")


def test_where_several_laws_are_broken_the_one_that_explains_them_is_named_first(nanochat, tmp_path):
    for key, words in (("B14", "dropout while evaluating"), ("C15", "biases that fell"), ("B8", "axis of softmax")):
        (tmp_path / "run.toml").write_text(nanochat("zoo", "show", key, "--config").out, encoding="utf-8")
        done = nanochat("zoo", "run", key, "--", "health", "--config", "run.toml")
        assert words in done.err.split("look first at ")[1]


def test_a_name_without_an_instrument_earns_nothing_and_says_so(nanochat):
    assert "no instrument was used before" in nanochat("zoo", "name", "B3", "no-scale").out
    nanochat("zoo", "run", "B4", "--", *QUICK)
    assert "no points" not in nanochat("zoo", "name", "B4", "no-causal-mask").out


def test_an_exam_is_taken_under_names_of_its_own(nanochat):
    exam = json.loads(nanochat("zoo", "exam", "--student", "ada", "--json").out)
    assert [one["specimen"] for one in exam["specimens"]] == [f"ada-{i}" for i in range(1, 7)]
    assert "lab" not in exam["specimens"][0]
    keys = [key for key, one in drawn("ada").items() if not one.fault]
    shown = nanochat("zoo", "show", keys[0])
    assert f"nanochat zoo run {keys[0]} -- health" in shown.out
    assert nanochat("zoo", "run", keys[0], "--", *QUICK).code == 0
    assert nanochat("zoo", "name", keys[0], "sound").code == 0
    assert json.loads(nanochat("zoo", "exam", "--student", "ada", "--json").out)["points"] == 2
    assert nanochat("zoo", "list", "--lab", "a").out.splitlines()[-1].startswith("0 of ")


def test_the_command_keeps_its_exit_code_and_its_one_sentence(nanochat):
    nanochat("zoo", "run", "A1", "--", "health", "--preset", "none").assert_refused(2, "none")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("show", "B99"), 2, "'B99' is no specimen"),
        (("run", "B4"), 2, "no command to run"),
        (("run", "B4", "--", "zoo", "list"), 2, "is not run with a specimen"),
        (("run", "Q", "--", "health"), 2, "'Q' is no specimen"),
        (("name", "B4", "no-mask"), 2, "no name of a bug"),
        (("mend", "A13", "A13.py"), 2, "A13 has no name yet"),
        (("mend", "B4", "none.py"), 2, "B4 has no name yet"),
        (("exam",), 2, "--student"),
        (("show", "ada-7"), 2, "'ada-7' is in no exam"),
        (("list", "--lab", "d"), 2, "choose one of lab-a"),
    ],
)
def test_wrong_words_are_one_sentence(nanochat, words, code, part):
    nanochat("zoo", *words).assert_refused(code, part)


def test_a_file_of_another_specimen_is_refused(nanochat, tmp_path):
    (tmp_path / "B4.py").write_text('"""Specimen B4: who may be looked at."""\n', encoding="utf-8")
    assert nanochat("zoo", "name", "B3", "no-scale").code == nanochat("zoo", "name", "A13", "sound").code == 0
    nanochat("zoo", "mend", "B3", "B4.py").assert_refused(3, "is of specimen B4, and B3 is another one")
    nanochat("zoo", "mend", "B3", "none.py").assert_refused(3, "`nanochat zoo show B3 --source > none.py`")
    (tmp_path / "empty.py").touch()
    nanochat("zoo", "mend", "B3", "empty.py").assert_refused(3, "is empty: write it with")
    nanochat("zoo", "mend", "A13", "B4.py").assert_refused(2, "nothing is wrong")
    nanochat("zoo", "show", "A13", "--source").assert_refused(2, "A13 cannot be mended, and has no source")


def test_a_log_of_another_version_is_refused_before_the_work(nanochat, tmp_path):
    (tmp_path / "log.json").write_text('{"kind": "zoo", "version": 2, "events": []}\n', encoding="utf-8")
    nanochat("zoo", "run", "B4", "--log", "log.json", "--", "presets").assert_refused(4, "version 2")
