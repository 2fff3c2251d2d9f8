"""An ablation on disk: one file a cell, whole or absent. Its tables, merged from them, are in tables.py.

config.json  env.json  cells/<key>.json  ablation.csv  ablation.jsonl
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ... import machine
from ...checkpoints.ownership import RUN, STUDY, check_folder, is_ours
from ...errors import CheckpointError, ConfigError, GuardError, WriteError, was_not_read
from ...plain import markdown
from ...storage.atomic import read_json, remove_files, write_json, write_text, writing
from ...storage.strict_json import finite_or_null, held_by_a_float
from ...training.folder.record import from_row, to_row
from ...training.inputs import content_sha256, paths_of
from ...training.resolve import config_from_dict
from ...validation import read_dataclass
from .cells import CellResult, Measured, Validation
from .grid import AblationConfig, Cell, ablation_from_dict, ablation_to_dict, canonical
from .text import TextLoss

FORMAT, VERSION = "nanochat-cell", 2
FIGURES = tuple(
    f"{name}.{kind}" for name in ("curves", "course", "forest", "costs", "rates") for kind in ("png", "svg")
)
"""Of the report."""

_FILES = ("config.json", "env.json", "ablation.csv", "ablation.jsonl", "report.md", *FIGURES)
"""Of a study's folder, beside its cells."""
_CELL = re.compile(r"[0-9a-f]+\.json")


@dataclass(frozen=True)
class Study:
    """An ablation as far as it has come."""

    config: AblationConfig
    results: tuple[CellResult, ...]
    """In the order of the grid, not of time."""
    missing: tuple[Cell, ...]
    """Not run yet, or unreadable."""
    environment: dict[str, Any]
    tuning: tuple[CellResult, ...] = ()
    """Runs by which a setting was tuned, on seeds that are not among those of the results."""

    def _repr_markdown_(self) -> str:
        """For a notebook, which asks: the variants, and the mean validation loss of the runs that each has."""
        losses: dict[str, list[float]] = {}
        for result in self.results:
            losses.setdefault(result.cell.variant, []).extend([result.record.val_loss] if result.is_ok else [])
        rows = [
            f"| {markdown(name)} | {len(found)} | {fmean(found) if found else math.nan:.4f} |"
            for name, found in losses.items()
        ]
        n_cells = len(self.results) + len(self.missing)
        head = f"{len(self.results)} of {n_cells} cells; whether a difference is one, `nanochat report` says."
        return "\n".join([head, "", "| variant | runs | mean validation loss |", "|---|--:|--:|", *rows])


@dataclass(frozen=True)
class CellDamaged:
    """A cell's file cannot be used, and why; the cell counts as not run."""

    cell: Cell
    reason: str


def start_study(config: AblationConfig, folder: Path) -> dict[str, Any]:
    """Write what is known before the first cell, and return the environment.

    Where there are cells, env.json stays that of the first start, and learns what else is read now; each cell's file
    has its own. Raises WriteError, and GuardError where cells lie there that read something else from the same path.
    """
    paths = {path for cell in config.cells() for path in paths_of(cell.config).values()}
    inputs = {path: content_sha256(path) for path in sorted(paths)}
    environment = machine.describe()
    if any((folder / "cells").glob("*.json")) and (folder / "env.json").is_file():
        environment = _read_environment(folder)
        known = _known_inputs(environment, config)
        for path, digest in inputs.items():
            if known.get(path) not in (None, digest):
                raise _changed(path, folder)
        inputs = known | inputs
    save_config(config, folder)
    environment |= {"inputs": inputs}
    write_json(folder / "env.json", environment)
    return environment


def save_config(config: AblationConfig, folder: Path) -> None:
    """Write config.json. Raises WriteError."""
    write_json(folder / "config.json", ablation_to_dict(config))


def go_on(config: AblationConfig, folder: Path) -> AblationConfig:
    """The study as its folder knows it already: with what was tuned, looks taken, numbers of seeds reported."""
    try:
        former = read_config(folder / "config.json")
    except CheckpointError:
        return config
    return replace(former, caveats=config.caveats) if former.planned == config.planned else config


def check_inputs(result: CellResult, environment: Mapping[str, Any], folder: Path) -> None:
    """Raises GuardError where a cell read something else than the study began with: changed meanwhile, or elsewhere."""
    known, found = environment["inputs"], result.environment.get("inputs", {})
    for setting, path in paths_of(result.cell.config).items():
        if found.get(setting) not in (None, known.get(path)):
            raise _changed(path, folder)


def check_files(folder: Path) -> None:
    """Raises GuardError, naming it, for what a study would replace in `folder` and did not write."""
    check_folder(folder, ("cells",), proven=True)  # no link, that is: others' files in it are in nobody's way
    check_folder(folder, _FILES, proven=_is_proven(folder), other="recipe.json")


def clear_study(folder: Path) -> None:
    """Remove what a study wrote in `folder`, config.json, the proof, last. Raises GuardError, WriteError."""
    check_files(folder)
    cells = folder / "cells"
    with writing(folder):
        remove_files(cells, [p.name for p in cells.glob("*.json") if _CELL.fullmatch(p.name) and not p.is_dir()])
    remove_files(folder, reversed(_FILES))


def _is_proven(folder: Path) -> bool:
    """Its config.json says so, or, where that is damaged, a cell."""
    return is_ours(folder / "config.json", RUN, STUDY) or any(
        is_ours(path, {"format", "version", "sha256", "config", "record"}) for path in (folder / "cells").glob("*.json")
    )


def read_study(folder: Path, observe: Callable[[CellDamaged], None] = lambda event: None) -> Study:
    """The study in `folder`. Raises CheckpointError if there is none; a damaged cell is told and counts as missing."""
    config = read_config(folder / "config.json")
    tuning = tuning_cells(config)
    found = {cell.key: find_result(cell, folder, observe) for cell in [*tuning, *config.cells()]}
    return study_of(config, found, _read_environment(folder))


def study_of(config: AblationConfig, found: Mapping[str, CellResult | None], environment: Mapping[str, Any]) -> Study:
    """The study whose cells have these results, by key."""
    cells = config.cells()
    results = tuple(result for cell in cells if (result := found.get(cell.key)) is not None)
    tuning = tuple(result for cell in tuning_cells(config) if (result := found.get(cell.key)) is not None)
    missing = tuple(cell for cell in cells if found.get(cell.key) is None)
    return Study(config, results, missing, dict(environment), tuning)


def tuning_cells(config: AblationConfig) -> list[Cell]:
    """The runs of a tuning that came to its end."""
    plain = replace(config, tuned={})
    return [cell for name, values in config.tried.items() for cell in plain.tuning_cells(name, values)]


def read_config(path: Path) -> AblationConfig:
    """The configuration of a study. Raises CheckpointError."""
    try:
        return ablation_from_dict(read_json(path))
    except ConfigError as error:
        raise CheckpointError(f"{path} describes no study that can be read: {error}") from error


def find_result(cell: Cell, folder: Path, observe: Callable[[CellDamaged], None]) -> CellResult | None:
    """The cell's result if it is on disk and sound. Raises CheckpointError where it may not be read."""
    path = cell_path(cell, folder)
    try:
        return _result(_content(path), cell)
    except FileNotFoundError:
        return None
    except ValueError as error:
        observe(CellDamaged(cell, f"{path} {error}"))
        return None


def cell_path(cell: Cell, folder: Path) -> Path:
    """Where the cell's result lies, or will."""
    return folder / "cells" / f"{cell.key}.json"


def check_places(cells: Sequence[Cell], folder: Path) -> None:
    """Raises WriteError where something that no file can replace lies in the place of a cell's."""
    for path in (cell_path(cell, folder) for cell in cells):
        with writing(path):
            in_the_way = path.is_dir()
        if in_the_way:
            raise WriteError(f"{path} is a folder, and the result of a cell belongs there: move it away")


def write_result(result: CellResult, folder: Path) -> CellResult:
    """Write the cell's file, atomically, and return what a reader finds there. Raises WriteError."""
    content = {
        "config": asdict(result.cell.config),
        "record": to_row(result.record),
        "losses": finite_or_null(result.losses),
        "validations": finite_or_null([(point.step, point.loss) for point in result.validations]),
        "measured": finite_or_null(asdict(result.measured)),
        "environment": dict(result.environment),
    }
    if result.text is not None:
        content["text"] = asdict(result.text)
    whole = {"format": FORMAT, "version": VERSION, "sha256": _digest(content), **content}
    write_text(cell_path(result.cell, folder), json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n")
    return _result(content, result.cell)  # where a loss that was infinite is no number


def _content(path: Path) -> dict[str, Any]:
    """What write_result wrote.

    Raises FileNotFoundError, CheckpointError where the file may not be read, and ValueError with a clause about it.
    """
    try:
        content = read_json(path)
    except CheckpointError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise FileNotFoundError(path) from error
        if was_not_read(error):  # it may be whole, and hours went into it
            raise
        raise ValueError("is no whole JSON document" if path.is_file() else "is no file") from error
    head = {"format": FORMAT, "version": VERSION, "sha256": ""}
    if not isinstance(content, dict) or not content.keys() >= head.keys() or content["format"] != FORMAT:
        raise ValueError("is not the file of a cell")
    if content["version"] != VERSION:
        raise ValueError(f"is of version {content['version']!r:.20} of the format, not {VERSION}")
    body = {name: value for name, value in content.items() if name not in head}
    if content["sha256"] != _digest(body):
        raise ValueError("is not what was written there: its checksum differs")
    return body


def _result(content: dict[str, Any], cell: Cell) -> CellResult:
    """Raises ValueError with a clause about the file."""
    try:
        same = content["config"] == asdict(cell.config) or config_from_dict(content["config"]) == cell.config
        result = CellResult(
            cell=cell,
            record=from_row(content["record"]),
            losses=tuple(_number(loss) for loss in content["losses"]),
            validations=tuple(Validation(_step(step), _number(loss)) for step, loss in content["validations"]),
            measured=read_dataclass(
                Measured, {k: held_by_a_float(v) for k, v in content["measured"].items()}, "measured"
            ),
            environment=dict(content.get("environment", {})),
            text=_text(content["text"]) if "text" in content else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError("does not say what a cell says") from error
    if not same:  # config_from_dict knows what an earlier version did not write, and takes longer
        raise ValueError("holds the result of another configuration")
    return result


def _text(content: Any) -> TextLoss:
    text = read_dataclass(TextLoss, content, "text")
    if not 0 < len(text.blocks) <= text.n_tokens:
        raise ValueError("a text has tokens in each block")
    return text


def _step(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("a step is a whole number")
    return value


def _read_environment(folder: Path) -> dict[str, Any]:
    content = read_json(folder / "env.json")
    if not isinstance(content, dict):
        raise CheckpointError(f"{folder / 'env.json'} is damaged (it holds no table): restore it from a copy")
    return content


def _known_inputs(environment: dict[str, Any], config: AblationConfig) -> dict[str, Any]:
    """Digests by path; an earlier version noted that of the text alone, and none of a text of the package."""
    known = environment.get("inputs", {config.base.data.source: environment.get("text_sha256")})
    return known if isinstance(known, dict) else {}


def _changed(path: str, folder: Path) -> GuardError:
    return GuardError(
        f"{path} has changed since the cells in {folder} were run: choose another --out, or pass --force to run them "
        "all again"
    )


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _number(value: Any) -> float:
    """nan for null. Raises TypeError for what is no number, "1" and true among it."""
    if value is not None and type(value) not in (int, float):
        raise TypeError("no number")
    return math.nan if value is None else float(value)
