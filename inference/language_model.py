"""A model with its tokenizer: text in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..checkpoints.find import Which, read_model
from ..checkpoints.weights import Snapshot, save_snapshot, structure_problems
from ..data.chat import end_ids
from ..errors import CheckpointError, GuardError, UsageError
from ..models.base import Mode, Model, ModelConfig, ModelKind, Predictor
from ..models.build import build_model
from ..models.gpt.config import GPTConfig
from ..models.kinds import config_class
from ..models.parameters import count_parameters
from ..tokenizers.base import Tokenizer
from ..tokenizers.files import tokenizer_from_dict
from ..validation import read_dataclass
from .alternatives import Choice, choices
from .batch import generate_batch
from .beam import beam_search
from .decoding import decoder_of
from .generate import draw_steps, generate, read_logits
from .notebook import SAMPLE_TOKENS, bundle, samples_of
from .samplers import Sampling, check_whole
from .stopping import check_stops, limits_of, stop_at, stop_test

LongPrompt = Literal["error", "truncate-left"]


@dataclass(frozen=True, repr=False)
class LanguageModel:
    """`load` one, then `generate`.

    `model` may be anything with `logits(ids, cache)`; `config` is that of the architecture.
    """

    model: Model
    tokenizer: Tokenizer
    config: ModelConfig
    model_kind: ModelKind
    mode: Mode
    stops_at_bos: bool
    """Trained on documents, so BOS ends a text; otherwise BOS is never drawn. The end of a turn ends every text."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Where the weights come from: step, preset, data, seed; {} where nobody knows."""
    end_ids: tuple[int, ...] = ()
    """What else ends a text, in a model from elsewhere that says so by id."""

    def generate(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 200,
        stop: Sequence[str] = (),
        seed: int | np.random.Generator = 0,
        long_prompt: LongPrompt = "error",
        repetition_penalty: float = 1.0,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
    ) -> str:
        """The prompt and what follows it; the options are those of `stream`."""
        pieces = self.stream(
            prompt,
            max_new_tokens=max_new_tokens,
            stop=stop,
            seed=seed,
            long_prompt=long_prompt,
            repetition_penalty=repetition_penalty,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
        )
        return prompt + "".join(pieces)

    def stream(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 200,
        stop: Sequence[str] = (),
        seed: int | np.random.Generator = 0,
        long_prompt: LongPrompt = "error",
        repetition_penalty: float = 1.0,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
    ) -> Iterator[str]:
        """Yield the continuation of `prompt` piece by piece, up to the first of the strings in `stop`.

        A prompt without a token (empty, or of skipped words only) is begun at BOS. It ends after `max_new_tokens`,
        0 for none, before BOS in a model of documents, and before a token that ends a turn or a text.
        repetition_penalty and what follows it are the fields of `Sampling`, which see.
        Raises UsageError on a bad one, TokenizerError on text outside the vocabulary, and GuardError on a
        prompt longer than the context unless `long_prompt` says that its beginning may be dropped.
        """
        sampling = Sampling(
            repetition_penalty=repetition_penalty, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p
        )
        stops, ids = check_stops(stop), self.read(prompt, long_prompt)
        rng = _generator(seed)
        new_ids = generate(
            self.decoder, ids, max_new_tokens=max_new_tokens, sampling=sampling, rng=rng, **self.limits()
        )
        yield from stop_at(self.tokenizer.decode_stream(new_ids, prompt), stops)

    def generate_batch(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int = 200,
        stop: Sequence[str] = (),
        seed: int = 0,
        long_prompt: LongPrompt = "error",
        batch_size: int = 16,
        repetition_penalty: float = 1.0,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
    ) -> Iterator[str]:
        """Yield for each prompt what `generate` gives with the seed [seed, its place], many at a time.

        Whatever the batch size, the texts are the same but where the rounding of a batch tips a balance.
        """
        if isinstance(prompts, str):
            raise UsageError(f"prompts={prompts!r} is one text: give a list of them, e.g. [{prompts!r}]")
        check_whole("batch_size", batch_size, least=1)
        check_whole("seed", seed)
        sampling = Sampling(
            repetition_penalty=repetition_penalty, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p
        )
        stops, options = check_stops(stop), self.limits()
        rows = [self.read(prompt, long_prompt) for prompt in prompts]
        for start in range(0, len(rows), batch_size):
            places = range(start, min(start + batch_size, len(rows)))
            continued = generate_batch(
                self.decoder,
                [rows[i] for i in places],
                max_new_tokens=max_new_tokens,
                sampling=sampling,
                rngs=[np.random.default_rng([seed, i]) for i in places],
                are_over=[stop_test(self.tokenizer, stops, prompts[i]) for i in places] if stops else None,
                **options,
            )
            for i, new_ids in zip(places, continued, strict=True):
                yield self._text(prompts[i], new_ids, stops)

    def beam(
        self,
        prompt: str = "",
        *,
        width: int = 5,
        length_penalty: float = 1.0,
        max_new_tokens: int = 200,
        stop: Sequence[str] = (),
        long_prompt: LongPrompt = "error",
    ) -> list[tuple[str, float]]:
        """The prompt and what most likely follows it, with its score, the best of `width` first: see `beam_search`."""
        stops, ids = check_stops(stop), self.read(prompt, long_prompt)
        found = beam_search(
            self.decoder,
            ids,
            width=width,
            length_penalty=length_penalty,
            max_new_tokens=max_new_tokens,
            is_over=stop_test(self.tokenizer, stops, prompt),
            **self.limits(),
        )
        return [(self._text(prompt, one.ids, stops), one.score) for one in found]

    def alternatives(
        self,
        prompt: str = "",
        *,
        n: int = 5,
        max_new_tokens: int = 200,
        stop: Sequence[str] = (),
        seed: int | np.random.Generator = 0,
        long_prompt: LongPrompt = "error",
        repetition_penalty: float = 1.0,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
    ) -> Iterator[Choice]:
        """The tokens of one continuation, one that ends it included, each beside the `n` likeliest in its place."""
        check_whole("n", n, least=1)
        sampling = Sampling(
            repetition_penalty=repetition_penalty, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p
        )
        stops, ids = check_stops(stop), self.read(prompt, long_prompt)
        limits, rng = self.limits(), _generator(seed)
        steps = draw_steps(self.decoder, ids, max_new_tokens=max_new_tokens, sampling=sampling, rng=rng, **limits)
        is_over = stop_test(self.tokenizer, stops, prompt)
        return choices(self.tokenizer, steps, n=n, banned=limits["banned"], is_over=is_over)

    def logits(self, ids: list[int]) -> np.ndarray:
        """Logits after each of the ids.       (T,) -> (T, V)

        Raises UsageError where there are none, or one is not in the vocabulary.
        """
        wrong = [i for i in ids if not 0 <= i < self.config.vocab_size]
        if wrong or not len(ids):
            what = f"{wrong[0]} among the ids is no token" if wrong else "ids=[] holds no token"
            raise UsageError(f"{what}: give one or more of 0 to {self.config.vocab_size - 1}")
        return read_logits(self.model, [ids])[0]

    def __repr__(self) -> str:
        n_parameters = count_parameters(self.config.parameters())
        return (
            f"LanguageModel({self.model_kind}, {self.mode}, {n_parameters:,} parameters, "
            f"reads {self.context} tokens of {self.config.vocab_size})"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """For a notebook, which asks."""
        drawn = samples_of(lambda seed: self.generate(seed=seed, max_new_tokens=SAMPLE_TOKENS))
        return bundle(repr(self), self.model, self.origin, drawn)

    @cached_property
    def decoder(self) -> Predictor:
        """What draws texts: the model, or a decoder of its architecture that reads its weights as each text begins."""
        return decoder_of(self.model)

    @property
    def context(self) -> int:
        """How many tokens the next one can depend on."""
        return self.config.context_size

    def read(self, prompt: str, long_prompt: LongPrompt = "error") -> list[int]:
        """The ids that a text goes on from; BOS where there are none. Raises UsageError, TokenizerError, GuardError."""
        if long_prompt not in get_args(LongPrompt):
            raise UsageError(f"long_prompt={long_prompt!r} is unknown: choose one of {', '.join(get_args(LongPrompt))}")
        ids = self.encode(prompt)
        if self.context == 1:  # a bigram reads the last token of a prompt of any length
            return ids
        return fit_prompt(ids, self.context, long_prompt)

    def encode(self, prompt: str) -> list[int]:
        """The same of any length. Raises TokenizerError."""
        bos = [self.tokenizer.bos_id]
        return (bos if self.stops_at_bos else []) + self.tokenizer.encode(prompt) or bos

    def limits(self) -> dict[str, Any]:
        """How far the model sees, what ends a text, and what is never drawn."""
        bos, ends = (self.tokenizer.bos_id,), (*end_ids(self.tokenizer), *self.end_ids)
        stops, banned = ((*bos, *ends), ()) if self.stops_at_bos else (ends, bos)
        return {"context": self.context, **limits_of(self.tokenizer, stops, banned)}

    def _text(self, prompt: str, new_ids: Sequence[int], stops: Sequence[str]) -> str:
        """The prompt and what the pieces of a stream join to."""
        return prompt + "".join(stop_at(self.tokenizer.decode_stream(new_ids, prompt), stops))

    def save(self, path: str | Path) -> None:
        """Write model, tokenizer and config to one file: .safetensors, or readable .json or .json.gz, by its ending.

        Raises WriteError, and ConfigError on another ending.
        """
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
            weights={name: np.asarray(weight) for name, weight in weights.items()},  # scalar: float64
            origin=self.origin,
            end_ids=self.end_ids,
        )


def load(path: str | Path, which: Which = "last") -> LanguageModel:
    """The model in a file of any of our formats, in a checkpoint folder, or in a run's: its last one or its best.

    A damaged checkpoint of a run is passed over with a warning. Raises CheckpointError, which lists everything that
    does not fit where the weights are not those of the configuration.
    """
    file, snapshot = read_model(Path(path), which)
    return model_of(snapshot, file)


def model_of(snapshot: Snapshot, file: Path) -> LanguageModel:
    """The model that a snapshot describes, which was read from `file`. Raises CheckpointError as `load` does."""
    try:
        config = read_dataclass(config_class(snapshot.model_kind), snapshot.model, "model")
        tokenizer = tokenizer_from_dict(dict(snapshot.tokenizer))
        _check_sizes(config, tokenizer, snapshot)
        model = build_model(config, snapshot.mode, snapshot.dtype)
        model.load_state_dict(snapshot.weights)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(f"{file} does not describe a model that can be built: {error}") from error
    return LanguageModel(
        model,
        tokenizer,
        config,
        snapshot.model_kind,
        snapshot.mode,
        snapshot.stops_at_bos,
        snapshot.origin,
        snapshot.end_ids,
    )


def _check_sizes(config: ModelConfig, tokenizer: Tokenizer, snapshot: Snapshot) -> None:
    """Before anything is built: a file of 1 KB must not ask for a terabyte. Raises ValueError."""
    if tokenizer.vocab_size != config.vocab_size:
        raise ValueError(f"its tokenizer has {tokenizer.vocab_size} tokens, its model {config.vocab_size}")
    if not all(0 <= id_ < config.vocab_size for id_ in snapshot.end_ids):
        raise ValueError(f"end_ids={snapshot.end_ids} are not all among its {config.vocab_size} tokens")
    if isinstance(config, GPTConfig) and config.n_layer > len(snapshot.weights):
        raise ValueError(f"it has {len(snapshot.weights)} weights for n_layer={config.n_layer}")
    shapes = {name: parameter.shape for name, parameter in config.parameters().items()}
    problems = structure_problems(shapes, snapshot.weights, dtype=snapshot.dtype)
    if problems:
        raise ValueError("; ".join(problems))


def _generator(seed: int | np.random.Generator) -> np.random.Generator:
    """Raises UsageError for what is neither."""
    if not isinstance(seed, np.random.Generator):
        check_whole("seed", seed)
    return np.random.default_rng(seed)


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
