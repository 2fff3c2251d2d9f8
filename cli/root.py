"""The Typer applications that the commands hang on, and the flags that commands with settings share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from .. import __version__
from . import commands as c
from .options import setting_parameters

app = typer.Typer(
    name="nanochat",
    help="Automatic differentiation and transformers, in single numbers and in arrays.",
    epilog="Example: nanochat train && nanochat sample --n-samples 10",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # Rich markup in help costs 100 ms
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs = typer.Typer(
    name="runs",
    help="What was run so far.",
    epilog="Example: nanochat runs list",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(runs)
checkpoint = typer.Typer(
    name="checkpoint",
    help="Models and checkpoints on disk.",
    epilog="Example: nanochat checkpoint inspect latest",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(checkpoint)

data = typer.Typer(
    name="data",
    help="Data files: checked, counted, converted.",
    epilog="Example: nanochat data stats builtin:names",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(data)
tokenizer = typer.Typer(
    name="tokenizer",
    help="Text to ids and back.",
    epilog="Example: nanochat tokenizer inspect latest",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(tokenizer)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"nanochat {__version__}")
        raise typer.Exit


def with_settings(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., c.Command]], Callable[..., c.Command]]:
    """Give a command the flags of the settings table, all but `without`; they arrive in its **options."""

    def decorate(command: Callable[..., c.Command]) -> Callable[..., c.Command]:
        def with_flags(**options: Any) -> c.Command:
            return command(**options)

        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is p.KEYWORD_ONLY]
        signature = inspect.Signature([*setting_parameters(without), *own])
        with_flags.__signature__ = signature  # type: ignore[attr-defined]
        with_flags.__doc__ = command.__doc__
        return with_flags

    return decorate
