"""Small things to write and to read, the same in every process: a model, a run, a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from nanochat.checkpoints.directory import MANIFEST, save_directory
from nanochat.checkpoints.formats.packing import StoredType
from nanochat.checkpoints.gpt2.folder import save_gpt2
from nanochat.checkpoints.manifest import describe, write_manifest
from nanochat.checkpoints.weights import Snapshot, save_snapshot
from nanochat.compression.rounding import round_to_nearest
from nanochat.experiments.ablation.cells import CellResult, run_cell
from nanochat.experiments.ablation.grid import AblationConfig
from nanochat.inference.language_model import LanguageModel
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.models.presets import PRESETS
from nanochat.tokenizers import BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer
from nanochat.training.config import RunConfig
from nanochat.training.resolve import resolve

TEXT = "Emma and Noah sat by the sea. They didn't say a word; the waves (all 12 of them) did.\n" * 4


def language_model(seed: int = 0, *, tokenizer: Tokenizer | None = None) -> LanguageModel:
    """A GPT of some 200 float32 weights; another seed gives other weights."""
    tokenizer = tokenizer or CharTokenizer.train("abcd")
    config = GPTConfig(vocab_size=tokenizer.vocab_size, block_size=4, n_embd=4, n_head=2, mlp_width=4)
    return _built(config, tokenizer, seed)


def _built(config: GPTConfig, tokenizer: Tokenizer, seed: int) -> LanguageModel:
    model = build_model(config, "tensor", "float32")
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(seed)))
    return LanguageModel(model, tokenizer, config, "gpt", "tensor", stops_at_bos=True)


def quantised() -> Snapshot:
    """The model above with a weight of each type that is smaller than float32."""
    snapshot = language_model().snapshot()
    types: Mapping[str, tuple[StoredType, int]] = {
        "wte.weight": ("int8", 0), "wpe.weight": ("float16", 0), "h.0.attn.proj.weight": ("bfloat16", 0),
        "h.0.mlp.fc.weight": ("int4", 0), "h.0.mlp.proj.weight": ("int4", 3),
    }  # fmt: skip
    rounded = {name: round_to_nearest(np.asarray(snapshot.weights[name]), *how) for name, how in types.items()}
    weights = dict(snapshot.weights) | {name: weight for name, (weight, _) in rounded.items()}
    return replace(snapshot, weights=weights, storage={name: stored for name, (_, stored) in rounded.items()})


def snapshot_of_size(n_floats: int, version: int) -> Snapshot:
    """Any number of weights that fit no model: what is saved is not asked for sense. The version is in them."""
    weights = _noise(n_floats).copy()
    weights[0] = version  # exact in float32
    return Snapshot(
        model_kind="gpt",
        mode="tensor",
        dtype="float32",
        model={},
        tokenizer={"kind": "char", "chars": "ab"},
        stops_at_bos=True,
        weights={"w": weights},
    )


@cache
def _noise(n_floats: int) -> np.ndarray:
    return np.random.default_rng(n_floats).standard_normal(n_floats, dtype=np.float32)


def is_version(snapshot: Snapshot, n_floats: int, version: int) -> bool:
    """Every bit of the weights is what was saved as this version."""
    expected = snapshot_of_size(n_floats, version).weights["w"]
    return snapshot.weights["w"].astype(np.float32).tobytes() == expected.tobytes()


def save_checkpoint(folder: Path, form: str) -> Path:
    """The model above as the checkpoint of step 1 in folder/checkpoints."""
    snapshot = language_model().snapshot()
    parent = folder / "checkpoints"
    return save_directory(parent, 1, lambda draft: save_snapshot(draft / f"model{form}", snapshot))


def remake_manifest(saved: Path, *, step: int = 1) -> None:
    """Let the manifest of a checkpoint say of its files what they are now."""
    (saved / MANIFEST).unlink(missing_ok=True)
    write_manifest(saved, step, describe(saved, {}))


def save_small_gpt2(folder: Path) -> None:
    """A folder in Hugging Face's layout, with its tokenizer."""
    bpe = BPETokenizer.train("a small text for a small model", vocab_size=260)
    sizes = {"vocab_size": bpe.vocab_size, "block_size": 4, "n_embd": 4, "n_head": 2, "n_layer": 1}
    biases = {"norm_bias": True, "attn_bias": True, "mlp_bias": True}  # nanoGPT's model is GPT-2's, without them
    config = replace(PRESETS["nanogpt-cpu"].model, **sizes, **biases)
    save_gpt2(folder, _built(config, bpe, 0).snapshot())


def tokenizers() -> dict[str, Tokenizer]:
    """One of each kind, with what their files can hold."""
    return {
        "char": CharTokenizer.train(TEXT, unknown="unk"),
        "word": WordTokenizer.train(TEXT, special_tokens=("</s>",), unknown="unk"),
        "bpe": BPETokenizer.train(TEXT, vocab_size=290, special_tokens=("<|end|>",)),
    }


def tiny_run(corpus: Path, **training: object) -> RunConfig:
    """A bigram on four letters: its run takes milliseconds. `corpus` is written where it is missing."""
    if not corpus.exists():
        corpus.write_text("abcabdabcabcabd" * 30, encoding="utf-8")
    settings = {"steps": 4, "eval_every": 2, "eval_tokens": 32, "max_memory_growth": 0.0, **training}
    return resolve({"preset": "bigram", "seed": 5, "data": {"source": str(corpus)}, "training": settings})


def tiny_study(corpus: Path) -> AblationConfig:
    """Four variants with one seed."""
    return AblationConfig(base=tiny_run(corpus), seeds=1)


@cache
def tiny_results(corpus: Path) -> tuple[CellResult, ...]:
    """What its cells left behind."""
    return tuple(run_cell(cell) for cell in tiny_study(corpus).cells())
