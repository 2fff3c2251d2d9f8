"""`nanochat eval`: its words, turned into a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import commands as c
from .options import JsonFlag, ReplaceFlag, check_count
from .root import app


@app.command("eval", epilog="Example: nanochat eval --run latest --questions world")
def _eval(
    *,
    run: Annotated[str, typer.Option(help="Folder of a run, a checkpoint, a model file, or latest.")] = "latest",
    data: Annotated[str, typer.Option(help="Text or conversations; by default those of the run.", metavar="PATH")] = "",
    side: Annotated[
        Literal["val", "train", "all"] | None,
        typer.Option(help="Which side of the split; val if not given, all where --data names another text."),
    ] = None,
    questions: Annotated[
        Literal["none", "world-small", "world", "world-large"], typer.Option(help="Ask about the built-in world.")
    ] = "none",
    best: Annotated[bool, typer.Option("--best", help="The checkpoint of the lowest validation loss.")] = False,
    batch_size: Annotated[int, typer.Option(help="Rows at a time; the result does not depend on it.")] = 32,
    unknown: Annotated[
        Literal["error", "skip", "unk"] | None, typer.Option(help="Characters or words that the model does not know.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of evaluation.json and .md; by default the run's.", metavar="DIR", readable=False),
    ] = None,
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> c.Command:
    """Measure a trained model: loss, perplexity, bits per byte; replies and answers where it was trained on chat."""
    check_count("--batch-size", batch_size, 1)
    return c.EvalCommand(
        run=run,
        data=data,
        side=side,
        questions=questions,
        best=best,
        batch_size=batch_size,
        unknown=unknown,
        out=out,
        force=force,
        json=json,
    )
