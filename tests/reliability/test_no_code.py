"""Nothing that is read is ever executed: found by reading every file, and by watching everything happen once."""

import ast

import pytest
import static_scan
from audit_process import watch
from static_scan import KNOWN, scan


def test_no_file_of_the_package_could_run_data_a_shell_or_a_connection():
    tally = scan()
    assert tally.n > 100
    assert tally.failures == []
    assert all(len(reason) > 20 for reason in KNOWN.values())


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import os; os.system('ls')",
        "from os import popen",
        "eval(text)",
        "run = exec",
        "compile(text, name, 'exec')",
        "import subprocess",
        "import socket",
        "import urllib.request",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "run(words, shell=True)",
        "import_module(name)",
        "import marshal",
    ],
)
def test_the_scan_sees(line):
    assert list(static_scan._in_tree(ast.parse(line)))


@pytest.mark.parametrize("line", ["re.compile(text)", "model.eval()", "# eval(text)", "'import pickle'", "import os"])
def test_the_scan_has_no_complaint_about(line):
    assert list(static_scan._in_tree(ast.parse(line))) == []


@pytest.mark.figures
@pytest.mark.slow
def test_nothing_is_unpickled_executed_started_or_connected_while_everything_is_done_once(tmp_path):
    tally = watch(tmp_path)
    assert tally.failures == []
    assert tally.facts["pickle.find_class"] > 0, "processes talk to each other in pickles, and the hook has to see it"
