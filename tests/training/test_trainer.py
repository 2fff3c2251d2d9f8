"""The loop: gradients of a step, the order of its parts, and stopping before a bad number spreads."""

import copy
import math

import numpy as np
import pytest

from nanochat.data.batches import Batch
from nanochat.errors import DivergedError
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.training.config import RunConfig, TrainingConfig
from nanochat.training.trainer import train_steps

MODES = ["scalar", "tensor"]


def batch_of(rows: list[list[int]]) -> Batch:
    """Each row predicts its next token; rows are padded with ignored targets."""
    width = max(map(len, rows)) - 1
    inputs, targets = np.zeros((len(rows), width), np.int64), np.full((len(rows), width), -1)
    for i, row in enumerate(rows):
        inputs[i, : len(row) - 1], targets[i, : len(row) - 1] = row[:-1], row[1:]
    return Batch(inputs, targets)


ROWS = [[0, 1, 2, 3], [0, 2], [0, 3, 3, 1, 0], [1, 0, 2]]
BIGRAM, GPT = BigramConfig(vocab_size=4), GPTConfig(vocab_size=4, block_size=4, n_embd=4, n_head=2)


class Trainer:
    """A model with its optimizer, as a run has them."""

    def __init__(self, mode: str, architecture=BIGRAM, **settings) -> None:
        kind = "bigram" if isinstance(architecture, BigramConfig) else "gpt"
        training = TrainingConfig(**{"steps": 5, "lr": 0.1, "max_grad_norm": 0.0, **settings})
        self.config = RunConfig(mode=mode, dtype="float64", model_kind=kind, model=architecture, training=training)
        self.model = build_model(architecture, mode, "float64")
        self.model.load_state_dict(draw_weights(architecture.parameters(), np.random.default_rng(1)))
        self.optimizer = self.config.engine.optimizer(self.model, training)
        self.accumulate = self.config.engine.accumulate(self.model, training)

    def steps(self, batch_at, start=0):
        return train_steps(self.model, self.optimizer, self.accumulate, batch_at, self.config.training, start)

    def weights(self) -> dict[str, np.ndarray]:
        return {name: np.array(weight) for name, weight in copy.deepcopy(self.model.state_dict()).items()}


def assert_same_weights(first, second, **tolerance) -> None:
    for name, weight in first.items():
        np.testing.assert_allclose(weight, second[name], **tolerance)


@pytest.mark.parametrize("mode", MODES)
def test_a_step_says_what_it_did(mode):
    batch = batch_of(ROWS)
    steps = list(Trainer(mode, warmup=5).steps(lambda position: batch))
    assert [step.step for step in steps] == [1, 2, 3, 4, 5]
    assert [step.lr for step in steps] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert {step.n_tokens for step in steps} == {batch.n_targets} == {10}
    assert steps[0].loss == pytest.approx(math.log(4), abs=0.01)
    assert steps[-1].loss < steps[0].loss
    assert all(step.grad_norm > 0 for step in steps)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("architecture", [BIGRAM, GPT], ids=["bigram", "gpt"])
def test_accumulation_equals_one_batch_weighted_by_tokens(mode, architecture):
    whole = Trainer(mode, architecture)
    parts = Trainer(mode, architecture, grad_accum=len(ROWS))
    one = next(whole.steps(lambda position: batch_of(ROWS)))
    many = next(parts.steps(lambda position: batch_of([ROWS[position]])))
    assert many.loss == pytest.approx(one.loss, abs=1e-12)
    assert many.grad_norm == pytest.approx(one.grad_norm, abs=1e-12)
    assert many.n_tokens == one.n_tokens
    assert_same_weights(whole.weights(), parts.weights(), atol=1e-9)  # Adam's first step divides tiny by tiny


@pytest.mark.parametrize("mode", MODES)
def test_micro_batches_are_numbered_without_a_gap(mode):
    asked = []

    def batch_at(position):
        asked.append(position)
        return batch_of(ROWS)

    for _ in Trainer(mode, grad_accum=3, steps=2).steps(batch_at):
        pass
    assert asked == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("mode", MODES)
def test_a_run_taken_up_in_the_middle_asks_for_the_batches_that_follow(mode):
    asked = []

    def batch_at(position):
        asked.append(position)
        return batch_of(ROWS)

    steps = list(Trainer(mode, grad_accum=2, steps=4).steps(batch_at, start=3))
    assert (asked, [step.step for step in steps]) == ([6, 7], [4])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_weight_is_named_and_nothing_moves(mode, bad):
    trainer = Trainer(mode)
    weights = trainer.weights()
    weights["wte.weight"][2, 1] = bad
    trainer.model.load_state_dict(weights)
    with pytest.raises(DivergedError, match=r"wte\.weight"):
        next(trainer.steps(lambda position: batch_of(ROWS)))
    assert_same_weights(trainer.weights(), weights)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_gradient_is_named_and_nothing_moves(mode, bad):
    trainer = Trainer(mode, max_grad_norm=1.0)
    healthy = trainer.accumulate

    def accumulate(batches):
        loss = healthy(batches)
        (_, parameter), *_ = trainer.model.named_parameters()
        if mode == "scalar":
            parameter[1][1].grad = bad
        else:
            parameter.grad[1, 1] = bad
        return loss

    before = trainer.weights()
    trainer.accumulate = accumulate
    with pytest.raises(DivergedError, match=r"gradient of wte\.weight is not finite at step 1"):
        next(trainer.steps(lambda position: batch_of(ROWS)))
    assert_same_weights(trainer.weights(), before, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_loss_stops_at_its_step_and_nothing_moves(mode, bad):
    trainer = Trainer(mode)
    healthy, n_calls = trainer.accumulate, 0

    def accumulate(batches):
        nonlocal n_calls
        n_calls += 1
        loss = healthy(batches)
        return bad if n_calls == 3 else loss

    trainer.accumulate = accumulate
    steps = trainer.steps(lambda position: batch_of(ROWS))
    next(steps), next(steps)
    before = trainer.weights()
    with pytest.raises(DivergedError, match=f"the loss is {bad} at step 3"):
        next(steps)
    assert_same_weights(trainer.weights(), before, rtol=0)
    assert next(steps, None) is None


@pytest.mark.parametrize("mode", MODES)
def test_an_update_that_overflows_is_named_after_its_step(mode):
    trainer = Trainer(mode, lr=1e308, lr_schedule="constant", optimizer="sgd", weight_decay=1e10)
    with (
        np.errstate(all="ignore"),
        pytest.raises(DivergedError, match=r"weights of wte\.weight are not finite after step 1"),
    ):
        next(trainer.steps(lambda position: batch_of(ROWS)))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("architecture", [BIGRAM, GPT], ids=["bigram", "gpt"])
def test_both_engines_take_the_same_steps(optimizer, architecture):
    runs = {}
    for mode in MODES:
        trainer = Trainer(mode, architecture, optimizer=optimizer, max_grad_norm=1.0, grad_accum=2)
        runs[mode] = [(m.loss, m.grad_norm) for m in trainer.steps(lambda position: batch_of(ROWS[position % 3 :]))]
    np.testing.assert_allclose(runs["scalar"], runs["tensor"], atol=1e-9)
