"""`nanochat sample`: text from a trained model, as it is drawn."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....errors import UsageError
from ....plain import shown_path, typed
from ...console import print_json, print_table, say, write_result
from ...options import JsonFlag, RunFlag, UnknownFlag, check_count
from ...parser import Commands, Work
from ...sampling import (
    SAMPLING_FLAGS,
    MaxFlag,
    check_limits,
    load_model,
    on_one_line,
    own_data,
    read_sampling,
    with_policy,
)

if TYPE_CHECKING:
    from ....inference.alternatives import Candidate, Choice
    from ....inference.language_model import LanguageModel
    from ....inference.samplers import Sampling
    from ....tokenizers.char import Unknown

LongPrompt = Literal["error", "truncate-left"]

commands = Commands()


@commands.words("sample", "nanochat sample --run latest --prompt em --n-samples 10", last=SAMPLING_FLAGS)
def _words(
    *,
    run: RunFlag = "latest",
    prompt: Annotated[str, typer.Option(help="Text to go on from; a chat model is asked by nanochat chat.")] = "",
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; repeatable.", metavar="TEXT")] = None,
    beam: Annotated[
        int | None, typer.Option(help="Search the likeliest text instead of drawing, N wide; 5 is usual.", metavar="N")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(help="--beam compares ln p / length^X; 1 if not given.", metavar="X")
    ] = None,
    alternatives: Annotated[
        int | None, typer.Option(help="Show one text token by token, each beside the N likeliest.", metavar="N")
    ] = None,
    max_new_tokens: MaxFlag = 200,
    n_samples: Annotated[
        int, typer.Option(help="How many texts, in a pipe a line each; with --beam, how many of the best.")
    ] = 1,
    seed: Annotated[int | None, typer.Option(help="Root of the randomness; 1337 if not given.", metavar="N")] = None,
    from_counts: Annotated[
        bool, typer.Option("--from-counts", help="Draw from counted pairs of the run's data.")
    ] = False,
    unknown: UnknownFlag = None,
    long_prompt: Annotated[LongPrompt, typer.Option(help="A prompt longer than the context.")] = "error",
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Draw text from a trained model, or search for the likeliest.

    A text ends at --max-new-tokens, where the model ends it or its turn, or before a --stop. Once it is longer than
    the model's context, the window slides: each new token depends on the last tokens only.
    """
    from ....inference.stopping import check_stops

    sampling, given = read_sampling(options)
    given |= {} if seed is None else {"seed": seed}
    seed = 1337 if seed is None else seed
    check_count("--n-samples", n_samples, 1)
    check_limits(max_new_tokens, seed)
    if alternatives is not None:
        check_count("--alternatives", alternatives, 1)
        if n_samples > 1 or beam is not None:
            other = "--beam" if beam is not None else f"--n-samples {n_samples}"
            raise UsageError(f"--alternatives {alternatives} shows one text that is drawn: leave out {other}")
    _check_beam(beam, length_penalty, n_samples, given)
    limits = {"max_new_tokens": max_new_tokens, "stop": check_stops(list(map(typed, stop or [])))}
    return partial(
        sample,
        run,
        prompt=typed(prompt),
        sampling=sampling,
        limits={**limits, "long_prompt": long_prompt},
        beam=beam or 0,
        length_penalty=1.0 if length_penalty is None else length_penalty,
        alternatives=alternatives or 0,
        n_samples=n_samples,
        seed=seed,
        from_counts=from_counts,
        unknown=unknown,
        json=json,
    )


def _check_beam(beam: int | None, length_penalty: float | None, n_samples: int, given: dict[str, Any]) -> None:
    """Raises UsageError where the words do not go together."""
    from ....inference.beam import check_beam

    if beam is None:
        if length_penalty is not None:
            raise UsageError(f"--length-penalty {length_penalty:g} is for a search: give --beam 5 with it")
        return
    check_beam(beam, 1.0 if length_penalty is None else length_penalty)
    if given:
        flag = "--" + next(iter(given)).replace("_", "-")
        raise UsageError(f"--beam {beam} searches and draws nothing: leave out {flag}")
    if n_samples > beam:
        raise UsageError(f"--n-samples {n_samples} is more than --beam {beam} finds: give a --beam of {n_samples}")


def sample(
    run: str,
    *,
    prompt: str,
    sampling: Sampling,
    limits: dict[str, Any],
    beam: int,
    length_penalty: float,
    alternatives: int,
    n_samples: int,
    seed: int,
    from_counts: bool,
    unknown: Unknown | None,
    json: bool,
) -> None:
    """Print each sample as it is drawn, or as it is done where many are drawn at once.

    Several have a line each, whatever line breaks are in them, where no terminal shows them.

    limits         max_new_tokens, stop and long_prompt.
    beam           Width of a search instead of drawing; 0 is off.
    alternatives   How many other tokens to show for each; 0 is off.
    """
    from ...folders import find_folder

    path = find_folder(run)
    model = _counts_model(path, unknown) if from_counts else load_model(path, unknown)
    _remark_on(path, model, prompt)
    print_found = partial(_print_found, path, model, prompt)
    write = partial(_write, to_lines=n_samples > 1 and not sys.stdout.isatty())
    drawing = {**limits, **asdict(sampling)}
    if alternatives:
        choices = _choose(model, prompt, n=alternatives, seed=seed, **drawing)
        if json:
            print_found({"prompt": prompt, "tokens": [_candidates(one) for one in choices]})
        elif choices:
            print_table([_row(one) for one in choices], right=("p",))
    elif beam:
        best = model.beam(prompt, width=beam, length_penalty=length_penalty, **limits)[:n_samples]
        if json:
            print_found({"samples": [text for text, _ in best], "scores": [score for _, score in best]})
        else:
            write([text] for text, _ in best)
    else:
        texts = _draw(model, prompt, n_samples=n_samples, seed=seed, **drawing)
        if json:
            print_found({"samples": ["".join(pieces) for pieces in texts]})
        else:
            write(texts)


def _counts_model(path: Path, unknown: Unknown | None) -> LanguageModel:
    """The pairs of a run's data, counted, in the place of its model."""
    from ....data.dataset import build_dataset
    from ....inference.counts import counts_language_model
    from ....inference.language_model import load
    from ....training.folder.record import read_run
    from ...folders import run_of

    data = own_data(read_run(run_of(path)), "counted")
    dataset = build_dataset(data, load(path).tokenizer)
    return with_policy(counts_language_model(dataset, boost_futuristic=data.style == "futuristic"), unknown)


def _remark_on(path: Path, model: LanguageModel, prompt: str) -> None:
    """What the model does not read as it was meant."""
    from ....data.chat import ChatTemplate
    from ....inference.chat import knows_turns
    from ....tokenizers.inspection import describe_unknown

    if remark := describe_unknown(model.tokenizer, prompt):
        say(f"the prompt: {remark}")
    template = ChatTemplate()
    if knows_turns(model, template) and not any(mark in prompt for mark in template.special_tokens):
        say(f"this model answers questions in `nanochat chat --run {shown_path(path)}`: here it goes on from a text")


def _print_found(path: Path, model: LanguageModel, prompt: str, found: dict[str, Any]) -> None:
    """What was found, as JSON."""
    from ....inference.decoding import kind_of
    from ....tokenizers.inspection import n_unknown

    decoder = kind_of(model.model, model.decoder)
    print_json({"run": shown_path(path), **found, "n_unknown": n_unknown(model.tokenizer, prompt), "decoder": decoder})


def _write(texts: Iterable[Iterable[str]], *, to_lines: bool) -> None:
    """Each text, which comes in pieces, and a line break."""
    for pieces in texts:
        for piece in on_one_line(pieces) if to_lines else pieces:
            write_result(piece)
            sys.stdout.flush()
        write_result("\n")


def _draw(model: LanguageModel, prompt: str, *, n_samples: int, seed: int, **options: Any) -> Iterator[Iterator[str]]:
    """The texts, each in pieces. An array model draws many at once."""
    import numpy as np

    if n_samples > 1 and model.mode == "tensor":
        for text in model.generate_batch([prompt] * n_samples, seed=seed, **options):
            yield iter([text])
        return
    for number in range(n_samples):
        pieces = model.stream(prompt, seed=np.random.default_rng([seed, number]), **options)
        first = next(pieces, "")  # an error shows before anything is printed
        yield _joined(prompt + first, pieces)


def _joined(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _choose(model: LanguageModel, prompt: str, *, n: int, seed: int, **options: Any) -> list[Choice]:
    """The tokens of the first sample, each with the `n` likeliest in its place."""
    import numpy as np

    return list(model.alternatives(prompt, n=n, seed=np.random.default_rng([seed, 0]), **options))


def _candidates(choice: Choice) -> dict[str, Any]:
    return {**asdict(choice.drawn), "likeliest": [asdict(other) for other in choice.likeliest]}


def _row(choice: Choice) -> dict[str, Any]:
    """The token that was drawn, its probability, and the likeliest in its place, numbered."""
    others = {str(i): f"{_spell(one)} {one.p:.4f}" for i, one in enumerate(choice.likeliest, start=1)}
    return {"token": _spell(choice.drawn), "p": choice.drawn.p, **others}


def _spell(one: Candidate) -> str:
    """In quotation marks, so that a space is seen."""
    return dumps(one.text, ensure_ascii=False)
