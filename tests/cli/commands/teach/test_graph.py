"""`graph`: an expression or a step of a run, as a picture."""

import re

import pytest


@pytest.fixture
def run(nanochat, abab):
    """A run of three steps in results/runs, the latest."""
    words = "train --preset bigram --eval-every 0 --set eval_tokens=32 --batch-size 2 --steps 3".split()
    assert nanochat(*words, "--data", abab).code == 0


def test_a_picture_is_replaced_only_by_force(nanochat, tmp_path):
    (tmp_path / "a.dot").write_text("mine", encoding="utf-8")
    nanochat("graph", "a*b", "a=1", "b=2", "--out", "a.dot").assert_refused(5, "a.dot exists already")
    assert nanochat("graph", "a*b", "a=1", "b=2", "--out", "a.dot", "--force").code == 0
    assert "digraph" in (tmp_path / "a.dot").read_text(encoding="utf-8")


@pytest.mark.usefixtures("run")
def test_a_step_of_a_run_is_drawn(nanochat, tmp_path):
    assert nanochat("graph", "--max-nodes", 20).out.count("\n") > 20
    assert nanochat("graph", "--out", "graph.svg").code == 0
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.usefixtures("run")
def test_the_calls_of_a_step_are_counted_by_level(nanochat):
    done = nanochat("graph", "--level", "calls")
    head, *_, sentence = done.out.strip().splitlines()
    assert head.split() == ["level", "op", "nodes", "calls", "forward", "calls", "back"]
    assert "linear" in done.out
    assert re.fullmatch(
        r"[\d,]+ nodes of a row of 16 tokens in \d levels became (\d+) calls: \d+ forward, \d+ back", sentence
    )


def test_the_calls_of_an_expression_are_a_line_for_each_level_and_op(nanochat):
    lines = nanochat("graph", "a*b + c*d", "a=2", "b=3", "c=4", "d=5", "--level", "calls").out.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [["0", "weight", "4"], ["1", "x*y", "2"], ["2", "x+y", "1"]]
    nanochat("graph", "a*b", "a=1", "b=2", "--level", "calls", "--format", "svg").assert_refused(
        2, "leave --format out"
    )


def test_a_table_of_calls_is_not_written_under_the_name_of_a_picture(nanochat, tmp_path):
    expression = ("graph", "a*b", "a=1", "b=2", "--level", "calls", "--out")
    for ending in (".svg", ".dot", ".mmd"):
        nanochat(*expression, tmp_path / f"calls{ending}").assert_refused(2, "end it in .txt")
    assert nanochat(*expression, tmp_path / "calls.txt").code == 0


@pytest.mark.usefixtures("run")
def test_a_graph_of_other_data_than_the_run_saw_is_refused(nanochat, abab):
    abab.write_text("abc" * 200, encoding="utf-8")
    nanochat("graph").assert_refused(3, "no longer the text")


def test_a_graph_of_an_expression_has_values_and_gradients(nanochat):
    done = nanochat("graph", "a*b + relu(c)", "a=2", "b=-3", "c=10")
    assert done.code == 0
    assert "flowchart" in done.out or "graph" in done.out
    nanochat("graph", "a*b", "a=2").assert_refused(2, "b")
    nanochat("graph", "a*b", "a=two").assert_refused(2, "'a=two' gives no number")
    nanochat("graph", "__import__('os')").assert_refused(2, "")


@pytest.mark.usefixtures("run")
def test_the_parts_of_a_model_are_drawn_with_their_gradients(nanochat, tmp_path):
    done = nanochat("graph", "--level", "parts")
    assert done.code == 0
    assert "lm#95;head" in done.out
    assert "not called yet" not in done.out
    assert nanochat("graph", "--level", "parts", "--out", "parts.svg").code == 0
    assert (tmp_path / "parts.svg").read_text(encoding="utf-8").startswith("<svg")
    nanochat("graph", "a*b", "a=1", "b=2", "--level", "parts").assert_refused(2, "leave the expression out")
