"""Ours against what karpathy/nanochat answered at both commits, and nine faults that each make a line fail.

The recordings are answers of the program itself (`nanochat parity --upstream DIR --record FILE`): NumPy alone reads
them. A fault is planted in ours; a line that no fault could break would prove nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanochat.experiments.parity import compare, names, ours
from nanochat.experiments.parity.case import Case
from nanochat.experiments.parity.compare import ParityError, Scorecard, against_recording
from nanochat.experiments.parity.theirs import Checkout, job_of, schedule_module
from nanochat.models.gpt.upstream import tensor
from nanochat.training import schedule

RATES = ("unembedding-lr", "embedding-lr", "scalar-lr", "matrix-lr")


@pytest.fixture(scope="module", autouse=True)
def _drawn_once() -> Iterator[None]:
    """The weights, number by number from `random`, take most of the time; no fault below is in how they are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("first_weights", "shaken_weights", "rows_of"):
            patch.setattr(Case, name, cache(getattr(Case, name)))
        yield


@pytest.fixture(scope="module", params=["head", "pin"])
def card(request: pytest.FixtureRequest) -> Scorecard:
    return against_recording(request.param)


def test_every_line_that_a_recording_answers_holds(card: Scorecard) -> None:
    assert [line.verdict for line in card.lines] == ["PASS"] * 7 + ["SKIPPED"] * 2
    assert card.verdict == "passed"
    card.check()


def test_the_lines_hold_with_room_to_spare(card: Scorecard) -> None:
    """In float64 what is left is rounding of float64, and of the rates, which upstream keeps in float32."""
    numbers = {line.name: line.numbers for line in card.lines}
    assert numbers["logits"]["error"] < 1e-12
    assert numbers["gradients"]["matrices"] < 1e-12
    assert numbers["first update"]["matrices"] < 1e-5
    assert numbers["curve"]["first"] < 2e-7


def test_a_recording_says_what_it_is_of(card: Scorecard) -> None:
    assert len(card.commit) == 40
    assert card.commit.startswith(card.case.edition.commit)
    assert card.case == Case(revision=card.case.revision, seed=0)
    assert sum(path.stat().st_size for path in compare.RECORDINGS.glob("*.json")) < 1_000_000


def test_the_curve_learns_so_that_its_end_means_something(card: Scorecard) -> None:
    losses = card.curves["theirs"]
    assert losses[0] - losses[-1] > 0.3


def with_model(**changed: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        model = Case.model.func  # type: ignore[attr-defined]  # of a cached property
        patch.setattr(Case, "model", property(lambda case: replace(model(case), **changed)))

    return plant


def with_training(**changed: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        training = Case.training.func  # type: ignore[attr-defined]
        patch.setattr(Case, "training", property(lambda case: replace(training(case), **changed)))

    return plant


def turned_the_other_way(patch: pytest.MonkeyPatch) -> None:
    def turned(rows: np.ndarray, head_size: int) -> np.ndarray:
        heads = rows.reshape(-1, head_size, rows.shape[-1])
        return np.concatenate([heads[:, 0::2], heads[:, 1::2]], axis=1).reshape(rows.shape)

    patch.setattr(names, "turned", turned)


def rounded_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(schedule, "round", lambda x: int(x + 0.5), raising=False)


FAULTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = {
    "theta's sign": (turned_the_other_way, {"gradients", "first update"}),
    "scale left out": (with_model(attn_scale=1.0), {"logits", "gradients", "curve"}),
    "window off by one": (with_model(window=128), {"logits", "gradients"}),
    "gate range": (with_model(value_gate_range=2.0), {"logits", "gradients", "curve"}),
    "eps": (with_model(norm_eps=1e-5), {"curve"}),
    "fused qkv": (with_training(split_qkv=False), {"first update", "curve"}),
    "plain decay": (with_training(cautious_decay=False), {"first update", "curve"}),
    "constant momentum": (with_training(momentum_schedule="constant"), {"curve"}),
    "rounding of the warm-down": (rounded_up, {"curve"}),
}
"""Name -> how it is planted at HEAD, and lines that must see it."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_makes_lines_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, seen = FAULTS[name]
    plant(monkeypatch)
    card = against_recording("head")
    assert seen <= {line.name for line in card.failed}
    with pytest.raises(ParityError, match="do not hold against what karpathy/nanochat answered at 92d63d4"):
        card.check()


def bytes_counted_as_tokens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Case, "token_bytes", lambda case: np.minimum(np.arange(case.vocab_size) % 4, 1))


def falling_too_far(patch: pytest.MonkeyPatch) -> None:
    rightly = schedule.momentum
    patch.setattr(ours, "momentum", lambda step, config: rightly(step, config) - (0.01 if step > 900 else 0))


def an_earlier_middle(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tensor, "len", lambda items: len(items) - 1, raising=False)


@pytest.mark.parametrize(
    ("plant", "seen"),
    [
        (bytes_counted_as_tokens, "bits per byte"),
        (falling_too_far, "curve"),
        (an_earlier_middle, "logits"),
        (with_model(rope_base=1e4), "logits"),
        (with_training(min_lr_ratio=0.04), "curve"),
    ],
)
def test_what_short_runs_and_even_numbers_could_hide_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert seen in {line.name for line in against_recording("head").failed}


def test_upstream_is_asked_with_nothing_that_is_compared() -> None:
    """A fault of ours that both sides are given would pass: the base of rope and the last rate are upstream's own."""
    checkout = Checkout(Path("theirs"), "", "head", dict.fromkeys(RATES, 0.5) | {"final-lr-frac": 0.07})
    case = Case(n_layer=2, n_embd=24, block_size=8, steps=3)
    assert "rope_base" not in json.dumps(job_of(checkout, case, "float64", ("model",)))
    assert "'final_lr_frac': 0.07" in schedule_module(checkout, case)


def test_answers_of_ours_are_those_that_were_asked_for() -> None:
    case = Case(n_layer=1, n_embd=24, block_size=8, steps=3, window_pattern="L")
    assert set(ours.answers(case, "float32", ("bpb",))) == {"bpb"}
    assert len(ours.curve(case, "float32")["losses"]) == 3
