"""A sweep on a real Dask scheduler with two real workers, as processes on loopback."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from nanochat.errors import ConfigError
from nanochat.experiments import cluster
from nanochat.experiments.ablate import AblationConfig, CellDone, CellStarted, run_ablation
from nanochat.experiments.cells import TIMES

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Dask's own warnings are not ours


@pytest.fixture
def dask(tmp_path):
    """(address, workers) of a scheduler and two workers of one thread each."""
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    contact = tmp_path / "scheduler.json"
    common = ["--no-dashboard", "--scheduler-file", str(contact)]
    run = [sys.executable, "-P", "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common]
    work = [sys.executable, "-P", "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *common]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    started = [subprocess.Popen(run, **quiet)]
    try:
        while not contact.exists():
            time.sleep(0.05)
            assert started[0].poll() is None
        started += [subprocess.Popen(work, **quiet) for _ in range(2)]
        import json

        yield json.loads(contact.read_text(encoding="utf-8"))["address"], started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def rows_of(folder):
    with (folder / "ablation.csv").open(encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


def test_cells_on_a_cluster_are_the_same_as_here_though_a_worker_is_killed(dask, tiny_study, tmp_path):
    address, workers = dask
    base = replace(tiny_study.base, training=replace(tiny_study.base.training, steps=500, eval_every=0))
    study = AblationConfig(base=base, axes={"model.tie_lm_head": (True, False)}, seeds=4)
    events = []

    def watch(event):
        events.append(event)
        if isinstance(event, CellDone) and workers[0].poll() is None:
            os.kill(workers[0].pid, signal.SIGKILL)

    there = run_ablation(study, tmp_path / "there", cluster=address, observe=watch)
    assert [result.record.status for result in there.results] == ["ok"] * 8
    assert workers[0].wait() == -signal.SIGKILL
    assert sum(isinstance(event, CellStarted) for event in events) == 8
    run_ablation(study, tmp_path / "here")
    assert rows_of(tmp_path / "there") == rows_of(tmp_path / "here")


def test_no_cluster_is_said_in_a_sentence(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1)
    try:
        import distributed  # noqa: F401
    except ImportError:
        message = r"nanochat\[cluster\]"
    else:
        message = "no Dask scheduler at tcp://127.0.0.1:9"
    with pytest.raises(ConfigError, match=message):
        run_ablation(tiny_study, tmp_path, cluster="tcp://127.0.0.1:9")
