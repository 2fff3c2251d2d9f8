"""The comparison: both sides are asked the same, and the nine lines say how far apart they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ...errors import NanochatError
from ...models.base import DType
from ...storage.atomic import read_json
from . import ours, score
from .case import Case
from .score import Line, skipped
from .theirs import Checkout, ask, check_parameters, decoded, job_of

What = Literal["model", "update", "curve", "seeds", "speed"]
EVERYTHING: tuple[What, ...] = get_args(What)
RECORDINGS = Path(__file__).parent
NOT_COMPARED = (
    "CORE, FP8, their data loader and tokenizer (the same rows are fed to both), how first weights are drawn (both get "
    "ours), torch.compile, several processes, and base_train.py beyond its schedules and the flags of its rates: the "
    "batch, horizon and decay of a depth, warm-up and warm-down"
)


class ParityError(NanochatError):
    """A line does not hold: we are not what nanochat is."""

    exit_code = 9


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The nine lines, and what they are of."""

    against: str
    """Whom: a checkout, or what was recorded of one."""
    commit: str
    case: Case
    lines: tuple[Line, ...]
    curves: Mapping[str, Any] = field(default_factory=dict)
    """Losses of both sides."""

    @property
    def failed(self) -> list[Line]:
        return [line for line in self.lines if line.verdict == "FAIL"]

    @property
    def verdict(self) -> str:
        """passed, failed, or nothing compared."""
        if self.failed:
            return "failed"
        return "passed" if any(line.verdict == "PASS" for line in self.lines) else "nothing compared"

    def check(self) -> None:
        """Raises ParityError, naming the lines that do not hold."""
        if self.failed:
            names = "; ".join(f"{line.number} {line.name}: {line.figure}, allowed {line.limit}" for line in self.failed)
            raise ParityError(
                f"{len(self.failed)} of {len(self.lines)} lines do not hold against {self.against}: {names}"
            )


def against_recording(revision: str, *, observe: Callable[[str], None] = lambda _: None) -> Scorecard:
    """Against what the commit answered once: NumPy alone, no torch, lines 1 to 7."""
    content = read_json(RECORDINGS / f"{revision}.json")
    case, theirs = Case(**content["case"]), decoded(content["answer"])
    observe("asking ours")
    found = ours.answers(case, "float64", ("model", "update", "bpb", "schedules", "curves"))
    run = found["curves"][0], theirs["curves"][0]
    lines = (
        *_of_the_model(case, found, theirs),
        _of_an_update(case, found, theirs),
        score.bits_per_byte(found["bpb"], theirs["bpb"]),
        score.curve(*run, found["schedules"] - theirs["schedules"], exact=True),
        skipped(8, "a recording has one seed: give --upstream PATH"),
        skipped(9, "nothing runs beside ours: give --upstream PATH"),
    )
    against = f"what karpathy/nanochat answered at {content['commit'][:7]} (recorded, float64)"
    curves = {"ours": run[0]["losses"], "theirs": run[1]["losses"]}
    return Scorecard(against=against, commit=content["commit"], case=case, lines=lines, curves=curves)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How a checkout is asked."""

    checkout: Checkout
    case: Case
    folder: Path
    """Where the module with its schedules is put."""
    python: str
    timeout: float = 1800.0
    what: tuple[What, ...] = EVERYTHING
    seeds: int = 5
    gate_speed: float = 0.0

    def ask(self, dtype: str, tasks: tuple[str, ...], *, curves: tuple[str, ...] = (), exact: bool = True) -> Any:
        """The answer to one job."""
        job = job_of(self.checkout, self.case, dtype, tasks, curves=curves, exact=exact)
        return decoded(ask(self.checkout, self.case, job, self.folder, python=self.python, timeout=self.timeout))


def against_checkout(asking: Asking, *, observe: Callable[[str], None] = lambda _: None) -> Scorecard:
    """Against a checkout that is run. Raises ConfigError where it cannot be asked."""
    case, what, is_exact = asking.case, asking.what, asking.case.revision == "head"
    observe(f"looking at {asking.checkout.path}")
    describe = asking.ask("float64", ())["describe"]
    check_parameters(asking.checkout.path, describe["parameters"], case)
    lines = [score.parameters(case, describe), score.operations(case, describe)]
    tasks = (*(("model", "bpb") if "model" in what else ()), *(("update",) if "update" in what else ()))
    observe("comparing model and update in float64")
    theirs = asking.ask("float64", tasks) if tasks else {}
    found = ours.answers(case, "float64", tasks)
    lines += (
        _of_the_model(case, found, theirs | {"describe": describe})[2:]
        if "model" in what
        else [skipped(3, "it was left out"), skipped(4, "it was left out")]
    )
    lines.append(_of_an_update(case, found, theirs) if "update" in what else skipped(5, "it was left out"))
    lines.append(score.bits_per_byte(found["bpb"], theirs["bpb"]) if "model" in what else skipped(6, "it was left out"))
    curves: dict[str, Any] = {}
    if "curve" in what:
        observe(f"training both for {case.steps} steps")
        dtype: DType = "float64" if is_exact else "float32"
        answer = asking.ask(dtype, ("schedules", "curves"), curves=("0",), exact=is_exact)
        mine = ours.answers(case, dtype, ("schedules", "curves"))
        run = mine["curves"][0], answer["curves"][0]
        lines.append(score.curve(*run, mine["schedules"] - answer["schedules"], exact=is_exact))
        curves = {"ours": run[0]["losses"], "theirs": run[1]["losses"]}
    else:
        lines.append(skipped(7, "it was left out"))
    lines += _over_seeds(asking, observe)
    name = f"{asking.checkout.path} ({asking.checkout.commit[:7] or 'no commit'}), torch {describe['torch']}"
    return Scorecard(against=name, commit=asking.checkout.commit, case=case, lines=tuple(lines), curves=curves)


def _of_the_model(case: Case, found: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Line]:
    return [
        score.parameters(case, theirs["describe"]),
        score.operations(case, theirs["describe"]),
        score.logits(found["model"], theirs["model"]),
        score.gradients(found["model"], theirs["model"]),
    ]


def _of_an_update(case: Case, found: Mapping[str, Any], theirs: Mapping[str, Any]) -> Line:
    remark = "" if case.revision == "head" else ", their bfloat16 as float64"
    return score.first_update(found["update"], theirs["update"], remark)


def _over_seeds(asking: Asking, observe: Callable[[str], None]) -> list[Line]:
    """Lines 8 and 9, of runs in float32."""
    case, what = asking.case, asking.what
    n = asking.seeds if "seeds" in what else 1
    if not {"seeds", "speed"} & set(what):
        return [skipped(8, "it was left out"), skipped(9, "it was left out")]
    names = tuple(map(str, range(n)))
    twins = tuple(f"reversed {name}" for name in names) if "seeds" in what else ()
    observe(f"training {n + len(twins)} times in float32")
    theirs = asking.ask("float32", ("curves",), curves=(*names, *twins), exact=False)["curves"]
    mine = ours.answers(case, "float32", ("curves",), tuple(range(n)))["curves"]
    ends = [[one["val_loss"] for one in runs] for runs in (mine, theirs[:n], theirs[n:])]
    eighth = score.over_seeds(*ends) if n > 1 else skipped(8, "one seed has no interval: give --seeds 2 or more")
    if "seeds" not in what:
        eighth = skipped(8, "it was left out")
    warm = case.steps // 10
    mine_s, theirs_s = mine[0]["seconds"][warm:], theirs[0]["seconds"][warm:]
    ninth = score.speed(mine_s, theirs_s, asking.gate_speed) if "speed" in what else skipped(9, "it was left out")
    return [eighth, ninth]


def record(asking: Asking) -> dict[str, Any]:
    """What a recording holds: commit, case with its seed, and the answers in float64, as the driver gave them."""
    job = job_of(asking.checkout, asking.case, "float64", ("model", "update", "bpb", "schedules", "curves"))
    answer = ask(asking.checkout, asking.case, job, asking.folder, python=asking.python, timeout=asking.timeout)
    for run in answer["curves"]:
        del run["seconds"]
    return {"commit": asking.checkout.commit, "case": asdict(asking.case), "answer": answer}
