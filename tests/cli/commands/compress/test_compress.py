"""`nanochat compress`: what it writes is taken by every command, and bad input is one sentence."""

import functools
import json
import shutil
from pathlib import Path

import pytest

from nanochat.checkpoints.weights import load_snapshot
from nanochat.experiments.compression import measure, outcome

TINY = ("--mode", "tensor", "--preset", "mini-gpt", "--steps", 3, "--set", "training.eval_tokens=64")
FEW = ("--calibration-rows", 8)


@pytest.fixture(autouse=True)
def _untimed(monkeypatch):
    """Each model takes one short turn and draws two short texts: nothing here asks how fast it was, or what it said."""
    monkeypatch.setattr(outcome, "measure_speed", functools.partial(measure.measure_speed, rounds=1, seconds=0))
    for where, name, few in ((measure, "_DECODED", 2), (outcome, "_PROMPTS", 2), (outcome, "_SAMPLE_TOKENS", 4)):
        monkeypatch.setattr(where, name, few)


@pytest.fixture
def run(trained):
    trained(*TINY)
    return "run"


@pytest.fixture(scope="module")
def _made() -> list[Path]:
    return []


@pytest.fixture
def int8(nanochat, run, tmp_path, tmp_path_factory, _made):
    """Made once, copied for each test."""
    if not _made:
        done = nanochat("compress", "quantize", "--run", run, "--bits", 8, "--out", "int8")
        assert done.code == 0, done
        _made.append(shutil.copytree("int8", tmp_path_factory.mktemp("made") / "int8"))
    else:
        shutil.copytree(_made[0], tmp_path / "int8")
    return "int8"


def test_a_quantised_model_is_taken_by_every_command(nanochat, run, int8, tmp_path):
    assert nanochat("sample", "--run", int8, "--prompt", "a", "--max-new-tokens", 3).code == 0
    measured = json.loads(nanochat("eval", "--run", int8, "--json").out)
    found = json.loads((tmp_path / int8 / "compression.json").read_text(encoding="utf-8"))
    assert measured["val_loss"] == pytest.approx(found["rows"][1]["measured"]["loss"], rel=1e-5)  # float32
    assert nanochat("eval", "--run", int8, "--against", run).code == 0
    assert nanochat("checkpoint", "verify", int8).code == 0
    inspected = json.loads(nanochat("checkpoint", "inspect", int8, "--json").out)
    assert {tensor["dtype"] for tensor in inspected["tensors"]} == {"int8"}
    assert inspected["bytes"] == found["rows"][1]["n_bytes"]
    assert nanochat("checkpoint", "prune", int8, "--keep-last", 1).code == 0
    assert nanochat("checkpoint", "convert", int8, "again.safetensors").code == 0
    assert nanochat("checkpoint", "diff", int8, "again.safetensors").code == 0
    assert nanochat("checkpoint", "convert", int8, "floats.json").code == 0
    assert "stored." in nanochat("checkpoint", "diff", "again.safetensors", "floats.json").out
    assert nanochat("report", int8).code == 0


def test_its_report_says_what_it_costs_and_what_it_does_not_save(int8, tmp_path):
    report = (tmp_path / int8 / "report.md").read_text(encoding="utf-8")
    assert "**INT8 per output channel: " in report
    assert "memory and speed are those of the model that it was made of" in report
    assert f"nanochat compress quantize --run run --bits 8 --group 0 --out {int8}" in report


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("train", "--from", "int8", "--steps", 1), "is a quantised model, and training would undo its rounding"),
        (("train", "--resume", "int8"), "training does not go on with that"),
        (("compress", "quantize", "--run", "int8"), "int8 is quantised already"),
        (("compress", "prune", "--run", "int8", "--sparsity", 0.5), "int8 is quantised already"),
        (("compress", "distill", "--run", "run", "--student", "int8"), "int8 is quantised, and training would"),
    ],
)
def test_a_quantised_model_is_made_no_further_use_of(nanochat, int8, words, part):
    nanochat(*words).assert_refused(3, part)


def test_its_rounded_weights_can_be_trained_as_floats(nanochat, int8, abab):
    assert nanochat("checkpoint", "convert", int8, "floats.json").code == 0
    assert nanochat("train", "--from", "floats.json", "--data", "abab.txt", "--steps", 1, "--out", "on").code == 0


def test_a_changed_byte_of_it_is_found(nanochat, int8, tmp_path):
    file = next((tmp_path / int8).glob("checkpoints/*/model.safetensors"))
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    nanochat("checkpoint", "verify", int8).assert_refused(4, "differs from its manifest")
    nanochat("sample", "--run", int8).assert_refused(4, "no whole checkpoint")


def test_calibrated_int4_and_a_dry_run(nanochat, run, tmp_path):
    words = ("compress", "quantize", "--run", run, "--bits", 4, "--group", 8, "--method", "gptq", *FEW)
    done = nanochat(*words, "--dry-run")
    assert (done.code, done.out.splitlines()[-1].split()[0][:6]) == (0, "bytes=")
    assert not (tmp_path / "results").exists()
    found = json.loads(nanochat(*words, "--json", "--out", "int4").out)
    assert found["method"] == "INT4 groups of 8, error-compensated"
    assert load_snapshot(next((tmp_path / "int4").glob("checkpoints/*/model.safetensors"))).storage


def test_a_pruned_and_tuned_model_is_compared_with_the_whole_one_tuned_alike(nanochat, run, tmp_path):
    done = nanochat(
        "compress", "prune", "--run", run, "--pattern", "2:4", "--finetune-steps", 3, *FEW, "--out", "p", "--json"
    )
    found = json.loads(done.out)
    assert [row["name"] for row in found["rows"]] == [
        "source", "pruned and tuned", "the whole model tuned alike", "pruned, before tuning"]  # fmt: skip
    weights = load_snapshot(next((tmp_path / "p").glob("checkpoints/*/model.safetensors"))).weights
    assert (weights["h.0.mlp.fc.weight"] == 0).mean() == 0.5
    assert "nothing is smaller or faster" in (tmp_path / "p/report.md").read_text(encoding="utf-8").replace("\n", " ")
    nanochat("train", "--resume", "p").assert_refused(3, "training does not go on with that")


def test_narrower_models_are_smaller_and_any_of_them_draws(nanochat, run, tmp_path):
    done = nanochat("compress", "prune", "--run", run, "--heads", 2, "--mlp-width", 16, *FEW, "--out", "p", "--json")
    rows = {row["name"]: row for row in json.loads(done.out)["rows"]}
    assert rows["pruned"]["parameters"] < rows["source"]["parameters"]
    assert "cut, not fitted anew" in rows
    assert nanochat("sample", "--run", "p", "--max-new-tokens", 2).code == 0
    assert nanochat("eval", "--run", "p").code == 0


def test_a_student_is_compared_with_one_that_had_no_teacher_and_a_folder_of_all_is_reported(nanochat, run, tmp_path):
    done = nanochat("compress", "distill", "--run", run, "--from-layers", 0, "--steps", 2, "--out", "all/d", "--json")
    assert [row["name"] for row in json.loads(done.out)["rows"]] == [
        "source", "distilled", "without a teacher, equal steps", "without a teacher, equal CPU time"]  # fmt: skip
    assert nanochat("compress", "quantize", "--run", run, "--out", "all/q").code == 0
    assert nanochat("report", "all").out.strip() == "all/report.md"
    assert (
        (tmp_path / "all/report.md")
        .read_text(encoding="utf-8")
        .startswith("# Compressed models\n\n**Per second of CPU")
    )


def test_a_model_that_lies_alone_needs_its_text_and_cannot_be_trained(nanochat, run, abab):
    assert nanochat("checkpoint", "convert", run, "m.safetensors").code == 0
    nanochat("compress", "quantize", "--run", "m.safetensors").assert_refused(
        3, "nobody knows its text: name it with --data"
    )
    assert nanochat("compress", "quantize", "--run", "m.safetensors", "--data", "abab.txt", "--out", "q").code == 0
    nanochat("compress", "distill", "--run", "m.safetensors", "--data", "abab.txt", "--layers", 1).assert_refused(
        3, "without the config.json of a run, which distilling needs"
    )


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("quantize", "--bits", 7), 2, "--bits 7 is not offered: give one of 16, 8, 4"),
        (("quantize", "--bits", 8, "--embedding-bits", 4), 2, "--embedding-bits 4 does not go with --bits 8"),
        (("quantize", "--bits", 8, "--float", "bfloat16"), 2, "--float bfloat16 has 16 bits"),
        (("quantize", "--bits", 16, "--method", "gptq"), 2, "leave out --method gptq"),
        (("quantize", "--bits", 4, "--group", -1), 2, "--group -1"),
        (("quantize", "--bits", 4, "--method", "gptq"), 3, "128 calibration rows of 8 take 1,024"),
        (("prune", "--sparsity", 1), 2, "--sparsity 1 is no share"),
        (("prune", "--sparsity", -0.5), 2, "--sparsity -0.5 is no share"),
        (("prune",), 2, "say what goes by one of"),
        (("prune", "--sparsity", 0.5, "--heads", 2), 2, "say what goes by one of"),
        (("prune", "--pattern", "4:2"), 2, "--pattern '4:2' keeps no part"),
        (("prune", "--sparsity", 0.999, "--method", "magnitude", *FEW), 3, "would keep no weight"),
        (("prune", "--drop-layers", 1, *FEW), 3, "layer 1 is none of them"),
        (("prune", "--heads", 9, *FEW), 3, "--heads 9 is more than the 4"),
        (("distill",), 2, "no --layers says what the student is"),
        (("distill", "--layers", 9), 3, "--layers 9 is more than the 1 of the teacher"),
        (("distill", "--layers", 1, "--alpha", 0), 2, "--alpha 0.0 is no share"),
        (("distill", "--layers", 1, "--temperature", 0), 2, "--temperature 0.0 divides"),
        (("distill", "--from-layers", "a"), 2, "--from-layers 'a' is no list of layers"),
        (("quantize", "--out", "run"), 5, "run holds the model itself"),
    ],
)
def test_bad_input_is_one_sentence(nanochat, run, words, code, part):
    nanochat("compress", *words[:1], "--run", run, *words[1:]).assert_refused(code, part)


def test_a_teacher_with_another_tokenizer_is_refused(nanochat, run, tmp_path):
    (tmp_path / "xyz.txt").write_text("xyz" * 200, encoding="utf-8")
    assert nanochat("train", *TINY, "--data", "xyz.txt", "--out", "other").code == 0
    nanochat("compress", "distill", "--run", run, "--student", "other").assert_refused(3, "cuts text into other tokens")


def test_what_did_not_end_is_neither_gone_on_with_nor_reported(nanochat, run, monkeypatch):
    """As after Ctrl-C between training and comparing."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outcome, "compare", interrupted)
        words = ("compress", "prune", "--run", run, "--pattern", "2:4", "--finetune-steps", 1, *FEW, "--out", "p")
        assert nanochat(*words).code == 130
    nanochat("train", "--resume", "p").assert_refused(3, "training does not go on with that")
    nanochat("report", "p").assert_refused(4, "did not end: give it again with --force")
    assert nanochat(*words, "--force").code == 0


def test_single_numbers_are_quantised_and_pruned_and_not_tuned(nanochat, trained):
    trained("--preset", "microgpt", "--steps", 1)
    assert nanochat("compress", "quantize", "--run", "run", "--out", "q").code == 0
    assert nanochat("sample", "--run", "q", "--max-new-tokens", 2).code == 0
    words = ("compress", "prune", "--run", "run", "--sparsity", 0.5, *FEW, "--out", "p")
    assert nanochat(*words).code == 0
    nanochat(*words, "--force", "--finetune-steps", 1).assert_refused(3, "is for arrays: train it with --mode tensor")


def test_a_bigram_is_quantised_and_has_no_blocks_to_prune(nanochat, trained):
    trained("--preset", "bigram", "--steps", 1)
    assert nanochat("compress", "quantize", "--run", "run", "--out", "q").code == 0
    nanochat("compress", "prune", "--run", "run", "--sparsity", 0.5).assert_refused(3, "a bigram, one matrix without")


def test_results_are_replaced_only_when_asked_to(nanochat, run, int8):
    again = ("compress", "quantize", "--run", run, "--out", int8)
    nanochat(*again).assert_refused(5, "int8 holds results already")
    assert nanochat(*again, "--force").code == 0
