"""The same budget for all variants: the steps for the baseline's tokens or arithmetic, the width for its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.batches import Batches
from ...errors import ConfigError
from ...models.bigram.config import BigramConfig
from ...models.flops import flops_per_token
from ...models.gpt.config import GPTConfig
from ...models.parameters import count_parameters
from ...training.prepare import Session, prepare
from ...training.streams import stream_number
from .grid import AblationConfig

_SAMPLED = 64
"""Micro-batches by which a first guess is made: documents have different lengths."""
_COUNTED = 50_000
"""Most micro-batches of all seeds together whose tokens are counted."""


def share_budget(study: AblationConfig) -> AblationConfig:
    """The study with the steps, or the width, of each variant: the whole number nearest to the baseline's budget.

    tokens: targets of all steps, on average over the seeds; flops: that times flops_per_token; parameters: by
    mlp_width.
    Raises ConfigError, DataError, as a run would.
    """
    plain = replace(study, steps={}, widths={}, budget_asked=0, budget_given={}, budget_farthest={})
    if study.budget == "steps":
        return plain
    if study.budget == "parameters":
        return _equal_parameters(plain)
    for path in ("training.steps", "training.epochs"):
        if path in study.axes:
            raise ConfigError(f"{path} is an axis, so no budget of {study.budget} can be kept: choose one of the two")
    settings = study.base.training
    if settings.patience:
        raise ConfigError(
            f"patience={settings.patience} may end runs before their budget of {study.budget} is spent: give "
            "--patience 0, or --budget steps"
        )
    seeds = range(study.base.seed, study.base.seed + study.seeds)
    session = prepare(plain.variants[plain.baseline])
    n_steps = session.config.training.steps
    counted = {_cut_of(session): count_targets(session, seeds, n_steps)}  # most variants read the same batches
    total = float(counted[_cut_of(session)].mean[-1]) * _cost(session, study)
    steps, given, farthest = {}, {}, {}
    for name, config in plain.variants.items():
        session = prepare(config)
        cost, cut = _cost(session, study), _cut_of(session)
        targets = counted.get(cut)
        if targets is None or targets.mean[-1] < total / cost:
            targets = _count_up_to(total / cost, session, seeds)
            counted.setdefault(cut, targets)
        steps[name] = max(min(1, n_steps), targets.nearest(total / cost))
        spent = targets.after(steps[name]) * cost
        given[name] = round(spent.mean())
        misses = [float(one) / max(1, total) - 1 for one in spent]
        worst: float = max(misses, key=abs)
        farthest[name] = round(worst, 6)
    return replace(
        plain,
        steps={name: n for name, n in steps.items() if n != settings.steps or settings.epochs},
        budget_asked=round(total),
        budget_given=given,
        budget_farthest=farthest,
    )


def _equal_parameters(plain: AblationConfig) -> AblationConfig:
    """The MLP of each variant as wide as it takes; their number grows linearly with its width."""
    base = plain.variants[plain.baseline]
    if isinstance(base.model, BigramConfig):
        raise ConfigError("budget=parameters sets the width of the MLP, and a bigram has none: choose another preset")
    if "model.mlp_width" in plain.varied:
        raise ConfigError("model.mlp_width is varied, and budget=parameters would set it: choose one of the two")
    vocab_size = prepare(base).config.model.vocab_size  # of the data, and the same for all
    asked, widths, given = 0, {}, {}
    for name, config in plain.variants.items():
        assert isinstance(config.model, GPTConfig)
        model = replace(config.model, vocab_size=vocab_size)
        asked = asked or count_parameters(model.parameters())
        first, second = (count_parameters(replace(model, mlp_width=n).parameters()) for n in (1, 2))
        width = max(1, round(1 + (asked - first) / (second - first)))
        if width != model.hidden:
            widths[name] = width
        given[name] = count_parameters(replace(model, mlp_width=width).parameters())
    return replace(plain, widths=widths, budget_asked=asked, budget_given=given)


@dataclass(frozen=True)
class Targets:
    """How many targets a run has had after some of its steps, and between those as on a straight line."""

    steps: np.ndarray
    """(K,), ascending from 0."""
    by_seed: np.ndarray
    """(S, K); of many steps (1, K), the mean over the seeds: single ones are not known well enough."""

    @property
    def mean(self) -> np.ndarray:
        """Over the seeds.  -> (K,)"""
        return np.asarray(self.by_seed.mean(axis=0))

    def after(self, n_steps: int) -> np.ndarray:
        """Of each seed.  -> (S,)"""
        return np.array([np.interp(n_steps, self.steps, row) for row in self.by_seed])

    def nearest(self, total: float) -> int:
        """The whole number of steps whose targets come nearest to `total` on average."""
        exact = float(np.interp(total, self.mean, self.steps))
        return min((math.floor(exact), math.ceil(exact)), key=lambda n: abs(self.after(n).mean() - total))


def count_targets(session: Session, seeds: Sequence[int], n_steps: int) -> Targets:
    """Of the batches that runs with these seeds read in their first n_steps.

    One by one where those are at most 50,000; otherwise evenly spaced steps stand for those up to the next, and one
    for all where every batch has as many targets.
    """
    m, batches = session.config.training.micro_batches, session.batches
    alike = batches.kind == "windows" and session.dataset.train.counted is None
    stride = max(1, n_steps if alike else math.ceil(len(seeds) * n_steps * m / _COUNTED))
    starts = range(0, n_steps, stride)
    steps = np.array([*starts, n_steps])
    by_seed = np.zeros((len(seeds), len(steps)))
    for row, seed in zip(by_seed, seeds, strict=True):
        drawn = _with_seed(session, seed)
        in_step = [sum(drawn.batch(step * m + i).n_targets for i in range(m)) for step in starts]
        row[1:] = np.cumsum(in_step * np.diff(steps))
    return Targets(steps, by_seed if alike or stride == 1 else by_seed.mean(axis=0, keepdims=True))


def tokens_per_step(session: Session) -> float:
    """Targets in one step, on average over the first."""
    tokens = sum(session.batches.batch(i).n_targets for i in range(_SAMPLED)) / _SAMPLED
    return tokens * session.config.training.micro_batches


def _count_up_to(total: float, session: Session, seeds: Sequence[int]) -> Targets:
    n_steps = math.ceil(1.2 * total / tokens_per_step(session)) + 1
    while (targets := count_targets(session, seeds, n_steps)).mean[-1] < total:
        n_steps *= 2
    return targets


def _with_seed(session: Session, seed: int) -> Batches:
    """The batches of the same run with another seed."""
    batches = session.batches
    return Batches(
        session.dataset.train,
        kind=batches.kind,
        block_size=session.config.model.block_size,
        batch_size=batches.batch_size,
        seed=stream_number(seed, "data"),
        packing=batches.packing,
    )


def _cut_of(session: Session) -> tuple[object, ...]:
    """What decides, with the seed, which targets a step has."""
    batches, config = session.batches, session.config
    return batches.kind, batches.packing, batches.batch_size, config.model.block_size, config.training.micro_batches


def _cost(session: Session, study: AblationConfig) -> int:
    """Of one target, in the unit of the budget."""
    return flops_per_token(session.config.model) if study.budget == "flops" else 1
