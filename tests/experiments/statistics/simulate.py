"""Simulate studies whose truth is known, and count how often the statistics say something else.

    python tests/experiments/statistics/simulate.py [--share 0.1] [--only NAME ...] [--out FOLDER]

Each line is held to its limit, plus two standard errors of the share that was simulated. `make statistics` runs the
full counts and writes results/reference/statistics/; the suite runs a small share (test_simulate.py). Exits with 1 if
a limit does not hold.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from nanochat.experiments.ablation.cells import CellResult
from nanochat.experiments.ablation.grid import AblationConfig, Cell
from nanochat.experiments.ablation.text import text_loss
from nanochat.experiments.ablation.tune import tune
from nanochat.experiments.statistics.crossed import crossed_interval
from nanochat.experiments.statistics.joint import all_pairs, best_set, joint_test
from nanochat.experiments.statistics.ladder import fit_and_predict, trend
from nanochat.experiments.statistics.sequential import SequentialPlan, decide
from nanochat.experiments.statistics.significance import holm, sign_flip_p
from nanochat.experiments.statistics.surface import fit_surface
from nanochat.training.folder.record import RunRecord
from nanochat.training.resolve import resolve
from nanochat.training.run import Ended, Event, run_training

GOAL = Path(__file__).parents[3] / "results" / "reference" / "statistics"
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "t, 3 degrees": lambda rng, shape: rng.standard_t(3, shape),
    "lognormal": lambda rng, shape: np.exp(rng.standard_normal(shape)) / 2.16,
    "spread 0.3 to 3": lambda rng, shape: rng.standard_normal(shape) * np.linspace(0.3, 3, shape[1]),
}
FAMILIES = ((6, 3), (8, 5), (8, 7), (8, 11), (9, 11))
PLANS = ((16,), (8, 12, 16), (8, 16, 24), (6, 8, 10, 12, 14), (8, 12, 16, 20, 24))
RATIOS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Line:
    """One share or mean, what it may be, and of how many studies."""

    method: str
    what: str
    value: float
    least: float
    most: float
    n: int

    @property
    def slack(self) -> float:
        """Two standard errors of a share at its limit; none for what is no share."""
        limit = self.most if self.most < 1 else self.least
        return 2 * math.sqrt(limit * (1 - limit) / self.n) if 0 < limit < 1 else 0.0

    @property
    def holds(self) -> bool:
        """Within the limits, as far as so many studies can tell."""
        return bool(self.least - self.slack <= self.value <= self.most + self.slack)


def joint_errors(n: int) -> Iterator[Line]:
    """Method 1: any false alarm, with nothing different or half, under four noises; power beside Holm's."""
    for noise, draw in NOISES.items():
        for seeds, k in FAMILIES:
            rng = np.random.default_rng(1)
            false, false_half, power, power_holm = 0, 0, 0.0, 0.0
            effects = np.where(np.arange(k) < k // 2, 0.0, 3.0)
            is_null = effects == 0
            for _ in range(n):
                runs = draw(rng, (seeds, k + 1))
                differences = runs[:, 1:] - runs[:, :1]
                false += joint_test(differences, n_intervals=0).p_joint.min() <= 0.05
                half = joint_test(differences + effects, n_intervals=0)
                false_half += half.p_joint[is_null].min() <= 0.05
                power += np.mean(half.p_joint[~is_null] <= 0.05)
                power_holm += np.mean(np.array(holm(half.p.tolist()))[~is_null] <= 0.05)
            where = f"{noise}, {seeds} seeds, {k} comparisons"
            yield Line("joint", f"false alarm, nothing differs: {where}", false / n, 0, 0.05, n)
            yield Line("joint", f"false alarm, half differs: {where}", false_half / n, 0, 0.05, n)
            yield Line("joint", f"power minus Holm's: {where}", (power - power_holm) / n, 0, 1, n)
            yield Line("joint", f"power at 3 SD: {where}", power / n, 0, 1, n)


def joint_intervals(n: int) -> Iterator[Line]:
    """Method 1: intervals that hold all true differences at once, and never contradict a verdict."""
    for seeds, k in ((6, 3), (8, 5)):
        rng = np.random.default_rng(2)
        effects, covered, contradicted = np.where(np.arange(k) < k // 2, 0.0, 3.0), 0, 0
        for _ in range(n):
            runs = rng.standard_normal((seeds, k + 1))
            test = joint_test(runs[:, 1:] - runs[:, :1] + effects)
            covered += bool(np.all((test.low <= effects) & (effects <= test.high)))
            holds_zero, off_zero = (test.low < 0) & (test.high > 0), (test.low > 0) | (test.high < 0)
            contradicted += bool(np.any(np.where(test.p_joint <= 0.05, holds_zero, off_zero)))
        where = f"{seeds} seeds, {k} comparisons"
        yield Line("joint", f"all intervals hold the truth: {where}", covered / n, 0.95, 1, n)
        yield Line("joint", f"interval contradicts verdict: {where}", contradicted / n, 0, 0, n)


def joint_report(n: int) -> Iterator[Line]:
    """Method 1: any false verdict in a whole 2 x 2 report, and whether the set of the best holds the best."""
    rng, false = np.random.default_rng(3), 0
    for _ in range(n):
        losses = rng.standard_normal((8, 4))
        first, second = losses[:, 2:].mean(1) - losses[:, :2].mean(1), losses[:, 1::2].mean(1) - losses[:, ::2].mean(1)
        interaction = losses[:, 3] - losses[:, 2] - losses[:, 1] + losses[:, 0]
        pairs = all_pairs(losses)[0]  # three with the baseline, three without, which count less
        family = np.column_stack([pairs[:, :3], first, second, interaction, pairs[:, 3:]])
        weights = np.array([1, 1, 1, 1, 1, 0.7, 0.7, 0.7, 0.7])
        false += joint_test(family, n_intervals=0, weights=weights).p_joint.min() <= 0.05
    yield Line("joint", "any false verdict in the report of a 2 x 2, 8 seeds", false / n, 0, 0.05, n)
    for means in ((0, 0, 0, 0, 0, 0), (0, 0.3, 0.6, 0.9, 1.2, 1.5), (0, 0.5, 2, 3, 4, 5)):
        held, size = 0, 0
        for _ in range(n):
            differences, pairs = all_pairs(rng.standard_normal((8, 6)) + np.array(means))
            kept = best_set(6, pairs, differences, joint_test(differences, n_intervals=0).p_joint)
            held, size = held + int(kept[0]), size + int(kept.sum())
        yield Line("joint", f"the set holds the best: means {means}", held / n, 0.95, 1, n)
        yield Line("joint", f"its size: means {means}", size / n, 1, 6, n)


def sequential_errors(n: int) -> Iterator[Line]:
    """Method 2: any false alarm at any look, for five plans and three noises."""
    for looks in PLANS:
        plan = SequentialPlan(looks=looks)
        for noise in ("normal", "t, 3 degrees", "lognormal"):
            rng, false = np.random.default_rng(4), 0
            for _ in range(n):
                runs = NOISES[noise](rng, (plan.most, 2))
                false += "different" in decide(runs[:, 1:] - runs[:, :1], plan).verdicts
            yield Line("sequential", f"false alarm, looks {looks}: {noise}", false / n, 0, 0.05, n)
    rng, false = np.random.default_rng(5), 0
    for _ in range(n):
        column = rng.standard_normal(16)
        false += any(sign_flip_p(column[:look].tolist()) <= 0.05 for look in (8, 12, 16))
    yield Line("sequential", "for comparison: tested anew at 8, 12, 16 without a plan", false / n, 0, 1, n)


def sequential_family(n: int) -> Iterator[Line]:
    """Method 2: what a report with looks says of three variants and one baseline, of which looks decide nothing else.

    Any of the equal ones called different, with all equal or one apart; and one that is off by the margin, equivalent.
    """
    for where, effects in (("nothing differs", (0.0, 0.0, 0.0)), ("one of them differs", (0.0, 0.0, 3.0))):
        plan, rng, false = SequentialPlan(looks=(8, 12, 16), margin=0.01), np.random.default_rng(14), 0
        for _ in range(n):
            runs = rng.standard_normal((16, 4))
            verdicts = decide(runs[:, 1:] - runs[:, :1] + np.array(effects), plan).verdicts
            false += any(said == "different" for said, effect in zip(verdicts, effects, strict=True) if effect == 0)
        yield Line("sequential", f"false alarm among 3 variants, looks (8, 12, 16): {where}", false / n, 0, 0.05, n)
    plan, rng, false = SequentialPlan(looks=(8, 12, 16), margin=1.5), np.random.default_rng(15), 0
    for _ in range(n):
        runs = rng.standard_normal((16, 4))
        false += decide(runs[:, 1:] - runs[:, :1] + np.array([1.5, 0.0, 0.0]), plan).verdicts[0] == "equivalent"
    yield Line("sequential", "called equivalent though off by the margin, 1 of 3 variants", false / n, 0, 0.05, n)


def sequential_power(n: int) -> Iterator[Line]:
    """Method 2: seeds that it takes to find 1.2 SD, and power beside that of all seeds at once."""
    plan, fixed, rng = SequentialPlan(looks=(8, 12, 16)), SequentialPlan(looks=(16,)), np.random.default_rng(6)
    found, found_fixed, seeds = 0, 0, 0
    for _ in range(n):
        column = rng.standard_normal((16, 1)) + 1.2
        decision = decide(column, plan)
        found += decision.verdicts[0] == "different"
        seeds += decision.n_seeds[0]
        found_fixed += decide(column, fixed).verdicts[0] == "different"
    yield Line("sequential", "seeds on average at 1.2 SD, looks (8, 12, 16)", seeds / n, 8, 11, n)
    yield Line("sequential", "power over that of 16 seeds at 1.2 SD", found / found_fixed, 0.95, 1.05, n)
    yield Line("sequential", "power of 16 seeds at 1.2 SD", found_fixed / n, 0, 1, n)


def tuning_errors(n: int) -> Iterator[Line]:
    """Method 3: one of two equal variants called better, its best of m rates chosen on 3 seeds, tested on 8 others."""
    for n_rates in (1, 3, 5, 8, 10):
        rng, held_out, same = np.random.default_rng(11), 0, 0
        for _ in range(n):
            one, other = rng.standard_normal(11), rng.standard_normal((n_rates, 11))
            chosen = other[other[:, :3].mean(1).argmin()] - one
            held_out += _is_better(chosen[3:])
            same += _is_better(other[other[:, 3:].mean(1).argmin(), 3:] - one[3:])
        yield Line("tuning", f"called better though equal, {n_rates} rates", held_out / n, 0, 0.025, n)
        yield Line("tuning", f"for comparison, chosen on the seeds of the test, {n_rates} rates", same / n, 0, 1, n)


def _is_better(differences: np.ndarray) -> bool:
    return bool(joint_test(differences[:, None], n_intervals=0).p_joint[0] <= 0.05 and differences.mean() < 0)


def tuning_search(n: int) -> Iterator[Line]:
    """Method 3: rates are sought in bowls of noisy losses, within and beyond the first grid, by `tune` itself.

    A bowl costs `curve` standard deviations of a run at one grid value from its best.
    """
    base = resolve({"preset": "bigram", "mode": "tensor", "training": {"steps": 1}})
    grid = (0.01, 0.03, 0.1)
    axes = {"training.weight_decay": (0.0, 0.1)}
    config = AblationConfig(base=base, axes=axes, seeds=1, tune={"training.lr": grid})
    record = RunRecord.of(base, status="ok", reason="")
    for curve in (0.5, 1.0, 2.0, 4.0):
        rng, regrets, found = np.random.default_rng(12), 0.0, 0
        for _ in range(n):
            optima = 0.03 * 3 ** rng.uniform(-0.5, 0.5), 0.1 * 3 ** rng.uniform(1, 3)

            def loss(lr: float, optimum: float, curve: float = curve) -> float:
                return curve * (math.log(lr / optimum) / math.log(3)) ** 2

            def run(cells: Sequence[Cell], optima: tuple[float, float] = optima) -> dict[str, CellResult | None]:
                results: dict[str, CellResult | None] = {}
                for cell in cells:
                    settings = cell.config.training
                    level = loss(settings.lr, optima[settings.weight_decay > 0])
                    noise = np.random.default_rng([hash(optima) % 2**32, *cell.key.encode()]).standard_normal()
                    results[cell.key] = CellResult(cell, replace(record, val_loss=10 + level + noise), (), ())
                return results

            tuned = list(tune(config, run).tuned.values())
            regrets += loss(tuned[0], optima[0]) - min(loss(lr, optima[0]) for lr in grid)
            found += abs(math.log(tuned[1] / optima[1]) / math.log(3)) <= 1.0
        yield Line("tuning", f"regret in hundredths of an SD, {curve:g} SD a value", 100 * regrets / n, -100, 20, n)
        yield Line(
            "tuning",
            f"an optimum beyond the grid is found within a value, {curve:g} SD",
            found / n,
            0.95 if curve >= 1 else 0,
            1,
            n,
        )


def crossed_coverage(n: int) -> Iterator[Line]:
    """Method 4: coverage where seeds, blocks and the rest are drawn, and so is the text that was not read.

    ratio: what the text adds to the error of the mean over what the seeds add.
    """
    for seeds, blocks in ((3, 16), (8, 16), (8, 64)):
        for share in (0.0, 0.3, 1.0):
            for ratio in RATIOS:
                rng, held, spread = np.random.default_rng(7), 0, ratio * math.sqrt(blocks)
                n_text = round(blocks / share) if share else 0
                for _ in range(n):
                    text = spread * rng.standard_normal(max(blocks, n_text))
                    levels, rest = rng.standard_normal((seeds, 1)), rng.standard_normal((seeds, blocks))
                    losses = math.sqrt(seeds) * levels + text[:blocks] + math.sqrt(blocks) * rest
                    found = crossed_interval(losses, share_read=share)
                    held += found.low <= (text.mean() if share else 0.0) <= found.high
                where = f"{seeds} seeds, {blocks} blocks, {share:.0%} of the text read, ratio {ratio:g}"
                yield Line("crossed", f"coverage: {where}", held / n, 0.93, 0.98, n)


def crossed_cells(n: int) -> Iterator[Line]:
    """Method 4: coverage of loss and difference where seeds and windows are drawn anew from those of real cells.

    The truth is the mean over all 16 seeds and all windows of the validation text; 8 seeds and a part are drawn.
    """
    for source in ("builtin:names", "builtin:verse"):
        tied, untied = (_window_losses(source, tie_lm_head=tied) for tied in (True, False))
        for what, losses in (("loss", untied), ("difference", tied - untied)):
            rng, truth, held, held_seeds = np.random.default_rng(8), float(losses.mean()), 0, 0
            n_windows = losses.shape[1]
            read = min(64, n_windows // 2)
            for _ in range(n):
                rows, columns = rng.integers(0, len(losses), 8), rng.permutation(n_windows)[:read]
                drawn = losses[np.ix_(rows, columns)]
                found = crossed_interval(drawn, share_read=read / n_windows)
                held += found.low <= truth <= found.high
                held_seeds += abs(found.mean - truth) <= found.of_seeds
            where = f"{what}, {source}, {read} of {n_windows} windows"
            yield Line("crossed", f"coverage on real cells: {where}", held / n, 0.93, 0.98, n)
            yield Line("crossed", f"for comparison, of seeds alone: {where}", held_seeds / n, 0, 1, n)


def _window_losses(source: str, *, tie_lm_head: bool) -> np.ndarray:
    """Of 16 bigrams after 200 steps, in windows of 16 tokens of the whole validation text.   (16, W)"""
    rows = []
    for seed in range(16):
        settings = {"mode": "tensor", "preset": "bigram", "seed": seed, "data": {"source": source}}
        config = resolve({**settings, "model": {"tie_lm_head": tie_lm_head}, "training": {"steps": 200}})
        ended: list[Ended] = []

        def listen(event: Event, ended: list[Ended] = ended) -> None:
            if isinstance(event, Ended):
                ended.append(event)

        run_training(config, observe=listen)
        n_tokens = ended[0].session.dataset.n_val_tokens
        text = text_loss(ended[0].session, n_tokens // 16)
        assert text is not None
        rows.append(text.blocks)
    return np.array(rows)


def ladder_predictions(n: int) -> Iterator[Line]:
    """Method 5: the next rung, twice as far, falls into its interval; and "shrinks" where the gap halves or stays."""
    x = 1e4 * 2.0 ** np.arange(5)
    for floor, scale, exponent in ((2.2, 0.2, 0.67), (1.0, 1.0, 0.3), (2.2, 0.05, 1.5)):
        for noise in (0.003, 0.01):
            rng, held = np.random.default_rng(9), 0
            for _ in range(n):
                levels, rest = 2 * noise * rng.standard_normal((3, 1)), noise * rng.standard_normal((3, 5))
                losses = floor + scale * (x / x[0]) ** -exponent + levels + rest
                _, next_rung = fit_and_predict(x[:4], losses[:, :4], x[4])
                held += next_rung.low <= losses[:, 4].mean() <= next_rung.high
            where = f"E={floor:g}, A={scale:g}, a={exponent:g}, noise {noise:g}"
            yield Line("ladder", f"next rung in its interval: {where}", held / n, 0.92, 0.98, n)
    for noise in (0.003, 0.01):
        for what, gap, least, most in (
            ("stays", np.full(4, 0.1), 0, 0.05),
            ("halves", 0.1 / 2.0 ** np.arange(4), 0.8, 1),
        ):
            rng, shrinks = np.random.default_rng(10), 0
            for _ in range(n):
                levels, rest = noise * rng.standard_normal((3, 1)), noise * rng.standard_normal((3, 4))
                shrinks += trend(x[:4], gap + levels + rest).word == "shrinks"
            yield Line("ladder", f"said to shrink where the gap {what}, noise {noise:g}", shrinks / n, least, most, n)


def surface_predictions(n: int) -> Iterator[Line]:
    """Method 5: two terms over 4 x 3 rungs; the next rung of both falls into its interval, a and b into theirs."""
    x, y, ahead = 100.0 * 2.0 ** np.arange(4), 3e3 * 4.0 ** np.arange(3), (1600.0, 192e3)
    for floor, a, b in ((1.5, 0.5, 0.4), (2.0, 0.3, 0.7)):

        def loss(at: np.ndarray, size: np.ndarray, floor: float = floor, a: float = a, b: float = b) -> np.ndarray:
            return floor + 0.8 * (at / 100) ** -a + (size / 3e3) ** -b

        rng, held, held_x, held_y = np.random.default_rng(13), 0, 0, 0
        for _ in range(n):
            levels, rest = 0.02 * rng.standard_normal((3, 1, 1)), 0.01 * rng.standard_normal((3, 4, 3))
            law, found = fit_surface(x, y, loss(x[:, None], y[None, :]) + levels + rest, ahead)
            came = loss(np.array(ahead[0]), np.array(ahead[1])) + levels.mean() + 0.01 * rng.standard_normal(3).mean()
            held += bool(found.low <= came <= found.high)
            held_x += law.interval_x[0] <= a <= law.interval_x[1]
            held_y += law.interval_y[0] <= b <= law.interval_y[1]
        where = f"E={floor:g}, a={a:g}, b={b:g}, noise 0.01"
        yield Line("ladder", f"two terms, next rung of both in its interval: {where}", held / n, 0.92, 0.98, n)
        yield Line("ladder", f"two terms, exponent over 4 rungs in its interval: {where}", held_x / n, 0.9, 0.98, n)
        yield Line("ladder", f"two terms, exponent over 3 rungs in its interval: {where}", held_y / n, 0.9, 0.98, n)


SIMULATIONS: dict[str, tuple[Callable[[int], Iterator[Line]], int]] = {
    "joint_errors": (joint_errors, 10_000),
    "joint_intervals": (joint_intervals, 10_000),
    "joint_report": (joint_report, 10_000),
    "sequential_errors": (sequential_errors, 10_000),
    "sequential_family": (sequential_family, 6_000),
    "sequential_power": (sequential_power, 4_000),
    "tuning_errors": (tuning_errors, 10_000),
    "tuning_search": (tuning_search, 400),
    "crossed_coverage": (crossed_coverage, 4_000),
    "crossed_cells": (crossed_cells, 4_000),
    "ladder_predictions": (ladder_predictions, 2_000),
    "surface_predictions": (surface_predictions, 1_000),
}
"""Each with the studies of its full count."""


def table(lines: list[Line]) -> str:
    """Markdown, a section a method."""
    parts = ["# The statistics, simulated", "`make statistics`: studies whose truth is known. A limit holds within two"]
    parts[-1] += " standard errors of the share that was simulated (in brackets); for comparison lines have none."
    for method in dict.fromkeys(line.method for line in lines):
        parts.append(f"## {method}")
        rows = ["| what | value | limit | studies | holds |", "|---|--:|--:|--:|---|"]
        for line in (line for line in lines if line.method == method):
            limit = f"{line.least:g} to {line.most:g}" + (f" (± {line.slack:.4f})" if line.slack else "")
            holds = "yes" if line.holds else "**no**"
            rows.append(f"| {line.what} | {line.value:.4f} | {limit} | {line.n:,} | {holds} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """0, or 1 where a limit does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the full counts (default: 1)")
    parser.add_argument("--only", nargs="+", choices=SIMULATIONS, default=list(SIMULATIONS), help="these alone")
    parser.add_argument("--out", type=Path, default=GOAL, help="folder for one .json each, and simulations.md of all")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        simulation, n = SIMULATIONS[name]
        start = time.perf_counter()
        lines = [asdict(line) | {"holds": line.holds} for line in simulation(max(1, round(n * options.share)))]
        (options.out / f"{name}.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
        n_failed = sum(not line["holds"] for line in lines)
        sys.stderr.write(f"{name}: {len(lines)} lines, {n_failed} do not hold, {time.perf_counter() - start:.0f} s\n")
    found = [options.out / f"{name}.json" for name in SIMULATIONS if (options.out / f"{name}.json").is_file()]
    rows = [row for path in found for row in json.loads(path.read_text(encoding="utf-8"))]
    lines_of_all = [Line(**{name: row[name] for name in Line.__dataclass_fields__}) for row in rows]
    (options.out / "simulations.md").write_text(table(lines_of_all), encoding="utf-8")
    return int(not all(line.holds for line in lines_of_all))


if __name__ == "__main__":
    sys.exit(main())
