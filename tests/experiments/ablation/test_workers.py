"""Sweeps in processes, and what happens when somebody kills one of them."""

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from nanochat.experiments.ablation.cells import TIMES
from nanochat.experiments.ablation.grid import ablation_to_dict
from nanochat.experiments.ablation.study import read_study
from nanochat.experiments.ablation.sweep import AblationConfig, CellDone, CellStarted, run_ablation
from nanochat.storage.atomic import write_json

pytestmark = pytest.mark.slow  # a process takes half a second to start

SWEEP = """
import pathlib, sys
from nanochat.experiments.ablation.sweep import read_config, run_ablation

def tell(event):
    if type(event).__name__ == "CellDone":
        print(event.number, flush=True)

if __name__ == "__main__":
    run_ablation(read_config(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]), jobs=2, observe=tell)
"""


@pytest.fixture
def long_study(tiny_study):
    """Four cells of about half a second."""
    base = replace(tiny_study.base, training=replace(tiny_study.base.training, steps=1000, eval_every=0))
    return AblationConfig(base=base, axes={"model.tie_lm_head": (True, False)}, seeds=2)


def rows_of(folder):
    with (folder / "ablation.csv").open(encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


def test_cells_in_processes_are_the_same_as_one_after_the_other(tiny_study, tmp_path):
    events = []
    run_ablation(tiny_study, tmp_path / "here")
    run_ablation(tiny_study, tmp_path / "there", jobs=2, observe=events.append)
    assert rows_of(tmp_path / "there") == rows_of(tmp_path / "here")
    assert [type(event) for event in events].count(CellStarted) == 8
    assert sorted(event.number for event in events if isinstance(event, CellDone)) == list(range(1, 9))
    assert {path.name for path in (tmp_path / "there").iterdir()} == {
        path.name for path in (tmp_path / "here").iterdir()
    }
    assert multiprocessing.active_children() == []


def test_a_worker_that_the_system_kills_costs_its_cell_and_no_other(long_study, tmp_path):
    """Killed when the short cell is done and the long one beside it is not; the idle worker may cost its next cell."""
    study = replace(long_study, axes={"training.steps": (20, 3000)})
    killed = []

    def kill_all_once(event):
        if isinstance(event, CellDone) and not killed:
            for worker in multiprocessing.active_children():
                killed.append(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

    found = run_ablation(study, tmp_path, jobs=2, observe=kill_all_once).results
    failed = [result.cell for result in found if not result.is_ok]
    assert len(killed) == 2
    assert study.cells()[2] in failed  # 3000 steps, first seed
    assert study.cells()[0] not in failed
    assert {result.record.status for result in found} == {"ok", "failed"}
    assert all("ended by the system" in result.record.reason for result in found if not result.is_ok)
    started = []
    again = run_ablation(study, tmp_path, observe=lambda e: started.append(e.cell) if isinstance(e, CellStarted) else 0)
    assert [result.record.status for result in again.results] == ["ok"] * 4
    assert {cell.key for cell in started} == {cell.key for cell in failed}


def test_a_sweep_that_is_killed_takes_its_workers_along_and_can_be_taken_up(long_study, tmp_path):
    run_ablation(long_study, tmp_path / "whole")
    write_json(tmp_path / "study.json", ablation_to_dict(long_study))
    (tmp_path / "sweep.py").write_text(SWEEP, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "sweep.py"), str(tmp_path / "study.json"), str(tmp_path / "parts")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout.readline()
        process.kill()
        process.stdout.read()  # ends when the last worker, which inherits it, is gone
    finished = list((tmp_path / "parts" / "cells").glob("*.json"))
    before = {path: path.stat().st_mtime_ns for path in finished}
    assert 1 <= len(finished) < 4
    run_ablation(long_study, tmp_path / "parts", jobs=2)
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    assert len(list((tmp_path / "parts" / "cells").iterdir())) == 4


def test_a_sweep_in_processes_stops_when_asked_and_keeps_what_is_done(long_study, tmp_path):
    done = []
    study = run_ablation(
        long_study,
        tmp_path,
        jobs=2,
        observe=lambda event: done.append(time.monotonic()) if isinstance(event, CellDone) else None,
        should_stop=lambda: bool(done),
    )
    assert time.monotonic() - done[0] < 5
    assert 1 <= len(study.results) < 4
    assert read_study(tmp_path).missing == study.missing
    assert multiprocessing.active_children() == []


def test_a_sweep_in_processes_from_an_unguarded_script_is_refused_once_and_leaves_no_failed_cells(tiny_study, tmp_path):
    write_json(tmp_path / "study.json", ablation_to_dict(tiny_study))
    script = tmp_path / "script.py"
    script.write_text(SWEEP.replace('if __name__ == "__main__":', "if True:"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", script, tmp_path / "study.json", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'put what starts it in a file, under `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "out" / "cells").glob("*"))


@pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")
@pytest.mark.parametrize("wait_s", [0.2, 1.0])
def test_ctrl_c_in_the_terminal_is_no_traceback_of_a_worker(tmp_path, wait_s):
    words = "ablate --preset bigram --steps 3000 --batch-size 2 --seeds 3 --jobs 2 --eval-every 0 --out study".split()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "nanochat", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "study" / "config.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(wait_s)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "Exception ignored" not in err
