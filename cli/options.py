"""The settings that commands share: one table ties each flag to a field of RunConfig, its help and its environment.

A flag overrides NANOCHAT_<FLAG>, which overrides `--config` file, which overrides the preset. Every flag is None until
somebody gives it, so the layers below show through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import UsageError
from ..models.presets import PRESETS
from ..training.config import DataConfig, RunConfig
from ..training.resolve import merge, parse_assignment, resolve
from ..validation import nearest, read_toml_table

BUILTIN_HELP = "names, verse, tales, facts, world, world-chat, world-rehearsal (the worlds -small and -large, too)"
"""The texts of the package, spelled out: importing the table of them, data/builtin, costs --help 200 ms."""


@dataclass(frozen=True)
class Setting:
    """One flag that fills one field."""

    flag: str
    field: str
    """Dotted path in RunConfig."""
    kind: type
    help: str
    least: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As a Python name."""
        return self.flag.removeprefix("--").replace("-", "_")

    def parameter(self) -> Parameter:
        """As Typer wants to read it."""
        declaration = f"{self.flag}/--no-{self.flag[2:]}" if self.kind is bool else self.flag
        option = typer.Option(
            declaration,
            help=self.help,
            envvar=f"NANOCHAT_{self.name.upper()}",
            show_envvar=False,
            metavar="|".join(self.choices) or _METAVARS.get(self.kind),
        )
        return Parameter(
            self.name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[self.kind | None, option]
        )


_DATA_SETTING = re.compile(
    r"(?<![\w./'\"-])(?P<name>layout|text_field|header|delimiter|on_empty|on_duplicate|on_long|max_chars|min_count|style|loss_on|"
    r"packing|chat_form)=(?P<value>'[^']*'|\"[^\"]*\"|[A-Z]+|\d+)"
)
"""Fields of RowOptions and DataConfig, as messages have them."""
_METAVARS = {int: "N", float: "X", str: "TEXT"}

SETTINGS = (
    Setting("--preset", "preset", str, f"Architecture and recipe to start from: {', '.join(PRESETS)}."),
    Setting("--mode", "mode", str, "Which engine.", choices=("scalar", "tensor")),
    Setting("--model-kind", "model_kind", str, "Family of the model.", choices=("bigram", "mini-gpt", "gpt")),
    Setting("--data", "data.source", str, f"Text, JSON, JSONL or CSV, or builtin:NAME: {BUILTIN_HELP}."),
    Setting(
        "--layout",
        "data.layout",
        str,
        "One document a line or row, one text, or conversations.",
        choices=("auto", "documents", "stream", "chat"),
    ),
    Setting("--tokenizer", "data.tokenizer", str, "char, word, bpe, or a tokenizer's file."),
    Setting("--vocab-size", "data.vocab_size", int, "Most tokens of word or bpe; 0: what it needs.", least=0),
    Setting("--loss-on", "data.loss_on", str, "What counts in conversations.", choices=("answers", "all")),
    Setting("--packing", "data.packing", str, "Documents in a row.", choices=("none", "isolated", "joined")),
    Setting("--style", "data.style", str, "futuristic adds four sentences.", choices=("classic", "futuristic")),
    Setting(
        "--unknown",
        "data.unknown",
        str,
        "Characters and words outside the vocabulary.",
        choices=("auto", "error", "skip", "unk"),
    ),
    Setting("--seed", "seed", int, "Root of all randomness.", least=0),
    Setting("--dtype", "dtype", str, "Precision of arrays.", choices=("float32", "float64")),
    Setting("--steps", "training.steps", int, "Optimizer steps; 0 only reports the first loss.", least=0),
    Setting("--epochs", "training.epochs", float, "Passes over the text, instead of --steps.", least=0),
    Setting(
        "--patience",
        "training.patience",
        int,
        "Stop after so many validations without a better one; 0 is off.",
        least=0,
    ),
    Setting("--batch-size", "training.batch_size", int, "Rows in one micro-batch.", least=1),
    Setting("--grad-accum", "training.grad_accum", int, "Micro-batches in one step.", least=1),
    Setting("--replicas", "training.replicas", str, "Threads that share a batch: a number, or auto for the machine's."),
    Setting("--optimizer", "training.optimizer", str, "Rule of the update.", choices=("sgd", "adam", "adamw", "muon")),
    Setting("--lr", "training.lr", float, "Base learning rate.", least=0),
    Setting(
        "--lr-schedule",
        "training.lr_schedule",
        str,
        "Shape of the rate.",
        choices=("constant", "linear", "sqrt", "cosine"),
    ),
    Setting("--warmup", "training.warmup", int, "Steps over which the rate rises.", least=0),
    Setting("--beta1", "training.beta1", float, "Adam's first decay.", least=0),
    Setting("--beta2", "training.beta2", float, "Adam's second decay.", least=0),
    Setting("--eps", "training.eps", float, "Adam's denominator.", least=0),
    Setting("--weight-decay", "training.weight_decay", float, "Decay of matrices.", least=0),
    Setting("--max-grad-norm", "training.max_grad_norm", float, "Clip the gradient's norm to this; 0 is off.", least=0),
    Setting("--tie-lm-head", "model.tie_lm_head", bool, "The head is the embedding matrix."),
    Setting("--input-rmsnorm", "model.input_rmsnorm", bool, "Normalise the embeddings once."),
    Setting("--eval-every", "training.eval_every", int, "Steps between validations; 0 is at the end only.", least=0),
    Setting("--sample-every", "training.sample_every", int, "Steps between samples shown; 0 is off.", least=0),
    Setting(
        "--checkpoint-every",
        "training.checkpoint_every",
        int,
        "Steps between checkpoints, beside those before validations and at the end.",
        least=0,
    ),
    Setting("--keep-last", "training.keep_last", int, "Checkpoints that stay, the best besides; 0 keeps all.", least=0),
    Setting(
        "--checkpoint-format",
        "training.checkpoint_format",
        str,
        "How checkpoints are written: binary, or to be read.",
        choices=("safetensors", "json", "json.gz"),
    ),
)

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
        *(setting.parameter() for setting in SETTINGS if setting.flag not in without),
        Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=_CONFIG),
        Parameter("set", Parameter.KEYWORD_ONLY, default=None, annotation=_SET),
    ]


def resolve_options(
    options: Mapping[str, Any], default_preset: str | None = None, below: Mapping[str, Any] | None = None
) -> RunConfig:
    """The RunConfig that the given options ask for; `default_preset` serves where no layer names a preset or a kind.

    `below` are settings that --config and the flags override. Raises UsageError, ConfigError.
    """
    settings = merge(below or {}, given_settings(options))
    if default_preset and not settings.keys() & {"preset", "model_kind"}:
        settings["preset"] = default_preset
    return resolve(settings)


def given_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the flags, the environment and --config say, as nested settings. Raises UsageError, ConfigError."""
    given: dict[str, Any] = {}
    for setting in SETTINGS:
        value = options.get(setting.name)
        if value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{setting.flag} {value} is not a finite number: give e.g. {setting.flag} 0.01")
        if setting.least is not None:
            check_count(setting.flag, value, setting.least)
        choices = PRESETS if setting.name == "preset" else setting.choices
        if choices and value not in choices:
            raise UsageError(f"{setting.flag} {value!r} is unknown: {nearest(value, list(choices))}")
        if setting.name == "replicas":
            value = count_or_auto("--replicas", value)
        given = merge(given, _nested(setting.field, value))
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
    known = [f"NANOCHAT_{setting.name.upper()}" for setting in SETTINGS] + ["NANOCHAT_LOG"]
    for name in sorted(names):
        if name.startswith("NANOCHAT_") and name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "unset it, or see `nanochat train --help` for the settings"
            yield f"the environment sets {name}, which nothing reads: {hint}"


def name_flags(sentence: str, argv: Sequence[str]) -> str:
    """A message about data, its settings as whoever typed `argv` knows them.

    layout='chat' is --layout chat everywhere.  text_field='b' is --text-field b in `data` and `tokenizer`, elsewhere
    --set data.text_field=b.  on_empty='drop' is --on-empty drop, elsewhere a conversion of the file before.
    """

    def typed(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"].strip("'\"")
        value = value if re.fullmatch(r"[\w.-]+", value) else f'"{value}"'
        flag = f"--{name.replace('_', '-')} {value}"
        if argv[:1] in (["data"], ["tokenizer"]) or any(setting.field == f"data.{name}" for setting in SETTINGS):
            return flag
        is_set = name in DataConfig.__dataclass_fields__
        return f"--set data.{name}={value}" if is_set else f"nanochat data convert {flag}"

    return _DATA_SETTING.sub(typed, sentence)


def check_count(flag: str, value: float, least: float) -> None:
    """Raises UsageError where a number on the command line is below the least that makes sense."""
    if value < least:
        raise UsageError(f"{flag} {value} is too small: give {least:g} or more")


def read_toml(path: Path | None) -> dict[str, Any]:
    """The settings of a file, {} where none is named. Raises ConfigError."""
    return {} if path is None else read_toml_table(path, "--config")


def count_or_auto(flag: str, text: str) -> int:
    """A number of 1 or more; 0 for auto. Raises UsageError."""
    if text != "auto" and not (text.isdecimal() and int(text) > 0):
        raise UsageError(f"{flag} {text!r} is neither a number nor auto: give e.g. {flag} 2")
    return 0 if text == "auto" else int(text)


def _nested(path: str, value: Any) -> dict[str, Any]:
    section, _, name = path.rpartition(".")
    return {section: {name: value}} if section else {name: value}


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
ForceFlag = Annotated[bool, typer.Option("--force", help="Write into a folder that holds results already.")]
ReplaceFlag = Annotated[bool, typer.Option("--force", help="Replace files that are there, whoever wrote them.")]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
OutFlag = Annotated[Path | None, typer.Option("--out", help="Folder of the results.", metavar="DIR", readable=False)]
LongPrompt = Literal["error", "truncate-left"]
