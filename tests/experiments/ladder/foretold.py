"""Would a third of the steps have told the verdicts of all? Five studies, run at 25, 50, 100 and 300 steps.

    python tests/experiments/ladder/foretold.py [--out FOLDER] [--work FOLDER]

Writes foretold.json and foretold.md (`make statistics`; about three minutes of one core). The rule is
`experiments/ladder/lasting.py`: a verdict is expected to stay where its difference lasts or grows along the rungs up to
a third. `--work` keeps the ladders, and goes on with those that are there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from nanochat.experiments.ablation.grid import AblationConfig
from nanochat.experiments.ablation.named import NAMED
from nanochat.experiments.ablation.sweep import run_ablation
from nanochat.experiments.analysis.findings import Analysis, analyse
from nanochat.experiments.ladder.climb import climb
from nanochat.experiments.ladder.lasting import Outlook, outlooks
from nanochat.experiments.ladder.plan import Ladder
from nanochat.training.resolve import resolve

GOAL = Path(__file__).parents[3] / "results" / "reference" / "statistics"
RUNGS, SEEDS = (25, 50, 100, 300), 6
STUDIES = {"head-and-norm": "bigram", "norms": "mini-gpt", "positions": "mini-gpt", "activations": "mini-gpt",
           "clipping": "mini-gpt"}  # fmt: skip
"""Named studies, and of which preset. Batches of 16 names, else as the preset says."""


def ladder_of(name: str) -> Ladder:
    """The study over the steps."""
    base = resolve({"preset": STUDIES[name], "mode": "tensor", "training": {"batch_size": 16, "eval_every": 0}})
    design = "one-at-a-time" if name == "clipping" else "grid"
    return Ladder(AblationConfig(base=base, axes=NAMED[name], seeds=SEEDS, design=design), "training.steps", RUNGS)


def run_rung(_: float, config: AblationConfig, folder: Path) -> Analysis:
    """Its cells, as far as they are not there."""
    return analyse(run_ablation(config, folder))


def page(found: dict[str, list[Outlook]]) -> str:
    """A row a comparison, and how often what was foretold came."""
    rows = ["| study | variant | at 100 steps | along 25, 50, 100 | foretold | at 300 steps | agree |"]
    rows.append("|---|---|---|---|---|---|---|")
    every = [one for some in found.values() for one in some]
    for name, some in found.items():
        for one in some:
            agree = "" if one.expected is None else "yes" if one.expected == one.found else "**no**"
            cells = (name, f"`{one.variant}`", one.word, one.does, one.expected or "nothing", one.found, agree)
            rows.append(f"| {' | '.join(cells)} |")
    told = [one for one in every if one.expected]
    shown = [one for one in every if one.word in ("better", "worse")]
    n_kept, n_right = sum(one.word == one.found for one in shown), sum(one.expected == one.found for one in told)
    about = (
        "`python tests/experiments/ladder/foretold.py`: five studies of `builtin:names`, batches of 16, 6 seeds, each "
        "at 25, 50, 100 and 300 steps with one learning rate for all variants. A verdict is foretold where it is "
        "shown at 100 steps and its difference lasts or grows along the rungs up to there."
    )
    summary = (
        f"Of {len(every)} comparisons {len(told)} were foretold, and {n_right} of these came; of all {len(shown)} that "
        f"100 steps called better or worse 300 steps call {n_kept} the same."
    )
    parts = ["# Verdicts from a third of the steps, and from all", about, summary, "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=GOAL, help="folder of foretold.json and foretold.md")
    parser.add_argument("--work", type=Path, help="folder of the ladders (default: one that is removed)")
    options = parser.parse_args()
    found: dict[str, list[Outlook]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in STUDIES:
            found[name] = outlooks(climb(ladder_of(name), (options.work or Path(scratch)) / name, run_rung))
            sys.stderr.write(f"{name}: {len(found[name])} comparisons\n")
    rows = {name: [asdict(one) | {"expected": one.expected} for one in some] for name, some in found.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "foretold.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.out / "foretold.md").write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
