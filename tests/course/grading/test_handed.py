"""What is read of a submission: files that the course knows, each up to a bound, and a sentence for the rest."""

import io
import os
import zipfile

import pytest

from nanochat.course.grading.handed import answer_path, read_class, read_handed
from nanochat.errors import DataError

FILES = {"progress.json": b"{}", "01-value/bend.py": b"def bend(x): ...\n"}


@pytest.fixture
def packed(tmp_path):
    """Read a zip of [(name, content)]."""

    def read(members, *, change=lambda raw: raw, how=zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", how) as archive:
            for name, raw in members:
                archive.writestr(name, raw)
        path = tmp_path / "ada.zip"
        path.write_bytes(change(out.getvalue()))
        return read_handed(path)

    return read


def test_what_the_course_knows_is_taken_and_nothing_else(packed):
    others = [("../../evil.py", b"1"), ("/etc/passwd", b"1"), ("01-value/notes.txt", b"1"), ("01-value/../x.py", b"1")]
    handed = packed([*FILES.items(), *others])
    assert (handed.files, handed.problems) == (FILES, [])


@pytest.mark.parametrize("home", ["my course/", "a/b/"])
def test_a_folder_around_it_and_what_a_mac_adds_do_no_harm(packed, home):
    handed = packed([("__MACOSX/progress.json", b"x"), *((home + name, raw) for name, raw in FILES.items())])
    assert handed.files == FILES


def test_a_file_that_is_there_twice_is_told_of(packed):
    with pytest.warns(UserWarning, match="Duplicate"):
        handed = packed([*FILES.items(), ("01-value/bend.py", b"another")])
    assert "01-value/bend.py 2 times" in handed.problems[0]
    assert list(handed.files) == ["progress.json"]


def test_a_bomb_of_many_files_is_not_unpacked(packed):
    handed = packed([(f"{i}", b"") for i in range(2001)])
    assert "zip bomb" in handed.problems[0]


def test_a_bomb_that_lies_about_its_size_ends_at_the_bound(packed):
    """The directory at the end says 64 bytes; what is packed is 8 MB."""

    def lie(raw):
        return raw.replace((8 << 20).to_bytes(4, "little"), (64).to_bytes(4, "little"))

    handed = packed([("01-value/bend.py", bytes(8 << 20)), ("progress.json", b"{}")], change=lie)
    assert handed.files == {}
    assert "ask for what `nanochat learn submit` writes" in handed.problems[0]


def test_one_large_file_is_a_sentence(packed):
    handed = packed([("01-value/bend.py", bytes(3 << 20)), ("progress.json", b"{}")])
    assert "01-value/bend.py unpacks to more than 1,048,576 bytes" in handed.problems[0]


@pytest.mark.parametrize("how", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_ways_of_packing_without_a_bound_are_refused(packed, how):
    assert "damaged or no zip (it is packed in a way" in packed(FILES.items(), how=how).problems[0]


def test_damage_anywhere_is_a_sentence(packed):
    """Every byte of a small zip turned over: it is read or told of, and nothing is raised."""
    raw = {}
    packed(FILES.items(), change=lambda whole: raw.setdefault("zip", whole))
    for i in range(len(raw["zip"])):
        broken = bytearray(raw["zip"])
        broken[i] ^= 0xFF
        packed([], change=lambda _, broken=broken: bytes(broken))


def test_a_folder_is_read_as_a_zip_is(tmp_path):
    for name, raw in FILES.items():
        path = tmp_path / "ada" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(raw)
    assert read_handed(tmp_path / "ada").files == FILES


def test_the_folder_that_a_platform_makes_around_a_zip_is_seen_through(tmp_path):
    folder = tmp_path / "Lovelace Ada_123_assignsubmission_file"
    folder.mkdir()
    with zipfile.ZipFile(folder / "submission.zip", "w") as archive:
        for name, raw in FILES.items():
            archive.writestr(name, raw)
    handed = read_handed(folder)
    assert (handed.name, handed.files) == (f"{folder.name}/submission.zip", FILES)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes and links here")
def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path):
    ada = tmp_path / "ada"
    (ada / "01-value").mkdir(parents=True)
    (tmp_path / "bob.py").write_text("1", encoding="utf-8")
    (ada / "01-value" / "bend.py").symlink_to(tmp_path / "bob.py")
    (ada / "02-engine").symlink_to(tmp_path)
    (tmp_path / "number.py").write_text("1", encoding="utf-8")
    os.mkfifo(ada / "progress.json")
    handed = read_handed(ada)
    assert handed.files == {}
    assert [any(word in problem for problem in handed.problems) for word in ("bend.py", "number.py", "progress")] == [
        True
    ] * 3


def test_a_class_is_every_zip_and_folder_by_name(tmp_path):
    (tmp_path / "bob").mkdir()
    (tmp_path / "ada.ZIP").write_bytes(b"")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.pdf").write_bytes(b"")
    submissions, others = read_class(tmp_path)
    assert ([one.name for one in submissions], others) == (["ada.ZIP", "bob"], ["notes.pdf"])


def test_a_folder_without_submissions_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no submission"):
        read_class(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_class(tmp_path / "nowhere")


def test_an_answer_lies_where_start_puts_it():
    assert (answer_path("1a"), answer_path("12c")) == ("01-value/bend.py", "12-evidence/change.py")
