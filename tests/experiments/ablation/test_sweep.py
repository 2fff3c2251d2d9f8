import csv
import errno
import hashlib
import io
import itertools
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nanochat import machine
from nanochat.errors import CheckpointError, ConfigError, GuardError, WriteError
from nanochat.experiments.ablation import study as study_module
from nanochat.experiments.ablation.cells import TIMES
from nanochat.experiments.ablation.grid import canonical, variant_name
from nanochat.experiments.ablation.study import cell_path, read_study
from nanochat.experiments.ablation.sweep import (
    AblationConfig,
    CellDamaged,
    CellDone,
    CellsPlanned,
    CellStarted,
    run_ablation,
)
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.study.report import study_report
from nanochat.machine import resident_bytes
from nanochat.storage.lock import folder_locked
from nanochat.tokenizers import CharTokenizer
from nanochat.tokenizers.files import save_tokenizer
from nanochat.training.run import run_training
from nanochat.training.trainer import StepMetrics

COLUMNS = (
    "variant,tie_lm_head,input_rmsnorm,style,parameter_count,steps,seed,final_loss,mean_loss_last_n,last_n,"
    "steps_per_sec,tokens_per_sec,vocab_size,train_tokens"
).split(",")


def read_csv(folder):
    return list(csv.DictReader(io.StringIO((folder / "ablation.csv").read_text(encoding="utf-8"))))


def read_jsonl(folder):
    return [json.loads(line) for line in (folder / "ablation.jsonl").read_text(encoding="utf-8").splitlines()]


def without_times(rows):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def test_the_default_is_the_four_variants_in_their_order(tiny_run):
    assert list(AblationConfig(base=tiny_run).variants) == [
        "tied_no_input_rmsnorm",
        "tied_input_rmsnorm",
        "untied_no_input_rmsnorm",
        "untied_input_rmsnorm",
    ]


def test_a_variant_is_named_by_its_settings():
    assert variant_name({"model.norm": "rms", "model.final_norm": False, "training.lr": 0.1}) == (
        "norm=rms_no_final_norm_lr=0.1"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds=0"),
        ({"axes": {}}, "without axes"),
        ({"axes": {"model.tie_lm_hed": (True, False)}}, "did you mean 'tie_lm_head'"),
        ({"axes": {"training.lr": (0.1, -1.0)}}, "lr=-1.0"),
        ({"axes": {"training.lr": (0.1, 0.1)}}, "each value once"),
        ({"axes": {"training.optimizer": ("adamw", "adam?")}}, "optimizer"),
        ({"axes": {"seed": (1, 2)}}, "number of seeds"),
    ],
)
def test_a_study_that_cannot_be_is_refused_before_it_runs(tiny_study, change, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        replace(tiny_study, **change)


def test_the_fourteen_columns_come_first_in_csv_and_jsonl(tiny_study, tmp_path):
    run_ablation(tiny_study, tmp_path)
    rows, lines = read_csv(tmp_path), read_jsonl(tmp_path)
    assert list(rows[0])[:14] == COLUMNS
    assert {"mode", "model_kind", "norm", "norm_position", "optimizer", "val_loss", "bits_per_byte", "status"} <= {
        *rows[0]
    }
    assert [list(line) for line in lines] == [list(rows[0])] * 8
    assert [row["variant"] for row in rows] == [name for name in tiny_study.variants for _ in range(2)]
    assert [row["seed"] for row in rows] == ["5", "6"] * 4
    assert (rows[0]["tie_lm_head"], rows[0]["input_rmsnorm"]) == ("true", "false")
    assert len(rows[0]["val_loss"].partition(".")[2]) == 6


def test_an_axis_that_no_record_has_is_a_column(tiny_run, tmp_path):
    run_ablation(AblationConfig(base=tiny_run, axes={"training.lr": (0.1, 1)}, seeds=1), tmp_path)
    assert [row["lr"] for row in read_csv(tmp_path)] == ["0.100000", "1.000000"]


def test_the_same_seed_gives_variants_the_same_first_loss_where_shapes_agree(tiny_run, tmp_path):
    study = run_ablation(AblationConfig(base=tiny_run, axes={"training.lr": (0.1, 0.2)}, seeds=2), tmp_path)
    first = {(r.cell.variant, r.record.seed): r.losses[0] for r in study.results}
    assert first["lr=0.1", 5] == first["lr=0.2", 5] != first["lr=0.1", 6]


def test_a_second_start_runs_nothing_and_changes_nothing(tiny_study, swept, tmp_path):
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    events = []
    run_ablation(tiny_study, tmp_path, observe=events.append)
    assert [type(event) for event in events] == [CellsPlanned] + [CellDone] * 8
    assert all(event.was_there for event in events[1:])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_more_seeds_run_only_what_is_new(tiny_study, swept, tmp_path):
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    events = []
    run_ablation(replace(tiny_study, seeds=3), tmp_path, observe=events.append)
    assert sum(isinstance(event, CellStarted) for event in events) == 4
    assert len(read_csv(tmp_path)) == 12


@pytest.mark.parametrize("n_calls", [0, 1, 14, 15, 20])
def test_stopped_anywhere_and_started_again_equals_an_uninterrupted_study(tiny_study, swept, tmp_path, n_calls):
    calls = itertools.count()
    part = run_ablation(tiny_study, tmp_path / "parts", should_stop=lambda: next(calls) >= n_calls)
    assert 0 < len(part.missing) == 8 - len(part.results)
    assert len(read_csv(tmp_path / "parts")) == len(part.results)
    run_ablation(tiny_study, tmp_path / "parts")
    assert without_times(read_csv(tmp_path / "parts")) == without_times(read_csv(swept))
    assert without_times(read_jsonl(tmp_path / "parts")) == without_times(read_jsonl(swept))


def test_stopped_after_two_cells_has_two_variants_of_the_first_seed(tiny_study, tmp_path):
    done = []
    study = run_ablation(
        tiny_study,
        tmp_path,
        observe=lambda event: done.append(event) if isinstance(event, CellDone) else None,
        should_stop=lambda: len(done) >= 2,
    )
    assert [(r.cell.variant, r.record.seed) for r in study.results] == [
        ("tied_no_input_rmsnorm", 5),
        ("tied_input_rmsnorm", 5),
    ]


def forged(content, **changes):
    """A cell's file whose checksum agrees with its changes."""
    body = {name: value for name, value in json.loads(content).items() if name not in ("format", "version", "sha256")}
    body |= changes
    digest = hashlib.sha256(canonical(body).encode()).hexdigest()
    return json.dumps({"format": "nanochat-cell", "version": 2, "sha256": digest, **body}).encode()


@pytest.mark.parametrize(
    ("damage", "clause"),
    [
        (lambda content: content[: len(content) // 2], "is no whole JSON document"),
        (lambda content: b"", "is no whole JSON document"),
        (lambda content: b"\xff\xfe\x00", "is no whole JSON document"),
        (
            lambda content: content.replace(b'"final_loss": ', b'"final_loss": NaN, "x": ', 1),
            "is no whole JSON document",
        ),
        (lambda content: b"[1, 2]", "is not the file of a cell"),
        (lambda content: b"7", "is not the file of a cell"),
        (lambda content: b'{"format": "nanochat-run", "version": 2, "sha256": ""}', "is not the file of a cell"),
        (lambda content: b'{"losses": []}', "is not the file of a cell"),
        (lambda content: content.replace(b'"val_loss": ', b'"val_loss": 1', 1), "its checksum differs"),
        (lambda content: content.replace(b'"version": 2', b'"version": 3', 1), "is of version 3 of the format, not 2"),
        (lambda content: forged(content, losses="none"), "does not say what a cell says"),
        (lambda content: forged(content, losses=[10**400]), "does not say what a cell says"),
        (lambda content: forged(content, losses="123"), "does not say what a cell says"),
        (lambda content: forged(content, losses=[True]), "does not say what a cell says"),
        (lambda content: forged(content, validations=[["x", 1.0]]), "does not say what a cell says"),
        (lambda content: forged(content, validations=[[None, 1.0]]), "does not say what a cell says"),
        (lambda content: forged(content, record=[1]), "does not say what a cell says"),
        (lambda content: forged(content, config=None), "does not say what a cell says"),
        (lambda content: forged(content, measured={"wall_s": "long"}), "does not say what a cell says"),
    ],
)
def test_a_damaged_cell_is_told_in_a_clause_and_run_again(tiny_study, swept, tmp_path, damage, clause):
    whole = read_study(shutil.copytree(swept, tmp_path, dirs_exist_ok=True))
    path = tmp_path / "cells" / f"{whole.results[3].cell.key}.json"
    path.write_bytes(damage(path.read_bytes()))
    assert read_study(tmp_path).missing == (whole.results[3].cell,)
    events = []
    again = run_ablation(tiny_study, tmp_path, observe=events.append)
    damaged = [event for event in events if isinstance(event, CellDamaged)]
    assert [event.cell for event in damaged] == [whole.results[3].cell]
    assert damaged[0].reason.startswith(f"{path} ")
    assert damaged[0].reason.endswith(clause)
    assert sum(isinstance(event, CellStarted) for event in events) == 1
    assert [r.losses for r in again.results] == [r.losses for r in whole.results]


def test_a_folder_in_the_place_of_a_cell_is_refused_before_anything_is_run(tiny_study, tmp_path):
    path = cell_path(tiny_study.cells()[5], tmp_path)
    path.mkdir(parents=True)
    events = []
    with pytest.raises(WriteError, match=f"{path.name} is a folder, and the result of a cell belongs there"):
        run_ablation(tiny_study, tmp_path, observe=events.append)
    assert events == [], "nothing is said to be run again"
    path.rmdir()
    assert run_ablation(tiny_study, tmp_path).missing == ()


def test_a_cell_that_may_not_be_read_is_told_and_not_run_again(tiny_study, tmp_path, monkeypatch):
    run_ablation(tiny_study, tmp_path)
    path, opened = cell_path(tiny_study.cells()[0], tmp_path), os.open

    def refusing(name, *arguments, **options):
        if str(name) == str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))
        return opened(name, *arguments, **options)

    before = path.read_bytes()
    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(CheckpointError, match=f"{path.name} cannot be read .Permission denied.: change"):
        run_ablation(tiny_study, tmp_path)
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_a_cell_of_another_configuration_under_the_same_name_is_not_believed(tiny_study, tmp_path):
    study = run_ablation(tiny_study, tmp_path)
    first, second = (tmp_path / "cells" / f"{r.cell.key}.json" for r in study.results[:2])
    first.write_bytes(second.read_bytes())
    reasons = []
    read_study(tmp_path, observe=lambda event: reasons.append(event.reason))
    assert len(reasons) == 1
    assert "another configuration" in reasons[0]


def test_a_setting_that_a_later_version_adds_keeps_the_cells(tiny_study, tmp_path):
    """An earlier version's config.json lacks the setting; with its default the cell is still the same."""
    run_ablation(tiny_study, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del config["base"]["training"]["momentum"]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert read_study(tmp_path).missing == ()


def test_a_diverged_cell_is_a_result_and_the_others_go_on(diverging_study, tmp_path):
    study = run_ablation(diverging_study, tmp_path)
    assert [result.record.status for result in study.results] == ["ok", "ok", "diverged", "diverged"]
    assert read_csv(tmp_path)[2]["val_loss"] == ""
    assert read_jsonl(tmp_path)[2]["val_loss"] is None
    assert read_study(tmp_path).results[2].losses == study.results[2].losses


def test_a_sweep_returns_what_a_reader_finds_in_its_folder(diverging_study, tmp_path):
    """Losses that are infinite or no number included: JSON knows neither."""
    unguarded = replace(diverging_study.base.training, max_loss=0.0, max_gradient=0.0, max_weight=0.0)
    study = replace(diverging_study, base=replace(diverging_study.base, training=unguarded))
    for folder, config in ((tmp_path / "guarded", diverging_study), (tmp_path / "unguarded", study)):
        assert repr(run_ablation(config, folder)) == repr(read_study(folder))  # nan is not equal to nan


def test_every_step_of_every_cell_can_be_watched_and_is_kept(tiny_study, tmp_path):
    events = []
    study = run_ablation(tiny_study, tmp_path, observe=events.append)
    steps = [event.loss for event in events if isinstance(event, StepMetrics)]
    assert len(steps) == 8 * 6
    assert sorted(steps) == sorted(loss for result in study.results for loss in result.losses)
    assert [point.step for point in study.results[0].validations] == [0, 2, 4, 6]
    assert study.results[0].validations[-1].loss == study.results[0].record.val_loss


def test_cells_leave_one_file_each_and_no_temporary_ones(tiny_study, tmp_path):
    run_ablation(tiny_study, tmp_path)
    assert len(list((tmp_path / "cells").iterdir())) == 8
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json", "env.json", "cells", "ablation.csv", "ablation.jsonl",
    }  # fmt: skip


def test_a_file_in_the_place_of_the_folder_is_a_write_error(tiny_study, tmp_path):
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(WriteError, match="out"):
        run_ablation(tiny_study, tmp_path / "out")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"base": {}, "axes": [], "seeds": 1}', '{"base": 1, "axes": 2}'])
def test_a_folder_without_a_study_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_study(tmp_path)


@pytest.mark.slow
def test_hundreds_of_cells_grow_neither_memory_nor_files(tiny_study, tmp_path):
    base = replace(tiny_study.base, training=replace(tiny_study.base.training, steps=1, eval_every=0))
    study = AblationConfig(base=base, axes={"training.lr": tuple((i + 1) / 100 for i in range(40))}, seeds=8)
    resident = []
    run_ablation(
        study,
        tmp_path,
        observe=lambda event: resident.append(resident_bytes()) if isinstance(event, CellDone) else None,
    )
    assert len(list((tmp_path / "cells").iterdir())) == len(resident) == 320
    if resident[0] is None:
        pytest.skip("this system does not say how much memory a process holds")
    assert resident[-1] < 1.1 * resident[20]


def test_a_study_does_not_mix_cells_of_two_texts(tiny_study, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("abcab" * 40, encoding="utf-8")
    base = replace(tiny_study.base, data=replace(tiny_study.base.data, source=str(text)))
    study = replace(tiny_study, base=base, seeds=1)
    run_ablation(study, tmp_path / "study")
    run_ablation(study, tmp_path / "study")  # the same text: nothing to run, nothing to refuse
    text.write_text("abcba" * 40, encoding="utf-8")
    with pytest.raises(GuardError, match=r"text\.txt has changed since the cells"):
        run_ablation(study, tmp_path / "study")


@pytest.fixture
def with_files(tiny_study, tmp_path):
    """A study that reads a tokenizer's file and begins with a model, both of which `change` puts others in place of."""
    text = Path(tiny_study.base.data.source).read_text(encoding="utf-8")

    def change(name: str, extra: str) -> None:
        if name == "tokenizer.json":
            save_tokenizer(CharTokenizer.train([text + extra]), tmp_path / name)
        else:
            run_training(replace(tiny_study.base, seed=len(extra)), out=tmp_path / name)

    def study(name: str, seeds: int) -> AblationConfig:
        base = tiny_study.base
        if name == "tokenizer.json":
            base = replace(base, data=replace(base.data, tokenizer=str(tmp_path / name)))
        else:
            base = replace(base, start_from=str(tmp_path / name))
        return replace(tiny_study, base=base, seeds=seeds, axes={"training.lr": (0.1, 0.2)})

    return change, study


@pytest.mark.parametrize("name", ["tokenizer.json", "model"])
def test_a_study_does_not_mix_cells_of_two_tokenizers_or_two_models(with_files, tmp_path, name):
    change, study = with_files
    change(name, "x")
    run_ablation(study(name, 1), tmp_path / "study")
    run_ablation(study(name, 2), tmp_path / "study")  # the same content: it grows
    change(name, "xyz")
    with pytest.raises(GuardError, match=f"{name} has changed since the cells"):
        run_ablation(study(name, 3), tmp_path / "study")


def test_what_changes_while_a_study_runs_ends_it(with_files, tmp_path):
    change, study = with_files
    change("tokenizer.json", "x")
    with pytest.raises(GuardError, match=r"tokenizer\.json has changed since the cells"):
        run_ablation(
            study("tokenizer.json", 1),
            tmp_path / "study",
            observe=lambda event: change("tokenizer.json", "xyz") if isinstance(event, CellDone) else None,
        )
    assert len(list((tmp_path / "study" / "cells").iterdir())) == 1


def test_cells_keep_the_environment_that_they_were_computed_in(tiny_study, tmp_path, monkeypatch):
    run_ablation(replace(tiny_study, seeds=1), tmp_path)
    first = json.loads((tmp_path / "env.json").read_text(encoding="utf-8"))
    assert "Computed in several environments" not in study_report(analyse(read_study(tmp_path)))
    monkeypatch.setattr(machine, "blas", lambda: "abacus 1")
    run_ablation(tiny_study, tmp_path)
    assert json.loads((tmp_path / "env.json").read_text(encoding="utf-8")) == first
    study = read_study(tmp_path)
    assert [result.environment["blas"] for result in study.results] == [first["blas"], "abacus 1"] * 4
    assert f"`blas` ({first['blas']}; abacus 1)" in study_report(analyse(study))


def test_cells_of_an_earlier_version_are_read_without_an_environment(tiny_study, tmp_path):
    run_ablation(replace(tiny_study, seeds=1), tmp_path)
    for path in (tmp_path / "cells").iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["environment"]
        body = {name: value for name, value in content.items() if name not in ("format", "version", "sha256")}
        path.write_text(json.dumps(content | {"sha256": study_module._digest(body)}), encoding="utf-8")
    known = json.loads((tmp_path / "env.json").read_text(encoding="utf-8"))
    source = tiny_study.base.data.source
    known["text_sha256"] = known.pop("inputs")[source]
    (tmp_path / "env.json").write_text(json.dumps(known), encoding="utf-8")
    study = run_ablation(tiny_study, tmp_path)
    assert [bool(result.environment) for result in study.results] == [False, True] * 4
    known["text_sha256"] = "0" * 64
    del known["packages"]
    (tmp_path / "env.json").write_text(json.dumps(known), encoding="utf-8")
    with pytest.raises(GuardError, match="has changed since the cells"):
        run_ablation(tiny_study, tmp_path)


def test_a_second_sweep_on_the_same_folder_is_refused(tiny_study, tmp_path):
    with folder_locked(tmp_path), pytest.raises(GuardError, match=rf"process {os.getpid()}\) is at work in"):
        run_ablation(tiny_study, tmp_path)
    assert len(run_ablation(tiny_study, tmp_path).results) == 8
