"""What a command line asks for, as frozen values: `parse` returns one of these and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..training.config import RunConfig

if TYPE_CHECKING:
    from ..experiments.grid import AblationConfig  # 12 ms that --help need not pay

RUNS = Path("results/runs")
ABLATIONS = Path("results/ablations")
"""Where results go without --out, in the folder that the command is given in."""


@dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """`nanochat train`"""

    config: RunConfig
    out: Path | None
    force: bool
    dry_run: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class SampleCommand:
    """`nanochat sample`"""

    run: str
    prompt: str
    temperature: float
    max_new_tokens: int
    n_samples: int
    seed: int
    from_counts: bool
    unknown: Literal["error", "skip", "unk"] | None
    long_prompt: Literal["error", "truncate-left"]
    json: bool


@dataclass(frozen=True, kw_only=True)
class AblateCommand:
    """`nanochat ablate`: the study, and on how many processes, 0 for one a core."""

    study: AblationConfig
    name: str
    jobs: int
    cluster: str
    out: Path | None
    force: bool
    dry_run: bool
    json: bool

    @property
    def config(self) -> RunConfig:
        """What every cell shares."""
        return self.study.base


@dataclass(frozen=True, kw_only=True)
class ReportCommand:
    """`nanochat report`"""

    folder: str


@dataclass(frozen=True, kw_only=True)
class RunsListCommand:
    """`nanochat runs list`"""

    root: Path
    json: bool


@dataclass(frozen=True, kw_only=True)
class RunsCompareCommand:
    """`nanochat runs compare`"""

    runs: tuple[str, ...]
    figure: Path
    json: bool


@dataclass(frozen=True, kw_only=True)
class PresetsCommand:
    """`nanochat presets`"""

    json: bool


@dataclass(frozen=True, kw_only=True)
class CertifyCommand:
    """`nanochat certify`"""

    presets: tuple[str, ...]
    seed: int
    out: Path
    json: bool


@dataclass(frozen=True, kw_only=True)
class GraphCommand:
    """`nanochat graph`: of an expression with values for its names, or of a step of a run."""

    expression: str
    values: Mapping[str, float]
    run: str
    format: Literal["mermaid", "dot", "svg"]
    max_nodes: int
    out: Path | None


@dataclass(frozen=True, kw_only=True)
class BenchCommand:
    """`nanochat bench`"""

    profile: str
    """A preset whose training step is taken apart; "" for the comparison with torch."""
    rounds: int
    out: Path | None
    json: bool


@dataclass(frozen=True, kw_only=True)
class DoctorCommand:
    """`nanochat doctor`"""

    json: bool


Command = (
    TrainCommand
    | SampleCommand
    | AblateCommand
    | ReportCommand
    | RunsListCommand
    | RunsCompareCommand
    | PresetsCommand
    | CertifyCommand
    | GraphCommand
    | BenchCommand
    | DoctorCommand
)
