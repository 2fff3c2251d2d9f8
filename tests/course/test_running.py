"""A student's file in a child: whatever it does, one sentence says so, and nothing outside its folder changes."""

import os
import subprocess
import sys
import time

import pytest

from nanochat.course.running import Limits, check
from nanochat.errors import DataError

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows limits neither memory nor processor time")
GOOD = """
import math
from nanochat.engine import Value

def bend(x):
    n = x.data
    value = max(n, 0.0) + math.log1p(math.exp(-abs(n)))
    slope = 0.5 * (1 + math.tanh(n / 2))
    return Value(value, (x,), (slope,), "softplus")
"""
LOCKED = "from dataclasses import _thread\nlock = _thread.allocate_lock()\nlock.acquire()\n"
FAST = Limits(wall_s=30.0, cpu_s=10)


@pytest.fixture
def judged(tmp_path):
    """Check a text as exercise 1a, in a folder with a space and an umlaut in its name."""
    folder = tmp_path / "mein Kürs"
    folder.mkdir()

    def run(text, *, name="bend.py", **options):
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return check("1a", path, variant="softplus", seed=1, **({"limits": FAST} | options))

    run.folder = folder
    return run


def test_a_right_file_passes(judged):
    report = judged(GOOD)
    assert report.passed, report
    assert report.output == ""
    assert [one.name for one in judged.folder.iterdir()] == ["bend.py"]


def test_a_wrong_file_gets_the_sentence_of_its_mistake(judged):
    report = judged(GOOD.replace("slope = 0.5 * (1 + math.tanh(n / 2))", "slope = 1.0"))
    assert not report.passed
    assert "straight line" in report.why
    broken = next(one for one in report.verdicts if one.state == "broken")
    assert (broken.law, broken.broken.call, broken.broken.got) == ("slope", "bend(0)", "1")
    assert [one.state for one in report.verdicts if one.law == "chain"] == ["waiting"]


def test_one_law_alone_is_asked(judged):
    assert [one.law for one in judged(GOOD, law="large").verdicts] == ["large"]


def test_one_function_can_be_checked_while_the_next_is_still_empty(tmp_path):
    path = tmp_path / "softmax.py"
    path.write_text(
        "def softmax(xs):\n    m = max(x.data for x in xs)\n    exps = [(x - m).exp() for x in xs]\n"
        "    return [e / sum(exps) for e in exps]\n\ndef cross_entropy(logits, target):\n    ...\n",
        encoding="utf-8",
    )
    report = check("3a", path, variant="plain", seed=1, limits=FAST)
    states = {one.law: one.state for one in report.verdicts}
    assert [states[name] for name in ("list", "value", "large", "slope", "loss")] == ["ok", "ok", "ok", "ok", "broken"]
    assert next(one.broken.got for one in report.verdicts if one.law == "loss") == "None (is there a `return`?)"


FAILURES = {
    "syntax": ("def bend(x:\n", "line 1: '(' was never closed"),
    "empty": ("  \n", "the file is empty"),
    "missing": ("def band(x):\n    return x\n", "there is no bend in the file"),
    "blank": ('def bend(x):\n    """Not yet."""\n    ...\n', "bend is still empty"),
    "assigned": ("from nanochat.engine import Value\nbend = Value.gelu\n", "not written with def"),
    "lifted": (
        "from nanochat.engine.scalar.functional import softmax as bend\n",
        "imports nanochat.engine.scalar.func",
    ),
    "reached for": ("def bend(x):\n    return __import__('os')\n", "uses __import__"),
    "through a global": (
        "import random\ndef bend(x):\n    return x\nglobal_names = vars(random)\nbend = random.random\n",
        "bend comes from",
    ),
    "exit": ("def bend(x):\n    raise SystemExit(0)\n", "it calls exit"),
    "raises at once": (
        "1 / 0\ndef bend(x):\n    return x\n",
        "cannot be loaded: ZeroDivisionError: division by zero (line 1)",
    ),
    "leaves": ("from random import _os\ndef bend(x):\n    _os._exit(3)\n", "left Python by itself (exit code 3)"),
    "process": (
        "from random import _os\ndef bend(x):\n    return _os.system('true')\n",
        "line 3 starts or ends another",
    ),
    "socket": ("import random\nimport operator\ndef bend(x):\n    import socket\n", "line 4 imports socket"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be_judged_is_told_in_a_sentence(judged, name):
    text, sentence = FAILURES[name]
    report = judged(text)
    assert sentence in report.failure
    assert not report.passed
    assert report.verdicts == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_is_refused(judged):
    assert "os.fork" in judged("from random import _os\ndef bend(x):\n    _os.fork()\n").failure


def test_writing_outside_the_folder_is_refused_even_where_the_refusal_is_caught(judged):
    goal = judged.folder.parent / "elsewhere.txt"
    attempt = f"    try:\n        open({str(goal)!r}, 'w')\n    except BaseException:\n        pass\n"
    report = judged(f"def bend(x):\n{attempt}    return x\n")
    assert "line 3 opens" in report.failure
    assert "outside its folder" in report.failure
    assert not goal.exists()


def test_writing_in_the_folder_is_theirs_to_do(judged):
    report = judged(GOOD + "\nopen('notes.txt', 'w').write('mine')\n")
    assert report.passed, report
    assert (judged.folder / "notes.txt").read_text() == "mine"


def test_a_flood_of_output_is_cut(judged):
    report = judged("for _ in range(100):\n    print('x' * 1_000_000)\n" + GOOD)
    assert report.passed, report
    assert len(report.output) == FAST.output_bytes


def test_an_endless_loop_ends(judged):
    """This one waits; one that takes processor time is below."""
    report = judged(f"{LOCKED}def bend(x):\n    while True:\n        lock.acquire()\n", limits=Limits(wall_s=3.0))
    assert "did not come to an end within 3 s, while the law `number` was tried" in report.failure
    assert "is there a loop that never ends?" in report.failure


def test_a_loop_that_prints_is_asked_about_its_printing(judged):
    text = f"{LOCKED}def bend(x):\n    while True:\n        print('x' * 100_000)\n        lock.acquire()\n"
    report = judged(text, limits=Limits(wall_s=3.0))
    assert "does a loop print without an end" in report.failure


def test_waiting_ends(judged):
    """It takes no processor time, so only the clock ends it."""
    report = judged(f"{LOCKED}lock.acquire()\n{GOOD}", limits=Limits(wall_s=1.5))
    assert "within 1.5 s, while the file was loaded" in report.failure


def test_sleep_is_no_part_of_an_answer(judged):
    assert "line 1 imports time" in judged("import time\n" + GOOD).failure


@POSIX
def test_processor_time_is_limited(judged):
    report = judged("def bend(x):\n    while True:\n        pass\n", limits=Limits(wall_s=60.0, cpu_s=1))
    assert "more than 1 s of processor time" in report.failure


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_memory_is_limited(judged):
    assert "more memory than 2 GiB" in judged("def bend(x):\n    return [0] * 10**10\n").failure


def test_names_that_are_redefined_are_theirs_alone(judged):
    assert judged("float = str\nclass int:\n    pass\nlen = None\n" + GOOD).passed


def test_an_engine_built_on_ours_is_not_theirs(tmp_path):
    path = tmp_path / "number.py"
    path.write_text("import collections\nclass Number(collections.Counter):\n    pass\n", encoding="utf-8")
    report = check("2a", path, variant="tanh relu square", seed=1)
    assert "Number builds on collections.Counter" in report.failure


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("bend.py", b"a\0b", "a NUL at byte 1"),
        ("bend.py", b"caf\xe9", "not UTF-8"),
        ("bend.ipynb", b"{}", "is a notebook"),
        ("bend.py", b'{"cells": []}', "is a notebook"),
        ("bend.py", b"#" * 2_000_000, "2,000,000 bytes"),
    ],
)
def test_what_is_no_text_of_python_is_not_read(judged, name, content, sentence):
    with pytest.raises(DataError, match=sentence):
        judged(content, name=name)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        check("1a", tmp_path, variant="softplus", seed=1)


@POSIX
def test_what_the_child_started_ends_with_it(judged):
    """A thread that never ends keeps nobody waiting, and no process of the group is left."""
    endless = "_thread.start_new_thread(lambda: [0 for _ in iter(int, 1)], ())\n"
    text = f"from dataclasses import _thread\n{endless}"
    before = time.monotonic()
    assert judged(text + GOOD).passed
    assert time.monotonic() - before < FAST.wall_s
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout
    assert str(judged.folder) not in found
