"""The statistics of every committed study and rung, from its ablation.csv alone, by scipy."""

import csv
import json
import math
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from nanochat.experiments.ablation.study import read_study
from nanochat.experiments.analysis.findings import analyse

pytestmark = pytest.mark.oracle
REFERENCE = Path(__file__).parents[3] / "results" / "reference"
PUBLISHED = sorted(REFERENCE.rglob("ablation.csv"))
OF_ONE_AXIS = [path for path in PUBLISHED if len(json.loads((path.parent / "config.json").read_bytes())["axes"]) == 1]


@cache
def losses_of(path):
    """Variant -> loss by seed; that of the whole text where the study compares it."""
    study = read_study(path.parent)
    is_whole = all(one.text is not None and one.text.is_whole for one in study.results)
    found = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["variant"], []).append(float(row["text_loss" if is_whole else "val_loss"]))
    return study, {name: np.array(column) for name, column in found.items()}


def named(path):
    return str(path.parent.relative_to(REFERENCE))


@pytest.mark.parametrize("path", PUBLISHED, ids=named)
def test_t_its_interval_and_sign_flips_are_those_of_scipy(path):
    stats = pytest.importorskip("scipy.stats")
    study, losses = losses_of(path)
    found = analyse(study)
    for one in found.comparisons:
        of_variant = losses[one.variant]  # seeds in order; what was decided at a look has fewer than the baseline
        theirs = stats.ttest_rel(of_variant, losses[found.baseline][: len(of_variant)])
        ends = theirs.confidence_interval(0.95)
        assert one.p_t == pytest.approx(theirs.pvalue, rel=0.02, abs=1e-9)  # the table has six decimals
        assert (one.t_interval.low, one.t_interval.high) == pytest.approx((ends.low, ends.high), abs=3e-6)
        if study.config.looks:  # decided by one test of all variants at each look
            assert math.isnan(one.p_exact)
            continue
        flips = stats.permutation_test(
            (one.differences,), np.sum, permutation_type="samples", n_resamples=2 ** len(one.differences)
        )
        assert one.p_exact == pytest.approx(flips.pvalue)


@pytest.mark.parametrize("path", OF_ONE_AXIS, ids=named)
def test_the_joint_p_is_that_of_step_down_maxima_written_out(path):
    """All pairs of variants, those without the baseline at 0.7; every pattern of signs, |t| by scipy."""
    stats = pytest.importorskip("scipy.stats")
    study, losses = losses_of(path)
    names = list(losses)
    with_baseline = [losses[name] - losses[names[0]] for name in names[1:]]
    others = [losses[a] - losses[b] for i, a in enumerate(names[1:], 1) for b in names[i + 1 :]]
    family, weights = np.array(with_baseline + others).T, np.array([1.0] * len(with_baseline) + [0.7] * len(others))
    signs = np.array([(1, *rest) for rest in product((1, -1), repeat=len(family) - 1)])
    t = weights * np.abs(stats.ttest_1samp(family[None] * signs[:, :, None], 0, axis=1).statistic)  # (patterns, k)
    p, left, least = {}, list(np.argsort(-t[0])), 0.0
    while left:  # the largest against the maximum of those that are left
        j = left[0]
        p[j] = least = max(least, float(np.mean(t[:, left].max(1) >= t[0, j] * (1 - 1e-7))))
        left = left[1:]
    for j, one in enumerate(analyse(study).comparisons):
        assert one.p_joint == pytest.approx(p[j], abs=1e-12), one.variant
