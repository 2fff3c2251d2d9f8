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


def _group(name: str, help: str, example: str) -> typer.Typer:
    """Commands of one noun: `nanochat runs list`."""
    group = typer.Typer(name=name, help=help, epilog=f"Example: {example}", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group)
    return group


runs = _group("runs", "What was run so far.", "nanochat runs list")
checkpoint = _group("checkpoint", "Models and checkpoints on disk.", "nanochat checkpoint inspect latest")
data = _group("data", "Data files: checked, counted, converted.", "nanochat data stats builtin:names")
tokenizer = _group("tokenizer", "Text to ids and back.", "nanochat tokenizer inspect latest")


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"nanochat {__version__}")
        raise typer.Exit


def with_settings(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., c.Command]], Callable[..., c.Command]]:
    """Give a command the flags of the settings table, all but `without`; they arrive in its **options."""
    return with_parameters(setting_parameters(without), first=True)


def with_parameters(
    parameters: list[inspect.Parameter], *, first: bool = False
) -> Callable[[Callable[..., c.Command]], Callable[..., c.Command]]:
    """Give a command flags that it has in common with others; they arrive in its **options.

    first   --help shows them before the command's own.
    """

    def decorate(command: Callable[..., c.Command]) -> Callable[..., c.Command]:
        def with_flags(**options: Any) -> c.Command:
            return command(**options)

        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is p.KEYWORD_ONLY]
        signature = inspect.Signature([*parameters, *own] if first else [*own, *parameters])
        with_flags.__signature__ = signature  # type: ignore[attr-defined]
        with_flags.__doc__ = command.__doc__
        return with_flags

    return decorate
