"""The result of a study as a table for a paper: LaTeX, in the form of booktabs."""

from __future__ import annotations

import math
import re
from pathlib import Path

from ....plain import terminal
from ....storage.atomic import write_text
from ...analysis.comparisons import Comparison
from ...analysis.findings import Analysis
from ...analysis.summary import VariantSummary
from ..numbers import digits, p_text, signed
from ..page import check_mark

MARK = "% written by nanochat report"
_SPECIAL = {char: f"\\{char}" for char in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def write_latex(analysis: Analysis, folder: Path) -> Path:
    """Write report.tex. Raises WriteError, GuardError where others' file is there."""
    path = folder / "report.tex"
    check_mark(path, MARK)
    write_text(path, latex_table(analysis))
    return path


def latex_table(analysis: Analysis) -> str:
    """A row a variant, the best first; to be read in by \\input, with the package booktabs."""
    config = analysis.study.config
    rows = [_row(one, analysis.by_variant.get(one.name)) for one in analysis.ranking]
    seeds = config.seeds_of(config.baseline)
    held = (
        "holds at once with those of all looks."
        if config.looks
        else "holds at once with all others; $p$ of one sign-flip test of all comparisons, of which "
        f"{_p(2.0 ** (1 - seeds))} is the least that so many seeds can give."
    )
    caption = (
        f"Validation loss in nats per token, mean over {seeds} seed{'s' if seeds > 1 else ''}; difference to the "
        f"baseline, seed by seed, with its 95\\,\\% interval, which {held}"
    )
    lines = [
        f"{MARK}; in the preamble: \\usepackage{{booktabs}}",
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{caption}}}",
        r"\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\begin{tabular}{@{}lrrlrl@{}}",
        r"\toprule",
        r"variant & loss & difference & 95\,\% interval & $p$ & verdict \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """As it stands, on one line, whatever LaTeX would make of it."""
    return re.sub(r"[&%$#_{}\\~^<>]", lambda found: _SPECIAL[found[0]], terminal(text, keep=""))


def _row(summary: VariantSummary, one: Comparison | None) -> str:
    cells = [escaped(summary.name), digits(summary.val_loss.mean) if summary.ok else "--"]
    if one is None:
        cells += ["--", "--", "--", "baseline"]
    else:
        low, high = one.interval.low, one.interval.high
        interval = f"{_number(low)} to {_number(high)}" if math.isfinite(low + high) else "--"
        difference = _number(one.interval.mean) if one.differences else "--"
        cells += [difference, interval, _p(one.p_joint), escaped(one.word)]
    return " & ".join(cells) + r" \\"


def _number(number: float) -> str:
    return f"${signed(number)}$"


def _p(p: float) -> str:
    return "--" if math.isnan(p) else f"${p_text(p)}$"
