"""`train` and what works on its results: the line of figures, the files, sample, report, runs."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from nanochat.checkpoints.directory import list_checkpoints, newest_checkpoint
from nanochat.inference.language_model import load
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.tokenizers import BPETokenizer
from nanochat.training.folder.record import read_run

KEYS = (
    "mode model_kind style tie_lm_head input_rmsnorm backend device using_gpu params steps initial_loss final_loss "
    "val_loss mean_loss_last_n steps_per_sec tokens_per_sec vocab_size train_tokens run"
).split()
TINY = "train --preset bigram --eval-every 0 --set eval_tokens=32 --batch-size 2".split()


@pytest.fixture
def run(nanochat, abab, tmp_path):
    """A run of three steps in results/runs/bigram-abab-0001."""
    assert nanochat(*TINY, "--data", abab, "--steps", 3).code == 0
    return tmp_path / "results" / "runs" / "bigram-abab-0001"


def test_training_ends_with_one_line_of_figures(nanochat, abab, tmp_path):
    done = nanochat(*TINY, "--data", abab, "--steps", 3, "--out", "here")
    assert done.code == 0
    assert done.out.count("\n") == 1
    figures = dict(pair.split("=", 1) for pair in done.out.split())
    assert list(figures) == KEYS
    assert figures["mode"] == "scalar"
    assert (figures["tie_lm_head"], figures["params"], figures["steps"]) == ("false", "18", "3")
    assert (figures["backend"], figures["device"], figures["using_gpu"]) == ("python", "cpu", "false")
    assert figures["run"] == "here"
    for name in ("initial_loss", "final_loss", "val_loss", "mean_loss_last_n"):
        assert re.fullmatch(r"\d+\.\d{6}", figures[name])
    for name in ("steps_per_sec", "tokens_per_sec"):
        assert re.fullmatch(r"\d+\.\d\d", figures[name])


def test_json_is_one_document_with_the_same_keys(nanochat, abab):
    done = nanochat(*TINY, "--data", abab, "--steps", 3, "--json")
    figures = json.loads(done.out)
    assert list(figures) == KEYS
    assert (figures["steps"], figures["tie_lm_head"]) == (3, False)
    assert isinstance(figures["val_loss"], float)


@pytest.mark.parametrize(("mode", "backend"), [("scalar", "python"), ("tensor", "numpy")])
def test_the_line_names_what_computed(nanochat, abab, mode, backend):
    figures = json.loads(nanochat(*TINY, "--data", abab, "--steps", 1, "--mode", mode, "--json").out)
    assert (figures["backend"], figures["device"], figures["using_gpu"]) == (backend, "cpu", False)


def test_a_run_leaves_the_files_of_the_design(run):
    expected = "checkpoints config.json env.json log.txt loss.png metrics.jsonl record.json report.md tokenizer.json"
    assert sorted(path.name for path in run.iterdir()) == expected.split()
    assert newest_checkpoint(run / "checkpoints").name == "step-00000003"
    assert "## Samples" in (run / "report.md").read_text(encoding="utf-8")


def test_progress_and_remarks_stay_off_stdout_and_without_ansi(nanochat, abab):
    done = nanochat(*TINY, "--data", abab, "--steps", 3, "--sample-every", 2)
    assert "\x1b" not in done.out + done.err
    assert "counting pairs gives a validation loss of" in done.err
    assert re.search(r"step +3/3 +loss \d\.\d{4} +val \d\.\d{4} .* s left", done.err)
    assert "sample: " in done.err
    assert done.complaints == []


def test_no_steps_report_the_first_loss_alone(nanochat, abab):
    done = nanochat(*TINY, "--data", abab, "--steps", 0)
    figures = dict(pair.split("=", 1) for pair in done.out.split())
    assert done.code == 0
    assert figures["initial_loss"] == figures["val_loss"]
    assert figures["final_loss"] == figures["steps_per_sec"] == "none"
    assert nanochat("sample", "--max-new-tokens", 5).code == 0


def test_a_dry_run_says_what_would_be_and_writes_nothing(nanochat, abab, tmp_path):
    done = nanochat(*TINY, "--data", abab, "--dry-run")
    assert done.code == 0
    assert "parameters=18\n" in done.out
    assert "training.lr=0.03\n" in done.out
    assert json.loads(nanochat(*TINY, "--data", abab, "--dry-run", "--json").out)["config"]["model"]["vocab_size"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["abab.txt"]


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_a_dry_run_predicts_memory_and_time_from_real_steps(nanochat, abab, mode):
    done = nanochat(*TINY, "--data", abab, "--mode", mode, "--steps", 30, "--dry-run", "--json")
    plan = json.loads(done.out)
    assert (plan["parameters"], plan["flops_per_token"], plan["steps"]) == (18, 54, 30)
    assert plan["tokens_per_step"] == 32
    assert plan["predicted_peak_mib"] > 10
    assert plan["available_mib"] is None or plan["available_mib"] > plan["predicted_peak_mib"]
    assert 0 <= plan["predicted_s"] < 60
    assert "extrapolated from 20 real steps" in done.err


def test_a_run_that_cannot_fit_is_refused_before_anything_is_built_or_written(nanochat, tmp_path, monkeypatch):
    monkeypatch.setattr("nanochat.training.limits.memory.available_bytes", lambda: 8 << 30)
    words = "train --preset nanogpt-cpu --data builtin:names --set model.n_embd=65536 --set model.n_layer=96".split()
    for more in ((), ("--mode", "scalar"), ("--dry-run",)):
        start = time.perf_counter()
        nanochat(*words, *more).assert_refused(
            5, "8,192 MiB are available: lower batch_size=12, block_size=64 or n_embd"
        )
        assert time.perf_counter() - start < 1
    assert list(tmp_path.iterdir()) == []


def test_runs_are_numbered(nanochat, abab, run):
    for _ in range(2):
        nanochat(*TINY, "--data", abab, "--steps", 1)
    assert sorted(path.name[-4:] for path in run.parent.iterdir()) == ["0001", "0002", "0003"]


def test_a_corpus_may_have_any_name(nanochat, tmp_path):
    odd = tmp_path / "a [b] *.txt"
    odd.write_text("ab" * 50, encoding="utf-8")
    for _ in range(2):
        assert nanochat(*TINY, "--data", odd, "--steps", 1).code == 0
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 2


def test_results_are_replaced_by_force_only(nanochat, abab, run):
    before = (run / "record.json").read_bytes()
    nanochat(*TINY, "--data", abab, "--steps", 2, "--out", run).assert_refused(5, "holds results already")
    assert (run / "record.json").read_bytes() == before
    nanochat(*TINY, "--data", "missing.txt", "--out", run, "--force").assert_refused(3, "missing.txt")
    assert (run / "record.json").read_bytes() == before
    assert nanochat(*TINY, "--data", abab, "--steps", 2, "--out", run, "--force").code == 0
    assert read_run(run).record.steps == 2


def test_force_removes_results_and_nothing_else(nanochat, abab, tmp_path):
    (tmp_path / "mine").mkdir()
    assert nanochat(*TINY, "--data", abab, "--steps", 1, "--out", "mine").code == 0
    (tmp_path / "mine" / "thesis.txt").write_text("years", encoding="utf-8")
    (tmp_path / "mine" / "checkpoints" / "best.pt").write_text("days", encoding="utf-8")
    assert nanochat(*TINY, "--data", abab, "--steps", 2, "--out", "mine", "--force").code == 0
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "years"
    assert (tmp_path / "mine" / "checkpoints" / "best.pt").read_text(encoding="utf-8") == "days"
    assert [path.name for path in list_checkpoints(tmp_path / "mine" / "checkpoints")] == ["step-00000002"]


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("name", ["config.json", "report.md", "checkpoints/best.pt"])
def test_what_others_wrote_is_refused_and_stays(nanochat, abab, tmp_path, name, force):
    theirs = tmp_path / "mine" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("{}", encoding="utf-8")
    words = [*TINY, "--data", abab, "--steps", 1, "--out", "mine", *force]
    nanochat(*words).assert_refused(5, "holds results already" if name == "config.json" and not force else name)
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == [theirs]
    assert theirs.read_text(encoding="utf-8") == "{}"


@pytest.mark.parametrize("out", ["", "."])
def test_an_empty_path_does_not_fill_the_current_folder(nanochat, abab, tmp_path, out):
    nanochat(*TINY, "--data", abab, "--steps", 1, "--out", out).assert_refused(5, "abab.txt is in the way")
    assert list(tmp_path.iterdir()) == [abab]


def test_a_run_that_is_refused_makes_no_folder(nanochat, tmp_path):
    nanochat("train", "--data", "missing.txt").assert_refused(3, "missing.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_a_run_that_diverges_is_one_sentence_and_keeps_its_files(nanochat, abab, tmp_path, mode):
    words = "--optimizer sgd --lr 1e300 --max-grad-norm 0 --steps 20 --checkpoint-every 1 --out here".split()
    done = nanochat(*TINY, "--data", abab, "--mode", mode, "--dtype", "float64", *words)
    done.assert_refused(6, "step ")
    assert "Warning" not in done.err
    assert "val_loss=none" in done.out
    assert read_run(tmp_path / "here").record.status == "diverged"
    assert "**Diverged:**" in (tmp_path / "here" / "report.md").read_text(encoding="utf-8")


def test_samples_come_from_the_latest_run(nanochat, abab, run):
    done = nanochat("sample", "--n-samples", 3, "--max-new-tokens", 6, "--prompt", "ab")
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert [len(line) for line in lines] == [8, 8, 8]
    assert all(line.startswith("ab") and set(line) <= set("ab") for line in lines)
    assert nanochat("sample", "--n-samples", 3, "--max-new-tokens", 6, "--prompt", "ab") == done


def test_samples_as_json_are_one_document(nanochat, run):
    content = json.loads(nanochat("sample", "--json", "--n-samples", 2, "--max-new-tokens", 4).out)
    assert content["run"].replace("\\", "/") == "results/runs/bigram-abab-0001"
    assert [len(text) for text in content["samples"]] == [4, 4]


def test_samples_can_be_drawn_from_counts(nanochat, run):
    done = nanochat("sample", "--from-counts", "--temperature", 0, "--prompt", "a", "--max-new-tokens", 5)
    assert done.out == "ababab\n"


def test_samples_take_a_model_file(nanochat, run, tmp_path):
    load(run).save(tmp_path / "model.json")
    done = nanochat("sample", "--run", "model.json", "--max-new-tokens", 4, "--temperature", 0)
    assert done.out == nanochat("sample", "--max-new-tokens", 4, "--temperature", 0).out


def test_unknown_characters_in_a_prompt_follow_the_policy(nanochat, run):
    nanochat("sample", "--prompt", "a!").assert_refused(3, "character '!' (U+0021) at position 1")
    nanochat("sample", "--prompt", "a!", "--unknown", "unk").assert_refused(3, "unknown='unk' needs a tokenizer")
    assert nanochat("sample", "--prompt", "a!", "--unknown", "skip", "--max-new-tokens", 2).out.startswith("a!")


def test_a_tokenizer_that_spells_everything_has_no_policy_for_unknown_text(nanochat, run, tmp_path):
    model = load(run)
    bpe = BPETokenizer.train("ab", vocab_size=257)
    config = BigramConfig(vocab_size=257)
    weights = {"wte.weight": np.zeros((257, 257))}
    built = build_model(config, "tensor")
    built.load_state_dict(weights)
    replace(model, model=built, tokenizer=bpe, config=config, mode="tensor").save(tmp_path / "model.json")
    words = ("sample", "--run", "model.json", "--max-new-tokens", 2)
    assert nanochat(*words).code == 0
    nanochat(*words, "--unknown", "skip").assert_refused(3, "--unknown skip has no meaning for a bpe tokenizer")


def test_runs_are_listed_and_compared(nanochat, abab, run, tmp_path):
    nanochat(*TINY, "--data", abab, "--steps", 2, "--seed", 3)
    done = nanochat("runs", "list")
    assert [line.split()[0] for line in done.out.splitlines()] == ["run", "bigram-abab-0002", "bigram-abab-0001"]
    assert [row["seed"] for row in json.loads(nanochat("runs", "list", "--json").out)] == [3, 1337]
    second = run.with_name("bigram-abab-0002")
    done = nanochat("runs", "compare", run, second)
    assert done.code == 0
    assert re.search(r"^seed +1337 +3 *$", done.out, re.MULTILINE)
    assert (tmp_path / "results" / "compare.png").read_bytes().startswith(b"\x89PNG")
    nanochat("runs", "compare", run).assert_refused(2, "takes two runs or more")


def test_no_runs_are_no_error(nanochat):
    done = nanochat("runs", "list")
    assert (done.code, done.out) == (0, "")
    assert "no runs in" in done.err
    assert nanochat("runs", "list", "--json").out == "[]\n"


def test_a_damaged_run_is_told_and_left_out_of_the_list(nanochat, abab, run):
    nanochat(*TINY, "--data", abab, "--steps", 1)
    (run / "record.json").write_text("{", encoding="utf-8")
    done = nanochat("runs", "list")
    assert done.code == 0
    assert "bigram-abab-0001" not in done.out
    assert "left out: " in done.err


def test_a_report_is_written_anew(nanochat, run):
    (run / "report.md").unlink()
    done = nanochat("report", run)
    assert (done.code, done.out) == (0, f"{run / 'report.md'}\n")
    assert (run / "report.md").read_text(encoding="utf-8").startswith("# Run `bigram-abab-0001`")


def test_presets_and_doctor_speak_both_ways(nanochat):
    for name in ("presets", "doctor"):
        assert nanochat(name).code == 0
        assert isinstance(json.loads(nanochat(name, "--json").out), dict)
    assert "microgpt" in nanochat("presets").out
    assert "\x1b" not in nanochat("presets").out


def test_settings_and_the_model_to_begin_with_are_read_once(nanochat, run, monkeypatch, tmp_path):
    from nanochat.cli import options
    from nanochat.training import transfer

    read = []
    for module, name in ((options, "read_toml_table"), (transfer, "read_model")):
        reads = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *words, reads=reads: read.append(reads.__name__) or reads(*words))
    (tmp_path / "run.toml").write_text("[training]\nsteps = 1\n", encoding="utf-8")
    words = ("--from", run, "--config", "run.toml", "--data", "abab.txt", "--out", "second", "--set", "eval_tokens=32")
    assert nanochat("train", *words).code == 0
    assert read == ["read_toml_table", "read_model"]


def test_the_headline_is_the_mean_of_the_last_losses(nanochat, abab):
    done = nanochat(*TINY, "--data", abab, "--steps", 3)
    figures = dict(pair.split("=", 1) for pair in done.out.split())
    assert f"mean training loss of the last 3 steps {float(figures['mean_loss_last_n']):.4f}" in done.err
    assert "no loss to speak of" in nanochat(*TINY, "--data", abab, "--steps", 0).err
