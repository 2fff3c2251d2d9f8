"""Measure saving and loading a model of ten million float32 weights, against torch.save and plain safetensors.

    python benchmarks/checkpoints.py [--rounds 9] [--json-rounds 2] [--memory] [--json figures.json]

Prints Markdown; exits with 1 if ours, with checksums, atomic renames and a manifest, takes more than 1.5 times as long
as safetensors' save_file and load_file with nothing of that, both on the disk when saving is over, or if the binary
form is not half the size of JSON and three times as fast. The contenders take turns, on files that are not there when
they are saved and in the system's cache when they are loaded.

Without fsync, where nothing is waited for, nobody with a sha256 can save in less than the sha256 takes: that is
measured, too. A machine that is busy with something else has no second core for it, and the figures say nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file
from scalar import machine

from nanochat.checkpoints.directory import save_directory
from nanochat.checkpoints.find import read_model
from nanochat.checkpoints.formats.arrays import FORMATS, read_arrays, write_arrays
from nanochat.checkpoints.weights import Snapshot, save_snapshot
from nanochat.experiments.bench.pairs import Pairs, Step, take_turns
from nanochat.models.initial import draw_weights
from nanochat.models.presets import PRESETS
from nanochat.tokenizers import CharTokenizer

MOST, LEAST_SMALLER, LEAST_FASTER = 1.5, 0.5, 3.0
CHECKED, PLAIN = "checkpoint folder, .safetensors", "safetensors, plain"


@dataclass(frozen=True)
class Contender:
    """A way to keep weights at `path`."""

    name: str
    path: Path
    save: Callable[[], object]
    """With fsync, if `needs_fsync` does not say that somebody else has to see to it."""
    load: Callable[[], object]
    needs_fsync: bool = False


def main() -> int:
    """0, or 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="of the binary formats (default: 9)")
    parser.add_argument("--json-rounds", type=int, default=2, help="of the readable formats (default: 2)")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of time")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            print(memory_table(Path(folder)))
            return 0
        result = measure(Path(folder), options.rounds, options.json_rounds)
    print(markdown(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(not all(bound["reached"] for bound in result["bounds"]))


def measure(folder: Path, rounds: int, json_rounds: int) -> dict[str, Any]:
    """All figures, as the JSON file has them."""
    snapshot = ten_million()
    others = binary_contenders(folder, snapshot)
    readable_figures, readable = measure_group([others[0], *json_contenders(folder, snapshot)], json_rounds)
    figures, binary = measure_group(others, rounds)
    figures = {**figures, **{name: found for name, found in readable_figures.items() if name not in figures}}
    sha256 = take_turns({"sha256": lambda: sha256_of(snapshot)}, rounds=rounds, seconds=0)
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {"numpy": np.__version__, "safetensors": safetensors.__version__} | torch_version(),
        "n_weights": sum(weight.size for weight in snapshot.weights.values()),
        "rounds": rounds,
        "json_rounds": json_rounds,
        "contenders": figures,
        "sha256_s": sha256.seconds("sha256").median,
        "cores_of_others": binary.others,
        "bounds": bounds(figures, binary, readable),
    }


def ten_million() -> Snapshot:
    """A model as large as nanoGPT's for characters, with its first weights."""
    tokenizer = CharTokenizer("".join(map(chr, range(33, 97))))
    config = replace(PRESETS["nanogpt-char"].model, vocab_size=tokenizer.vocab_size)
    weights = draw_weights(config.parameters(), np.random.default_rng(0))
    single = {name: weight.astype(np.float32) for name, weight in weights.items()}
    return Snapshot("gpt", "tensor", "float32", asdict(config), tokenizer.to_dict(), False, single)


def binary_contenders(folder: Path, snapshot: Snapshot) -> list[Contender]:
    """Ours, with and without a folder and a manifest around it, and the others."""
    ours, plain, other = folder / "ours.safetensors", folder / "plain.safetensors", folder / "torch.pt"
    checkpoint = folder / "checkpoints" / "step-00000001"

    def save_checkpoint() -> object:
        name = "model.safetensors"
        return save_directory(checkpoint.parent, 1, lambda draft: {name: save_snapshot(draft / name, snapshot)})

    contenders = [
        Contender(CHECKED, checkpoint, save_checkpoint, lambda: read_model(checkpoint)),
        Contender("one file, .safetensors", ours, lambda: save_snapshot(ours, snapshot), lambda: read_model(ours)),
        Contender(PLAIN, plain, lambda: save_file(dict(snapshot.weights), plain), lambda: load_file(plain), True),
    ]
    if importlib.util.find_spec("torch") is not None:
        import torch

        tensors = {name: torch.from_numpy(weight) for name, weight in snapshot.weights.items()}
        contenders.append(
            Contender("torch.save", other, lambda: torch.save(tensors, other), lambda: torch.load(other), True)
        )
    return contenders


def json_contenders(folder: Path, snapshot: Snapshot) -> list[Contender]:
    """The readable forms of one file."""
    paths = [folder / f"ours{ending}" for ending in FORMATS if ending != ".safetensors"]
    return [
        Contender(
            f"one file, {path.name.removeprefix('ours')}",
            path,
            lambda path=path: save_snapshot(path, snapshot),
            lambda path=path: read_model(path),
        )
        for path in paths
    ]


def measure_group(contenders: list[Contender], rounds: int) -> tuple[dict[str, dict[str, float]], Pairs]:
    """Median seconds of each, in turns, and bytes; the first time of each is not counted."""
    tasks: dict[str, tuple[Contender, str, Step]] = {}
    for one in contenders:
        one.save()
        one.load()
        tasks[f"{one.name} save"] = one, "save", partial(save, one, with_fsync=False)
        tasks[f"{one.name} save_fsync"] = one, "save_fsync", partial(save, one, with_fsync=True)
        tasks[f"{one.name} load"] = one, "load", one.load

    def prepare(name: str) -> None:
        """What is saved is not there yet; what is loaded is in the system's cache."""
        one, key, _ = tasks[name]
        if key != "load":
            remove(one.path)
        elif not one.path.exists():
            one.save()

    found = take_turns({name: task for name, (*_, task) in tasks.items()}, rounds=rounds, seconds=0, before=prepare)
    figures: dict[str, dict[str, float]] = {one.name: {"bytes": size_of(one.path)} for one in contenders}
    for name, (one, key, _) in tasks.items():
        figures[one.name][key] = found.seconds(name).median
    return figures, found


def save(contender: Contender, *, with_fsync: bool) -> None:
    """With os.fsync after those who do not call it, or without it in those who do."""
    real = os.fsync
    try:
        if not with_fsync:
            os.fsync = lambda descriptor: None
        contender.save()
    finally:
        os.fsync = real
    if with_fsync and contender.needs_fsync:
        with contender.path.open("rb+") as file:
            os.fsync(file.fileno())


def remove(path: Path) -> None:
    """A file or a folder, if it is there."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def bounds(figures: dict[str, dict[str, float]], binary: Pairs, readable: Pairs) -> list[dict[str, Any]]:
    """What is promised, and whether it holds; times are of pairs."""
    text, found = "one file, .json", []
    for key, words in (("save_fsync", "saving with fsync"), ("load", "loading")):
        ratio = binary.ratio(f"{PLAIN} {key}", f"{CHECKED} {key}").median
        words = f"{words}: {CHECKED} / {PLAIN}"
        found.append({"what": words, "ratio": ratio, "bound": f"at most {MOST}", "reached": ratio <= MOST})
    for key, words in (("save_fsync", "saving: .json / .safetensors"), ("load", "loading: .json / .safetensors")):
        ratio = readable.ratio(f"{CHECKED} {key}", f"{text} {key}").median
        bound = f"at least {LEAST_FASTER:g}"
        found.append({"what": words, "ratio": ratio, "bound": bound, "reached": ratio >= LEAST_FASTER})
    ratio = figures[CHECKED]["bytes"] / figures[text]["bytes"]
    words, bound = "size: .safetensors / .json", f"at most {1 - LEAST_SMALLER:g}"
    found.append({"what": words, "ratio": ratio, "bound": bound, "reached": ratio <= 1 - LEAST_SMALLER})
    return found


def sha256_of(snapshot: Snapshot) -> str:
    """Of all weights, as they lie in memory."""
    digest = hashlib.sha256()
    for weight in snapshot.weights.values():
        digest.update(weight)
    return digest.hexdigest()


def torch_version() -> dict[str, str]:
    """Nothing where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return {}
    import torch

    return {"torch": torch.__version__}


def markdown(r: dict[str, Any]) -> str:
    """The figures as a person reads them."""
    versions = ", ".join(f"{name} {version}" for name, version in r["versions"].items())
    head = (
        f"Saving and loading {r['n_weights'] / 1e6:.1f} million float32 weights. {r['machine']}, {r['python']}, "
        f"{versions}, {r['date']}. Median of {r['rounds']} rounds in turns ({r['json_rounds']} of JSON). "
        f"Their sha256 alone takes {1e3 * r['sha256_s']:.0f} ms."
    )
    lines = [
        head,
        "",
        "| | MB | save, ms | save with fsync, ms | load, ms |",
        "|---|---|---|---|---|",
    ]
    for name, f in r["contenders"].items():
        times = " | ".join(f"{1e3 * f[key]:,.0f}" for key in ("save", "save_fsync", "load"))
        lines.append(f"| {name} | {f['bytes'] / 1e6:.1f} | {times} |")
    lines += ["", "| ratio | | bound |", "|---|---|---|"]
    for bound in r["bounds"]:
        verdict = "reached" if bound["reached"] else "MISSED"
        lines.append(f"| {bound['what']} | {bound['ratio']:.2f} | {bound['bound']}: {verdict} |")
    return "\n".join(lines)


def memory_table(folder: Path) -> str:
    """Peak of what is allocated, in bytes a weight, beside the arrays that are written; Markdown."""
    rng = np.random.default_rng(0)
    lines = ["| format | precision | writing | reading |", "|---|---|---|---|"]
    for ending in FORMATS:
        for dtype in (np.float32, np.float64):
            arrays = {f"h.{i}": rng.normal(0, 0.02, (250, 1000)).astype(dtype) for i in range(8)}
            path = folder / f"a{ending}"
            write_arrays(path, {})  # what is imported at first use is not of this file
            peaks = [peak_of(lambda: write_arrays(path, arrays)), peak_of(lambda: read_arrays(path))]  # noqa: B023
            a_weight = " | ".join(f"{peak / 2_000_000:.1f}" for peak in peaks)
            lines.append(f"| {ending} | {np.dtype(dtype).name} | {a_weight} |")
    return "\n".join(lines)


def peak_of(task: Callable[[], object]) -> int:
    """Bytes that Python and NumPy have allocated at most while it ran."""
    tracemalloc.start()
    task()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


if __name__ == "__main__":
    raise SystemExit(main())
