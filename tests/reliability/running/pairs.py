"""Two and three commands on one folder at once, in every pairing; judged by what each would have done alone.

Whatever their order, the folder has to end as after some order of those that ended well, one after the other; who is
refused has changed nothing; nobody sees the half of another's work.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commands import Done, one_by_one, together
from contents import Contents, contents_of, difference, left_behind
from tally import Tally
from texts import lay_texts

from nanochat.errors import NanochatError

STATES = ("nothing", "a stopped run", "a finished run")
_RUN = (
    "--preset bigram --mode tensor --data ../corpus.txt --batch-size 2 --set eval_tokens=16 --set eval_every=3".split()
)
_TRAIN = ["train", *_RUN, "--steps", "8", "--checkpoint-every", "2"]


@dataclass(frozen=True)
class Command:
    """One way to come to the folder `x`."""

    name: str
    words: Sequence[str]
    goals: dict[str, str] = field(default_factory=dict)
    """State of the folder before -> name of the state after, where it writes; any other state refuses it."""

    @property
    def owns(self) -> bool:
        """It takes the folder for itself, so that another owner is refused; whoever only reads never is."""
        return self.writes or "prune" in self.name

    @property
    def writes(self) -> bool:
        """It begins or goes on with something."""
        return bool(self.goals)


def _any(goal: str) -> dict[str, str]:
    return dict.fromkeys([*STATES, "a", "b", "forced", "gone on", "auto", "recipe", "study"], goal)


def commands() -> list[Command]:
    """Writers first."""
    begin = {"nothing": "a"}
    stay = {name: name for name in ("a finished run", "a", "b", "forced", "gone on", "auto")}
    go_on = {"a stopped run": "gone on"} | stay
    recipe = ["train", "--recipe", "../two.toml", "--out", "x"]
    ablate = ["ablate", *_RUN, "--steps", "2", "--seeds", "1", "--jobs", "1", "--out", "x"]
    return [
        Command("train", [*_TRAIN, "--seed", "1", "--out", "x"], begin),
        Command("train, another", [*_TRAIN, "--seed", "2", "--out", "x"], {"nothing": "b"}),
        Command("train --force", [*_TRAIN, "--seed", "3", "--out", "x", "--force"], _any("forced")),
        Command("train --resume", ["train", "--resume", "x"], go_on),
        Command(
            "train --resume auto",
            [*_TRAIN, "--resume", "auto", "--out", "x", "--seed", "0"],
            {"nothing": "auto"} | go_on,
        ),
        Command("train --recipe", recipe, {"nothing": "recipe", "recipe": "recipe"}),
        Command("ablate", ablate, {"nothing": "study", "study": "study"}),
        Command("checkpoint prune", ["checkpoint", "prune", "x", "--keep-last", "1"]),
        Command("checkpoint convert", ["checkpoint", "convert", "x", "m.safetensors", "--force"]),
        Command("checkpoint verify", ["checkpoint", "verify", "x"]),
        Command("checkpoint inspect", ["checkpoint", "inspect", "x"]),
        Command("report", ["report", "x"]),
        Command("sample", ["sample", "--run", "x", "--max-new-tokens", "3"]),
        Command("eval", ["eval", "--run", "x"]),
        Command("runs list", ["runs", "list", "--root", "."]),
    ]


class Ring:
    """The place of the trials, and what each writer does there alone."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.home, self.logs = scratch, scratch / "work", scratch / "logs"
        self.x = self.home / "x"
        shutil.rmtree(scratch, ignore_errors=True)
        lay_texts(scratch)
        self.commands = commands()
        self.alone: dict[str, Contents] = {"nothing": {}}
        self.states: dict[str, Path] = {}
        self.seconds = 0.3
        self._prepare()

    def _prepare(self) -> None:
        base = [*_TRAIN, "--seed", "0", "--out", "x"]
        for state, words in (("a stopped run", [*base, "--stop-at", "4"]), ("a finished run", base)):
            self.begin("nothing")
            self._alone(words)
            self.states[state] = self.scratch / state.replace(" ", "-")
            shutil.copytree(self.x, self.states[state])
            self.alone[state] = contents_of(self.x)
        for command in self.commands:
            for before, goal in command.goals.items():
                if before in STATES and goal not in self.alone:
                    self.begin(before)
                    self._alone(command.words)
                    self.alone[goal] = contents_of(self.x)

    def _alone(self, words: Sequence[str]) -> None:
        (done,) = one_by_one([words], self.home, self.logs)
        if done.code:
            raise RuntimeError(f"the harness is wrong: alone, {' '.join(words)} ends with {done.code}: {done.said}")

    def begin(self, state: str) -> None:
        """Lay the folder out as it is before a trial."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        if state != "nothing":
            shutil.copytree(self.states[state], self.x)

    def trial(self, state: str, crowd: Sequence[Command], delays_s: Sequence[float]) -> Iterator[str]:
        """What was wrong with the outcome."""
        self.begin(state)
        done = together([command.words for command in crowd], self.home, self.logs, delays_s)
        for command, one in zip(crowd, done, strict=True):
            yield from (f"{command.name}: {problem}" for problem in self._of_one(state, command, one, crowd))
        winners = [command for command, one in zip(crowd, done, strict=True) if command.writes and one.code == 0]
        allowed = ends(state, winners)
        try:
            found = contents_of(self.x)
        except (NanochatError, OSError, KeyError) as error:
            yield f"{_names(winners)} ended well, and the folder is damaged: {error}"
            return
        if not allowed:
            yield f"{_names(winners)} all ended well, which no order of them could: {self._guess(found)}"
        elif not any(found == self.alone[goal] for goal in allowed):
            nearest = min(allowed, key=lambda goal: len(difference(self.alone[goal], found)))
            differs = difference(self.alone[nearest], found)
            yield f"{_names(winners)} ended well, and of {nearest!r} there differ: {differs}"
        if left := left_behind(self.home):
            yield f"left behind: {', '.join(left)}"

    def _guess(self, found: Contents) -> str:
        return next(
            (f"what is there is {goal!r}" for goal, there in self.alone.items() if there == found), "it is none"
        )

    def _of_one(self, state: str, command: Command, done: Done, crowd: Sequence[Command]) -> Iterator[str]:
        if trouble := done.trouble():
            yield trouble
        elif done.code not in (0, *REFUSALS):
            yield f"exit code {done.code}: {done.said[-200:]}"
        elif any(word in done.said + done.out.decode("utf-8", "replace") for word in CORRUPT):
            yield f"it saw damage: {(done.said or done.out.decode('utf-8', 'replace'))[-200:]}"
        elif done.code and not command.owns and state == "a finished run" and not any(c.writes for c in crowd):
            yield f"a reader of a whole run is refused: {done.said[-200:]}"


REFUSALS = (3, 4, 5)
CORRUPT = ("damaged", "corrupt", "cannot write")


def ends(state: str, winners: Sequence[Command]) -> set[str]:
    """The states in which the folder may be after all of these, in some order in which each is let in."""
    found = set()
    for order in itertools.permutations(winners):
        now: str | None = state
        for command in order:
            now = command.goals.get(now) if now is not None else None
        if now is not None:
            found.add(now)
    return found


def crowds(size: int) -> list[tuple[Command, ...]]:
    """Every group of that size, with repetition, in which somebody writes or prunes."""
    every = itertools.combinations_with_replacement(commands(), size)
    return [crowd for crowd in every if any(command.owns for command in crowd)]


def collide(ring: Ring, *, size: int, rounds: int = 1, most: int = 0, seed: int = 0) -> Tally:
    """Every pairing in every state of the folder, `rounds` times; or `most` of these, drawn by lot."""
    tally, lot = Tally(f"{'two' if size == 2 else 'three'} commands on one folder"), random.Random(seed)
    trials = [(state, crowd) for state in STATES for crowd in crowds(size)] * rounds
    if most:
        trials = lot.sample(trials, min(most, len(trials)))
    with tally.timed():
        for state, crowd in trials:
            delays = [lot.choice((0.0, lot.uniform(0, ring.seconds))) for _ in crowd]
            problems = list(ring.trial(state, crowd, delays))
            label = f"{_names(crowd)} on {state}, after {', '.join(f'{delay:.3f}' for delay in delays)} s"
            tally.add("; ".join(problems) or None, label=label)
            tally.facts["processes"] = tally.facts.get("processes", 0) + len(crowd)
    return tally


def number_folders(ring: Ring, n_trials: int) -> Tally:
    """Three runs, or sweeps, or recipes, begun together without --out: each gets a folder of its own."""
    tally = Tally("three begun together, none of which names a folder")
    kinds = [
        _TRAIN,
        ["ablate", *_RUN, "--steps", "2", "--seeds", "1", "--jobs", "1"],
        ["train", "--recipe", "../two.toml"],
    ]
    with tally.timed():
        for i in range(n_trials):
            words = kinds[i % len(kinds)]
            ring.begin("nothing")
            done = together([words] * 3, ring.home, ring.logs)
            problems = [problem for one in done if (problem := one.trouble())]
            problems += [f"exit code {one.code}: {one.said[-200:]}" for one in done if one.code]
            folders = [path for root in (ring.home / "results").glob("*") for path in root.iterdir()]
            if len(folders) != len(done):
                problems.append(f"{len(folders)} folders: {', '.join(path.name for path in folders)}")
            try:
                found = [_without_own_name(contents_of(path)) for path in folders]
                if any(contents != found[0] for contents in found):
                    problems.append("not all of them came to the same end")
            except (NanochatError, OSError, KeyError) as error:
                problems.append(f"damaged: {error}")
            tally.add("; ".join(dict.fromkeys(problems)) or None, label=f"{words[0]} {words[1]}, trial {i}")
    return tally


def _without_own_name(contents: Contents) -> Contents:
    """The settings of a later phase name the folder of the one before it, and a manifest has their sha256."""
    return {name: part for name, part in contents.items() if not name.endswith(("/config.json", "/MANIFEST.json"))}


def share_a_file(ring: Ring, n_trials: int) -> Tally:
    """Two that write one new file without --force: one is refused. Three that fill one cache: all end as if alone."""
    tally = Tally("one file, or one cache of tokens, for several")
    files = [
        ["tokenizer", "train", "--data", "../corpus.txt", "--kind", "char", "--out", "one.json"],
        ["data", "convert", "../corpus.txt", "one.jsonl"],
        ["checkpoint", "convert", "x", "one.safetensors"],
    ]
    with tally.timed():
        for i in range(n_trials):
            ring.begin("a finished run")
            words = files[i % 4] if i % 4 < len(files) else [*_TRAIN, "--set", "data.cache=c", "--seed", "1", "--out"]
            crowd = [words, words] if i % 4 < len(files) else [[*words, f"y{j}"] for j in range(3)]
            done = together(crowd, ring.home, ring.logs)
            problems = [problem for one in done if (problem := one.trouble())]
            codes, expected = sorted(one.code for one in done), [0, 5] if len(done) == 2 else [0, 0, 0]
            if codes != expected:
                problems.append(f"exit codes {codes}")
            elif len(done) == 3:
                ends = [contents_of(ring.home / f"y{j}") for j in range(3)]
                problems += [f"they differ in {difference(ends[0], end)}" for end in ends[1:] if end != ends[0]]
            tally.add("; ".join(dict.fromkeys(problems)) or None, label=f"{' '.join(words[:2])}, trial {i}")
    return tally


def _names(crowd: Sequence[Command]) -> str:
    return " + ".join(command.name for command in crowd) or "nobody"
