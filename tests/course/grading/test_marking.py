"""A made-up class of thirty with planted mistakes: each is named, no other is, and everybody else has their marks."""

import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from nanochat.course import workspace
from nanochat.course.grading.alike import find_alike
from nanochat.course.grading.gradebook import asked, begun, to_rows
from nanochat.course.grading.handed import read_class
from nanochat.course.grading.marking import Mark, Marks, grade, most
from nanochat.course.grading.roster import Enrolled, read_roster
from nanochat.course.lessons import LESSONS
from nanochat.course.running import Limits
from nanochat.course.submission import submit

SHORT = Limits(wall_s=60.0, cpu_s=1)
"""A right answer to 1a takes a fifteenth of this, so that only a loop without an end meets it."""

RIGHT = {
    "softplus": ("max(n, 0.0) + math.log1p(math.exp(-abs(n)))", "0.5 * (1 + math.tanh(n / 2))"),
    "arctan": ("math.atan(n)", "1 / (1 + n * n)"),
    "Cauchy": ("math.log1p(n * n)", "2 * n / (1 + n * n)"),
}
VARIANTS = list(RIGHT)


def bend(variant: str, *, slope: str = "", n: str = "n") -> str:
    """An answer to 1a, its variable called `n`."""
    value, right = (re.sub(r"\bn\b", n, words) for words in RIGHT[variant])
    body = f"    {n} = x.data\n    return Value({value}, (x,), ({slope or right},), 'bend')\n"
    return f"import math\nfrom nanochat.engine import Value\n\n\ndef bend(x):\n{body}"


LOOP = "def bend(x):\n    while True:\n        pass\n"
PLANTED = {
    "loops": (LOOP, "not judged", "a loop that never ends"),
    "syntax": ("def bend(x:\n", "not judged", "line 1: '(' was never closed"),
    "lifts": (
        "from nanochat.engine.scalar.functional import softmax as bend\n",
        "not judged",
        "line 1 imports nanochat",
    ),
    "calls": ("from nanochat.engine import Value\nbend = Value.gelu\n", "not judged", "not written with def"),
    "exits": ("def bend(x):\n    raise SystemExit(0)\n", "not judged", "it calls exit"),
    "network": ("from random import _os\ndef bend(x):\n    _os.system('true')\n    return x\n", "not judged", "line 3"),
    "binary": ("\0", "not judged", "a NUL at byte 0"),
    "starter": ("", "empty", "bend is still empty"),
}
"""Student -> file, the word it gets, and a piece of the sentence."""
GOOD = [f"good-{i}" for i in range(9)]


class Class:
    """The folder of submissions, and who is in the class."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "submissions", folder / "at-home"
        self.folder.mkdir()
        self.expected: dict[str, set[str]] = {}
        self.roster: list[Enrolled] = []

    def variant(self, student: str) -> str:
        return VARIANTS[sum(student.encode()) % len(VARIANTS)]

    def enrol(self, student: str) -> None:
        text = "student,course,seed,1a\n" + f"{student},spring,,{self.variant(student)}\n"
        path = self.home.parent / "one.csv"
        path.write_text(text, encoding="utf-8")
        self.roster += read_roster(path)

    def begin(self, student: str, text: str, *, claims: str = "passed") -> workspace.Workspace:
        """A student's folder with lesson 1 begun and `text` as the answer to 1a."""
        folder = self.home / student
        folder.mkdir(parents=True)
        pins = f'[variants]\n1a = "{self.variant(student)}"\n'
        (folder / "course.toml").write_text(f'student = "{student}"\ncourse = "spring"\n{pins}', encoding="utf-8")
        space = workspace.open_workspace(folder)
        workspace.start(space, LESSONS[0])
        space.path("1b").unlink()
        progress = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        del progress["lessons"]["1b"]
        progress["lessons"]["1a"]["status"] = claims
        (folder / "progress.json").write_text(json.dumps(progress), encoding="utf-8")
        if text:
            space.path("1a").write_text(text, encoding="utf-8")
        return space

    def hand_in(self, space: workspace.Workspace, name: str = "") -> Path:
        path = self.folder / f"{name or space.settings.student}.zip"
        submit(space, path, new=True)
        return path


def rewritten(path: Path, change) -> None:
    """The zip with `change` done to its files by name."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """Thirty submissions, and what each is to be told."""
    made = Class(tmp_path_factory.mktemp("class"))

    def add(student, *findings, text=None, claims="passed", listed=True):
        made.expected[student] = set(findings)
        if listed:
            made.enrol(student)
        return made.hand_in(made.begin(student, bend(made.variant(student)) if text is None else text, claims=claims))

    for student in GOOD:
        add(student)
    for student, (text, finding, _) in PLANTED.items():
        add(student, finding, text=text, claims="broken")
    add("corner", "wrong", text=bend(made.variant("corner"), slope="1.0"), claims="broken")
    add("liar", "wrong", "passed, says the receipt", text=bend(made.variant("liar"), slope="1.0"))
    rewritten(add("edited", "changed after the receipt"), _append)
    rewritten(add("gone", "missing file"), lambda files: files.pop("01-value/bend.py"))
    rewritten(add("older", "other graders"), _by_older_graders)
    rewritten(add("by-hand", "no receipt"), _packed_by_hand)
    # Whoever cannot be known has the variant of everybody without a name.
    rewritten(add("torn", "damaged", "no name", "no receipt", "wrong", listed=False), lambda files: files.update(_TORN))
    other = next(name for name in VARIANTS if name != made.variant("neighbour"))
    path = add("neighbour", "other variant", "passed, says the receipt", text=bend(other))
    rewritten(path, lambda files: _begun_as(files, other))
    add("stranger", "not in the roster", "pinned", listed=False)
    twin = add("twin", "two of one id")
    (made.folder / "twin (1).zip").write_bytes(twin.read_bytes())
    made.expected["bomb"] = {"not read"}
    (made.folder / "bomb.zip").write_bytes(bomb())
    made.expected["half"] = {"not read"}
    (made.folder / "half.zip").write_bytes(twin.read_bytes()[:-40])
    made.expected["absent"] = {"nothing handed in"}
    made.enrol("absent")
    (made.folder / "notes.txt").write_text("mine", encoding="utf-8")
    return made


_TORN = {"course.toml": b"student = ", "progress.json": b"{", "receipt.json": b"["}


def _append(files):
    files["01-value/bend.py"] += b"\n# once more\n"


def _by_older_graders(files):
    receipt = json.loads(files["receipt.json"])
    receipt["graders"]["value"], receipt["nanochat"] = "0" * 64, "0.0.1"
    files["receipt.json"] = json.dumps(receipt).encode()


def _packed_by_hand(files):
    del files["receipt.json"]
    inside = {f"my course/{name}": raw for name, raw in files.items()}
    files.clear()
    files.update(inside)


def _begun_as(files, variant):
    progress = json.loads(files["progress.json"])
    progress["lessons"]["1a"]["variant"] = variant
    files["progress.json"] = json.dumps(progress).encode()


def bomb() -> bytes:
    """100 MB of zeros in 100 kB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("01-value/bend.py", bytes(100 << 20))
    return out.getvalue()


@pytest.fixture(scope="module")
def marks(handed_in) -> list[Marks]:
    submissions, others = read_class(handed_in.folder)
    assert others == ["notes.txt"]
    return grade(submissions, handed_in.roster, jobs=2, limits=SHORT)


def of(marks: list[Marks], student: str) -> Marks:
    return next(one for one in marks if student in (one.student, one.name.removesuffix(".zip")))


def test_every_planted_mistake_is_named_and_no_other(handed_in, marks):
    """The confusion matrix of expected and found words has nothing off its diagonal."""
    matrix = Counter()
    for one in marks:
        expected = handed_in.expected[one.student or one.name.removesuffix(".zip")]
        for word in {*expected, *one.findings}:
            matrix[word if word in expected else "-", word if word in one.findings else "-"] += 1
    assert sum(bool(one.name) for one in marks) == 30
    assert {pair: n for pair, n in matrix.items() if pair[0] != pair[1]} == {}
    assert {word for pair in matrix for word in pair} == {
        *("wrong", "not judged", "other variant", "missing file", "changed after the receipt", "other graders"),
        *("no receipt", "passed, says the receipt", "damaged", "no name", "not in the roster", "pinned"),
        *("two of one id", "not read", "nothing handed in", "empty"),
    }


def test_the_others_have_all_their_points(handed_in, marks):
    full = {"edited", "older", "by-hand", "stranger", "twin", *GOOD}
    assert {one.student for one in marks if one.marks and one.marks["1a"].points == most("1a")} == full
    assert all(of(marks, student).notes == [] for student in GOOD)


@pytest.mark.parametrize("student", PLANTED)
def test_what_could_not_be_judged_is_a_sentence_and_costs_its_points(marks, student):
    found = of(marks, student)
    assert PLANTED[student][2] in found.notes[0]
    assert found.marks["1a"].points == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "corner",
            "1a: 3 of 6 laws hold; broken first is 'slope': bend(1) should be slope 0.5",
        ),
        ("liar", "1a: the receipt says that it passed, and run again it does not"),
        ("edited", "1a: 01-value/bend.py is not the file that the receipt was written for"),
        ("gone", "1a: 01-value/bend.py is missing, and progress.json has it as passed"),
        ("older", "of nanochat 0.0.1: value"),
        ("torn", "progress.json"),
        ("neighbour", "(6 of 6 laws hold there), and this student's is"),
        ("stranger", "'stranger' is not in the roster"),
        ("twin", "'twin' is the id of twin"),
        ("bomb", "it would unpack to 104,857,600 bytes in 1 files, a zip bomb"),
        ("half", "it is damaged or no zip"),
        ("absent", "nothing was handed in under this id"),
    ],
)
def test_each_finding_is_a_sentence(marks, name, sentence):
    found = [note for one in marks if name in (one.student, one.name.removesuffix(".zip")) for note in one.notes]
    assert any(sentence in note for note in found), found
    assert not any("/tmp" in note or "nanochat-" in note for note in found)


def test_the_table_has_a_row_each_and_counts_what_is_missing_as_nothing(marks):
    keys = asked(marks, ("1a", "1b", "2a"))
    rows = {row["student"] or row["submission"]: row for row in to_rows(marks, keys)}
    assert keys == ["1a"]
    assert (rows["good-0"]["points"], rows["good-0"]["of"], rows["good-0"]["findings"]) == (11, 11, "ok")
    assert (rows["gone"]["points"], rows["gone"]["1a of 11"]) == (0, "")
    assert rows["corner"]["1a of 11"] == 4  # number, value and node; what needs a slope waits


def test_an_answer_that_nobody_began_is_like_no_other(marks):
    assert not {who for who, *_ in begun(marks)} & {"starter"}
    assert {(who, key) for who, key, *_ in begun(marks)} >= {("good-0", "1a"), ("good-1", "1a")}


def test_answers_of_one_variant_and_one_shape_are_listed(handed_in, marks):
    found = find_alike((one.name, key, mark.variant, mark.source) for one in marks for key, mark in one.marks.items())
    groups = [set(one.submissions) for one in found]
    for variant in VARIANTS:
        mine = {f"{student}.zip" for student in GOOD if handed_in.variant(student) == variant}
        assert sum(mine <= names for names in groups) == 1
    assert {"twin.zip", "twin (1).zip"} <= next(names for names in groups if "twin.zip" in names)
    assert not any({"corner.zip", "good-2.zip"} <= names for names in groups)


def test_what_nobody_wrote_is_not_asked_of_anybody():
    empty = Mark(key="1b", variant="hypot", points=0, finding="empty", wrong="1b: join is still empty")
    marks = [Marks(name="a.zip", marks={"1b": empty}), Marks(name="b.zip", marks={"1b": empty})]
    assert asked(marks, ("1a", "1b")) == []
