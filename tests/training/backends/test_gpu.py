"""benchmarks/gpu.py, whose checks are for a card, runs whole on a processor at small sizes."""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nanochat.errors import NanochatWarning

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield import_module("gpu")
    torch.set_num_threads(n_threads)
    del sys.modules["gpu"]


@pytest.mark.oracle
def test_every_check_runs_and_passes_on_a_processor(gpu, tmp_path):
    quick = [name for name in gpu.CHECKS if name != "deterministic"]  # which starts four processes: test_processes.py
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NanochatWarning)
        code = gpu.main(["--device", "cpu", "--small", "--out", str(tmp_path / "gpu.json"), "--only", *quick])
    document = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert code == 0
    assert list(document["checks"]) == quick
    assert all(found["passed"] and found["seconds"] >= 0 for found in document["checks"].values())
    assert document["torch"] == sys.modules["torch"].__version__


@pytest.mark.oracle
def test_a_check_that_raises_is_written_down_and_the_next_one_runs(gpu, tmp_path, monkeypatch):
    def bad(bench: Any) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access")

    monkeypatch.setattr(gpu, "CHECKS", {"losses": bad, "decoding": lambda bench: {"passed": True, "x": float("nan")}})
    out = tmp_path / "gpu.json"
    assert gpu.main(["--device", "cpu", "--small", "--out", str(out), "--only", "losses", "decoding"]) == 1
    checks = json.loads(out.read_text(encoding="utf-8"))["checks"]
    assert checks["losses"]["raised"] == "RuntimeError: CUDA error: an illegal memory access"
    assert checks["decoding"]["passed"] is True
    assert checks["decoding"]["x"] is None
