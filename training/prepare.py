"""Everything that a run needs before its first step, built from its config and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..checkpoints.weights import Snapshot
from ..data.batches import Batch, Batches, Kind, evaluation_batches
from ..data.dataset import Dataset, build_dataset
from ..errors import ConfigError, NanochatWarning
from ..inference.language_model import LanguageModel
from ..models.base import Model
from ..models.bigram.config import BigramConfig
from ..models.build import build_model
from ..models.initial import draw_weights
from ..tokenizers.base import Tokenizer
from .config import RunConfig
from .limits.memory import check_memory
from .streams import stream_number, stream_seed
from .trainer import Accumulate, Optimizer
from .transfer import Transfer, load_start, read_start, start_tokenizer


@dataclass(frozen=True)
class Session:
    """A run that stands ready to begin or to go on: the config is as it will be saved, with the data's vocabulary."""

    config: RunConfig
    dataset: Dataset
    language_model: LanguageModel
    optimizer: Optimizer
    accumulate: Accumulate
    batches: Batches
    dropout_rng: np.random.Generator
    """The one random stream whose state goes from step to step."""
    transferred: Transfer | None = None
    """What became of the weights of the model that the run begins with."""

    @property
    def model(self) -> Model:
        """The model that learns."""
        return self.language_model.model

    def validation(self) -> Iterator[Batch]:
        """The validation batches: the same at each evaluation."""
        return evaluation_batches(
            self.dataset.val,
            kind=self.batches.kind,
            block_size=self.config.model.block_size,
            batch_size=self.config.engine.eval_rows,
            max_tokens=self.config.training.eval_tokens,
        )


def prepare(config: RunConfig, tokenizer: Tokenizer | None = None, *, start: Snapshot | None = None) -> Session:
    """Read the data, build and fill the model.

    tokenizer  That of a run that goes on: its first weights are drawn, to be replaced by those of the checkpoint.
    start      The model that `config.start_from` names, where it was read already.

    Raises ConfigError, DataError, TokenizerError, and GuardError before anything is built that cannot fit in memory.
    """
    begins = tokenizer is None and bool(config.start_from)  # a run that goes on has all of it in its checkpoint
    start = (start or read_start(config.start_from)) if begins else None
    dataset = build_dataset(config.data, tokenizer or start_tokenizer(config, start), extend=start is not None)
    config = _settle(config, dataset)
    check_memory(config, dataset.n_train_tokens if dataset.in_memory else config.model.block_size)
    backend, settings = config.engine, config.training
    dtype = backend.precision(config.dtype)
    dropout_rng = np.random.default_rng(stream_seed(config.seed, "dropout"))
    model = backend.trained(build_model(config.model, config.mode, dtype, dropout_rng))
    model.load_state_dict(_first_weights(config))
    batches = Batches(
        dataset.train,
        kind=_kind_of_batches(config, dataset),
        block_size=config.model.block_size,
        batch_size=settings.micro_batch_size,
        seed=stream_number(config.seed, "data"),
        packing=config.data.packing,
    )
    config = _with_steps(config, batches)
    transferred = load_start(start, model, config, dataset.tokenizer) if start else None
    language_model = LanguageModel(
        model, dataset.tokenizer, config.model, config.model_kind, config.mode, stops_at_bos=dataset.kind == "documents"
    )
    optimizer, accumulate = backend.optimizer(model, settings), backend.accumulate(model, settings)
    return Session(config, dataset, language_model, optimizer, accumulate, batches, dropout_rng, transferred)


def _settle(config: RunConfig, dataset: Dataset) -> RunConfig:
    """The config with what the data and the machine decide."""
    data = replace(config.data, layout=dataset.corpus.layout)
    if data.packing != "none" and _kind_of_batches(config, dataset) == "windows":
        warnings.warn(
            NanochatWarning(
                f"packing={data.packing!r} is for documents, and here windows are cut that are full: "
                "it changes nothing",
                settings=(("packing", data.packing),),
            ),
            stacklevel=3,
        )
        data = replace(data, packing="none")
    model = replace(config.model, vocab_size=dataset.tokenizer.vocab_size)
    n_replicas = config.engine.replicas(config.training, model.block_size)
    device, training = config.engine.settled(config.device, replace(config.training, replicas=n_replicas))
    return replace(config, model=model, data=data, training=training, device=device)


def _kind_of_batches(config: RunConfig, dataset: Dataset) -> Kind:
    """A bigram reads pairs, wherever a document ends."""
    return "windows" if isinstance(config.model, BigramConfig) else dataset.kind


def _first_weights(config: RunConfig) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(stream_seed(config.seed, "init"))
    try:
        with np.errstate(over="ignore"):
            return draw_weights(config.model.parameters(), rng)
    except OverflowError as error:
        raise ConfigError(f"init_scale={config.model.init_scale} is too large to draw from: give e.g. 0.02") from error


def _with_steps(config: RunConfig, batches: Batches) -> RunConfig:
    """The steps that the epochs take, where those are given."""
    settings = config.training
    if not settings.epochs:
        return config
    steps = -(-batches.n_batches(settings.epochs) // settings.micro_batches)
    return replace(config, training=replace(settings, steps=steps))
