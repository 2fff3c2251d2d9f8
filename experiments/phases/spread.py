"""A recipe over several seeds: how well it does on average, and how far one run of it is from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import GuardError
from ...plain import link, markdown
from ...storage.atomic import write_json, write_text
from ..evaluation.quiz import UNDERSTOOD
from ..reports.markdown import bullets, document, fenced, table
from ..reports.numbers import digits
from ..statistics.intervals import standard_deviation, t_interval
from .recipe import PhasedRecipe, configs_of

_PROOF = "spread.json"
_IN_NATS = ("val loss", "train loss", "loss", "bits per byte")
_NO_SHARES = (*_IN_NATS, "BLEU-4")
_NOTE = """\
Over seeds, which change the first weights, the order of the data and all else that is drawn: one run of the recipe \
differs from another by about the SD. Runs that all say the same leave no interval; that of the questions is in their \
reports. Losses in nats per token, shares in percent."""


def with_seed(recipe: PhasedRecipe, i: int) -> PhasedRecipe:
    """The recipe whose phases each have a seed that is greater by i."""
    configs = configs_of(recipe.phases)
    phases = [
        replace(phase, settings={**phase.settings, "seed": config.seed + i})
        for phase, config in zip(recipe.phases, configs, strict=True)
    ]
    return replace(recipe, phases=tuple(phases))


def check_spread(out: Path) -> None:
    """Raises GuardError where `out` has a report that is not of several seeds."""
    if (out / "report.md").exists() and not (out / _PROOF).is_file():
        raise GuardError(f"{out} holds other results already: choose another --out for several seeds")


def write_spread(out: Path, recipe: PhasedRecipe, found: Mapping[str, Mapping[str, Any]], command: str) -> Path:
    """Write spread.json and report.md; `found` has what evaluation.json says, by the folder of a seed.

    Raises WriteError.
    """
    by_seed = {name: figures_of(content) for name, content in found.items()}
    write_json(out / _PROOF, by_seed)
    parts = [
        f"# {markdown(recipe.title or recipe.name)}: {len(found)} seeds",
        *_headline(by_seed),
        table(
            ("", "mean", "95 % t interval of it", "SD of a run", "lowest", "highest"),
            _rows(by_seed),
            right={1, 3, 4, 5},
        ),
        _NOTE,
        bullets([f"[{markdown(name)}]({link(name)}/report.md)" for name in found]),
        "## Reproduce",
        fenced(command, "sh"),
        *(["## Caveats", bullets([markdown(one) for one in recipe.caveats])] if recipe.caveats else []),
    ]
    write_text(out / "report.md", document(parts))
    return out / "report.md"


def figures_of(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an evaluation.json that are worth a mean, in the order of its report."""
    loss = {
        name.replace("_", " "): evaluation[name] for name in ("val_loss", "train_loss", "loss") if name in evaluation
    }
    found = {**loss, "bits per byte": evaluation["bits_per_byte"]}
    if replies := evaluation.get("replies"):
        found |= {"exact match": 100 * replies["exact_match"]["share"], "BLEU-4": replies["bleu_4"]}
    shares = evaluation.get("questions", {})
    return found | {name: 100 * one["share"] for name, one in shares.items() if one["share"] is not None}


def _headline(by_seed: Mapping[str, Mapping[str, float]]) -> list[str]:
    """How many taught facts are answered in other words, and how far from one run to another; none without such."""
    values = [figures[UNDERSTOOD] for figures in by_seed.values() if UNDERSTOOD in figures]
    if len(values) < len(by_seed) or len(values) < 2:
        return []
    mean, sd, ends = t_interval(values).mean, standard_deviation(values), f"{min(values):.1f} to {max(values):.1f}"
    words = (
        f"Taught facts asked in words that no training held are answered in {mean:.1f} % of cases on average over "
        f"{len(values)} runs, in {ends} % by run (SD {sd:.1f})."
    )
    return [f"**{words}**"]


def _rows(by_seed: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    rows = []
    for name in next(iter(by_seed.values())):
        values = [figures[name] for figures in by_seed.values() if figures.get(name) is not None]
        spelled = digits if name in _IN_NATS else "{:.1f}".format
        found = t_interval(values)
        low, high = (found.low, found.high) if name in _NO_SHARES else (max(0.0, found.low), min(100.0, found.high))
        ends = f"{spelled(low)} to {spelled(high)}" if found.half_width > 0 else "-"
        numbers = found.mean, standard_deviation(values), min(values), max(values)
        center, *others = map(spelled, numbers)
        rows.append([markdown(name), center, ends, *others])
    return rows
