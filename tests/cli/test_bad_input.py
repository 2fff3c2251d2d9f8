"""Whatever is given: one sentence that begins with `nanochat: `, the right exit code, and nothing lost."""

import os
import sys

import pytest

from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

TINY = "train --preset bigram --steps 2 --eval-every 0 --batch-size 2 --set eval_tokens=16".split()
CORPORA = {
    "empty": (b"", "is empty"),
    "one character": (b"a", "fewer than two characters"),
    "blank": (b" \n\n ", "fewer than two characters"),
    "latin-1": (b"lat\xe9n", "line 1: not UTF-8, byte 0xe9 at byte offset 3"),
    "NULs": (bytes(5000), "a NUL at byte 0"),
    "UTF-16": ("text".encode("utf-16"), "is UTF-16"),
}


@pytest.fixture(scope="module")
def mini_gpt(tmp_path_factory):
    """A run of one step with a block of 8."""
    folder = tmp_path_factory.mktemp("mini")
    (folder / "t.txt").write_text("ab" * 50, encoding="utf-8")
    settings = {"steps": 1, "eval_tokens": 16}
    run_training(
        resolve({"preset": "mini-gpt", "data": {"source": str(folder / "t.txt")}, "training": settings}),
        out=folder / "run",
    )
    return folder / "run"


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("command", [TINY, ["ablate", "--steps", "1"]], ids=["train", "ablate"])
def test_a_corpus_that_is_none_is_refused(nanochat, tmp_path, name, command):
    content, part = CORPORA[name]
    (tmp_path / "corpus.txt").write_bytes(content)
    nanochat(*command, "--data", "corpus.txt").assert_refused(3, part)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("missing.txt", "there is no file missing.txt"),
        (".", "is a folder"),
        ("builtin:nams", "did you mean builtin:names?"),
        ("names", "did you mean builtin:names?"),
        ("", ""),
        ("x" * 5000, ""),
    ],
)
def test_a_corpus_that_is_not_there_is_refused(nanochat, tmp_path, source, part):
    nanochat(*TINY, "--data", source).assert_refused(3, part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_one_line_of_ten_megabytes_is_a_corpus_like_any_other(nanochat, tmp_path):
    (tmp_path / "big.txt").write_text("ab c" * 2_500_000, encoding="utf-8")
    done = nanochat(*TINY, "--data", "big.txt")
    assert done.code == 0
    assert "train_tokens=9000000" in done.out


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("train --stepz 3", "no such option: --stepz (Possible options: "),
        ("trian", "no such command 'trian'. Did you mean 'train'?"),
        ("runs lst", "no such command 'lst'. Did you mean 'list'?"),
        ("train --preset micro", "--preset 'micro' is unknown: did you mean 'microgpt'?"),
        ("train --mode scaler", "--mode 'scaler' is unknown: did you mean 'scalar'?"),
        ("train --model-kind bigrm", "did you mean 'bigram'?"),
        ("train --optimizer adamx", "did you mean 'adam'?"),
        ("train --lr-schedule lin", "did you mean 'linear'?"),
        ("train --style classical", "did you mean 'classic'?"),
        ("train --steps -1", "--steps -1 is too small: give 0 or more"),
        ("train --steps 1.5", "invalid value for '--steps'"),
        ("train --steps many", "invalid value for '--steps'"),
        ("train --steps", "requires an argument"),
        ("train --batch-size 0", "--batch-size 0 is too small: give 1 or more"),
        ("train --seed -1", "--seed -1 is too small"),
        ("train --lr nan", "--lr nan is not a finite number"),
        ("train --lr inf", "--lr inf is not a finite number"),
        ("train --lr fast", "invalid value for '--lr'"),
        ("train --weight-decay -1", "--weight-decay -1.0 is too small"),
        ("train now", "unexpected extra argument"),
        ("train --lr 0", "--lr 0.0 is not above 0: give e.g. 0.01"),
        ("train --beta1 1", "--beta1 1.0 is outside 0 to 1"),
        ("sample --temperature -1", "temperature=-1.0 is not a number of 0 or more"),
        ("sample --temperature nan", "temperature=nan is not a number of 0 or more"),
        ("sample --max-new-tokens -1", "--max-new-tokens -1 is too small"),
        ("sample --n-samples 0", "--n-samples 0 is too small"),
        ("sample --long-prompt cut", "invalid value for '--long-prompt'"),
        ("ablate --seeds 0", "--seeds 0 is too small"),
        ("graph a a=1 a=2", "'a=2' is a second number for a"),
        ("graph a*b --max-nodes 0", "--max-nodes 0 is too small"),
        ("runs compare", "missing argument"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_exit_2(nanochat, tmp_path, line, part):
    nanochat(*line.split()).assert_refused(2, part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("train --set model.n_layr=3", "there is no setting model.n_layr: did you mean 'n_layer'?"),
        ("train --set stepz=3", "did you mean 'steps'?"),
        ("train --set n_layer", "has no value"),
        ("train --set training.lr=NaN", "lr"),
        ("train --set n_embd=10 --set n_head=3", "n_embd=10 is not divisible by n_head=3"),
        ("train --model-kind bigram --preset microgpt", "model_kind=bigram does not fit preset 'microgpt'"),
        ("train --mode scalar --set dropout=0.5", "dropout=0.5 is for arrays"),
        ("train --optimizer muon", "muon is for arrays"),
        ("train --set init_scale=1e308", "init_scale=1e+308"),
        ("train --config missing.toml", "missing.toml does not exist"),
        ("sample --run nowhere", "there is no nowhere"),
        ("report nowhere", "there is no nowhere"),
        ("graph --run nowhere", "there is no nowhere"),
        ("runs compare nowhere else", "there is no nowhere"),
    ],
)
def test_settings_that_make_no_sense_and_paths_that_are_not_there_are_exit_3(nanochat, tmp_path, line, part):
    nanochat(*line.split()).assert_refused(3, part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["STEPS", "LR"])
def test_a_bad_variable_is_refused_like_a_bad_flag(nanochat, monkeypatch, name):
    monkeypatch.setenv(f"NANOCHAT_{name}", "nan")
    nanochat("train").assert_refused(2, f"--{name.lower()}")


def test_a_bad_log_level_is_refused(nanochat, monkeypatch, abab):
    monkeypatch.setenv("NANOCHAT_LOG", "loud")
    nanochat(*TINY, "--data", abab).assert_refused(3, "NANOCHAT_LOG='loud' is not a level")


def test_where_nothing_was_trained_there_is_nothing_to_sample(nanochat):
    nanochat("sample").assert_refused(4, "train one with `nanochat train`")


FEW = ("--max-new-tokens", 3)


def test_a_prompt_longer_than_the_block_is_refused_by_a_guard(nanochat, mini_gpt):
    done = nanochat("sample", "--run", mini_gpt, "--prompt", "ab" * 10)
    done.assert_refused(5, "the prompt has 20 tokens and the model reads 8")
    assert done.out == ""
    done = nanochat("sample", "--run", mini_gpt, "--prompt", "ab" * 10, "--long-prompt", "truncate-left", *FEW)
    assert done.code == 0


def test_an_unknown_character_in_the_prompt_is_named(nanochat, mini_gpt):
    done = nanochat("sample", "--run", mini_gpt, "--prompt", "abé")
    done.assert_refused(3, "character 'é' (U+00E9) at position 2")
    assert done.out == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "nanochat-model"}', b"[" * 100_000])
def test_a_damaged_model_is_exit_4(nanochat, tmp_path, content):
    (tmp_path / "model.json").write_bytes(content)
    nanochat("sample", "--run", "model.json").assert_refused(4, "model.json")


def test_a_damaged_run_is_exit_4(nanochat, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("[]", encoding="utf-8")
    nanochat("report", "run").assert_refused(4, "run")
    nanochat("sample", "--run", "run", "--from-counts").assert_refused(4, "run")
    nanochat("report", tmp_path).assert_refused(4, "holds neither a run nor an ablation")


@pytest.mark.parametrize("command", [TINY, ["ablate", "--steps", "1", "--seeds", "1"]], ids=["train", "ablate"])
def test_a_file_where_the_folder_should_be_is_exit_8(nanochat, abab, command):
    for out in (abab, abab / "below"):
        nanochat(*command, "--data", abab, "--out", out).assert_refused(8, f"cannot write {abab}")
    assert abab.read_text(encoding="utf-8") == "ab" * 300


def test_a_path_too_long_is_exit_8(nanochat, abab):
    nanochat(*TINY, "--data", abab, "--out", "x" * 5000).assert_refused(8, "cannot write")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is where even root cannot make a folder")
def test_a_folder_that_cannot_be_written_to_is_exit_8(nanochat, abab):
    nanochat(*TINY, "--data", abab, "--out", "/proc/nanochat").assert_refused(8, "cannot write /proc/nanochat")
    nanochat("graph", "a*b", "a=1", "b=2", "--out", "/proc/graph.svg").assert_refused(8, "cannot write /proc")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere, Windows has other rules")
def test_a_folder_without_permission_is_exit_8(nanochat, abab, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    nanochat(*TINY, "--data", abab, "--out", "locked/run").assert_refused(8, "Permission denied")


def test_too_little_memory_is_one_sentence(nanochat, abab, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("nanochat.training.run.run_training", fail)
    nanochat(*TINY, "--data", abab).assert_refused(5, "not enough memory")
