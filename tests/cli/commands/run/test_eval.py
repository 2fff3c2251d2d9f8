"""`nanochat eval` and `nanochat train --recipe` from the command line."""

import hashlib
import json

import pytest

from nanochat.checkpoints.manifest import verify

TINY = ("--mode", "tensor", "--preset", "mini-gpt", "--steps", 2, "--set", "eval_tokens=64")


@pytest.fixture
def run(trained):
    trained(*TINY)
    return "run"


def test_a_run_is_measured_on_its_own_text(nanochat, run, tmp_path):
    done = nanochat("eval", "--run", run)
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["validation", "perplexity", "bits"]
    found = json.loads((tmp_path / run / "evaluation.json").read_text(encoding="utf-8"))
    assert f"{found['val_loss']:.4f}" in done.out
    assert (tmp_path / run / "evaluation.md").read_text(encoding="utf-8").startswith("# Evaluation of `run`")


def test_a_run_is_measured_against_another_and_nothing_is_written(nanochat, run, abab, tmp_path):
    assert nanochat("train", *TINY, "--data", abab, "--seed", 2, "--out", "other").code == 0
    done = nanochat("eval", "--run", run, "--against", "other")
    assert (done.code, len(done.out.splitlines())) == (0, 4)
    assert "nothing of other seeds" in done.err.replace("\n", " ")
    assert not (tmp_path / run / "evaluation.json").exists()
    found = json.loads(nanochat("eval", "--run", run, "--against", "other", "--json").out)
    assert f"{found['loss']:.4f}" in done.out


def test_the_other_side_and_the_best_checkpoint_can_be_asked_for(nanochat, run):
    found = json.loads(nanochat("eval", "--run", run, "--side", "train", "--best", "--json").out)
    assert found["side"] == "train"
    assert "train_loss" in found


def test_another_text_is_measured_as_a_whole_and_what_it_has_unknown_may_be_left_out(nanochat, run, tmp_path):
    (tmp_path / "other.txt").write_text("abba cab\n" * 30, encoding="utf-8")
    refused = nanochat("eval", "--run", run, "--data", "other.txt")
    assert refused.code == 3
    assert "--unknown skip" in refused.err
    done = nanochat("eval", "--run", run, "--data", "other.txt", "--unknown", "skip", "--json")
    found = json.loads(done.out)
    assert (done.code, found["side"]) == (0, "all")
    assert found["text_bytes"] == 9 * 30 - 30
    assert found["unknown_share"] > 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--questions", "world-small"), 3, "not trained on conversations"),
        (("--data", "nowhere.txt"), 3, "nowhere.txt"),
        (("--batch-size", 0), 2, "--batch-size 0"),
        (("--side", "test"), 2, "--side"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(nanochat, run, words, code, message):
    done = nanochat("eval", "--run", run, *words)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_folder_of_phases_names_the_last_of_them(nanochat, run, tmp_path):
    (tmp_path / "recipe.json").write_text("{}", encoding="utf-8")
    done = nanochat("eval", "--run", tmp_path)
    assert done.code == 3
    assert f"e.g. {tmp_path / run}" in done.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--recipe", "nowhere.toml"), 3, "nowhere.toml does not exist"),
        (("--recipe", "nowhere.toml", "--steps", 3), 2, "brings its own settings"),
        (("--seeds", 3), 2, "--seeds 3 is for --recipe"),
        (("--recipe", "nowhere.toml", "--seeds", 1), 2, "--seeds 1 is too small"),
        (("--partial", "h.*"), 2, "--partial is for --from"),
        (("--from", "nowhere"), 3, "there is no nowhere"),
        (("--from", "a", "--resume", "b"), 2, "one of the two"),
        (("--steps", 3, "--epochs", 2), 2, "one of the two"),
        (("--epochs", 0), 2, "--epochs 0 trains nothing"),
        (("--recipe", "nowhere.toml", "--dry-run"), 2, "--dry-run is for a single run"),
    ],
)
def test_words_that_contradict_each_other_are_refused(nanochat, words, code, message):
    done = nanochat("train", *words)
    assert done.code == code
    assert message in done.err


def test_a_recipe_over_seeds_reports_mean_and_spread(nanochat, tmp_path):
    (tmp_path / "r.toml").write_text(
        '[[phase]]\nname = "a"\npreset = "bigram"\nmode = "tensor"\ndata = { source = "builtin:names" }\n'
        "training = { steps = 2, eval_tokens = 64 }\n",
        encoding="utf-8",
    )
    words = ("train", "--recipe", "r.toml", "--seeds", 3, "--out", "three")
    assert nanochat(*words).code == 0
    losses = [
        json.loads((tmp_path / "three" / f"seed-{i}" / "evaluation.json").read_text(encoding="utf-8"))["val_loss"]
        for i in (1, 2, 3)
    ]
    assert len(set(losses)) == 3
    second = (tmp_path / "three" / "seed-2" / "report.md").read_text(encoding="utf-8")
    assert "r.toml --seeds 2  # in its folder seed-2\n" in second
    report = (tmp_path / "three" / "report.md").read_text(encoding="utf-8")
    row = next(line for line in report.splitlines() if line.startswith("| val loss"))
    assert f"| {sum(losses) / 3:.4f} |" in row
    assert f"| {min(losses):.4f} | {max(losses):.4f} |" in row
    assert nanochat(*words).code == 0
    nanochat("train", "--recipe", "r.toml", "--out", "one")
    nanochat("train", "--recipe", "r.toml", "--seeds", 2, "--out", "one").assert_refused(
        5, "holds other results already"
    )


@pytest.mark.parametrize("words", [("--tokenizer", "word"), ("--vocab-size", 9), ("--preset", "microgpt")])
def test_what_comes_with_the_weights_cannot_be_had_otherwise(nanochat, run, words):
    done = nanochat("train", "--from", run, *words)
    done.assert_refused(2, f"{words[0]} is with --from as the run has it")


def test_a_run_goes_on_with_another_text(nanochat, run, tmp_path):
    (tmp_path / "other.txt").write_text("abcd\ndcba\n" * 30, encoding="utf-8")
    done = nanochat("train", "--from", run, "--data", "other.txt", "--steps", 2, "--out", "second")
    assert done.code == 0
    assert "begins with" in done.err
    assert "wte.weight by token" in done.err


@pytest.mark.parametrize("name", ["evaluation.md", "evaluation.json"])
def test_an_evaluation_replaces_only_one_of_its_kind(nanochat, run, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("{}", encoding="utf-8")
    nanochat("eval", "--run", run, "--out", "out").assert_refused(5, f"{name} is in the way")
    assert (tmp_path / "out" / name).read_text(encoding="utf-8") == "{}"
    assert [nanochat("eval", "--run", run, "--out", "out", *force).code for force in (["--force"], [])] == [0, 0]


def test_an_evaluation_says_what_it_is_of(nanochat, abab, tmp_path):
    """Two of one run, at two steps or by two policies, cannot be mixed up."""
    nanochat("train", *TINY, "--steps", 4, "--checkpoint-every", 2, "--keep-last", 9, "--data", abab, "--out", "run")
    first = tmp_path / "run" / "checkpoints" / "step-00000002"
    of = [
        json.loads(nanochat("eval", "--run", *words, "--json").out)["of"]
        for words in ((first,), ("run",), ("run", "--unknown", "skip"), ("run", "--best"))
    ]
    assert [one["step"] for one in of[:2]] == [2, 4]
    assert [one["checkpoint"] for one in of[:2]] == ["step-00000002", "step-00000004"]
    assert of[0]["weights_sha256"] != of[1]["weights_sha256"] == of[2]["weights_sha256"]
    assert [one["unknown"] for one in of] == ["error", "error", "skip", "error"]
    assert [one["which"] for one in of] == ["last", "last", "last", "best"]
    assert {one["text_sha256"] for one in of} == {hashlib.sha256(abab.read_bytes()).hexdigest()}
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text(encoding="utf-8"))["of"] == of[-1]


def test_a_checkpoint_is_measured_on_the_text_of_its_run_and_stays_whole(nanochat, run, tmp_path):
    checkpoint = tmp_path / run / "checkpoints" / "step-00000002"
    assert nanochat("eval", "--run", checkpoint).code == 0
    assert (tmp_path / run / "evaluation.json").exists()
    nanochat("eval", "--run", run, "--out", checkpoint).assert_refused(5, "is a checkpoint, to which nothing is added")
    verify(checkpoint)


@pytest.mark.parametrize("words", [("eval",), ("sample", "--from-counts")])
def test_a_text_that_changed_after_training_is_said(nanochat, abab, words):
    assert nanochat("train", *TINY, "--data", abab, "--out", "run").code == 0
    abab.write_text("ba" * 300, encoding="utf-8")
    done = nanochat(*words, "--run", "run")
    assert done.code == 0
    assert "abab.txt has changed since run was trained" in done.err
