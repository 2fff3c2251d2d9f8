"""nanochat's answers: of a checkout, asked in a process of its own, or those that were recorded of one.

The schedules are the checkout's own: the functions of its scripts/base_train.py, and the defaults of its flags, taken
out of the text, since the script trains where it is imported.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...storage.atomic import write_text
from ...storage.reading import OURS, decode_text, read_bytes
from .case import Case
from .names import as_theirs
from .ours import LONG, STEPS, VALIDATION, last_logits, update_at
from .wire import SAMPLE, decode, encode

DRIVER = Path(__file__).parent / "driver.py"
SCHEDULES = ("get_lr_multiplier", "get_muon_momentum", "get_weight_decay")
MODULE = "upstream_schedule.py"
_RATES = {"unembedding_lr": "unembedding-lr", "embedding_lr": "embedding-lr", "scalar_lr": "scalar-lr"}
_MOST_BYTES = 1 << 26
_FOREIGN = replace(OURS, error=ConfigError, missing="{path} is missing: name a file that is there")
_NEEDED = ("nanochat/gpt.py", "nanochat/optim.py", "nanochat/loss_eval.py", "scripts/base_train.py")


@dataclass(frozen=True)
class Checkout:
    """A folder with nanochat in it."""

    path: Path
    commit: str
    """In full; "" where the folder is no repository of its own."""
    revision: str
    """head or pin: as the user says, else by what the model has."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """Name -> default of the flags of its script."""
    schedules: str = ""
    """The source of SCHEDULES."""


def open_checkout(path: Path, revision: str = "auto") -> Checkout:
    """Look at it without running anything of it. Raises ConfigError for one that is missing, changed or incomplete."""
    missing = [name for name in _NEEDED if not (path / name).is_file()]
    if missing:
        raise ConfigError(
            f"{path} is no checkout of karpathy/nanochat ({missing[0]} is missing): clone it with "
            "`git clone https://github.com/karpathy/nanochat` and give its folder"
        )
    commit = _git(path, "rev-parse", "HEAD")
    changed = _git(path, "status", "-s", "-uno")
    if changed:
        raise ConfigError(
            f"{path} differs from its commit {commit[:7]} in {changed.split()[-1]}: what is compared has to have a "
            "name, so undo the change or commit it"
        )
    script = text_of(path / "scripts/base_train.py")
    try:
        flags, schedules = _flags(script), _functions(script)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}/scripts/base_train.py is no Python ({error}): give a clean checkout") from error
    wanted = (*_RATES.values(), "weight-decay", "matrix-lr", "final-lr-frac")
    absent = [name for name in wanted if name not in flags] + [
        name for name in SCHEDULES if f"def {name}(" not in schedules
    ]
    if absent:
        raise ConfigError(f"{path}/scripts/base_train.py has no {absent[0]}: compare a commit from 2f09686 to 92d63d4")
    if revision == "auto":
        revision = "head" if "smear" in text_of(path / "nanochat/gpt.py") else "pin"
    return Checkout(path, commit, revision, flags, schedules)


def text_of(path: Path) -> str:
    """A file that others wrote. Raises ConfigError."""
    return decode_text(read_bytes(path, _FOREIGN, limit=_MOST_BYTES), str(path), ConfigError)


def _git(path: Path, *words: str) -> str:
    """What git says; "" where it says nothing, or where `path` is no repository's own folder."""
    if not (path / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(path), *words], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _flags(script: str) -> dict[str, Any]:
    """Name -> default of each add_argument with constants."""
    found = {}
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            name, default = node.args[0], {word.arg: word.value for word in node.keywords}.get("default")
            if isinstance(name, ast.Constant) and isinstance(default, ast.Constant):
                found[str(name.value).removeprefix("--")] = default.value
    return found


def _functions(script: str) -> str:
    """The source of the functions of SCHEDULES."""
    tree = ast.parse(script)
    nodes = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in SCHEDULES]
    return "\n\n\n".join(ast.get_source_segment(script, node) or "" for node in nodes)


def schedule_module(checkout: Checkout, case: Case) -> str:
    """The text of the module that the driver imports: their functions, over our case's numbers."""
    arguments = {
        "warmup_steps": case.warmup,
        "warmup_ratio": case.warmup / case.steps,
        "warmdown_ratio": case.warmdown,
        "final_lr_frac": checkout.flags["final-lr-frac"],
    }
    head = [
        "import math",
        "from types import SimpleNamespace",
        "",
        f"args = SimpleNamespace(**{arguments!r})",
        f"num_iterations, weight_decay_scaled = {case.steps}, {case.weight_decay!r}",
    ]
    return "\n".join(head) + "\n\n\n" + checkout.schedules + "\n"


def command(checkout: Checkout, python: str, folder: Path, revision: str) -> tuple[list[str], dict[str, str]]:
    """What is run, and the environment that it has beside ours."""
    words = [python, "-P", *(["-O"] if revision == "pin" else []), str(DRIVER)]
    paths = [str(checkout.path), str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return words, {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def job_of(
    checkout: Checkout,
    case: Case,
    dtype: str,
    tasks: tuple[str, ...],
    *,
    curves: tuple[str, ...] = ("0",),
    exact: bool = True,
) -> dict[str, Any]:
    """What the driver is asked. curves: seeds, `reversed 3` with the rows of each batch in the other order.

    exact: what it computes in bfloat16 it shall compute in `dtype`.
    """
    seeds = {curve: int(curve.removeprefix("reversed ")) for curve in curves}
    weights = {"shaken": case.shaken_weights()}
    weights |= {f"first {seed}": case.first_weights(seed) for seed in seeds.values()}
    batches = {f"batches {curve}": case.batches(curve) for curve in curves}
    arrays = batches | {
        "look": case.rows_of("look", 1)[0],
        "validation": case.rows_of("validation", VALIDATION),
        "token_bytes": case.token_bytes(),
    }
    rates = {name: float(checkout.flags[flag]) * case.batch_scale for name, flag in _RATES.items()}
    return {
        "config": case.their_config,
        "dtype": dtype,
        "exact": exact,
        "tasks": list(tasks),
        "sample": SAMPLE,
        "last_logits": last_logits(case),
        "update_at": update_at(case),
        "long": {"steps": LONG, "at": list(STEPS), "args": {"warmup_ratio": case.warmup / LONG}},
        "optimizer": rates | {"matrix_lr": checkout.flags["matrix-lr"] * case.batch_scale},
        "arrays": {name: encode(array) for name, array in arrays.items()},
        "weights": {
            name: {key: encode(value) for key, value in as_theirs(case.model, given).items()}
            for name, given in weights.items()
        },
        "curves": [{"weights": f"first {seed}", "batches": f"batches {curve}"} for curve, seed in seeds.items()],
    }


def ask(checkout: Checkout, case: Case, job: Mapping[str, Any], folder: Path, *, python: str, timeout: float) -> Any:
    """The driver's answer, arrays as they came. Raises ConfigError where it cannot be had, saying why."""
    write_text(folder / MODULE, schedule_module(checkout, case))
    words, environment = command(checkout, python, folder.resolve(), case.revision)
    try:
        done = subprocess.run(
            words, input=json.dumps(job), capture_output=True, text=True, timeout=timeout, check=False,
            env=os.environ | environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"{checkout.path} did not answer within --timeout {timeout:g} seconds: give it more, or fewer --steps"
        ) from error
    except OSError as error:
        raise ConfigError(f"{python} cannot be run ({error.strerror}): give a Python with torch") from error
    if done.returncode == 0 and done.stdout.strip():
        return json.loads(done.stdout.strip().splitlines()[-1])
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if "No module named" in last:
        raise ConfigError(f"{python} has not what nanochat needs ({last}): give a Python that has it with --python PY")
    raise ConfigError(f"{checkout.path} could not be asked ({last}): is it a commit from 2f09686 to 92d63d4?")


def check_parameters(path: Path | str, theirs: Mapping[str, Any], case: Case) -> None:
    """Raises ConfigError for a model that has other parameters than ours, naming one."""
    ours = {name: list(value.shape) for name, value in as_theirs(case.model, case.first_weights()).items()}
    known = f"upstream-d{case.n_layer}" + ("-pin" if case.revision == "pin" else "")
    for name in theirs:
        if name not in ours:
            raise ConfigError(
                f"{path} has a parameter `{name}` that {known} does not know: this checkout is newer than 92d63d4, or "
                "--revision names the wrong commit"
            )
    for name, shape in ours.items():
        if theirs.get(name) != shape:
            raise ConfigError(f"{path} has `{name}` as {theirs.get(name)} where {known} has {shape}: give its commit")


def decoded(item: Any) -> Any:
    """An answer with its arrays."""
    if isinstance(item, Mapping):
        return decode(dict(item)) if "base64" in item else {name: decoded(value) for name, value in item.items()}
    return [decoded(one) for one in item] if isinstance(item, list) else item
