"""Several processes train one run: the bits of one process, what each writes, and what becomes of it when one dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nanochat.checkpoints.directory import list_checkpoints, verify
from nanochat.errors import ConfigError
from nanochat.machine import Processes, processes

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
TEAMS = Path(__file__).with_name("processes.py")


@pytest.fixture(autouse=True)
def nobody_started_us(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


# **** in real processes


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder in which processes.py ran, and how its processes ended."""
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork on this system")
    folder = tmp_path_factory.mktemp("teams")
    done = subprocess.run([sys.executable, "-P", TEAMS, folder], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "ended.json").read_text(encoding="utf-8"))


def written_by(folder: Path, *, step: int = 6) -> dict[str, bytes]:
    """Everything that two equal runs have in common: all files of a checkpoint, and every line of metrics."""
    files = [*(folder / f"checkpoints/step-{step:08d}").iterdir(), folder / "metrics.jsonl", folder / "config.json"]
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.oracle
def test_two_processes_write_what_one_does_that_accumulates(teams):
    folder, ended = teams
    assert [code for code, _ in ended["one"] + ended["two"]] == [0, 0, 0]
    assert written_by(folder / "two") == written_by(folder / "one")


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["two-of-four", "four-of-four"])
def test_deterministic_is_the_same_for_any_number_of_processes(teams, name):
    folder, _ = teams
    assert written_by(folder / name) == written_by(folder / "one-of-four")


@pytest.mark.oracle
def test_four_processes_differ_by_roundings_only(teams):
    folder, _ = teams
    rows = [
        [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("four-fast", "one-of-four")
    ]
    for fast, one in zip(*rows, strict=True):
        for key in fast.keys() & {"loss", "val_loss"}:
            assert fast[key] == pytest.approx(one[key], abs=2e-6)


@pytest.mark.oracle
def test_a_run_goes_on_with_another_number_of_processes(teams):
    folder, _ = teams
    assert written_by(folder / "resumed") == written_by(folder / "two-of-four")


@pytest.mark.oracle
@pytest.mark.parametrize("dead", [0, 1])
def test_when_one_dies_the_other_ends_with_a_sentence_and_whole_checkpoints(teams, dead):
    folder, ended = teams
    code, sentence = ended[f"without-{dead}"][1 - dead]
    assert ended[f"without-{dead}"][dead][0] == -9
    assert code == 5
    assert sentence.startswith("another process of this run has ended, or cannot be reached (")
    assert "\n" not in sentence
    checkpoints = list_checkpoints(folder / f"without-{dead}" / "checkpoints")
    assert len(checkpoints) >= 2
    for checkpoint in checkpoints:
        verify(checkpoint)


@pytest.mark.oracle
def test_what_lost_a_process_goes_on_alone(teams):
    _, ended = teams
    assert ended["went-on"] == [[0, ""]]


@pytest.mark.oracle
@pytest.mark.parametrize(("team", "what"), [("seeds", "settings"), ("texts", "text or tokenizer")])
def test_processes_that_see_something_else_are_refused_by_all(teams, team, what):
    _, ended = teams
    sentence = f"process 1 of 2 differs from process 0 in its {what}: start all with the same command, on files that "
    assert [code for code, _ in ended[team]] == [3, 3]
    assert all(text.startswith(sentence) for _, text in ended[team])


@pytest.mark.oracle
def test_torchrun_starts_the_command(tmp_path):
    """As docs/distributed.md has it: one of them writes and speaks."""
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
    words = "train --preset nanogpt-cpu --backend torch --device cpu --grad-accum 2 --batch-size 2 --steps 2 --out run"
    sizes = ["--set", "model.n_layer=1", "--set", "model.n_embd=16", "--set", "training.eval_tokens=64"]
    launcher = [sys.executable, "-P", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launcher, "-m", "nanochat", *words.split(), *sizes],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("val_loss=") == 1
    assert "torch on cpu, 2 processes" in done.stderr
    assert done.stderr.count("written to run") == 1


# **** without PyTorch


def test_alone_there_is_one_process():
    assert processes() == Processes(0, 1, 0)


def test_what_torchrun_says_is_read(monkeypatch):
    for name, value in zip(NAMES, ("3", "4", "1", "10.0.0.1", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    assert processes() == Processes(rank=3, size=4, local_rank=1)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2 without RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT: start the processes"),
        (dict.fromkeys(NAMES, "two"), "RANK=two of WORLD_SIZE=two, LOCAL_RANK=two: start the processes by torchrun"),
        (dict.fromkeys(NAMES, "2"), "RANK=2 of WORLD_SIZE=2, LOCAL_RANK=2: start the processes by torchrun"),
    ],
)
def test_half_of_what_torchrun_says_is_refused(monkeypatch, said, sentence):
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        processes()
    assert sentence in str(refused.value)
