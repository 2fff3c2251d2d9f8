"""`nanochat sample` and `nanochat chat`: their words, turned into commands."""

from __future__ import annotations

import json as json_text
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import UsageError
from ..plain import typed
from . import commands as c
from .options import JsonFlag, LongPrompt, check_count
from .root import app

if TYPE_CHECKING:
    from ..inference.samplers import Sampling

_RunFlag = Annotated[str, typer.Option(help="Folder of a run, a checkpoint, a model file, or latest.")]
_TemperatureFlag = Annotated[
    float | None, typer.Option(help="0 is greedy, 1 the model's own distribution; 0.8 if not given.", metavar="X")
]
_TopKFlag = Annotated[int | None, typer.Option(help="Draw from the K likeliest tokens; 0 is off.", metavar="K")]
_TopPFlag = Annotated[float | None, typer.Option(help="Draw from the likeliest that sum to P; 1 is off.", metavar="P")]
_MinPFlag = Annotated[
    float | None, typer.Option(help="Draw from what has this share of the likeliest one's p; 0 is off.", metavar="P")
]
_PenaltyFlag = Annotated[
    float | None, typer.Option(help="Above 1, what stood in the text becomes less likely; 1 is off.", metavar="X")
]
_MaxFlag = Annotated[int, typer.Option(help="Most tokens to add.")]
_SeedFlag = Annotated[int, typer.Option(help="Root of the randomness.")]
_UnknownFlag = Annotated[
    Literal["error", "skip", "unk"] | None, typer.Option(help="Characters or words that the model does not know.")
]


@app.command("sample", epilog="Example: nanochat sample --run latest --prompt em --n-samples 10")
def _sample(
    *,
    run: _RunFlag = "latest",
    prompt: Annotated[str, typer.Option(help="Text to go on from; a chat model is asked by nanochat chat.")] = "",
    temperature: _TemperatureFlag = None,
    top_k: _TopKFlag = None,
    top_p: _TopPFlag = None,
    min_p: _MinPFlag = None,
    repetition_penalty: _PenaltyFlag = None,
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
    max_new_tokens: _MaxFlag = 200,
    n_samples: Annotated[
        int, typer.Option(help="How many texts, in a pipe a line each; with --beam, how many of the best.")
    ] = 1,
    seed: Annotated[int | None, typer.Option(help="Root of the randomness; 1337 if not given.", metavar="N")] = None,
    from_counts: Annotated[
        bool, typer.Option("--from-counts", help="Draw from counted pairs of the run's data.")
    ] = False,
    unknown: _UnknownFlag = None,
    long_prompt: Annotated[LongPrompt, typer.Option(help="A prompt longer than the context.")] = "error",
    json: JsonFlag = False,
) -> c.Command:
    """Draw text from a trained model, or search for the likeliest.

    A text ends at --max-new-tokens, where the model ends it or its turn, or before a --stop. Once it is longer than
    the model's context, the window slides: each new token depends on the last tokens only.
    """
    from ..inference.stopping import check_stops

    given = _given(temperature, top_k, top_p, min_p, repetition_penalty)
    sampling = _read_sampling(given)
    given |= {} if seed is None else {"seed": seed}
    seed = 1337 if seed is None else seed
    check_count("--n-samples", n_samples, 1)
    _check_limits(max_new_tokens, seed)
    if alternatives is not None:
        check_count("--alternatives", alternatives, 1)
        if n_samples > 1 or beam is not None:
            other = "--beam" if beam is not None else f"--n-samples {n_samples}"
            raise UsageError(f"--alternatives {alternatives} shows one text that is drawn: leave out {other}")
    _check_beam(beam, length_penalty, n_samples, given)
    return c.SampleCommand(
        run=run,
        prompt=typed(prompt),
        sampling=sampling,
        stop=check_stops(list(map(typed, stop or []))),
        beam=beam or 0,
        length_penalty=1.0 if length_penalty is None else length_penalty,
        alternatives=alternatives or 0,
        max_new_tokens=max_new_tokens,
        n_samples=n_samples,
        seed=seed,
        from_counts=from_counts,
        unknown=unknown,
        long_prompt=long_prompt,
        json=json,
    )


@app.command("chat", epilog="Example: nanochat chat --run latest --temperature 0")
def _chat(
    *,
    run: _RunFlag = "latest",
    system: Annotated[str, typer.Option(help="What the model is told before the conversation.")] = "",
    temperature: _TemperatureFlag = None,
    top_k: _TopKFlag = None,
    top_p: _TopPFlag = None,
    min_p: _MinPFlag = None,
    repetition_penalty: _PenaltyFlag = None,
    max_new_tokens: _MaxFlag = 200,
    seed: _SeedFlag = 1337,
    unknown: _UnknownFlag = None,
) -> c.Command:
    """Talk with a model that was trained on conversations.

    In a pipe each line of the input is a turn, and its answer a line of the output; a message that is refused has an
    empty one, line breaks of an answer are spaces, and the exit code is that of the first error. At a terminal, /help
    lists the commands; Ctrl-C stops an answer.
    """
    sampling = _read_sampling(_given(temperature, top_k, top_p, min_p, repetition_penalty))
    _check_limits(max_new_tokens, seed, least=1)
    if system and not system.strip():
        raise UsageError(f"--system {json_text.dumps(system)} says nothing: give some text, or leave it out")
    return c.ChatCommand(
        run=run, system=typed(system), sampling=sampling, max_new_tokens=max_new_tokens, seed=seed, unknown=unknown
    )


def _given(
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    repetition_penalty: float | None,
) -> dict[str, float]:
    """The fields of Sampling that somebody gave."""
    fields = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _read_sampling(given: dict[str, float]) -> Sampling:
    from ..inference.samplers import Sampling

    return Sampling(**given)  # type: ignore[arg-type]  # top_k is an int, as Typer has read it


def _check_limits(max_new_tokens: int, seed: int, least: int = 0) -> None:
    check_count("--max-new-tokens", max_new_tokens, least)
    check_count("--seed", seed, 0)


def _check_beam(beam: int | None, length_penalty: float | None, n_samples: int, given: dict[str, float]) -> None:
    """Raises UsageError where the words do not go together."""
    from ..inference.beam import check_beam

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
