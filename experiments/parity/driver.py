"""What asks nanochat itself. A program of its own: it is run, never imported, since both packages are called nanochat.

    PYTHONPATH=CHECKOUT:FOLDER python -P [-O] driver.py < job > answer

One JSON document in, one out. FOLDER holds upstream_schedule.py, the schedules of the checkout's own script. Arrays
travel as {"shape": [...], "base64": ...} of little-endian float64 or int64. Of upstream only these names are used: GPT,
GPTConfig, setup_optimizer, evaluate_bpb, and the default of the base of its rope. `-O` takes out asserts that ask for
tables of one precision.
"""

from __future__ import annotations

import base64
import inspect
import json
import math
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np
import torch

ROPE = 0.02
"""How far apart its tables and those in float64 may be: it may keep them in bfloat16."""


def main() -> None:
    """Answer the job on stdin. What upstream prints goes to stderr."""
    answer_to, sys.stdout = sys.stdout, sys.stderr
    job = json.loads(sys.stdin.read())
    torch.set_num_threads(1)
    answer_to.write(json.dumps(Upstream(job).answer()) + "\n")


class Upstream:
    """One model of theirs, and what is asked of it."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.dtype = job, getattr(torch, job["dtype"])
        _prepare(self.dtype, exact=job["exact"])
        self.gpt = import_module("nanochat.gpt")
        self.schedule = import_module("upstream_schedule")
        self.model = self._build()

    def _build(self) -> Any:
        if self.dtype == torch.float64:
            torch.set_default_dtype(self.dtype)
        model = self.gpt.GPT(self.gpt.GPTConfig(**self.job["config"]))
        model.init_weights()  # for the buffers: the weights are replaced
        model = model.to(self.dtype)
        size = model.cos.shape[-1]
        base = inspect.signature(self.gpt.GPT._precompute_rotary_embeddings).parameters["base"].default
        turns = torch.outer(
            torch.arange(model.cos.shape[1], dtype=torch.float64),
            1.0 / base ** (torch.arange(size, dtype=torch.float64) / size),
        )
        tables = [f(turns).to(self.dtype)[None, :, None, :] for f in (torch.cos, torch.sin)]
        if any((a - b).abs().max() > ROPE for a, b in zip(tables, (model.cos, model.sin), strict=True)):
            raise ValueError(f"its tables of rope are not those of the base {base}")
        model.cos, model.sin = tables
        return model

    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = {"describe": self.describe()}
        tasks = {"model": self.look, "update": self.update, "bpb": self.bits_per_byte, "curves": self.curves}
        tasks["schedules"] = self.schedules
        for name, task in tasks.items():
            if name in self.job["tasks"]:
                found[name] = task()
        return found

    def describe(self) -> dict[str, Any]:
        """What it has, and what it says of itself."""
        return {
            "parameters": {name: list(p.shape) for name, p in self.model.named_parameters()},
            "flops": self.model.estimate_flops(),
            "windows": [left for left, _ in self.model.window_sizes],
            "torch": torch.__version__,
        }

    def look(self) -> dict[str, Any]:
        """Logits, loss and gradients of the shaken weights."""
        self._load("shaken")
        ids, targets = self._rows("look")
        logits = self.model(ids)
        loss = self.model(ids, targets)
        loss.backward()
        gradients = {name: self._sampled(p.grad) for name, p in self.model.named_parameters()}
        return {"logits": encode(logits[:, -self.job["last_logits"] :]), "loss": loss.item(), "gradients": gradients}

    def update(self) -> dict[str, Any]:
        """What one step moves the shaken weights by."""
        self._load("shaken")
        before = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        optimizer = self._optimizer()
        self._step(optimizer, self._rows("look"), self.job["update_at"])
        return {name: self._sampled(p.detach() - before[name]) for name, p in self.model.named_parameters()}

    def bits_per_byte(self) -> float:
        """evaluate_bpb of the shaken weights on the validation rows."""
        self._load("shaken")
        rows = torch.as_tensor(decode(self.job["arrays"]["validation"]))
        batches = [_pair(one) for one in rows]
        sizes = torch.as_tensor(decode(self.job["arrays"]["token_bytes"]))
        return float(import_module("nanochat.loss_eval").evaluate_bpb(self.model, batches, len(batches), sizes))

    def schedules(self) -> dict[str, Any]:
        """The rate over its base, the momentum and the decay at some steps of a long run."""
        there: Any = self.schedule
        long = self.job["long"]
        before = there.num_iterations, vars(there.args).copy()
        there.num_iterations = long["steps"]
        vars(there.args).update(long["args"])
        functions = (there.get_lr_multiplier, there.get_muon_momentum, there.get_weight_decay)
        found = [[float(f(step)) for step in long["at"]] for f in functions]
        there.num_iterations = before[0]
        vars(there.args).update(before[1])
        return encode(found)

    def curves(self) -> list[dict[str, Any]]:
        """Training from each of the given first weights, on the given batches."""
        return [self._curve(curve) for curve in self.job["curves"]]

    def _curve(self, curve: dict[str, Any]) -> dict[str, Any]:
        self._load(curve["weights"])
        optimizer, losses, seconds = self._optimizer(), [], []
        for step, rows in enumerate(torch.as_tensor(decode(self.job["arrays"][curve["batches"]]))):
            start = time.perf_counter()
            losses.append(self._step(optimizer, _pair(rows), step))
            seconds.append(time.perf_counter() - start)
        rows = torch.as_tensor(decode(self.job["arrays"]["validation"]))
        with torch.no_grad():
            val = [self.model(*_pair(one)).item() for one in rows]
        return {"losses": losses, "val_loss": math.fsum(val) / len(val), "seconds": seconds}

    def _step(self, optimizer: Any, rows: Any, step: int) -> float:
        """Forward, backward and update with the schedules of their script; the loss before."""
        self.model.zero_grad(set_to_none=True)
        loss = self.model(*rows)
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.schedule.get_lr_multiplier(step)
            if group["kind"] == "muon":
                group["momentum"] = self.schedule.get_muon_momentum(step)
                group["weight_decay"] = self.schedule.get_weight_decay(step)
        optimizer.step()
        return float(loss.item())

    def _optimizer(self) -> Any:
        return self.model.setup_optimizer(**self.job["optimizer"])

    def _load(self, name: str) -> None:
        weights = self.job["weights"][name]
        with torch.no_grad():
            for key, parameter in self.model.named_parameters():
                parameter.copy_(torch.as_tensor(decode(weights[key])).to(parameter.dtype))

    def _rows(self, name: str) -> tuple[Any, Any]:
        rows = torch.as_tensor(decode(self.job["arrays"][name]))
        return _pair(rows)

    def _sampled(self, tensor: Any) -> dict[str, Any]:
        """Its norm, and so many of its numbers, evenly spaced."""
        flat = tensor.detach().double().numpy().reshape(-1)
        return {"norm": float(np.linalg.norm(flat)), "numbers": encode(flat[spaced(flat.size, self.job["sample"])])}


def _prepare(dtype: Any, *, exact: bool) -> None:
    """Before upstream is imported: no torch.compile, and in float64 nothing that goes to another precision.

    exact: products that it makes in bfloat16 stay as they are, too.
    """
    torch.compile = lambda function=None, **_: function or (lambda decorated: decorated)
    common: Any = import_module("nanochat.common")
    if hasattr(common, "COMPUTE_DTYPE"):
        common.COMPUTE_DTYPE = dtype
    if dtype == torch.float64:
        torch.Tensor.float = lambda tensor: tensor
    if exact:
        torch.Tensor.bfloat16 = lambda tensor: tensor


def _pair(rows: Any) -> tuple[Any, Any]:
    """Inputs and targets       (B, T + 1) -> (B, T), (B, T)"""
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


def spaced(size: int, n: int) -> Any:
    """n indices of `size`, evenly spaced; all where there are fewer."""
    return np.arange(size) if size <= n else np.linspace(0, size - 1, n).astype(np.int64)


def encode(array: Any) -> dict[str, Any]:
    """As JSON holds it."""
    found = np.asarray(array.detach().numpy() if hasattr(array, "detach") else array)
    found = found.astype("<i8" if found.dtype.kind in "iu" else "<f8")
    return {"shape": list(found.shape), "dtype": found.dtype.str, "base64": base64.b64encode(found.tobytes()).decode()}


def decode(item: dict[str, Any]) -> Any:
    """What `encode` wrote."""
    return np.frombuffer(base64.b64decode(item["base64"]), item["dtype"]).reshape(item["shape"]).copy()


if __name__ == "__main__":
    main()
