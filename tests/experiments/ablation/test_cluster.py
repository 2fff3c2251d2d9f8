"""A sweep on a real Dask scheduler with two real workers, as processes on loopback."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import pytest

from nanochat.errors import ConfigError, NanochatWarning
from nanochat.experiments.ablation import cluster
from nanochat.experiments.ablation.cells import TIMES
from nanochat.experiments.ablation.sweep import AblationConfig, CellDone, CellStarted, run_ablation

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Dask's own warnings are not ours


class Dask:
    """A scheduler, and workers of one thread each, as processes."""

    def __init__(self, folder):
        self.folder, self.contact = folder, folder / "scheduler.json"
        self.scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        self.workers = []
        while not self.contact.exists():
            time.sleep(0.05)
            assert self.scheduler.poll() is None
        self.address = json.loads(self.contact.read_text(encoding="utf-8"))["address"]

    def add_worker(self, **environment):
        options = ("--nthreads", "1", "--no-nanny")
        self.workers.append(self._start("dask_worker", *options, env=os.environ | environment))

    def _start(self, module, *words, **options):
        common = ["--no-dashboard", "--scheduler-file", str(self.contact)]
        command = [sys.executable, "-P", "-m", f"distributed.cli.{module}", *words, *common]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder}
        return subprocess.Popen(command, **quiet, **options)


@pytest.fixture
def dask(tmp_path):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    cluster = Dask(tmp_path)
    yield cluster
    for process in (*cluster.workers, cluster.scheduler):
        process.kill()
        process.wait()


def study_of_steps(tiny_study, n_steps, seeds=4):
    base = replace(tiny_study.base, training=replace(tiny_study.base.training, steps=n_steps, eval_every=0))
    return AblationConfig(base=base, axes={"model.tie_lm_head": (True, False)}, seeds=seeds)


def rows_of(folder):
    with (folder / "ablation.csv").open(encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


@pytest.mark.oracle
def test_cells_on_a_cluster_are_the_same_as_here_though_a_worker_is_killed(dask, tiny_study, tmp_path):
    dask.add_worker()
    dask.add_worker()
    study = study_of_steps(tiny_study, 500)
    events = []

    def watch(event):
        events.append(event)
        if isinstance(event, CellDone) and dask.workers[0].poll() is None:
            os.kill(dask.workers[0].pid, signal.SIGKILL)

    there = run_ablation(study, tmp_path / "there", cluster=dask.address, observe=watch)
    assert [result.record.status for result in there.results] == ["ok"] * 8
    assert dask.workers[0].wait() == -signal.SIGKILL
    assert sum(isinstance(event, CellStarted) for event in events) == 8
    run_ablation(study, tmp_path / "here")
    assert rows_of(tmp_path / "there") == rows_of(tmp_path / "here")


@pytest.mark.oracle
def test_a_worker_that_comes_later_takes_part(dask, tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_COUNT_EVERY_S", 0.1)
    dask.add_worker()
    at_work, most = set(), []

    def watch(event):
        if isinstance(event, CellDone):
            at_work.discard(event.result.cell.key)
            if len(dask.workers) == 1:
                dask.add_worker()
        elif isinstance(event, CellStarted):
            at_work.add(event.cell.key)
            most.append(len(at_work))

    study = study_of_steps(tiny_study, 500, seeds=8)
    run_ablation(study, tmp_path, cluster=dask.address, observe=watch, should_stop=lambda: max(most, default=0) == 2)
    assert (most[0], most[-1]) == (1, 2)


@pytest.mark.oracle
def test_the_last_worker_is_missed_and_the_next_one_goes_on(dask, tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_COUNT_EVERY_S", 0.1)
    dask.add_worker()

    def watch(event):
        if isinstance(event, CellDone):
            dask.workers[0].kill()

    def look():
        if warned and len(dask.workers) == 1:
            dask.add_worker()
        return False

    study = study_of_steps(tiny_study, 200, seeds=2)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", NanochatWarning)
        found = run_ablation(study, tmp_path / "study", cluster=dask.address, observe=watch, should_stop=look)
    assert [result.record.status for result in found.results] == ["ok"] * 4
    assert f"no worker is left at {dask.address}: cells wait" in str(warned[0].message)


@pytest.mark.oracle
def test_a_sweep_that_stops_leaves_no_cell_behind_on_the_workers(dask, tiny_study, tmp_path):
    from distributed import Client

    dask.add_worker()
    begun = []

    def is_busy(dask_worker):
        return bool(dask_worker.state.executing)

    def look():
        with Client(dask.address, set_as_default=False) as client:
            return bool(begun) and all(client.run(is_busy).values())

    study = run_ablation(
        study_of_steps(tiny_study, 10**7), tmp_path, cluster=dask.address, observe=begun.append, should_stop=look
    )
    assert len(study.missing) == 8
    with Client(dask.address, set_as_default=False) as client:
        for _ in range(100):
            if not any(client.run(is_busy).values()):
                return
            time.sleep(0.05)
    raise AssertionError("a cell that nobody waits for still runs")


@pytest.mark.oracle
def test_workers_without_this_package_are_found_before_they_are_sent_a_cell(dask, tiny_study, tmp_path):
    (tmp_path / "nanochat").mkdir()
    (tmp_path / "nanochat" / "__init__.py").write_text("", encoding="utf-8")
    dask.add_worker(PYTHONPATH=str(tmp_path))
    with pytest.raises(ConfigError, match="no nanochat that it can import: copy this checkout"):
        run_ablation(tiny_study, tmp_path / "study", cluster=dask.address)


@pytest.mark.oracle
@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:8786", "tcp://", "tcp://host:port"])
def test_what_is_no_address_is_refused_at_once(address):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    started = time.monotonic()
    with pytest.raises(ConfigError, match=f"--cluster {address} is no address .*: give e.g. tcp://HOST:8786"):
        cluster.count_threads(address)
    assert time.monotonic() - started < 5


def test_no_cluster_is_said_in_a_sentence(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1)
    try:
        import distributed  # noqa: F401
    except ImportError:
        message = r"requirements/cluster\.txt"
    else:
        message = "no Dask scheduler at tcp://127.0.0.1:9"
    with pytest.raises(ConfigError, match=message):
        run_ablation(tiny_study, tmp_path, cluster="tcp://127.0.0.1:9")
