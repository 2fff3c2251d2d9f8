"""Runs in PyTorch: the losses of NumPy, handed over either way, bit-exact resumption; and refusals without PyTorch."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module, util
from typing import Any

import numpy as np
import pytest

from nanochat.checkpoints.formats.arrays import read_arrays
from nanochat.data.batches import Batch
from nanochat.errors import ConfigError, GuardError, NanochatWarning
from nanochat.experiments.ablation.grid import Cell
from nanochat.inference.language_model import load
from nanochat.machine import Processes
from nanochat.models.build import build_model
from nanochat.models.initial import draw_weights
from nanochat.training.backends import Place, backend_of
from nanochat.training.backends import torch as backend
from nanochat.training.folder.record import read_run
from nanochat.training.folder.resume import _elsewhere, plan_resume
from nanochat.training.hyperparameters import TrainingConfig
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training
from nanochat.training.trainer import StepMetrics

torch = import_module("torch") if util.find_spec("torch") else None

SIZE = {"n_layer": 2, "n_embd": 64, "block_size": 32}
SINGLE = 2e-6
"""Of 50 losses in float32: sums are added in another order, measured 7e-7 after a hand-over."""


def with_oracle(test: Any) -> Any:
    """Marked, and skipped with a reason where there is no PyTorch; the others below need none."""
    skip = pytest.mark.skipif(torch is None, reason="PyTorch is not installed: pip install torch (CPU build)")
    return pytest.mark.oracle(skip(test))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Beside other tests more threads wait for each other; and a sum on two threads is another than on one."""
    if torch is None:
        yield
        return
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def config_of(library: str = "torch", *, preset: str = "nanogpt-cpu", model: Any = SIZE, **settings: Any) -> Any:
    training = {"steps": 50, "batch_size": 4, "eval_every": 0, "eval_tokens": 256, "replicas": 1}
    training |= settings.pop("training", {})
    place = {"backend": library} | ({"device": "cpu"} if library == "torch" else {})
    return resolve({"preset": preset, "model": model, "training": training, **place, **settings})


def losses_of(config: Any = None, **options: Any) -> list[float]:
    """Of every step, then the validation."""
    found: list[Any] = []
    record = run_training(config, observe=found.append, **options)
    return [event.loss for event in found if isinstance(event, StepMetrics)] + [record.val_loss]


@pytest.fixture(scope="module")
def whole(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Fifty steps by each, with a checkpoint at 25: folders and losses."""
    if torch is None:
        pytest.skip("PyTorch is not installed")
    home, losses = tmp_path_factory.mktemp("torch"), {}
    for library in ("numpy", "torch"):
        config = config_of(library, training={"eval_every": 25, "keep_last": 0})
        losses[library] = losses_of(config, out=home / library)
    return home, losses


@with_oracle
def test_fifty_losses_are_those_of_numpy(whole):
    _, losses = whole
    assert len(losses["numpy"]) == 51
    assert losses["numpy"][0] - losses["numpy"][-1] > 0.3
    np.testing.assert_allclose(losses["torch"], losses["numpy"], rtol=0, atol=SINGLE)


@with_oracle
@pytest.mark.parametrize(("first", "second"), [("numpy", "torch"), ("torch", "numpy")])
def test_a_run_goes_on_elsewhere_and_says_so_once(whole, tmp_path, first, second):
    home, losses = whole
    settings = {"backend": second} | ({"device": "cpu"} if second == "torch" else {})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", NanochatWarning)
        plan = plan_resume(home / first / "checkpoints/step-00000025", config=settings, out=tmp_path / "on")
        rest = losses_of(resume=plan)
    (sentence,) = [str(warning.message) for warning in said if "becomes" in str(warning.message)]
    assert f"{second} on cpu: weights" in sentence
    np.testing.assert_allclose(rest, losses["numpy"][25:], rtol=0, atol=SINGLE)


@with_oracle
def test_weights_and_memory_are_handed_over_bit_for_bit(whole):
    home, _ = whole
    folder = home / "numpy/checkpoints/step-00000025"
    with pytest.warns(NanochatWarning, match="becomes"):
        plan = plan_resume(folder, config={"backend": "torch", "device": "cpu"}, out=home / "unused")
    session = prepare(plan.config, plan.tokenizer)
    plan.restore(session)
    memory, kept = session.optimizer.state_dict(), read_arrays(folder / "optimizer.safetensors")[0]
    assert memory["n_steps"] == 25
    for name, array in kept.items():
        slot, _, parameter = name.partition("/")
        assert memory[slot][parameter].tobytes() == array.tobytes(), name
    expected = load(folder).model.state_dict()
    for name, weight in session.model.state_dict().items():
        assert weight.tobytes() == expected[name].tobytes(), name


@with_oracle
def test_a_run_in_torch_resumes_to_the_bit(whole, tmp_path):
    home, losses = whole
    rest = losses_of(resume=plan_resume(home / "torch/checkpoints/step-00000025", out=tmp_path / "on"))
    assert rest == losses["torch"][25:]
    files = [folder / "checkpoints/step-00000050/MANIFEST.json" for folder in (home / "torch", tmp_path / "on")]
    assert files[0].read_bytes() == files[1].read_bytes()


@with_oracle
def test_a_model_trained_in_torch_is_any_other(whole):
    home, _ = whole
    one, other = load(home / "torch"), load(home / "numpy")
    assert one.generate("an", max_new_tokens=20, seed=3) == other.generate("an", max_new_tokens=20, seed=3)


@with_oracle
def test_float64_differs_by_roundings_only():
    settings = {"dtype": "float64", "training": {"steps": 20}}
    ours, theirs = losses_of(config_of("numpy", **settings)), losses_of(config_of(**settings))
    assert abs(ours[0] - theirs[0]) <= 1e-12
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-6)  # Adam's eps makes roundings of a zero gradient large


RULES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.1},
    "momentum": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "agc": 0.02},
    "adam": {"optimizer": "adam", "weight_decay": 0.1, "eps": 1e-4, "max_grad_norm": 0.1},
    "nanochat": {
        "optimizer": "nanochat",
        "lr": 0.02,
        "momentum": 0.95,
        "momentum_schedule": "rise",
        "weight_decay_schedule": "linear",
    },
    "muon": {"optimizer": "muon", "momentum": 0.9, "eps": 1e-4, "centralize_gradients": True},
}
"""eps as large as the gradients: with Adam's usual one a rounding of a gradient near 0 is a step of its own."""


@with_oracle
@pytest.mark.parametrize("name", RULES)
def test_every_optimizer_moves_as_ours(name):
    settings = {"dtype": "float64", "training": {"steps": 6, **RULES[name]}}
    model = SIZE | {"tie_lm_head": False}
    ours, theirs = (losses_of(config_of(library, model=model, **settings)) for library in ("numpy", "torch"))
    np.testing.assert_allclose(theirs, ours, rtol=1e-10, atol=0)


@with_oracle
@pytest.mark.parametrize(
    ("preset", "model", "more"),
    [
        ("bigram", {}, {}),
        (
            "upstream-d2",
            {"n_embd": 64, "n_head": 4, "head_dim": 0, "block_size": 32},
            {"data": {"packing": "isolated"}},
        ),
        ("nanogpt-cpu", SIZE | {"positions": "rope", "window": 6}, {"data": {"packing": "isolated"}}),
    ],
)
def test_segments_windows_and_bigrams_train_alike(preset, model, more):
    settings = {"mode": "tensor", "dtype": "float64", "training": {"steps": 5}, **more}
    ours, theirs = (losses_of(config_of(lib, preset=preset, model=model, **settings)) for lib in ("numpy", "torch"))
    np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=0)


@with_oracle
def test_dropout_goes_on_where_it_stopped(tmp_path):
    config = config_of(model=SIZE | {"dropout": 0.2}, training={"steps": 6, "grad_accum": 2, "checkpoint_every": 3})
    whole = losses_of(config, out=tmp_path / "run")
    assert losses_of(resume=plan_resume(tmp_path / "run/checkpoints/step-00000003", out=tmp_path / "on")) == whole[3:]
    assert whole[0] != losses_of(replace(config, seed=1))[0]


@with_oracle
def test_bfloat16_keeps_weights_in_float32_and_stays_near(tmp_path):
    config = config_of(dtype="bfloat16", training={"steps": 10})
    half = losses_of(config, out=tmp_path / "run")
    weights = load(tmp_path / "run").model.state_dict()
    assert {weight.dtype for weight in weights.values()} == {np.dtype("float32")}
    single = losses_of(config_of(training={"steps": 10}))
    assert half != single
    np.testing.assert_allclose(half, single, rtol=0, atol=0.02)  # 8 bits of a product's factors


@with_oracle
def test_torch_compile_is_asked_for_the_net(monkeypatch):
    asked: list[Any] = []
    monkeypatch.setattr("torch.compile", lambda net: asked.append(net) or net)
    monkeypatch.setenv("CXX", sys.executable)  # is there
    losses_of(config_of(training={"steps": 1, "compile": True}))
    assert [type(net).__name__ for net in asked] == ["TorchGPT"]


@with_oracle
def test_torch_compile_without_a_compiler_is_a_sentence(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler on a processor, and there is no no-such-compiler"):
        losses_of(config_of(training={"steps": 1, "compile": True}))


@with_oracle
def test_no_memory_left_is_a_sentence_with_what_to_lower():
    config = config_of()
    engine, settings = config.engine, config.training
    model = engine.trained(build_model(config.model, "tensor"))
    model.load_state_dict(draw_weights(config.model.parameters(), np.random.default_rng(0)))
    engine.optimizer(model, settings)

    def loss(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.loss = loss
    ids = np.zeros((4, 32), np.int64)
    with pytest.raises(
        GuardError, match=r"no memory left for a micro-batch of 4 rows of 32 tokens: lower .*batch_size"
    ):
        engine.accumulate(model, settings)([Batch(ids, ids)])


@with_oracle
def test_a_validation_that_finds_no_memory_is_a_sentence_too(monkeypatch):
    def forward(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("nanochat.models.gpt.torch.TorchGPT.forward", forward)
    with pytest.raises(GuardError, match=r"cpu has no memory left for the logits of \d+ rows of \d+ tokens: lower"):
        run_training(config_of())


@with_oracle
def test_the_environment_names_torch_and_the_device(whole):
    home, _ = whole
    environments = [read_run(home / name).environment for name in ("torch", "numpy")]
    assert (environments[0]["torch"], environments[0]["device"]) == (torch.__version__, "cpu")
    assert "torch" not in environments[1]


@with_oracle
@pytest.mark.parametrize(("device", "there"), [("cuda:1", 2), ("mps", 0)])
def test_several_processes_on_one_device_are_refused(monkeypatch, device, there):
    monkeypatch.setattr("torch.cuda.is_available", lambda: there > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: there)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr(backend, "processes", lambda: Processes(0, 2, 0))
    config = config_of(training={"grad_accum": 2})
    with pytest.raises(ConfigError, match=f"device={device} is one device for 2 processes: give cuda"):
        config.engine.settled(device, config.training)


@with_oracle
def test_auto_is_the_first_of_cuda_mps_and_cpu(monkeypatch):
    found = []
    for cuda, mps in ((True, True), (False, True), (False, False)):
        monkeypatch.setattr("torch.cuda.is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda mps=mps: mps)
        config = config_of()
        found.append(config.engine.settled("auto", config.training)[0])
    assert found == ["cuda", "mps", "cpu"]


@with_oracle
def test_float64_on_mps_is_refused(monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    config = config_of(dtype="float64")
    with pytest.raises(ConfigError, match="dtype=float64 is not there on mps"):
        config.engine.settled("mps", config.training)


@with_oracle
def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"device=cuda:63 is not there: .* sees cpu"):
        run_training(replace(config_of(), device="cuda:63"))


# **** without PyTorch


def test_without_torch_one_sentence_says_where_it_is_pinned(monkeypatch):
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"--backend torch` needs torch, which is not installed.*requirements/torch.txt"
    ):
        run_training(config_of())


def test_a_config_of_torch_needs_no_torch_to_be_read(monkeypatch):
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    config = config_of(dtype="bfloat16", deterministic=True, training={"compile": True})
    assert (config.engine.name, config.engine.device) == ("torch", "cpu")
    plain = config.on_numpy()
    assert (plain.engine.name, plain.dtype, plain.training.compile) == ("numpy", "float32", False)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dtype": "bfloat16"}, "dtype=bfloat16 is for arrays in PyTorch"),
        ({"device": "cuda"}, "device=cuda is for arrays in PyTorch"),
        ({"deterministic": True}, "deterministic=True is for arrays in PyTorch"),
        ({"mode": "scalar", "backend": "torch"}, "backend=torch is for arrays in PyTorch: use --mode tensor"),
        ({"backend": "torch", "device": "gpu"}, "device='gpu' is none of cpu, cuda, cuda:N, mps and auto"),
        (
            {"backend": "torch", "training": {"batch_size": 8, "replicas": 2}},
            "replicas=2 are threads of NumPy, and PyTorch has its own: leave it out, or give training.grad_accum=2 and",
        ),
    ],
)
def test_what_a_backend_cannot_do_is_refused_in_a_sentence(settings, sentence):
    with pytest.raises(ConfigError) as refused:
        resolve({"preset": "nanogpt-cpu", "training": {"replicas": 1}} | settings)
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


def test_the_new_settings_leave_every_key_as_it_was():
    config = resolve({"preset": "nanogpt-cpu"})
    names = {"backend", "device", "deterministic"}
    assert names < asdict(config).keys()
    assert Cell("a", config).key == "6394487250619a4c"


def test_replicas_of_a_batch_become_accumulation_of_its_parts():
    saved = resolve({"preset": "nanogpt-cpu", "training": {"batch_size": 12, "replicas": 3, "grad_accum": 2}})
    moved = _elsewhere(saved, {"backend": "torch"}).training
    assert (moved.batch_size, moved.grad_accum, moved.replicas) == (4, 6, 1)
    assert (moved.micro_batch_size, moved.micro_batches) == (4, 6)


def test_several_processes_of_numpy_are_refused(monkeypatch):
    for name, value in {
        "RANK": 0,
        "WORLD_SIZE": 2,
        "LOCAL_RANK": 0,
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(
        ConfigError, match="2 processes share one run in PyTorch alone: use --mode tensor and --backend"
    ):
        run_training(config_of("numpy"))


def test_backends_at_the_default_place_are_the_ones_there_were():
    assert backend_of("tensor", compiled=False, place=Place()).name == "numpy"
    assert TrainingConfig().compile is False
