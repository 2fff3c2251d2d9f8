"""Everything that a run needs before its first step, built from its config and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from ..data.batches import Batch, Batches, evaluation_batches
from ..data.config import DataConfig
from ..data.dataset import Dataset, build_dataset
from ..errors import ConfigError, NanochatWarning
from ..inference.language_model import LanguageModel
from ..machine import cores, threads
from ..models.bigram.config import BigramConfig
from ..models.build import build_model
from ..models.initial import draw_weights
from ..tokenizers.base import Tokenizer
from .config import RunConfig
from .limits.memory import check_memory
from .streams import stream_number, stream_seed
from .trainer import Accumulate, Optimizer, accumulate_in_turn
from .transfer import Transfer, begin_with, read_start, start_tokenizer

_TOKENS_WORTH_A_THREAD = 256
"""A batch smaller than this is done before a second thread has woken up (docs/log.md)."""


@dataclass(frozen=True)
class Workshop:
    """A run about to start: the config as it will be saved, with the vocabulary that the data has."""

    config: RunConfig
    dataset: Dataset
    language_model: LanguageModel
    optimizer: Optimizer
    accumulate: Accumulate
    batches: Batches
    dropout_rng: np.random.Generator
    """The one random stream whose state goes from step to step."""
    taken: Transfer | None = None
    """What was taken from the model that the run begins with."""

    @property
    def model(self) -> Any:
        """The model that learns."""
        return self.language_model.model

    def validation(self) -> Iterator[Batch]:
        """The validation batches: the same at each evaluation."""
        return evaluation_batches(
            self.dataset.val,
            kind=self.batches.kind,
            block_size=self.config.model.block_size,
            batch_size=1 if self.config.mode == "scalar" else 32,  # numbers waste time on padding, arrays on small rows
            max_tokens=self.config.training.eval_tokens,
        )


def prepare(
    config: RunConfig,
    tokenizer: Tokenizer | None = None,
    restore: Callable[[Workshop], None] = lambda workshop: None,
) -> Workshop:
    """Read the data, build and fill the model.

    `tokenizer` is that of a run that goes on, and `restore` puts the rest where it was: here, where the memory that it
    takes for a moment still goes back to the system.

    Raises ConfigError, DataError, TokenizerError, and GuardError before anything is built that cannot fit in memory.
    """
    data = config.data
    source = None if tokenizer else read_start(config)  # a run that goes on has all of it in its checkpoint
    dataset = read_data(data, tokenizer or start_tokenizer(config, source), extend=source is not None)
    kind = "windows" if isinstance(config.model, BigramConfig) else dataset.kind
    if kind == "windows" and data.packing != "none":
        warnings.warn(
            NanochatWarning(
                f"packing={data.packing!r} is for documents, and here windows are cut that are full: "
                "it changes nothing",
                settings=(("packing", data.packing),),
            ),
            stacklevel=2,
        )
        data = replace(data, packing="none")
    config = replace(
        config,
        model=replace(config.model, vocab_size=dataset.tokenizer.vocab_size),
        data=replace(data, layout=dataset.corpus.layout),
        training=replace(config.training, replicas=resolve_replicas(config)),
    )
    check_memory(config, dataset.n_train_tokens if dataset.in_memory else config.model.block_size)
    settings = config.training
    dropout_rng = np.random.default_rng(stream_seed(config.seed, "dropout"))
    model = build_model(config.model, config.mode, config.dtype, dropout_rng)
    init_rng = np.random.default_rng(stream_seed(config.seed, "init"))
    try:
        with np.errstate(over="ignore"):
            model.load_state_dict(draw_weights(config.model.parameters(), init_rng))
    except OverflowError as error:
        raise ConfigError(f"init_scale={config.model.init_scale} is too large to draw from: give e.g. 0.02") from error
    batches = Batches(
        dataset.train,
        kind=kind,
        block_size=config.model.block_size,
        batch_size=settings.micro_batch_size,
        seed=stream_number(config.seed, "data"),
        packing=data.packing,
    )
    config = _with_steps(config, batches)
    taken = begin_with(source, model, config, dataset.tokenizer) if source else None
    language_model = LanguageModel(
        model, dataset.tokenizer, config.model, config.model_kind, config.mode, stops_at_bos=dataset.kind == "documents"
    )
    optimizer = build_optimizer(model, config)
    workshop = Workshop(
        config, dataset, language_model, optimizer, accumulate_in_turn(model), batches, dropout_rng, taken
    )
    restore(workshop)
    return replace(workshop, accumulate=build_accumulate(model, config))


def read_data(data: DataConfig, tokenizer: Tokenizer | None = None, *, extend: bool = False) -> Dataset:
    """The dataset that `data` describes, spelled by `tokenizer`, extended or not, if one is given.

    Raises ConfigError, DataError, TokenizerError, WriteError.
    """
    return build_dataset(
        data.source,
        layout=data.layout,
        text_field=data.text_field,
        style_name=data.style,
        val_fraction=data.val_fraction,
        choice=data.choice,
        tokenizer=tokenizer,
        extend=extend,
        loss_on=data.loss_on,
        cache=data.cache,
    )


def _with_steps(config: RunConfig, batches: Batches) -> RunConfig:
    """The steps that the epochs take, where those are given."""
    settings = config.training
    if not settings.epochs:
        return config
    steps = -(-batches.n_batches(settings.epochs) // settings.micro_batches)
    return replace(config, training=replace(settings, steps=steps))


def resolve_replicas(config: RunConfig) -> int:
    """The parts that a batch is split into; 0 becomes one a core where each is enough work to be worth a thread.

    They decide the bits, and so does not how many threads there are for them (build_accumulate): the cells of a sweep
    share the cores, and a run may go on with fewer.
    """
    wanted = config.training.replicas
    if wanted or config.mode == "scalar":
        return wanted or 1
    rows = config.training.batch_size
    if rows * config.model.block_size < _TOKENS_WORTH_A_THREAD:
        return 1
    return max(k for k in range(1, min(rows, cores()) + 1) if rows % k == 0)


def build_accumulate(model: Any, config: RunConfig) -> Accumulate:
    """How the gradient of a step is found: one micro-batch after the other, or several at a time."""
    if config.mode == "scalar":
        return accumulate_in_turn(model)
    from ..engine.tensor.replicas import Accumulator, keep_freed_pages

    keep_freed_pages()
    return Accumulator(model, min(config.training.replicas, threads())).backward


def build_optimizer(model: Any, config: RunConfig) -> Optimizer:
    """The optimizer that the config names, from the engine that the mode names."""
    settings, named = config.training, model.named_parameters()
    shared: dict[str, Any] = {"weight_decay": settings.weight_decay, "max_grad_norm": settings.max_grad_norm}
    adam: dict[str, Any] = {"betas": (settings.beta1, settings.beta2), "eps": settings.eps}
    optim: Any
    if config.mode == "scalar":
        from ..engine.scalar import optim
    else:
        from ..engine.tensor import optim
        from ..engine.tensor.transforms import AdaptiveClip, Centralize

        chosen = [Centralize()] if settings.centralize_gradients else []
        shared["transforms"] = (*chosen, *([AdaptiveClip(threshold=settings.agc)] if settings.agc else []))
    if settings.optimizer == "sgd":
        return cast("Optimizer", optim.SGD(named, momentum=settings.momentum, **shared))
    if settings.optimizer == "muon":
        from ..engine.tensor.muon import Muon

        return Muon(named, momentum=settings.momentum, **adam, **shared)
    rule = optim.AdamW if settings.optimizer == "adamw" else optim.Adam
    return cast("Optimizer", rule(named, **adam, **shared))
