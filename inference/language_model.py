"""A model with its tokenizer: text in, text out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..checkpoints.directory import MANIFEST, newest_checkpoint, verify
from ..checkpoints.weights import Snapshot, load_snapshot, save_snapshot
from ..errors import CheckpointError, ConfigError, GuardError
from ..models.bigram.config import BigramConfig
from ..models.build import ModelConfig, build_model, context_size, logits_array
from ..models.gpt.config import GPTConfig
from ..models.presets import Mode, ModelKind
from ..tokenizers import Tokenizer, decode_stream, tokenizer_from_dict
from ..validation import read_dataclass
from .generate import generate
from .samplers import check_temperature

LongPrompt = Literal["error", "truncate-left"]


@dataclass(frozen=True)
class LanguageModel:
    """`load` one, then `generate`.

    `model` may be anything with `logits(ids, cache)`; `config` is that of the architecture.
    """

    model: Any
    tokenizer: Tokenizer
    config: ModelConfig
    model_kind: ModelKind
    mode: Mode
    stops_at_bos: bool
    """Trained on documents, so BOS ends a text; otherwise BOS is never drawn."""

    def generate(self, prompt: str = "", **options: Any) -> str:
        """The prompt and what follows it; the options are those of `stream`."""
        return prompt + "".join(self.stream(prompt, **options))

    def stream(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        seed: int | np.random.Generator = 0,
        long_prompt: LongPrompt = "error",
    ) -> Iterator[str]:
        """Yield the continuation of `prompt` piece by piece.

        Raises UsageError on a bad temperature, TokenizerError on text outside the vocabulary, and GuardError on a
        prompt longer than the context unless `long_prompt` says that its beginning may be dropped.
        """
        check_temperature(temperature)
        bos = self.tokenizer.bos_id
        ids = (
            [bos, *self.tokenizer.encode(prompt)] if self.stops_at_bos or not prompt else self.tokenizer.encode(prompt)
        )
        if self.context > 1:  # a bigram reads the last token of a prompt of any length
            ids = fit_prompt(ids, self.context, long_prompt)
        new_ids = generate(
            self.model,
            ids,
            context=self.context,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            rng=np.random.default_rng(seed),
            stop_id=bos if self.stops_at_bos else None,
            banned=() if self.stops_at_bos else (bos,),
        )
        yield from decode_stream(self.tokenizer, new_ids, before=ids)

    def logits(self, ids: list[int]) -> np.ndarray:
        """Logits after each of the ids.       (T,) -> (T, V)"""
        return logits_array(self.model, [ids])[0]

    @property
    def context(self) -> int:
        """How many tokens the next one can depend on."""
        return context_size(self.config)

    def save(self, path: str | Path) -> None:
        """Write model, tokenizer and config to one readable `.json` file. Raises WriteError."""
        if Path(path).suffix != ".json":
            raise ConfigError(f"cannot save to {path}: give a name that ends in .json")
        save_snapshot(Path(path), self.snapshot())

    def snapshot(self) -> Snapshot:
        """What has to be written to have this model again."""
        weights = self.model.state_dict()
        is_single = any(getattr(weight, "dtype", None) == np.float32 for weight in weights.values())
        return Snapshot(
            model_kind=self.model_kind,
            mode=self.mode,
            dtype="float32" if is_single else "float64",
            model=asdict(self.config),
            tokenizer=self.tokenizer.to_dict(),
            stops_at_bos=self.stops_at_bos,
            weights=weights,
        )


def load(path: str | Path) -> LanguageModel:
    """The model in a `.json` file, a checkpoint folder or a run's folder (its newest whole checkpoint).

    Raises CheckpointError.
    """
    file = find_model_file(Path(path))
    snapshot = load_snapshot(file)
    try:
        kind: type[ModelConfig] = BigramConfig if snapshot.model_kind == "bigram" else GPTConfig
        config = read_dataclass(kind, snapshot.model, "model")
        tokenizer = tokenizer_from_dict(dict(snapshot.tokenizer))
        _check_sizes(config, tokenizer, snapshot)
        model = build_model(config, snapshot.mode, snapshot.dtype)
        model.load_state_dict(snapshot.weights)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(f"{file} does not describe a model that can be built: {error}") from error
    return LanguageModel(model, tokenizer, config, snapshot.model_kind, snapshot.mode, snapshot.stops_at_bos)


def _check_sizes(config: ModelConfig, tokenizer: Tokenizer, snapshot: Snapshot) -> None:
    """Before anything is built: a file of 1 KB must not ask for a terabyte. Raises ValueError."""
    if tokenizer.vocab_size != config.vocab_size:
        raise ValueError(f"its tokenizer has {tokenizer.vocab_size} tokens, its model {config.vocab_size}")
    if isinstance(config, GPTConfig) and config.n_layer > len(snapshot.weights):
        raise ValueError(f"it has {len(snapshot.weights)} weights for n_layer={config.n_layer}")
    for name, parameter in config.parameters().items():
        shape = np.shape(snapshot.weights.get(name, ()))
        if shape != parameter.shape:
            raise ValueError(f"{name} has shape {shape}, the model has {parameter.shape}")
        if snapshot.dtype == "float32" and np.abs(snapshot.weights[name]).max(initial=0) > np.finfo(np.float32).max:
            raise ValueError(f"{name} holds a number that float32 cannot")


def find_model_file(path: Path) -> Path:
    """`model.json` of a run or checkpoint folder, or the file itself. Raises CheckpointError."""
    if path.is_dir():
        if (path / "checkpoints").is_dir():
            path = newest_checkpoint(path / "checkpoints")
        elif (path / MANIFEST).is_file():
            verify(path)
        path = path / "model.json"
    if not path.is_file():
        raise CheckpointError(f"there is no model at {path}: train one with `nanochat train`, or give another --run")
    return path


def fit_prompt(ids: list[int], context: int, policy: LongPrompt) -> list[int]:
    """The ids, or their last `context` where the policy allows it. Raises GuardError otherwise."""
    if len(ids) <= context:
        return ids
    if policy == "truncate-left":
        return ids[-context:]
    raise GuardError(
        f"the prompt has {len(ids)} tokens and the model reads {context}: "
        "shorten it, or pass --long-prompt truncate-left to keep its end"
    )
