"""The work of `nanochat ablate --ladder`: a study at each rung, foretold before it is run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import UsageError
from ....machine import cores
from ....plain import shown_path
from ...console import StopSignals, print_json, print_result, say
from ...options import ABLATIONS

if TYPE_CHECKING:
    from ....experiments.ablation.grid import AblationConfig
    from ....experiments.analysis.findings import Analysis
    from ....experiments.ladder.plan import Ladder


def check_flags(*, reuse: Path | None, dry_run: bool, json: bool) -> None:
    """Raises UsageError for flags that no ladder can keep."""
    if reuse is not None:
        raise UsageError(f"--reuse {reuse} has cells that were run already, and a ladder foretells them: leave it out")
    if dry_run and json:
        raise UsageError("--json of --dry-run would be a document for each rung of --ladder: leave --json out")


def work(
    *, ladder: Ladder, name: str, jobs: int, cluster: str, out: Path | None, force: bool, dry_run: bool, noise: int,
    json: bool,
) -> None:  # fmt: skip
    """Climb the ladder and write its report. Raises and ends as the work of a study does."""
    from ....experiments.ablation.budget import share_budget
    from ....experiments.ablation.cluster import count_threads
    from ....experiments.ablation.sweep import run_ablation
    from ....experiments.ablation.text import check_blocks
    from ....experiments.analysis.findings import analyse
    from ....experiments.ladder.climb import climb
    from ....experiments.ladder.register import clear_ladder
    from ....experiments.ladder.report import ladder_answer, write_ladder_report
    from ....experiments.reports.study.report import write_study_report
    from ....training.prepare import prepare
    from ...display.study import notes
    from ...display.sweep import SweepDisplay, print_noise, print_plan
    from ...folders import claimed
    from .folder import check_end, claim, corpus_of

    base = ladder.study.base
    check_blocks(prepare(base), ladder.study.eval_blocks)
    rungs = {value: share_budget(study) for value, study in ladder.rungs.items()}
    for note in dict.fromkeys(note for study in rungs.values() for note in notes(study)):
        say(f"note: {note}")
    slots = count_threads(cluster) if cluster else jobs or cores()
    if dry_run:
        for value, study in rungs.items():
            print_result(f"rung {ladder.folder_of(value)}")
            print_plan(study, slots, cluster=bool(cluster), as_json=False)
            if noise:
                print_noise(study, noise, slots)
        return
    with claimed(out, ABLATIONS, f"{name}-{ladder.name}-{base.preset}-{corpus_of(base)}", "sweep") as folder:
        if force:
            clear_ladder(folder)
        with StopSignals().watched() as stop:

            def run(value: float, study: AblationConfig, where: Path) -> Analysis:
                say(f"rung {ladder.folder_of(value)}")
                config = claim(where, rungs[value], force=force)
                with SweepDisplay(config) as display:
                    options: dict[str, Any] = {"jobs": jobs, "cluster": cluster}
                    found = analyse(run_ablation(config, where, observe=display, should_stop=stop, **options))
                if found.study.results:
                    write_study_report(found, where)
                return found

            climbed = climb(ladder, folder, run)
        written = write_ladder_report(climbed, folder)
    foretold = [asdict(one) for one in climbed.register.foretold]
    if json:
        print_json({"ladder": ladder.path, "rungs": list(climbed.rungs), "foretold": foretold,
                    "report": shown_path(written)})  # fmt: skip
    else:
        print_result(f"mode={base.mode} ladder={ladder.path} rungs={len(climbed.rungs)} report={shown_path(written)}")
    say(ladder_answer(climbed))
    for found in climbed.rungs.values():
        check_end(found.study, folder, stop)
