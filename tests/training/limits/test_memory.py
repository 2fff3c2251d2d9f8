"""Memory is predicted before it is taken: the figures are those of real processes, and what cannot fit is refused."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nanochat.errors import GuardError
from nanochat.models.gpt.config import GPTConfig
from nanochat.training.limits import memory
from nanochat.training.limits.memory import check_memory, predict_peak_bytes
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve

MIB = 1 << 20
MEASURE = """
import re, sys
from pathlib import Path
from nanochat.cli.app import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    assert not left.code, left.code
sys.stderr.write("\\n" + re.search(r"VmHWM:.*", Path("/proc/self/status").read_text())[0] + "\\n")
"""


def config_of(preset="nanogpt-cpu", **settings):
    return resolve({"preset": preset, **settings})


def predicted(preset="nanogpt-cpu", n_tokens=10_000, **settings) -> int:
    return predict_peak_bytes(config_of(preset, **settings), n_tokens)


def peak_of(words: str, out: Path) -> int:
    """Bytes that `nanochat train` held at most."""
    command = [sys.executable, "-P", "-c", MEASURE, "train", *words.split(), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(re.search(r"VmHWM:\s+(\d+) kB", done.stderr)[1]) << 10


@pytest.mark.figures
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process took at most")
@pytest.mark.parametrize("preset", ["nanogpt-cpu", "microgpt"])
def test_the_prediction_is_what_a_process_takes(preset, tmp_path):  # a stream: rows as long as they are predicted
    measured = peak_of(
        f"--preset {preset} --data builtin:verse --steps 3 --eval-every 0 --replicas 1", tmp_path / "run"
    )
    config = resolve({"preset": preset, "data": {"source": "builtin:verse"}, "training": {"replicas": 1}})
    session = prepare(config)
    ratio = predict_peak_bytes(session.config, session.dataset.n_train_tokens) / measured
    assert 0.8 < ratio < 1.25, f"predicted {ratio:.2f} times the {measured / MIB:.0f} MiB that were measured"


@pytest.mark.figures
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says what a process took at most")
def test_going_on_takes_no_more_memory_than_starting(tmp_path):
    sizes = "--preset nanogpt-cpu --set model.n_layer=2 --replicas 1 --set eval_tokens=512"
    words = f"{sizes} --data builtin:verse --steps 3 --eval-every 0"
    whole = peak_of(words, tmp_path / "whole")
    peak_of(f"{words} --stop-at 1", tmp_path / "parts")
    assert peak_of(f"--resume {tmp_path / 'parts'}", tmp_path / "parts") < 1.05 * whole


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize(
    "larger",
    [
        {"model": {"n_embd": 256}},
        {"model": {"n_layer": 8}},
        {"model": {"block_size": 128}},
        {"model": {"mlp_width": 2048}},
        {"training": {"batch_size": 48}},
    ],
)
def test_whatever_is_larger_takes_more(mode, larger):
    base = {"mode": mode, "training": {"replicas": 1, "batch_size": 12}}
    more = {**base, **larger, "training": base["training"] | larger.get("training", {})}
    assert predicted(**more) > predicted(**base)


@pytest.mark.parametrize("larger", [{"dtype": "float64"}, {"training": {"replicas": 2}}, {"training": {"replicas": 4}}])
def test_wider_numbers_and_more_threads_take_more(larger):
    assert predicted(**larger) > predicted(training={"replicas": 1})


def test_what_an_optimizer_remembers_is_counted():
    rules = ({"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adamw"})
    sizes = [predicted(training=rule) for rule in rules]
    n_parameters = 810_000
    assert sizes[1] - sizes[0] == pytest.approx(4 * n_parameters, rel=0.05)
    assert sizes[2] - sizes[1] == pytest.approx(4 * n_parameters, rel=0.05)


def test_a_window_and_a_short_text_take_less():
    long = {"block_size": 4096}
    assert predicted(model=long | {"window": 64}) < predicted(model=long)
    assert predicted(model=long, n_tokens=500) < predicted(model=long)


def test_a_prediction_takes_no_time_however_large_the_model():
    enormous = config_of(model={"n_layer": 10**9, "n_embd": 10**6, "block_size": 10**9}, mode="scalar")
    for mode in ("scalar", "tensor"):
        assert predict_peak_bytes(replace(enormous, mode=mode), 10**9) > 1 << 60


@pytest.mark.parametrize("preset", ["bigram", "mini-gpt", "microgpt", "nanochat-tiny", "rustgpt", "nanogpt-char"])
@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_every_preset_has_a_plausible_prediction(preset, mode):
    config = config_of(preset)
    if mode == "scalar":
        settings = replace(config.training, optimizer="adamw", replicas=1)
        model = replace(config.model, dropout=0.0) if isinstance(config.model, GPTConfig) else config.model
        config = replace(config, mode="scalar", training=settings, model=model)
    assert 50 * MIB < predict_peak_bytes(config, 100_000) < 1 << 40


def test_what_does_not_fit_is_one_sentence_with_both_figures_and_a_way_out(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 100 * MIB)
    with pytest.raises(GuardError, match=r"about \d+ MiB .*: lower batch_size=12, block_size=64 or n_embd"):
        check_memory(config_of(), 1000)
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    check_memory(config_of(model={"n_embd": 1 << 20}), 1000)
