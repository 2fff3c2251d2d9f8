"""What the machine grants is asked for, not what it has; bits do not depend on how many threads there are."""

import os
import re
import subprocess
import sys
import threading
import time
from mmap import mmap
from pathlib import Path

import pytest

import nanochat
from nanochat import machine

MIB = 1 << 20


@pytest.fixture
def linux(tmp_path, monkeypatch) -> Path:
    """A root with 1000 MiB of free memory and no control group."""
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.setattr(machine, "_address_space", lambda: iter(()))
    (tmp_path / "proc" / "self").mkdir(parents=True)
    meminfo = f"MemTotal: {9000 * 1024} kB\nMemFree: 12 kB\nMemAvailable:   {1000 * 1024} kB\n"
    (tmp_path / "proc" / "meminfo").write_text(meminfo, encoding="ascii")
    return tmp_path


def limit(root: Path, group: str, most: str, used: int) -> None:
    folder = root / "sys" / "fs" / "cgroup" / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(most, encoding="ascii")
    (folder / "memory.current").write_text(str(used), encoding="ascii")


def test_nine_tenths_of_the_free_memory_are_available(linux):
    assert machine.available_bytes(linux) == int(0.9 * 1000 * MIB)


def test_the_least_limit_of_a_control_group_and_those_above_counts(linux):
    (linux / "proc" / "self" / "cgroup").write_text("1:cpu:/x\n0::/a/b\n", encoding="utf-8")
    limit(linux, "a/b", "max", 0)
    limit(linux, "a", str(500 * MIB), 100 * MIB)
    assert machine.available_bytes(linux) == int(0.9 * 400 * MIB)
    limit(linux, "", str(300 * MIB), 290 * MIB)
    assert machine.available_bytes(linux) == int(0.9 * 10 * MIB)


def test_a_limit_of_the_address_space_counts(linux, monkeypatch):
    monkeypatch.setattr(machine, "_address_space", lambda: iter([200 * MIB]))
    assert machine.available_bytes(linux) == int(0.9 * 200 * MIB)


def test_where_the_system_does_not_say_nobody_knows(linux, monkeypatch):
    (linux / "proc" / "meminfo").write_text("nonsense", encoding="ascii")
    assert machine.available_bytes(linux) is None
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert machine.available_bytes() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_this_machine_has_memory():
    assert machine.available_bytes() > MIB


def test_a_group_of_version_1_limits_memory_too(linux):
    (linux / "proc" / "self" / "cgroup").write_text("4:memory:/a\n0::/\n", encoding="utf-8")
    folder = linux / "sys" / "fs" / "cgroup" / "memory" / "a"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(500 * MIB), encoding="ascii")
    (folder / "memory.usage_in_bytes").write_text(str(100 * MIB), encoding="ascii")
    assert machine.available_bytes(linux) == int(0.9 * 400 * MIB)


def test_resident_memory_grows_with_what_is_held():
    before = machine.resident_bytes()
    if before is None:
        pytest.skip("this system does not say how much memory a process holds")
    held = mmap(-1, 32 << 20)  # new pages for certain: malloc may have freed ones left
    held.write(b"x" * len(held))
    assert machine.resident_bytes() - before > len(held) // 2


@pytest.fixture
def many_cores(monkeypatch):
    """A machine of 64 cores, all of which are allowed."""
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def test_cores_are_those_of_the_affinity_not_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert machine.cores(tmp_path) == 2
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    assert machine.cores(tmp_path) == 64


@pytest.mark.parametrize(("quota", "expected"), [("250000 100000", 2), ("50000 100000", 1), ("max 100000", 64)])
def test_a_quota_of_time_is_a_number_of_cores(tmp_path, many_cores, quota, expected):
    write(tmp_path / "proc/self/cgroup", "0::/a/b\n")
    write(tmp_path / "sys/fs/cgroup/a/b/cpu.max", "max 100000")
    write(tmp_path / "sys/fs/cgroup/a/cpu.max", quota)  # a group above binds, too
    assert machine.cores(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 64)])
def test_so_is_one_of_version_1(tmp_path, many_cores, quota, expected):
    write(tmp_path / "proc/self/cgroup", "2:cpu,cpuacct:/a\n1:name=systemd:/\n")
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", quota)
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000")
    assert machine.cores(tmp_path) == expected


def test_the_quota_of_a_container_stands_at_the_top(tmp_path, many_cores):
    write(tmp_path / "proc/self/cgroup", "0::/seen/from/outside\n")
    write(tmp_path / "sys/fs/cgroup/cpu.max", "400000 100000")
    assert machine.cores(tmp_path) == 4


def test_threads_are_no_more_than_cores_and_than_blas_was_given(monkeypatch):
    with machine.one_blas_thread():
        assert machine.threads() == 1
    monkeypatch.setattr(machine, "cores", lambda: 1)
    assert machine.threads() == 1


def test_one_thread_of_blas_lasts_until_the_last_of_several_leaves():
    before, entered, leave = machine.blas_threads(), threading.Event(), threading.Event()

    def stay() -> None:
        with machine.one_blas_thread():
            entered.set()
            leave.wait()

    other = threading.Thread(target=stay)
    with machine.one_blas_thread():
        other.start()
        entered.wait()
    assert machine.blas_threads() == 1
    leave.set()
    other.join()
    assert machine.blas_threads() == before


def test_importing_it_loads_nothing_heavy():
    code = "import sys, nanochat.machine; sys.exit(bool({'numpy', 'threadpoolctl'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


def test_what_decides_bits_is_named():
    facts = machine.arithmetic()
    assert facts.keys() == {"python", "numpy", "regex", "safetensors", "machine", "libc", "simd"}
    found = machine.describe()
    assert found["packages"]["nanochat"] == nanochat.__version__
    assert found["packages"]["regex"] == facts["regex"]
    assert found["cores"] == machine.cores()
    assert found["blas"] == machine.blas()


def test_the_instructions_that_numpy_may_not_use_are_not_named():
    last = machine.arithmetic()["simd"].split()[-1]
    code = "from nanochat import machine; print(machine.arithmetic()['simd'])"
    without = {**os.environ, "NPY_DISABLE_CPU_FEATURES": last}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=without, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this NumPy cannot leave out {last}")
    assert last not in done.stdout.split()


def test_nobody_else_asks_the_machine():
    root = Path(nanochat.__file__).parent
    asks = re.compile(
        r"cpu_count|sched_getaffinity|threadpool_(limits|info)|ThreadpoolController|/proc/|sys/fs|getrlimit"
    )
    folders = "checkpoints cli data engine experiments inference models tokenizers training".split()
    found = [
        path.name for name in folders for path in (root / name).rglob("*.py") if asks.search(path.read_text("utf-8"))
    ]
    assert found == ["workers.py"]  # which gives each worker its share


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
def test_a_process_is_dead_when_it_has_ended_and_before_it_is_waited_for():
    assert not machine.is_dead(os.getpid())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    while Path("/proc").is_dir() and not machine.is_dead(ended.pid):  # it ends, though nobody waits
        time.sleep(0.01)
    ended.wait()
    assert machine.is_dead(ended.pid)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
def test_a_copy_of_a_process_has_no_helpers_of_its_own(monkeypatch):
    monkeypatch.setattr(machine._HELPERS, "ended_s", 1000.0)
    copy = os.fork()
    if copy == 0:
        os._exit(int(machine.cpu_s() > 900))
    assert os.waitpid(copy, 0)[1] == 0
    assert machine.cpu_s() > 900
