"""Every specimen on every instrument: `python tests/course/zoo/measure.py` writes results/reference/zoo/ and the
table of docs/zoo.md; with ids behind it, these rows alone; `with `none` behind it, what was measured is drawn anew.

All laws of health and all cheap rows of a certificate over three seeds, and what the loss says after 200 steps. Every
mended version passes all instruments of its row, or the exit code is 1.
"""

from __future__ import annotations

import json
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import numpy as np
from picture import HIDDEN, matrix, said_by_loss

from nanochat.course.zoo.catalogue import specimens
from nanochat.course.zoo.instruments import find, habitat, laws_on, losses, rows, shipped, subject_of
from nanochat.course.zoo.specimen import injected
from nanochat.errors import DivergedError
from nanochat.experiments.reports.figures import save_figure
from nanochat.storage.atomic import write_text

ROOT = Path(__file__).parents[3]
OUT = ROOT / "results" / "reference" / "zoo"
GUIDE = ROOT / "docs" / "zoo.md"
BEGIN, END = "<!-- table: python tests/course/zoo/measure.py -->", "<!-- /table -->"
SEEDS = (1337, 1338, 1339)


def main() -> int:
    """Measure, write; 1 where the table of a specimen is not true."""
    started, table = process_time(), rows()
    known = json.loads((OUT / "table.json").read_text(encoding="utf-8")) if sys.argv[1:] else {}
    found, clean, unmended = known.get("specimens", {}), {}, []
    for specimen in [one for one in specimens().values() if one.id in sys.argv[1:] or not known]:
        key = json.dumps([dict(specimen.model), dict(specimen.training)])
        clean.setdefault(key, [loss(specimen, seed) for seed in SEEDS])
        with injected(specimen):
            found[specimen.id] = measure(specimen, table, clean[key])
        unmended += [f"{specimen.id} {name}" for name in broken_when_mended(specimen)]
        sys.stderr.write(f"{specimen.id} {found[specimen.id]}\n")
    document = {
        "command": "python tests/course/zoo/measure.py",
        "date": str(datetime.now(UTC).date()),
        "seeds": SEEDS,
        "cpu_s": known.get("cpu_s", round(process_time() - started)),
        "specimens": found,
    }
    write_text(OUT / "table.json", json.dumps(document, indent=1) + "\n")
    write_guide(document)
    for kind in ("png", "svg"):
        save_figure(matrix(document), OUT / f"specimens.{kind}")
    untrue = [
        one.id for one in specimens().values() if not is_true(one, {*found[one.id]["laws"], *found[one.id]["rows"]})
    ]
    sys.stderr.write(f"untrue: {', '.join(untrue) or 'none'}; mended and broken: {', '.join(unmended) or 'none'}\n")
    return bool(untrue or unmended)


def measure(specimen, table, clean):
    """Laws that are broken and rows that fail in every seed, and what the loss says."""
    laws = []
    for seed in SEEDS:
        findings = laws_on(subject_of(habitat(specimen, seed), specimen.n_steps))
        laws.append({name for name, finding in findings.items() if finding.verdict == "fail"})
    names = list(table)
    if not specimen.fault:
        names = []
    wrong = [name for name in names if all(find(specimen, [name], seed)[name] for seed in SEEDS[:1])]
    differences = [loss(specimen, seed) - right for seed, right in zip(SEEDS, clean, strict=True)]
    mean = float(np.mean(differences))
    return {
        "name": specimen.name,
        "laws": sorted(set.intersection(*laws)),
        "rows": wrong,
        "val_loss_difference": round(mean, 4) if np.isfinite(mean) else None,
        "differences": [round(one, 4) if np.isfinite(one) else None for one in differences],
    }


def is_true(specimen, found):
    """Whether all that it names found it, and none that it calls blind."""
    return set(specimen.found_by) <= found and not set(specimen.blind) & found


def broken_when_mended(specimen):
    """Instruments of its row that find something with what is shipped in its place."""
    if not specimen.fault:
        return []
    with injected(specimen, shipped(specimen)):
        return [name for name, is_broken in find(specimen, specimen.found_by).items() if is_broken]


def loss(specimen, seed):
    """Validation loss of the habitat, trained; nan where a guard stopped it."""
    try:
        return losses(habitat(specimen, seed))[1]
    except DivergedError:
        return float("nan")


def summary(document):
    """The figures in a sentence or two."""
    bugs = [(one, document["specimens"][one.id]) for one in specimens().values() if one.fault]
    n = len(bugs)
    by_health, by_rows = [bool(entry["laws"]) for _, entry in bugs], [bool(entry["rows"]) for _, entry in bugs]
    words = [said_by_loss(entry).split()[0] for _, entry in bugs]
    return (
        f"Of {n} bugs, laws of `health` find {sum(by_health)}, rows of `certify` {sum(by_rows)}, both "
        f"{sum(a and b for a, b in zip(by_health, by_rows, strict=True))}, neither "
        f"{sum(not (a or b) for a, b in zip(by_health, by_rows, strict=True))}. The validation loss hides "
        f"{words.count('hides')} of them (less than {HIDDEN} nats), flatters {words.count('flatters')}, shows "
        f"{words.count('shows')}, does not meet {words.count('does')} that are of the other engine or of decoding; "
        f"{words.count('stopped')} end in a run that is stopped."
    )


def lines_of(document):
    """The table in Markdown."""
    yield f"{summary(document)}"
    yield ""
    yield (
        f"`{document['command']}` ({document['date']}, seeds {', '.join(map(str, document['seeds']))}, "
        f"{document['cpu_s']} s of processor time)"
    )
    yield ""
    yield "| | bug | seen in | laws of `health` that break | rows of `certify` that fail | the loss after 200 steps |"
    yield "|---|---|---|---|---|---|"
    for one in specimens().values():
        entry = document["specimens"][one.id]
        rows_ = entry["rows"]
        shown = ", ".join(rows_[:3]) + (f" and {len(rows_) - 3} more" if len(rows_) > 3 else "")
        laws = ", ".join(entry["laws"])
        says = said_by_loss(entry) if one.fault else ""
        yield f"| {one.id} | {one.title} | {one.case} | {laws or '-'} | {shown or '-'} | {says} |"


def write_guide(document):
    """Put the table between its marks."""
    text = GUIDE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    write_text(GUIDE, f"{before}{BEGIN}\n" + "\n".join(lines_of(document)) + f"\n{END}{after}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
