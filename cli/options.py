"""The settings that commands share, as flags: a field that names one (setting.py) has one, and an environment variable.

A flag overrides NANOCHAT_<FLAG>, which overrides `--config` file, which overrides the preset. Every flag is None until
somebody gives it, so the layers below show through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from ..errors import UsageError
from ..models.presets import PRESETS, is_preset
from ..plain import shortened
from ..setting import Setting
from ..storage.toml import read_toml_table
from ..training.config import all_settings
from ..training.resolve import merge, parse_assignment
from ..validation import nearest

RUNS = Path("results/runs")
ABLATIONS = Path("results/ablations")
"""Where results go without --out, in the folder that the command is given in."""

_METAVARS: dict[Any, str] = {int: "N", float: "X", str: "TEXT"}
_GROUPS = {"": "Model", "model": "Model", "data": "Data", "training": "Optimisation"}


@dataclass(frozen=True)
class Flag:
    """One flag that fills one field."""

    path: str
    """Dotted, in RunConfig."""
    known: Setting
    kind: Any
    """int, float, str or bool."""
    choices: tuple[str, ...]
    default: Any
    """Of the field, to be shown as an example."""

    @property
    def name(self) -> str:
        """As a Python name."""
        return self.known.flag.removeprefix("--").replace("-", "_")

    def parameter(self) -> Parameter:
        """As Typer wants to read it."""
        words = self.known.flag
        option = typer.Option(
            f"{words}/--no-{words[2:]}" if self.kind is bool else words,
            help=self.known.short or self.known.help,
            envvar=f"NANOCHAT_{self.name.upper()}",
            show_envvar=False,
            metavar="|".join(self.choices) or _METAVARS.get(self.kind),
            rich_help_panel=self.known.group or _GROUPS[self.path.rpartition(".")[0]],
        )
        return Parameter(
            self.name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[self.kind | None, option]
        )


@cache
def flags() -> tuple[Flag, ...]:
    """Those of all settings, in the order of a config."""
    return tuple(
        _flag(path, home, known)
        for path, (home, known) in all_settings().items()
        if known.flag and path not in ("start_from", "partial")  # of `train` alone, which reads what they name
    )


def _flag(path: str, home: type, known: Setting) -> Flag:
    name = path.rpartition(".")[2]
    hint, default = get_type_hints(home)[name], getattr(home, name)
    if path == "preset":
        return Flag(path, known, str, tuple(PRESETS), default)
    if get_origin(hint) is Literal:
        return Flag(path, known, str, get_args(hint), default)
    return Flag(path, known, str if path == "training.replicas" else hint, (), default)  # a number, or auto


_CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config", help="A TOML file of settings: [model], [data], [training].", metavar="FILE", readable=False
    ),
]
_SET = Annotated[
    list[str] | None, typer.Option("--set", help="Any field, e.g. model.n_layer=3; repeatable.", metavar="FIELD=VALUE")
]


def setting_parameters(without: tuple[str, ...] = ()) -> list[Parameter]:
    """The signature of a command with settings, beside its own flags; `without` names flags that do nothing there."""
    return [
        *(flag.parameter() for flag in flags() if flag.known.flag not in without),
        Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=_CONFIG),
        Parameter("set", Parameter.KEYWORD_ONLY, default=None, annotation=_SET),
    ]


def given_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the flags, the environment and --config say, as nested settings. Raises UsageError, ConfigError."""
    given: dict[str, Any] = {}
    for flag in flags():
        value = options.get(flag.name)
        if value is None:
            continue
        if flag.choices and value not in flag.choices and not (flag.path == "preset" and is_preset(value)):
            why = dict(flag.known.refused).get(value) or f"is unknown: {nearest(value, list(flag.choices))}"
            raise UsageError(f"{flag.known.flag} {value!r} {why}")
        if problem := flag.known.problem(value, flag.default or 0.01):
            raise UsageError(f"{flag.known.flag} {value} {problem}")
        if flag.path == "training.replicas":
            value = count_or_auto("--replicas", value)
        given = merge(given, _nested(flag.path, value))
    if options.get("steps") is not None and options.get("epochs") is not None:
        raise UsageError("--steps and --epochs both say how long to train: give one of the two")
    if options.get("epochs") == 0:
        raise UsageError("--epochs 0 trains nothing: give e.g. --epochs 1, or --steps 0 to see the first loss")
    if options.get("steps") is not None:
        given["training"]["epochs"] = 0.0  # whatever a file or preset says
    assignments = [parse_assignment(text) for text in options["set"] or ()]
    return merge(read_toml(options["config"]), given, *assignments)


def unknown_variables(names: Iterable[str]) -> Iterator[str]:
    """A sentence for each variable of the environment that looks like a setting of ours and is none."""
    known = [f"NANOCHAT_{flag.name.upper()}" for flag in flags()] + ["NANOCHAT_LOG", "NANOCHAT_TOKEN"]
    for name in sorted(names):
        if name.startswith("NANOCHAT_") and name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "unset it, or see `nanochat train --help` for the settings"
            yield f"the environment sets {name}, which nothing reads: {hint}"


def name_flags(sentence: str, settings: Iterable[tuple[str, object]], argv: Sequence[str]) -> str:
    """A message with its `settings` as whoever typed `argv` knows them: the flags for what Python writes.

    layout='chat' is --layout chat everywhere.  text_field='b' is --text-field b in `data` and `tokenizer`, elsewhere
    --set data.text_field=b.  on_empty='drop' is --on-empty drop, elsewhere a conversion of the file before.
    """
    for path, value in settings:
        typed, name = _typed(path, value, argv), path.rpartition(".")[2]
        quoted, bare = f"{name}={value!r}", f"{name}={value}"
        sentence = sentence.replace(quoted if quoted in sentence else bare, typed)
    return sentence


def _typed(path: str, value: object, argv: Sequence[str]) -> str:
    """The words of a command line that give a setting this value."""
    section, _, name = path.rpartition(".")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    word = text if re.fullmatch(r"[\w.+-]+", text) else f'"{text}"'
    places = [path] if section else [f"data.{name}", f"training.{name}", f"model.{name}", name]
    place = next((place for place in places if place in all_settings()), "")
    known = all_settings()[place][1] if place else None
    if known and known.flag and isinstance(value, bool):
        return known.flag if value else f"--no-{known.flag[2:]}"
    if known and known.flag:
        return f"{known.flag} {word}"
    if argv[:1] in (["data"], ["tokenizer"]):
        return f"--{name.replace('_', '-')} {word}"
    return f"--set {place}={word}" if place else f"nanochat data convert --{name.replace('_', '-')} {word}"


def check_count(flag: str, value: float, least: float, most: float | None = None) -> None:
    """Raises UsageError where a number on the command line makes no sense, by the bounds of a Setting."""
    if problem := Setting(help="", least=least, most=most).problem(value, least):
        raise UsageError(f"{flag} {shortened(str(value), 30)} {problem}")


def read_toml(path: Path | None) -> dict[str, Any]:
    """The settings of a file, {} where none is named. Raises ConfigError."""
    return {} if path is None else read_toml_table(path, "--config")


def count_or_auto(flag: str, text: str) -> int:
    """A number of 1 or more; 0 for auto. Raises UsageError."""
    if text != "auto" and not (text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise UsageError(f"{flag} {text!r} is neither a number nor auto: give e.g. {flag} 2")
    return 0 if text == "auto" else int(text)


def _nested(path: str, value: Any) -> dict[str, Any]:
    section, _, name = path.rpartition(".")
    return {section: {name: value}} if section else {name: value}


_OUTPUT = "Output"
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=_OUTPUT)]
ForceFlag = Annotated[
    bool, typer.Option("--force", help="Write into a folder that holds results already.", rich_help_panel=_OUTPUT)
]
ReplaceFlag = Annotated[
    bool, typer.Option("--force", help="Replace files that are there, whoever wrote them.", rich_help_panel=_OUTPUT)
]
DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.", rich_help_panel=_OUTPUT)
]
OutFlag = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the results.", metavar="DIR", readable=False, rich_help_panel=_OUTPUT),
]
RunFlag = Annotated[str, typer.Option(help="Folder of a run, a checkpoint, a model file, or latest.")]
UnknownFlag = Annotated[
    Literal["error", "skip", "unk"] | None, typer.Option(help="Characters or words that the model does not know.")
]
