"""A run that was stopped and resumed ends with the bytes of one that was not; what cannot go on says why."""

import os
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from resume_cases import SIZES, STEPS, check, configurations, differences
from threadpoolctl import threadpool_limits

from nanochat import machine
from nanochat.checkpoints.directory import list_checkpoints, newest_checkpoint
from nanochat.errors import CheckpointError, ConfigError, DataError, GuardError, NanochatWarning
from nanochat.experiments.reports.run import run_report
from nanochat.training.config import RunConfig
from nanochat.training.events import Ended, Evaluated, Prepared
from nanochat.training.folder import resume
from nanochat.training.folder.record import read_metrics, read_run
from nanochat.training.folder.resume import plan_resume
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training
from nanochat.training.trainer import StepMetrics

CASES = configurations()
SOME = CASES[::12]
"""Each second of them in `make test`, all in `make slow`."""


@pytest.fixture
def abab(tmp_path) -> Path:
    path = tmp_path / "abab.txt"
    path.write_text("ab" * 300, encoding="utf-8")
    return path


def config_of(source: Path, **training) -> RunConfig:
    training = {"steps": STEPS, "eval_tokens": 64, "eval_every": 0, "keep_last": 0} | training
    return resolve({"preset": "bigram", "data": {"source": str(source)}, "training": training})


@pytest.fixture
def run(abab, tmp_path) -> Path:
    """A run that was stopped in the middle."""
    run_training(config_of(abab), out=tmp_path / "run", stop_at=3)
    return tmp_path / "run"


def changed(folder: Path, **training) -> RunConfig:
    config = read_run(folder).config
    return replace(config, training=replace(config.training, **training))


@pytest.mark.parametrize(
    ("config", "stop"),
    [
        pytest.param(config, stop, id=name, marks=[pytest.mark.slow] if n % 2 else [])
        for n, (name, config, stop) in enumerate(SOME)
    ],
)
def test_a_stop_leaves_no_trace(config, stop, tmp_path):
    check(config, stop, tmp_path)


def test_the_configurations_cover_what_they_say():
    assert len(CASES) == len({name for name, _, _ in CASES}) >= 240
    named = {word for name, _, _ in SOME for word in name.split()}
    assert {"scalar", "tensor", "bigram", "mini-gpt", "microgpt", "sgd", "momentum", "adam", "adamw", "muon"} <= named
    assert {f"stop={stop}" for stop in (0, 1, 3, 6)} | {"dropout=0.0", "dropout=0.1"} <= named
    assert {"grad_accum=1", "grad_accum=4", "replicas=1", "replicas=2", "verse", "facts"} <= named
    assert {f"lr_schedule={name}" for name in ("constant", "linear", "sqrt", "cosine")} <= named
    assert {f"checkpoint_format={name}" for name in ("safetensors", "json", "json.gz")} <= named


def test_a_resumption_of_a_resumption_leaves_no_trace(tmp_path):
    config = resolve(
        {
            "preset": "microgpt",
            "mode": "tensor",
            "data": {"source": "builtin:facts"},
            "model": {**SIZES["microgpt"], "dropout": 0.2},
            "training": {"steps": STEPS, "grad_accum": 2, "eval_every": 2, "eval_tokens": 24},
        }
    )
    check(config, (0, 2, 2, 3, 5), tmp_path)


def test_the_check_finds_a_dropout_stream_that_was_not_restored(tmp_path, monkeypatch):
    config, stop = next(case[1:] for case in CASES if "dropout=0.1" in case[0] and "stop=3" in case[0])
    monkeypatch.setattr("nanochat.training.folder.checkpoint._restore_streams", lambda *_: None)
    with pytest.raises(AssertionError, match=r"metrics\.jsonl"):
        check(config, stop, tmp_path)


@pytest.mark.parametrize("what", ["_restore_memory", "_restore_weights"])
def test_the_check_finds_what_else_was_not_restored(tmp_path, monkeypatch, what):
    config, stop = next(case[1:] for case in CASES if "adamw" in case[0] and "stop=3" in case[0])
    monkeypatch.setattr(f"nanochat.training.folder.checkpoint.{what}", lambda *_: None)
    with pytest.raises(AssertionError, match="checkpoints/step-00000006"):
        check(config, stop, tmp_path)


@pytest.mark.slow
def test_the_order_of_hashes_does_not_matter(abab, tmp_path):
    code = (
        "import sys; from pathlib import Path; from nanochat.training.run import run_training as run\n"
        "from nanochat.training.resolve import resolve\n"
        "data = {'source': sys.argv[1]}; training = {'steps': 6, 'eval_tokens': 32}; out = Path(sys.argv[2])\n"
        "config = resolve({'preset': 'microgpt', 'mode': 'tensor', 'data': data, 'training': training})\n"
        "sessions = {'whole': {}, 'half': {'stop_at': 3}, 'rest': {'resume': out}}\n"
        "run(config, out=out, **sessions[sys.argv[3]])\n"
    )
    for seed, (out, part) in enumerate([("a", "whole"), ("b", "half"), ("b", "rest")]):
        words = [sys.executable, "-P", "-c", code, str(abab), str(tmp_path / out), part]
        subprocess.run(words, check=True, env={**os.environ, "PYTHONHASHSEED": str(seed)})
    assert differences(tmp_path / "a", tmp_path / "b") == []


def test_a_stop_ends_a_longer_run_early_with_its_schedule(abab, tmp_path):
    events = []
    record = run_training(config_of(abab, eval_every=2), out=tmp_path / "run", stop_at=3, observe=events.append)
    whole = []
    run_training(config_of(abab, eval_every=2), observe=whole.append)
    assert (record.status, record.steps) == ("stopped", 3)
    assert newest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-00000003"
    kinds = [event for event in events if isinstance(event, (StepMetrics, Evaluated))]
    assert kinds == [event for event in whole if isinstance(event, (StepMetrics, Evaluated)) and event.step <= 3]


def test_a_run_that_stops_where_it_was_validated_has_that_loss(abab, tmp_path):
    record = run_training(config_of(abab, eval_every=3), stop_at=3)
    assert record.val_loss == record.best_val_loss < record.initial_loss
    record = run_training(config_of(abab, eval_every=2), stop_at=3)
    assert record.val_loss != record.val_loss


def test_a_stop_beyond_the_last_step_is_none(abab):
    assert run_training(config_of(abab), stop_at=99).status == "ok"


def test_every_step_is_in_the_metrics_once(run):
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8")
    later = '{"step": 4, "loss": 1.0, "lr": 0.1, "grad_norm": 1.0, "n_tokens": 3}\n{"step": 4, "val_l'
    (run / "metrics.jsonl").write_text(lines + later, encoding="utf-8")  # killed after the checkpoint of step 3
    run_training(resume=run)
    rows = read_metrics(run / "metrics.jsonl")
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows if "val_loss" in row] == [0, 6]
    assert (run / "metrics.jsonl").read_text(encoding="utf-8").startswith(lines)


def test_rates_are_those_of_the_last_session(run, monkeypatch):
    seconds = iter(range(0, 10**6, 2))
    monkeypatch.setattr("nanochat.training.run.time.perf_counter", lambda: next(seconds))
    record = run_training(resume=run)
    assert record.steps == 6
    assert record.steps_per_sec == 0.5


def test_going_on_is_told_and_nothing_is_saved_or_validated_twice(run):
    events = []
    run_training(resume=run, observe=events.append)
    assert isinstance(events[0], Prepared)
    assert events[0].first_step == 3
    assert isinstance(events[-1], Ended)
    rest = [(type(event).__name__, event.step) for event in events[1:-1]]
    assert rest == [*(("StepMetrics", step) for step in (4, 5, 6)), ("Saved", 6), ("Evaluated", 6)]


def test_a_finished_run_gives_its_record_and_is_left_alone(run):
    record = run_training(resume=run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    events = []
    again = run_training(resume=run, observe=events.append)
    assert (again, events) == (record, [])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_run_that_had_stalled_is_finished_and_one_that_was_stopped_stalls_at_the_same_step(abab, tmp_path):
    settings = {"steps": 40, "lr": 1e-300, "eval_every": 2, "patience": 3}
    config = config_of(abab, **settings)
    record = run_training(config, out=tmp_path / "whole")
    assert (record.status, record.steps) == ("ok", 6)
    assert run_training(resume=tmp_path / "whole") == record
    for stop in (1, 6):
        run_training(config, out=tmp_path / str(stop), stop_at=stop)
        run_training(resume=tmp_path / str(stop))
        metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", str(stop))]
        assert metrics[0] == metrics[1]


def test_epochs_become_the_same_steps_again(abab, tmp_path):
    config = config_of(abab, epochs=0.05)
    run_training(config, out=tmp_path / "run", stop_at=1)
    steps = read_run(tmp_path / "run").config.training.steps
    assert run_training(config, resume=tmp_path / "run").steps == steps > 1
    with pytest.raises(ConfigError, match=rf"lies before step {steps}"):
        run_training(resume=plan_resume(tmp_path / "run", config={"training": {"epochs": 0.001}}, override=True))


def test_changed_settings_are_named_with_both_values_and_want_to_be_meant(run):
    with pytest.raises(ConfigError) as refused:
        run_training(changed(run, steps=9, lr=0.5), resume=run)
    assert "training.steps was 6 and is now 9, training.lr was 0.03 and is now 0.5" in str(refused.value)
    assert "--override" in str(refused.value)
    record = run_training(resume=plan_resume(run, config={"training": {"steps": 9}}, override=True))
    assert (record.steps, read_run(run).config.training.steps) == (9, 9)


def test_what_a_run_found_out_itself_is_no_change(abab, tmp_path):
    config = config_of(abab)
    run_training(config, out=tmp_path / "run", stop_at=1)
    assert read_run(tmp_path / "run").config != config
    assert run_training(config, resume=tmp_path / "run").status == "ok"


@pytest.mark.parametrize("settings", [{"mode": "tensor"}, {"preset": "microgpt"}, {"training": {"optimizer": "sgd"}}])
def test_what_decides_the_meaning_of_the_arrays_cannot_change(run, settings):
    with pytest.raises(ConfigError, match=r"cannot go on so: .* was .* and is now"):
        plan_resume(run, config=settings, override=True)


def test_another_architecture_does_not_fit_the_weights(abab, run):
    plan = plan_resume(run, config={"model": {"tie_lm_head": True}}, override=True)
    with pytest.raises(CheckpointError, match=r"does not fit this run: .*lm_head"):
        run_training(resume=plan)


def test_a_run_that_has_more_steps_behind_it_than_it_should_do_is_refused(run):
    with pytest.raises(ConfigError, match="steps=2 lies before step 3"):
        plan_resume(run, config={"training": {"steps": 2}}, override=True)
    with pytest.raises(ConfigError, match="stop_at=1 lies before step 3"):
        run_training(resume=run, stop_at=1)


def test_an_older_checkpoint_branches_or_drops_the_later_ones(run, abab, tmp_path):
    first = run / "checkpoints" / "step-00000003"
    run_training(resume=run)
    whole = {path.name: path.read_bytes() for path in run.glob("metrics.jsonl")}
    with pytest.raises(
        GuardError, match=r"later than step-00000003, up to step-00000006: pass --out OTHER .* or --force"
    ):
        run_training(resume=first)
    branch = tmp_path / "branch"
    run_training(resume=first, out=branch, stop_at=4)
    assert [path.name for path in list_checkpoints(branch / "checkpoints")] == ["step-00000003", "step-00000004"]
    run_training(resume=branch)
    assert differences(run, branch) == []
    assert newest_checkpoint(run / "checkpoints").name == "step-00000006"
    run_training(resume=plan_resume(first, force=True), stop_at=4)
    assert [path.name for path in list_checkpoints(run / "checkpoints")] == ["step-00000003", "step-00000004"]
    run_training(resume=run)
    assert (run / "metrics.jsonl").read_bytes() == whole["metrics.jsonl"]


def test_a_branch_does_not_replace_results_unasked(run, tmp_path):
    shutil.copytree(run, tmp_path / "other")
    with pytest.raises(GuardError, match="holds results already"):
        plan_resume(run, out=tmp_path / "other")


def test_a_checkpoint_alone_goes_on_elsewhere(run, tmp_path):
    shutil.copytree(newest_checkpoint(run / "checkpoints"), tmp_path / "alone")
    with pytest.raises(ConfigError, match="lies outside of a run: say with --out"):
        plan_resume(tmp_path / "alone")
    record = run_training(resume=tmp_path / "alone", out=tmp_path / "other")
    assert (record.status, record.steps) == ("ok", 6)
    assert [row["step"] for row in read_metrics(tmp_path / "other" / "metrics.jsonl")] == [4, 5, 6, 6]


def test_changed_data_are_refused_by_name_and_go_on_if_meant(run, abab):
    abab.write_text("ab" * 299 + "ba", encoding="utf-8")
    with pytest.raises(DataError, match=rf"{re.escape(str(abab))} gives other tokens .* pass --override"):
        run_training(resume=run)
    with pytest.warns(NanochatWarning, match="gives other tokens .* may be in the validation text now"):
        assert run_training(resume=plan_resume(run, override=True)).status == "ok"


def test_a_text_that_the_vocabulary_cannot_spell_is_named(run, abab):
    abab.write_text("abc" * 200, encoding="utf-8")
    with pytest.raises(DataError, match=r"no longer the one that .*step-00000003 was trained on: .*'c'"):
        run_training(resume=run)


def test_a_damaged_checkpoint_is_passed_over_by_name(run):
    run_training(resume=run)
    (run / "record.json").unlink()
    (run / "checkpoints" / "step-00000006" / "state.json").write_text("{}", encoding="utf-8")
    with pytest.warns(NanochatWarning, match="step-00000006"):
        plan = plan_resume(run)
    assert plan.state.step == 3


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model_kind": 3}'])
def test_a_damaged_config_of_the_run_is_taken_from_the_checkpoint(run, content):
    (run / "config.json").write_text(content, encoding="utf-8")
    if content == "{}":
        return  # every setting at its default: a config like any other
    with pytest.warns(NanochatWarning, match="taking those of"):
        assert run_training(resume=run).status == "ok"
    assert read_run(run).config.preset == "bigram"


def test_lines_that_are_missing_or_damaged_cost_a_gap_and_not_the_run(run):
    lines = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(lines[0] + b"{{{\n" + lines[3])
    with pytest.warns(NanochatWarning, match="line 2 is damaged and 2 steps are missing before step 3"):
        assert run_training(resume=run).status == "ok"
    assert [row["step"] for row in read_metrics(run / "metrics.jsonl") if "loss" in row] == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("here", "part"), [({"blas": "abacus 1"}, "BLAS .*abacus 1"), ({"versions": {"numpy": "9"}}, "numpy")]
)
def test_other_arithmetic_is_warned_of(run, monkeypatch, here, part):
    real = resume.surroundings()
    monkeypatch.setattr(resume, "surroundings", lambda: real | here)
    with pytest.warns(NanochatWarning, match=f"was written with {part}.*: the last bits of what follows may differ"):
        plan_resume(run)


def test_what_is_no_run_is_one_sentence(tmp_path, run):
    with pytest.raises(ConfigError, match="there is no"):
        plan_resume(tmp_path / "missing")
    with pytest.raises(CheckpointError, match="neither a run with checkpoints nor a checkpoint"):
        plan_resume(tmp_path)
    with pytest.raises(ConfigError, match="there is no config"):
        run_training()


def test_a_divergence_names_the_last_good_checkpoint(abab, tmp_path):
    out = tmp_path / "run"
    run_training(config_of(abab), out=out, stop_at=3)
    settings = {"training": {"max_gradient": 1e-9}}
    record = run_training(resume=plan_resume(out, config=settings, override=True))
    assert (record.status, record.steps) == ("diverged", 3)
    assert record.reason.endswith(f"the last good checkpoint is {out / 'checkpoints' / 'step-00000003'}")
    assert "training.max_gradient=1e-09, and largest in wte.weight" in record.reason


def test_a_checkpoint_of_a_newer_version_is_not_written_over(run, abab):
    run_training(resume=run, stop_at=4)
    manifest = newest_checkpoint(run / "checkpoints") / "MANIFEST.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"version": 2', '"version": 99'), encoding="utf-8")
    with pytest.raises(GuardError, match="step-00000004"), pytest.warns(NanochatWarning, match="version 99"):
        plan_resume(run)


def test_a_checkpoint_goes_on_with_its_own_settings_not_with_later_ones_of_its_run(run):
    record = run_training(resume=plan_resume(run, config=changed(run, lr=0.02), override=True), stop_at=4)
    assert record.steps == 4
    former = run / "checkpoints" / "step-00000003"
    assert plan_resume(run).config.training.lr == 0.02
    assert plan_resume(former, out=run.parent / "branch").config.training.lr != 0.02


def test_the_last_checkpoint_that_is_the_best_leaves_one_fewer(abab, tmp_path):
    run_training(config_of(abab, eval_every=1, keep_last=1, lr=0.01), out=tmp_path / "one")
    losses = {row["step"]: row["val_loss"] for row in read_metrics(tmp_path / "one/metrics.jsonl") if "val_loss" in row}
    assert min(losses, key=lambda step: losses[step]) == STEPS, "the loss of this run falls all the way"
    assert [folder.name for folder in list_checkpoints(tmp_path / "one/checkpoints")] == [f"step-{STEPS:08d}"]


def test_a_checkpoint_that_noted_fewer_facts_is_compared_in_those(run, monkeypatch):
    real = resume.surroundings()
    monkeypatch.setattr(resume, "surroundings", lambda: real | {"versions": real["versions"] | {"libc": "other"}})
    with pytest.warns(NanochatWarning, match="was written with libc .* \\(here other\\): the last bits"):
        plan_resume(run)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(resume, "surroundings", lambda: real)
        plan_resume(run)


def test_the_environments_of_a_run_are_all_kept(run, monkeypatch):
    first = read_run(run).environment
    monkeypatch.setattr(machine, "blas_threads", lambda: 7)
    run_training(resume=run, stop_at=4)
    run_training(resume=run, stop_at=5)
    found = read_run(run).environment
    assert (found["blas_threads"], found["earlier"]) == (7, [first])
    assert "`blas_threads` (" in run_report(read_run(run))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_bits_do_not_depend_on_the_threads_of_blas(abab, tmp_path, optimizer):
    model = {"n_layer": 1, "n_embd": 256, "n_head": 4, "block_size": 64}  # products that are worth two threads
    training = {"steps": 2, "batch_size": 8, "replicas": 1, "optimizer": optimizer, "eval_tokens": 512}
    settings = {"preset": "nanogpt-cpu", "model": model, "data": {"source": str(abab)}, "training": training}
    weights = set()
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, "blas"):
            run_training(resolve(settings), out=tmp_path / str(n_threads))
        newest = newest_checkpoint(tmp_path / str(n_threads) / "checkpoints")
        weights.add(((newest / "model.safetensors").read_bytes(), (newest.parents[1] / "metrics.jsonl").read_bytes()))
    assert len(weights) == 1
