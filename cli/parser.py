"""What Typer lacks: commands that are imported when they are called, options under headings, flags in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from inspect import Parameter, Signature, signature
from typing import Any, NamedTuple, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Work = partial[None]
"""What the words of a command ask for: a function, and the frozen values that it is called with."""
Words = TypeVar("Words", bound=Callable[..., Work])
Worker = TypeVar("Worker", bound=Callable[..., None])

_HEADINGS = "Arguments/Options/Study/Model/Data/Optimisation/Evaluation and checkpoints/Sampling/Limits/Output".split(
    "/"
)


class Entry(NamedTuple):
    """A command, or a noun with several, as the program's --help shows it."""

    room: str
    """The heading."""
    module: str
    """Below cli/commands/; its `commands` is what is called."""
    help: str
    """One line."""


class Commands(typer.Typer):
    """The commands of one file: a single one, or those of a noun, `nanochat runs list`."""

    def __init__(self, help: str = "", example: str = "") -> None:
        super().__init__(
            cls=NounGroup,
            help=help,
            epilog=f"Example: {example}",
            no_args_is_help=True,
            add_completion=False,
            rich_markup_mode=None,  # Rich markup in help costs 100 ms
        )

    def words(
        self, name: str, example: str, *, first: Sequence[Parameter] = (), last: Sequence[Parameter] = ()
    ) -> Callable[[Words], Words]:
        """Make a command of a function that checks and resolves flags, and returns the Work; its docstring is the help.

        first, last   Flags in common with other commands, which arrive in its **options; --help shows them before and
                      after the command's own.
        """

        def decorate(words: Words) -> Words:
            self._add(name, example, words, words, [*first, *_own(words), *last])
            return words

        return decorate

    def work(self, name: str, example: str) -> Callable[[Worker], Worker]:
        """Make a command of a function that is itself the work, where flags need no more than their types."""

        def decorate(work: Worker) -> Worker:
            self._add(name, example, work, partial(partial, work), _own(work))
            return work

        return decorate

    def _add(
        self, name: str, example: str, described: Any, read: Callable[..., Work], parameters: list[Parameter]
    ) -> None:
        def with_flags(**options: Any) -> Work:
            return read(**options)

        with_flags.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        with_flags.__doc__ = described.__doc__
        self.command(name, cls=HeadedCommand, epilog=f"Example: {example}")(with_flags)


def _own(command: Callable[..., Any]) -> list[Parameter]:
    """The flags in a command's own signature."""
    own = signature(command, eval_str=True).parameters.values()
    return [flag.replace(kind=flag.KEYWORD_ONLY) for flag in own if flag.kind is not flag.VAR_KEYWORD]


class HeadedCommand(TyperCommand):
    """Options under the headings that their `rich_help_panel` names, where there are any."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of --help."""
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in _HEADINGS}
        for parameter in self.get_params(ctx):
            if (row := parameter.get_help_record(ctx)) is not None:
                kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
                rows[getattr(parameter, "rich_help_panel", None) or kind].append(row)
        for heading, section in rows.items():
            if section:
                with formatter.section(heading):
                    formatter.write_dl(section)


class NounGroup(TyperGroup):
    """The commands of a noun, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write them, with their lines wrapped and not cut."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(1000)) for name, one in self.commands.items()])


class LazyGroup(TyperGroup):
    """The whole program: the file of a command is imported when that is called, and the table is all of --help."""

    table: Mapping[str, Entry] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(self.table)  # type: ignore[assignment]  # the names, for "did you mean"

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or the group of a noun; None where there is none of that name."""
        if cmd_name not in self.table:
            return None
        return typer.main.get_command(import_module(f".commands.{self.table[cmd_name].module}", __package__).commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names under their headings."""
        wide = max(map(len, self.table))
        for room in dict.fromkeys(entry.room for entry in self.table.values()):
            with formatter.section(room):
                formatter.write_dl(
                    [(name.ljust(wide), entry.help) for name, entry in self.table.items() if entry.room == room]
                )
