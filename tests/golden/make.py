"""Make golden material, and compare with it after a change that must change nothing.

    python tests/golden/make.py make DIR      before the change: DIR/golden is the law, DIR/work the old material
    python tests/golden/make.py compare DIR   after it, on the same machine: 1 and the first differences, or 0
    python tests/golden/make.py losses        writes losses.json beside this file, which is committed

By the command line and files alone (commands.py says which, normal.py what is taken out before comparing). `compare`
does everything anew in a temporary folder, but reads the *old* material: what an earlier version wrote must be read
by the later one with the same results. Under four minutes each on two cores.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commands import BENCH, HELP, LARGE, MAKING, READING, RECIPE, RUNS, SMALL, Command
from normal import normal_file, normal_screen, outline

ROOT = Path(__file__).resolve().parents[2]
LOSSES = Path(__file__).with_name("losses.json")
BAD_ROWS = '{"text": "good"}\n{"text": 3}\nnot JSON\n{"text": ""}\n'

# What two processes on one machine need to be equal to the bit, and to write plain text of one width.
STEADY = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COLUMNS": "100",
    "NO_COLOR": "1",
}

SHOWN, WIDTH = 12, 200
"""Lines of each difference, and files that differ, that are printed; characters of a line."""


def main(words: list[str]) -> int:
    match words:
        case ["make", folder]:
            return make(Path(folder))
        case ["compare", folder]:
            return compare(Path(folder))
        case ["losses"]:
            LOSSES.write_text(json.dumps(small_losses(), indent=1) + "\n", encoding="utf-8")
            return 0
    print(__doc__, file=sys.stderr)
    return 2


def make(folder: Path) -> int:
    """Write the golden documents and the material that they are of."""
    if folder.exists():
        print(f"{folder} is there already: golden material is never written over", file=sys.stderr)
        return 2
    build(folder, folder / "work")
    print(f"{sum(1 for _ in (folder / 'golden').rglob('*.txt')):,} golden documents in {folder}")
    return 0


def compare(folder: Path) -> int:
    """Do everything anew, print the first differences, and return 1 if there is one."""
    with tempfile.TemporaryDirectory() as name:
        anew = Path(name) / "anew"
        build(anew, folder / "work")
        show_differences(folder / "help", anew / "help", "differs, which is allowed")
        n_different = show_differences(folder / "golden", anew / "golden", "DIFFERS")
    print(f"{n_different} golden documents differ" if n_different else "all golden documents are equal to the bit")
    return int(n_different > 0)


def build(folder: Path, old: Path) -> None:
    """Make material in folder/work, read a copy of the material in `old`, and file all that came of it as text."""
    work, again = folder / "work", folder / "again"
    work.mkdir(parents=True)
    (work / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    (work / "bad.jsonl").write_text(BAD_ROWS, encoding="utf-8")
    with ThreadPoolExecutor(2) as beside:
        bench = beside.submit(screen, BENCH, folder)
        helps = beside.submit(write_help, folder)
        for command in MAKING:
            file_screen(folder / "golden" / "making", command, work)
        file_text(folder / "golden" / "making" / "bench.txt", outline(bench.result()[1]))
        helps.result()
    file_folder(folder / "golden" / "made", work)
    shutil.copytree(old, again, ignore=shutil.ignore_patterns("nanogpt-char"))  # 130 MB, read by no later command
    damage(again)
    for command in READING:
        file_screen(folder / "golden" / "reading", command, again)
    file_folder(folder / "golden" / "read", again)
    shutil.rmtree(again)


def damage(work: Path) -> None:
    """Flip a byte in the middle of one model, for `verify` to find."""
    [path] = (work / RUNS / "partial" / "checkpoints").rglob("model.safetensors")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def screen(command: Command, folder: Path) -> tuple[int, str, str]:
    """Run the command in the folder. Returns its exit code, standard output and standard error."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NANOCHAT_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "nanochat", *command.argv],
        cwd=folder,
        env=environment | STEADY,
        input=command.typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def file_screen(folder: Path, command: Command, work: Path) -> None:
    """Run the command, and file what it said."""
    code, out, err = screen(command, work)
    said = [normal_screen(text, places(work)) for text in (out, err)]
    text = f"$ nanochat {command.words}\nexit code {code}\n---- stdout\n{said[0]}\n---- stderr\n{said[1]}\n"
    file_text(folder / f"{command.name}.txt", text)


def file_folder(folder: Path, work: Path) -> None:
    """File every file of the material as text."""
    for path in sorted(work.rglob("*")):
        if path.is_file():
            name = path.relative_to(work)
            file_text(folder / name.parent / f"{name.name}.txt", normal_file(path, places(work)))


def write_help(folder: Path) -> None:
    for words in HELP:
        file_text(folder / "help" / f"{words or 'nanochat'}.txt", screen(Command("", f"{words} --help"), folder)[1])


def file_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def places(work: Path) -> dict[str, str]:
    """Absolute paths that depend on where golden material is made."""
    return {str(work.resolve()): "<work>", str(work): "<work>", str(ROOT): "<repository>"}


def show_differences(old: Path, new: Path, word: str) -> int:
    """Print which documents are missing, new or different, the first of them with lines. Returns how many."""
    names = {path.relative_to(root) for root in (old, new) for path in root.rglob("*.txt")}
    n_different = 0
    for name in sorted(names):
        sides = [read_lines(root / name) for root in (old, new)]
        if sides[0] == sides[1]:
            continue
        n_different += 1
        if n_different <= SHOWN:
            print(f"{name} {word}")
            for line in list(difflib.unified_diff(*sides, "before", "now", n=0, lineterm=""))[2 : 2 + SHOWN]:
                print(f"    {line[:WIDTH]}")
            print(f"    {first_difference(*sides)}")
    return n_different


def first_difference(old: list[str], new: list[str]) -> str:
    """Where they part, with what stands around it: a long line hides that."""
    before, now = "\n".join(old), "\n".join(new)
    n = next(
        (i for i, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]), min(len(before), len(now))
    )
    part = slice(max(0, n - WIDTH // 4), n + WIDTH // 4)
    return f"parted at character {n}: {before[part]!r} is now {now[part]!r}"


def read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else ["(there is no such document)"]


def small_losses() -> dict[str, dict[str, object]]:
    """Case -> its words and its losses, in float64: what is committed. See test_losses.py."""
    with tempfile.TemporaryDirectory() as name:
        cases = {}
        for case, words in LOSS_CASES.items():
            code, _, err = screen(Command(case, f"train {words} --out {case}"), Path(name))
            if code:
                raise SystemExit(f"{case}: {err}")
            cases[case] = {"words": words, "losses": read_losses(Path(name) / case)}
        return cases


def read_losses(run: Path) -> list[float]:
    """Losses of the steps, and of the validations among them, in the order of metrics.jsonl."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row[key] for row in rows for key in ("loss", "val_loss") if key in row]


_TWENTY = "--steps 20 --replicas 1 --set training.eval_tokens=32 --dtype float64"
_NARROW = (
    f"{_TWENTY} --batch-size 2 --set model.n_embd=16 --set model.n_head=2 --set model.block_size=16 --data builtin:"
)
LOSS_CASES = {
    f"{preset}-{mode}": f"--preset {preset} --mode {mode} {_TWENTY}"
    for preset in SMALL
    for mode in ("scalar", "tensor")
} | {preset: f"--preset {preset} {_NARROW}{'facts' if preset == 'nanochat-words' else 'verse'}" for preset in LARGE}
"""The large presets are narrowed: their ops, optimizers and dropout, not their size, are what a change may break."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
