"""Replicas in forked processes: the bits of threads, whatever becomes of a process; and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from nanochat.engine.module import Module
from nanochat.engine.tensor import functional as F
from nanochat.engine.tensor import nn
from nanochat.engine.tensor.optim import AdamW
from nanochat.engine.tensor.replicas import Accumulator, accumulate, forked
from nanochat.engine.tensor.replicas.forked import Forked, is_shared, share
from nanochat.engine.tensor.replicas.replica import Threaded
from nanochat.machine import cpu_s

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="replicas are threads where a process cannot be forked")


class Small(Module):
    """An embedding, dropout and a head."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.wte, self.head, self.norm = nn.Embedding(11, 8), nn.Linear(8, 11), nn.LayerNorm(8)
        self.drop = nn.Dropout(0.2, np.random.default_rng(3))
        self.load_state_dict({k: rng.standard_normal(v.shape) for k, v in self.state_dict().items()})

    def loss(self, inputs, targets):
        return F.cross_entropy(self.head(self.norm(self.drop(self.wte(inputs)))), targets=targets)


def parts(n, seed):
    rng = np.random.default_rng(seed)
    return [tuple(rng.integers(0, 11, (2, 3, 7))) for _ in range(n)]


class Run:
    """A model that is trained step by step, by processes if its weights are shared."""

    def __init__(self, *, shared=True, n_workers=2):
        self.model = Small()
        self.optimizer = AdamW(self.model.named_parameters())
        if shared:
            share(self.optimizer)
        self.accumulator = Accumulator(self.model, n_workers, repeats=True)
        self.losses = []

    def steps(self, n, n_parts=2):
        for _ in range(n):
            self.optimizer.zero_grad()
            self.losses.append(self.accumulator.backward(parts(n_parts, len(self.losses))))
            self.optimizer.step(0.01)
        return self

    @property
    def process(self):
        return self.accumulator._team[1]

    @property
    def pid(self):
        return self.process._end.peek()[2][0]

    def close(self):
        self.accumulator.close()

    def equals(self, other):
        return self.losses == other.losses and np.array_equal(self.optimizer.flat.data, other.optimizer.flat.data)


@pytest.fixture(autouse=True)
def in_its_only_thread(monkeypatch):
    """Whatever other tests left in this process."""
    for module in (forked, accumulate):
        monkeypatch.setattr(module, "can_fork", lambda: True)


@pytest.fixture
def run():
    with closing(Run()) as run:
        yield run


def by_threads(*steps):
    """What the same steps are in threads."""
    with closing(Run(shared=False)) as run:
        for n in steps:
            run.steps(*n) if isinstance(n, tuple) else run.steps(n)
        assert not any(isinstance(member, Forked) for member in run.accumulator._team)
        return run


def is_gone(pid):
    """Within ten seconds; a zombie is there."""
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("n_parts", [2, 3, 4])
def test_processes_equal_threads_bit_for_bit(run, n_parts):
    run.steps(6, n_parts)

    assert type(run.process) is Forked
    assert run.accumulator.n_replayed == 2
    assert run.equals(by_threads((6, n_parts)))


def test_where_weights_are_not_shared_threads_do_it():
    with closing(Run(shared=False).steps(1)) as run:
        assert type(run.process) is Threaded


def test_shared_are_arrays_whose_memory_is(run):
    assert is_shared(run.optimizer.flat.data[3:])
    assert is_shared(run.model.wte.weight.data.T)
    assert not is_shared(run.optimizer.flat.data.copy())
    assert not is_shared(np.frombuffer(b"abcd", np.uint8))


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5])
def test_a_killed_process_costs_no_bit(run, after):
    run.steps(after + 1)
    os.kill(run.pid, signal.SIGKILL)
    run.steps(4)

    assert type(run.process) is Forked
    assert run.equals(by_threads(after + 5))


def test_a_process_that_is_killed_at_work_costs_no_bit(run):
    run.steps(4)
    start = run.process.start
    run.process.start = lambda job: (start(job), os.kill(run.pid, signal.SIGKILL))
    run.steps(4)

    assert run.equals(by_threads(8))


def test_after_two_that_were_lost_threads_take_over(run):
    for _ in range(2):
        os.kill(run.steps(1).pid, signal.SIGKILL)
        run.steps(1)

    assert type(run.steps(3).process) is Threaded
    assert run.equals(by_threads(7))


def test_a_process_that_says_nothing_is_done_without(run, monkeypatch):
    monkeypatch.setattr(accumulate, "PATIENCE", 0.05)
    run.steps(4)
    pid = run.pid
    os.kill(pid, signal.SIGSTOP)
    run.steps(2)

    assert is_gone(pid)
    assert run.equals(by_threads(6))


def test_where_no_process_is_to_be_had_threads_do_it(monkeypatch):
    def refuse():
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with closing(Run().steps(5)) as run:
        assert type(run.process) is Threaded
        assert run.equals(by_threads(5))


def test_an_interrupt_between_start_and_finish_costs_a_process_and_no_bit(run, monkeypatch):
    run.steps(3)
    with monkeypatch.context() as patch:
        patch.setattr(run.accumulator._team[0], "finish", lambda: signal.raise_signal(signal.SIGINT))
        patch.setattr(run.process, "wait", lambda: None)  # a second one
        with suppress(KeyboardInterrupt):
            run.accumulator.backward(parts(2, 99))
    with closing(Run(shared=False)) as expected:
        expected.steps(3).accumulator.backward(parts(2, 99))
        assert run.steps(3).equals(expected.steps(3))


@pytest.mark.parametrize("broken", [0, 1])
def test_an_error_of_the_model_is_raised_here_and_loses_no_process(run, broken):
    pid = run.steps(4).pid
    bad = parts(2, 0)
    bad[broken] = (np.array([[99]]), np.array([[0]]))

    for _ in range(3):
        with pytest.raises(IndexError, match="99"):
            run.accumulator.backward(bad)

    assert type(run.steps(1).process) is Forked
    assert broken == 0 or run.pid == pid  # one that was at work for nothing is ended, and another forked


def test_processes_that_are_silent_are_waited_for_together(monkeypatch):
    monkeypatch.setattr(accumulate, "PATIENCE", 0.5)
    with closing(Run(n_workers=4)) as run:
        run.steps(4, 4)
        for member in run.accumulator._team[1:]:
            os.kill(member._end.peek()[2][0], signal.SIGSTOP)
        asked = []
        for member in run.accumulator._team[1:]:
            member.finish = lambda deadline, finish=member.finish: (asked.append(deadline), finish(deadline))[1]
        run.steps(1, 4)
        assert len(set(asked)) == 1
        assert run.equals(by_threads((5, 4)))


def test_weights_that_are_moved_are_followed(run):
    run.steps(4)
    pid = run.pid
    run.optimizer = AdamW(run.model.named_parameters())
    run.steps(2)
    assert type(run.process) is Threaded
    assert is_gone(pid)
    share(run.optimizer)

    run.steps(2)
    assert is_shared(run.model.wte.weight.data)
    with closing(Run(shared=False)) as expected:
        expected.steps(4)
        expected.optimizer = AdamW(expected.model.named_parameters())
        assert run.equals(expected.steps(4))


def test_what_a_terminal_sends_to_all_does_not_reach_it(run):
    pid = run.steps(4).pid
    for name in (signal.SIGINT, signal.SIGHUP):
        os.kill(pid, name)
    assert run.steps(1).pid == pid


def test_it_has_nothing_open_but_its_pipe(run, tmp_path):
    with (tmp_path / "lock").open("w"):
        pid = run.steps(1).pid
        assert len(list(Path(f"/proc/{pid}/fd").iterdir())) == 4


def test_its_time_is_ours(run):
    pid = run.steps(4).pid
    took = time.clock_gettime(~pid << 3 | 2)
    before = cpu_s() - time.process_time()
    run.close()

    assert took > 0
    assert cpu_s() - time.process_time() >= before >= took - 0.01  # the two clocks of a process are not read at once


@pytest.mark.parametrize("leave", ["os._exit(code)", "sys.exit(code)"])
def test_a_copy_of_this_process_trains_for_itself_and_leaves_ours_alone(leave):
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_forked import *
run = Run().steps(4)
pid, before = run.pid, run.optimizer.flat.data.copy()
copy = os.fork()
if copy == 0:  # as some library may fork us
    run.steps(2)
    code = int(np.array_equal(run.optimizer.flat.data, before))
    {leave}
assert os.waitpid(copy, 0)[1] == 0
assert np.array_equal(run.optimizer.flat.data, before)
run.steps(2)
assert run.pid == pid
assert run.equals(by_threads(6))
print("well")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("well\n", "")


def test_it_ends_with_what_it_works_for():
    run = Run().steps(4)
    pid = run.pid
    del run
    assert is_gone(pid)


PROGRAM = """
import sys, time
sys.path.insert(0, {folder!r})
from test_forked import Run
run = Run().steps(4)
print(run.pid, flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["time.sleep(60)", "sys.exit(3)", "raise KeyboardInterrupt", ""])
def test_no_process_is_left_behind(end):
    program = PROGRAM.format(folder=str(Path(__file__).parent), end=end)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        pid = int(parent.stdout.readline())
        if "sleep" in end:
            parent.kill()
        parent.wait(30)
    assert is_gone(pid)
