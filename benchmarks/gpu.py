"""The checks that need a GPU, in one go: does it compute what a processor computes, how fast, in how much memory.

python benchmarks/gpu.py [--device cuda] [--out gpu.json] [--only certificate ...] [--small] [--peak-tflops 989]
Writes one JSON, anew after each check, so that one that is cut off leaves what it found; a check that fails or raises
is written down and the next one begins. About 8 minutes on an H100, by design: no card has run it yet. Needs the
extra torch. `--device cpu --small` runs all of it at sizes for a test. MFU counts the operations of models/flops.py
over --peak-tflops, by default those of an H100 in bfloat16 without sparsity.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanochat.checkpoints.formats.arrays import read_arrays
from nanochat.data.batches import Batch
from nanochat.experiments.certify.compare import cases, relative_error
from nanochat.experiments.certify.edges import Edge
from nanochat.experiments.certify.third import torch_errors
from nanochat.models.build import build_model
from nanochat.models.flops import flops_per_token
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.torch import KVCache
from nanochat.models.initial import draw_weights
from nanochat.models.presets import PRESETS
from nanochat.training.backends import Place, backend_of
from nanochat.training.backends.torch import IMPORTED_BYTES
from nanochat.training.folder.resume import plan_resume
from nanochat.training.hyperparameters import TrainingConfig
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training
from nanochat.training.trainer import StepMetrics

CHAR = PRESETS["nanogpt-char"].model
SMALL_GPT = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16}


@dataclass(frozen=True)
class Sizes:
    """Of a card, or of a test."""

    losses: int = 50
    steps: int = 400
    seeds: int = 3
    batch: int = 64
    rounds: int = 20
    decoded: int = 256
    model: Any = None
    """Changes of every model that is trained; None for none."""


SMALL = Sizes(losses=3, steps=3, seeds=1, batch=2, rounds=2, decoded=4, model=SMALL_GPT)


@dataclass(frozen=True)
class Bench:
    """Where, how large, and against which peak."""

    device: str
    sizes: Sizes
    peak_flops: float
    folder: Path

    def settings(self, preset: str, *, device: str = "", dtype: str = "float32", **training: Any) -> dict[str, Any]:
        """Of a run in PyTorch, without dropout: masks are drawn differently by each device."""
        return {
            "preset": preset,
            "model": {"dropout": 0.0, **(self.sizes.model or {})},
            "data": {"source": "builtin:verse", "tokenizer": "char"},
            "training": {"eval_every": 0, "eval_tokens": 4096, "replicas": 1, **training},
            "backend": "torch",
            "device": device or self.device,
            "dtype": dtype,
        }

    def gpt(self, **changed: Any) -> GPTConfig:
        assert isinstance(CHAR, GPTConfig)
        return replace(CHAR, dropout=0.0, **{**changed, **(self.sizes.model or {})})


def losses_of(config: Any = None, **options: Any) -> tuple[list[float], float]:
    """Of every step, and the validation's."""
    found: list[Any] = []
    record = run_training(config, observe=found.append, **options)
    return [event.loss for event in found if isinstance(event, StepMetrics)], record.val_loss


# **** the checks: each returns its figures, and `passed`


def certificate(bench: Bench) -> dict[str, Any]:
    """Every op, layer and preset in float64 on the device against the arrays: losses to 1e-12, gradients to 1e-10."""
    worst: dict[str, float] = {"loss": 0.0, "gradient": 0.0}
    failed = []
    for case in cases(tuple(PRESETS)):
        if isinstance(case, Edge):
            continue
        _, side = case.build(np.random.default_rng(3))
        loss = side.loss()
        loss.backward()
        with torch.device(bench.device):
            errors = torch_errors(side, float(loss), relative_error)
        gradient = max((error for name, error in errors.items() if name != "loss"), default=0.0)
        worst = {"loss": max(worst["loss"], errors.get("loss", 0.0)), "gradient": max(worst["gradient"], gradient)}
        if errors.get("loss", 0.0) > 1e-12 or gradient > 1e-10:
            failed.append(f"{case.kind} {case.name}")
    return {**worst, "failed": failed, "passed": not failed}


def losses(bench: Bench) -> dict[str, Any]:
    """The first losses of nanogpt-cpu in float32, device against processor: within 1e-4."""
    both = [
        losses_of(resolve(bench.settings("nanogpt-cpu", device=device, steps=bench.sizes.losses)))[0]
        for device in ("cpu", bench.device)
    ]
    gap = max(abs(a - b) for a, b in zip(*both, strict=True))
    return {"steps": bench.sizes.losses, "worst": gap, "passed": gap <= 1e-4}


def bfloat16(bench: Bench) -> dict[str, Any]:
    """Validation loss of nanogpt-char after some hundred steps, bfloat16 against float32: means within 0.01 nats."""
    sizes = bench.sizes
    settings = {"steps": sizes.steps, "batch_size": sizes.batch, "lr": 1e-3}
    found = {
        dtype: [
            losses_of(resolve(bench.settings("nanogpt-char", dtype=dtype, **settings) | {"seed": seed}))[1]
            for seed in range(sizes.seeds)
        ]
        for dtype in ("float32", "bfloat16")
    }
    gap = float(np.mean(found["bfloat16"]) - np.mean(found["float32"]))
    return {**found, "steps": sizes.steps, "difference": gap, "passed": abs(gap) <= 0.01}


def speed(bench: Bench) -> dict[str, Any]:
    """Tokens a second, MFU and memory of a step, eager and compiled; the forecast of memory is within 15 %."""
    models = {"nanogpt-char": (bench.gpt(), bench.sizes.batch)}
    models["d12"] = (bench.gpt(n_layer=12, n_head=12, n_embd=768, block_size=1024, vocab_size=50304), 16)
    rows: list[dict[str, Any]] = []
    for name, (model, rows_a_batch) in models.items():
        size = min(rows_a_batch, bench.sizes.batch)
        for dtype, compiled in (("float32", False), ("bfloat16", False), ("bfloat16", True)):
            if compiled and bench.device == "cpu":
                continue
            rows.append(
                {"model": name, "dtype": dtype, "compiled": compiled} | _step(bench, model, size, dtype, compiled)
            )
    ratios = [row["memory_ratio"] for row in rows if row["memory_ratio"] and row["dtype"] == "float32"]
    goal = [row["mfu"] for row in rows if row["model"] == "d12" and row["compiled"]]
    near = all(abs(ratio - 1) <= 0.15 for ratio in ratios)
    return {"rows": rows, "passed": near and all(mfu >= 0.35 for mfu in goal)}


def _step(bench: Bench, model: GPTConfig, batch_size: int, dtype: str, compiled: bool) -> dict[str, Any]:
    settings = TrainingConfig(batch_size=batch_size, compile=compiled, max_grad_norm=1.0)
    engine = backend_of("tensor", compiled=compiled, place=Place("torch", bench.device, dtype))
    built: Any = engine.trained(build_model(model, "tensor"))
    built.load_state_dict(draw_weights(model.parameters(), np.random.default_rng(0)))
    optimizer, accumulate = engine.optimizer(built, settings), engine.accumulate(built, settings)
    ids = np.random.default_rng(1).integers(0, model.vocab_size, (batch_size, model.block_size + 1))
    batch = Batch(ids[:, :-1], ids[:, 1:])

    def step() -> None:
        optimizer.zero_grad()
        accumulate([batch])
        optimizer.clip_gradients()
        optimizer.step(1e-4)

    is_cuda = bench.device.startswith("cuda")
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    with engine.session():
        first = _seconds(step)
        times = sorted(_seconds(step) for _ in range(bench.sizes.rounds))
    tokens_per_s = batch_size * model.block_size / times[len(times) // 2]
    peak = torch.cuda.max_memory_allocated() if is_cuda else 0
    on_cpu = backend_of("tensor", compiled=False, place=Place("torch", "cpu"))
    forecast = on_cpu.peak_bytes(model, settings, "float32", model.block_size) - IMPORTED_BYTES
    return {
        "tokens_per_s": tokens_per_s,
        "mfu": tokens_per_s * flops_per_token(model) / bench.peak_flops,
        "first_step_s": first,
        "peak_bytes": peak,
        "forecast_bytes": forecast,
        "memory_ratio": peak / forecast if peak else None,
    }


def there_and_back(bench: Bench) -> dict[str, Any]:
    """Saved on the device, on with NumPy, back on the device: weights to the bit, the next loss within 1e-4."""
    n = max(2, bench.sizes.losses // 10)
    whole, _ = losses_of(resolve(bench.settings("nanogpt-cpu", steps=3 * n)))
    config = resolve(bench.settings("nanogpt-cpu", steps=3 * n, checkpoint_every=n))
    folder = bench.folder / "there"
    losses_of(config, out=folder, stop_at=n)
    held = read_arrays(folder / f"checkpoints/step-{n:08d}/model.safetensors")[0]
    laptop = plan_resume(folder, config={"backend": "numpy"})
    middle, _ = losses_of(resume=laptop, stop_at=2 * n)
    last, _ = losses_of(resume=plan_resume(folder, config={"backend": "torch", "device": bench.device}))
    gap = max(abs(a - b) for a, b in zip(whole[n:], middle + last, strict=True))
    finite = all(np.isfinite(array).all() for array in held.values())
    return {"steps": 3 * n, "worst": gap, "passed": finite and gap <= 1e-4}


def deterministic(bench: Bench) -> dict[str, Any]:
    """`--deterministic` twice, each started by torchrun: the same checkpoint, byte for byte."""
    digests = []
    settings = bench.settings("nanogpt-cpu")
    words = ["train", "--preset", "nanogpt-cpu", "--backend", "torch", "--device", bench.device, "--deterministic"]
    words += ["--data", "builtin:verse", "--steps", "10", "--set", "training.eval_tokens=512"]
    words += [word for name, value in settings["model"].items() for word in ("--set", f"model.{name}={value}")]
    for name in ("once", "twice"):
        launcher = [sys.executable, "-P", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1"]
        out = bench.folder / name
        done = subprocess.run(
            [*launcher, "-m", "nanochat", *words, "--out", str(out)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return {"passed": False, "said": done.stderr[-500:]}
        digests.append((out / "checkpoints/step-00000010/MANIFEST.json").read_bytes())
    return {"passed": digests[0] == digests[1]}


def decoding(bench: Bench) -> dict[str, Any]:
    """Tokens a second with a KV cache, greedy, one row and 64."""
    from nanochat.models.gpt.torch import TorchGPT

    config, found = bench.gpt(), {}
    with torch.device(bench.device), torch.inference_mode():
        net = TorchGPT(config).eval()
        for rows in (1, bench.sizes.batch):
            n = min(bench.sizes.decoded, config.block_size)

            def text(rows: int = rows, n: int = n) -> None:
                cache, ids = KVCache(config, rows), torch.zeros((rows, 1), dtype=torch.int64)
                for _ in range(n):
                    ids = net(ids, cache=cache)[:, -1:].argmax(-1)

            _seconds(text)
            found[f"tokens_per_s_{rows}"] = rows * n / _seconds(text)
    return {**found, "passed": True}


def _seconds(work: Callable[[], Any]) -> float:
    """Until the device has done it."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


CHECKS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    check.__name__: check for check in (certificate, losses, there_and_back, deterministic, decoding, speed, bfloat16)
}


def main(words: list[str] | None = None) -> int:
    """0 where all checks pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--peak-tflops", type=float, default=989.0)
    given = parser.parse_args(words)
    card = torch.cuda.get_device_name() if given.device.startswith("cuda") else platform.processor() or "cpu"
    document: dict[str, Any] = {"device": given.device, "card": card, "torch": torch.__version__, "small": given.small}
    sizes = SMALL if given.small else Sizes()
    document |= {"sizes": asdict(sizes), "checks": {}}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given.device, sizes, given.peak_tflops * 1e12, Path(folder))
        for name in given.only:
            start = time.perf_counter()
            try:
                found = CHECKS[name](bench)
            except Exception as error:  # noqa: BLE001  (the card is lent for minutes: the next check is worth having)
                found = {"passed": False, "raised": f"{type(error).__name__}: {error}"}
            document["checks"][name] = {"seconds": round(time.perf_counter() - start, 1), **found}
            given.out.write_text(json.dumps(_finite(document), indent=2) + "\n", encoding="utf-8")
            print(f"{name}: {'passed' if found['passed'] else 'FAILED'} {json.dumps(_finite(found))[:200]}", flush=True)
    return 0 if all(found["passed"] for found in document["checks"].values()) else 1


def _finite(item: Any) -> Any:
    if isinstance(item, dict):
        return {name: _finite(value) for name, value in item.items()}
    if isinstance(item, list):
        return [_finite(value) for value in item]
    return None if isinstance(item, float) and not math.isfinite(item) else item


if __name__ == "__main__":
    sys.exit(main())
