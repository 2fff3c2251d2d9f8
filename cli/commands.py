"""What a command line asks for, as frozen values: `parse` returns one of these and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..training.config import RunConfig
from .commands_text import TextCommand

if TYPE_CHECKING:
    from ..experiments.ablation.grid import AblationConfig  # 12 ms that --help need not pay
    from ..experiments.phases.recipe import PhasedRecipe
    from ..inference.samplers import Sampling  # NumPy

RUNS = Path("results/runs")
ABLATIONS = Path("results/ablations")
"""Where results go without --out, in the folder that the command is given in."""


@dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """`nanochat train`"""

    config: RunConfig | None
    """None with `resume`: the run's own, with `settings` laid over it."""
    settings: Mapping[str, Any]
    """What flags, the environment and --config say."""
    resume: str
    """A run, a checkpoint, or auto; "" starts one."""
    override: bool
    stop_at: int | None
    out: Path | None
    force: bool
    dry_run: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class SampleCommand:
    """`nanochat sample`"""

    run: str
    prompt: str
    sampling: Sampling
    stop: tuple[str, ...]
    beam: int
    """Width of a beam search instead of drawing; 0 is off."""
    length_penalty: float
    alternatives: int
    """How many other tokens to show for each; 0 is off."""
    max_new_tokens: int
    n_samples: int
    seed: int
    from_counts: bool
    unknown: Literal["error", "skip", "unk"] | None
    long_prompt: Literal["error", "truncate-left"]
    json: bool


@dataclass(frozen=True, kw_only=True)
class ChatCommand:
    """`nanochat chat`"""

    run: str
    system: str
    sampling: Sampling
    max_new_tokens: int
    seed: int
    unknown: Literal["error", "skip", "unk"] | None


@dataclass(frozen=True, kw_only=True)
class PhasesCommand:
    """`nanochat train --recipe`"""

    path: Path
    recipe: PhasedRecipe
    out: Path | None
    force: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class EvalCommand:
    """`nanochat eval`"""

    run: str
    data: str
    """"" for the run's own."""
    side: Literal["val", "train", "all"] | None
    """None: val of the run's own text, all of another."""
    questions: Literal["none", "world-small", "world", "world-large"]
    best: bool
    batch_size: int
    unknown: Literal["error", "skip", "unk"] | None
    out: Path | None
    force: bool
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
    force: bool
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
    force: bool


@dataclass(frozen=True, kw_only=True)
class BenchCommand:
    """`nanochat bench`"""

    profile: str
    """A preset whose training step is taken apart; "" for the comparison with torch."""
    rounds: int
    out: Path | None
    force: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointInspectCommand:
    """`nanochat checkpoint inspect`"""

    path: str
    json: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointConvertCommand:
    """`nanochat checkpoint convert`: to a file whose ending names the format, or to a folder of GPT-2."""

    source: str
    target: Path
    to: Literal["gpt2"] | None
    force: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointDiffCommand:
    """`nanochat checkpoint diff`"""

    first: str
    second: str
    json: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointVerifyCommand:
    """`nanochat checkpoint verify`"""

    paths: tuple[str, ...]
    json: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointPruneCommand:
    """`nanochat checkpoint prune`"""

    run: str
    keep_last: int
    dry_run: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class DoctorCommand:
    """`nanochat doctor`"""

    json: bool


Command = (
    TrainCommand
    | SampleCommand
    | ChatCommand
    | EvalCommand
    | PhasesCommand
    | AblateCommand
    | ReportCommand
    | RunsListCommand
    | RunsCompareCommand
    | PresetsCommand
    | CertifyCommand
    | GraphCommand
    | BenchCommand
    | CheckpointInspectCommand
    | CheckpointConvertCommand
    | CheckpointDiffCommand
    | CheckpointVerifyCommand
    | CheckpointPruneCommand
    | DoctorCommand
    | TextCommand
)
