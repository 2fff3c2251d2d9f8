"""Runs that are replayed: the losses of the engine, bit-exact resumption, and every refusal in a sentence."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanochat.data.batches import Batch
from nanochat.engine.scalar.value import Value
from nanochat.errors import ConfigError, GuardError, NanochatWarning
from nanochat.experiments.ablation.grid import Cell
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.bigram.scalar import Bigram
from nanochat.training.backends import backend_of, compiled, replay
from nanochat.training.backends.compiled import CompiledBackend, Replay
from nanochat.training.backends.replay import Programs, Replayed
from nanochat.training.folder.resume import plan_resume
from nanochat.training.hyperparameters import TrainingConfig
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training
from nanochat.training.trainer import StepMetrics

TOLERANCE = 1e-12
"""Of |a - b| / |b|: sums are added in another order, and training makes the roundings grow, in 100 steps of the
mini-GPT from 1e-16 to 4e-13."""


def config_of(preset: str, *, compile: bool, steps: int, **training: Any) -> Any:
    training = {"eval_tokens": 64, "eval_every": 0, "steps": steps, "compile": compile} | training
    return resolve({"preset": preset, "training": training})


def losses_of(config: Any) -> list[float]:
    """Of every step, then the validations."""
    found: list[Any] = []
    record = run_training(config, observe=lambda event: found.append(event))
    return [event.loss for event in found if isinstance(event, StepMetrics)] + [record.val_loss]


def assert_same_losses(config: Any) -> None:
    plain = replace(config, training=replace(config.training, compile=False))
    np.testing.assert_allclose(losses_of(config), losses_of(plain), rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize("preset", ["bigram", "mini-gpt", "microgpt"])
def test_losses_are_those_of_the_engine_for_ten_steps(preset):
    assert_same_losses(config_of(preset, compile=True, steps=10))


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["bigram", "mini-gpt", "microgpt"])
def test_losses_are_those_of_the_engine_for_a_hundred_steps(preset):
    assert_same_losses(config_of(preset, compile=True, steps=100))


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "sgd", "momentum": 0.9, "lr": 0.05},
        {"optimizer": "adam", "grad_accum": 2},
        {"batch_size": 5, "max_grad_norm": 0.1},
    ],
    ids=["sgd", "adam", "batches"],
)
def test_optimizers_accumulation_and_padded_batches_are_those_of_the_engine(training):
    assert_same_losses(config_of("mini-gpt", compile=True, steps=4, **training))


def test_packed_documents_are_those_of_the_engine():
    config = config_of("microgpt", compile=True, steps=3)
    assert_same_losses(replace(config, data=replace(config.data, packing="isolated")))


def test_a_stop_leaves_no_trace(tmp_path):
    config = config_of("mini-gpt", compile=True, steps=6, check_every=2, eval_every=3)
    run_training(config, out=tmp_path / "whole")
    run_training(config, out=tmp_path / "run", stop_at=2)
    run_training(resume=tmp_path / "run")
    for name in ("metrics.jsonl", "checkpoints/step-00000006/MANIFEST.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_an_optimizer_remembers_is_of_the_mode_so_a_resumed_run_keeps_it(tmp_path):
    config = config_of("bigram", compile=True, steps=4)
    run_training(config, out=tmp_path / "run", stop_at=2)
    plain = replace(config, training=replace(config.training, compile=False))
    with pytest.raises(ConfigError, match=r"training\.compile"):
        plan_resume(tmp_path / "run", config=plain, override=True)


def test_the_default_is_the_engine_and_config_files_without_the_field_are_read():
    assert not TrainingConfig().compile
    config = resolve({"preset": "microgpt"})
    assert type(config.engine) is type(backend_of("scalar", compiled=False))


# **** what is refused


def test_arrays_have_nothing_to_compile():
    with pytest.raises(ConfigError, match="compile=true is for single numbers"):
        resolve({"preset": "microgpt", "mode": "tensor", "training": {"compile": True}})


@pytest.mark.parametrize("settings", [{"optimizer": "muon"}, {"agc": 0.1}, {"replicas": 2, "batch_size": 2}])
def test_what_only_arrays_do_is_refused_as_without_compiling(settings):
    with pytest.raises(ConfigError, match="is for arrays"):
        config_of("microgpt", compile=True, steps=1, **settings)


def test_a_negative_interval_of_checks_is_refused():
    with pytest.raises(ConfigError, match="check_every=-1 is too small"):
        TrainingConfig(check_every=-1)


class Branching(Bigram):
    """Its loss is twice as large where the first weight is positive: a Python `if` on data."""

    is_special = staticmethod(lambda x: x > 0)

    def loss(self, inputs: Any, targets: Any, segments: Any = None) -> Value:
        loss = super().loss(inputs, targets, segments)
        return loss * 2 if self.is_special(self.wte.weight[0][0].data) else loss


def branching(first: float) -> Replayed:
    config = BigramConfig(vocab_size=3, tie_lm_head=False)
    model = Branching(config, None)
    model.load_state_dict({name: np.full(p.shape, first) for name, p in config.parameters().items()})
    return Replayed(model)


BATCH = Batch(np.array([[0, 1]]), np.array([[1, 2]]))


def test_a_branch_that_the_trace_did_not_take_is_caught_at_the_first_step_of_a_shape():
    with pytest.raises(GuardError, match=r"step 1 .* branches on a Value's data"):
        Replay(branching(1.0), 0)([BATCH])


def test_a_branch_that_changes_later_is_caught_at_the_next_check():
    model = branching(-1.0)
    step = Replay(model, 3)
    step([BATCH])
    model.weights["wte.weight"].data[...] = 1.0
    step([BATCH])  # not looked at
    with pytest.raises(GuardError, match="step 3 "):
        step([BATCH])


class Predicting(Branching):
    """The same of its logits, by which a validation is measured."""

    loss = Bigram.loss

    def logits(self, ids: Any, cache: Any = None) -> Any:
        found = super().logits(ids, cache)
        return [[z * 2 for z in row] for row in found] if self.is_special(self.wte.weight[0][0].data) else found


def test_logits_are_compared_at_the_first_of_every_shape_and_only_then(monkeypatch):
    config = BigramConfig(vocab_size=3, tie_lm_head=False)
    model = Predicting(config, None)
    model.load_state_dict({name: np.full(p.shape, -1.0) for name, p in config.parameters().items()})
    replayed, counted = Replayed(model), []
    monkeypatch.setattr(Predicting, "is_special", lambda self, x: counted.append(x) or x > 0)
    for shape in ((1, 4), (1, 4), (5, 4), (3, 4)):  # of several rows as many as there is room for are one shape
        replayed.predict(np.zeros(shape, int))
    assert len([x for x in counted if x]) == 2  # the others are traces, of zeros
    replayed.weights["wte.weight"].data[...] = 1.0
    replayed.predict(np.zeros((1, 4), int))
    with pytest.raises(GuardError, match=r"logits of 2 tokens are .* off the engine's: .*--from"):
        replayed.predict(np.zeros((1, 2), int))


def test_what_the_guard_advises_can_be_done(tmp_path):
    """A run keeps its mode when it goes on; its weights begin another one."""
    run_training(config_of("bigram", compile=True, steps=2), out=tmp_path / "run")
    plain = config_of("bigram", compile=False, steps=1)
    record = run_training(replace(plain, start_from=str(tmp_path / "run")))
    assert record.steps == 1


def test_checks_of_what_is_not_replayed_are_refused_and_older_files_with_them_are_read():
    with pytest.raises(ConfigError, match=r"check_every=5 compares replayed steps .*: add compile=True"):
        config_of("bigram", compile=False, steps=1, check_every=5)
    assert TrainingConfig(check_every=5).check_every == 5


def test_a_guard_that_refuses_a_replay_leaves_a_checkpoint_and_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Branching, "is_special", staticmethod(lambda x: x != 0))  # a trace is of a model of zeros
    monkeypatch.setattr("nanochat.models.bigram.scalar.Bigram", Branching)
    with pytest.raises(GuardError, match="cannot be replayed"):
        run_training(config_of("bigram", compile=True, steps=9, check_every=1), out=tmp_path / "run")
    assert list((tmp_path / "run" / "checkpoints").glob("step-*"))


def test_steps_that_each_have_a_shape_of_their_own_are_said_once(monkeypatch):
    monkeypatch.setattr(compiled, "_MANY", 3)
    config = BigramConfig(vocab_size=3, tie_lm_head=False)
    step = Replay(Replayed(Bigram(config, None)), 0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(1, 9):
            step([Batch(np.zeros((1, n), int), np.zeros((1, n), int))])
    assert [str(one.message).split(":")[0] for one in caught if one.category is NanochatWarning] == [
        "4 shapes in 4 steps"
    ]


def test_programs_that_pile_up_are_no_leak(monkeypatch):
    monkeypatch.setattr(compiled, "PROGRAMS", programs := Programs())
    monkeypatch.setattr(replay, "PROGRAMS", programs)
    Replayed(Bigram(BigramConfig(vocab_size=3), None)).predict(np.zeros((1, 4), int))
    assert CompiledBackend().kept_bytes() == sum(program.n_bytes for program, _ in programs.kept.values()) > 0
    assert backend_of("scalar", compiled=False).kept_bytes() == 0


def test_nan_is_reported_as_it_is_without_compiling():
    model = branching(float("nan"))
    assert np.isnan(Replay(model, 1)([BATCH]))


def test_the_prediction_of_memory_is_that_of_the_engine_and_room_for_programs():
    config = config_of("microgpt", compile=True, steps=1)
    alone = backend_of("scalar", compiled=False).peak_bytes(config.model, config.training, "float64", 16)
    assert alone < CompiledBackend().peak_bytes(config.model, config.training, "float64", 16) < alone + (1 << 29)


@pytest.mark.parametrize(
    ("preset", "key"),
    [("bigram", "57e441a1c42d4e66"), ("microgpt", "8593962a029937e3"), ("nanogpt-cpu", "6394487250619a4c")],
)
def test_cells_of_studies_before_there_was_compiling_keep_their_names(preset, key):
    assert Cell("", resolve({"preset": preset})).key == key
