"""A student's folder: what is written into it, and that nothing of theirs is ever written over."""

import json
import os
import sys
import threading
import zipfile

import pytest

from nanochat.course import workspace
from nanochat.course.judging import Report, Verdict
from nanochat.course.lessons import LESSONS, find_exercise, find_lesson
from nanochat.course.progress import NAME, read_progress
from nanochat.course.submission import submit
from nanochat.course.variation import seed_of, variant_of
from nanochat.errors import CheckpointError, ConfigError, DataError, WriteError

LESSON = LESSONS[0]


@pytest.fixture
def space(tmp_path):
    folder = tmp_path / "mein Kürs"
    folder.mkdir()
    return workspace.open_workspace(folder)


def report(*, passed, key="1a"):
    state = "ok" if passed else "broken"
    verdict = Verdict(law="value", sentence="s", state=state, points=1)
    return Report(exercise=key, title="t", file="f", variant="softplus", seed=1, verdicts=(verdict,))


def test_start_writes_text_pictures_and_beginnings(space):
    written = dict(workspace.start(space, LESSON))
    names = {path.relative_to(space.folder).as_posix() for path in written}
    assert names == {"01-value/lesson.md", "01-value/graph.svg", "01-value/bend.py", "01-value/join.py", "course.toml"}
    assert all(written.values())
    progress = read_progress(space.folder)
    assert {key: one.status for key, one in progress.lessons.items()} == {"1a": "started", "1b": "started"}
    assert progress.lessons["1a"].variant == space.variant("1a")


def test_start_again_leaves_what_is_there(space):
    workspace.start(space, LESSON)
    space.path("1a").write_text("mine", encoding="utf-8")
    assert not any(is_new for _, is_new in workspace.start(space, LESSON))
    assert space.path("1a").read_text(encoding="utf-8") == "mine"


def test_reset_keeps_each_earlier_file(space):
    workspace.start(space, LESSON)
    for text in ("first", "second\0, and no text"):
        space.path("1a").write_text(text, encoding="utf-8")
        workspace.reset(space, "1a")
    names = [space.path("1a").with_name(f"bend.py.{n}") for n in (1, 2)]
    assert [path.read_text(encoding="utf-8") for path in names] == ["first", "second\0, and no text"]
    assert space.path("1a").read_text(encoding="utf-8") == space.starter("1a")


def test_a_check_is_kept_and_what_passed_stays_passed(space):
    path = space.folder / "01-value" / "bend.py"
    for passed in (False, True, False):
        workspace.record_check(space, "1a", path, report(passed=passed), "text")
    one = read_progress(space.folder).lessons["1a"]
    assert (one.status, one.tries, one.file) == ("passed", 2, "01-value/bend.py")
    assert one.first_try <= one.passed


def test_hints_are_counted_to_three(space):
    assert [workspace.take_hint(space, "1a") for _ in range(4)] == [0, 1, 2, 2]
    assert read_progress(space.folder).lessons["1a"].hints == 3


def test_checks_at_once_lose_nothing(space):
    keys = [key for lesson in LESSONS for key in lesson.keys]
    path = space.folder / "a.py"
    threads = [
        threading.Thread(target=workspace.record_check, args=(space, key, path, report(passed=True, key=key), "text"))
        for key in keys * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: one.status for key, one in read_progress(space.folder).lessons.items()} == dict.fromkeys(
        keys, "passed"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "JSON"),
        ("[]", "damaged"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1, "lessons": {"1a": 3}}', "damaged"),
    ],
)
def test_a_damaged_progress_is_told_of_and_stays(space, content, sentence):
    path = space.folder / NAME
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=sentence):
        workspace.take_hint(space, "1a")
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_cannot_be_written_is_told_of(space):
    space.folder.chmod(0o555)
    try:
        with pytest.raises(WriteError, match=r"cannot be written .*so nothing is kept there"):
            workspace.take_hint(space, "1a")
    finally:
        space.folder.chmod(0o755)


def settings(space, text):
    (space.folder / "course.toml").write_text(text, encoding="utf-8")
    return workspace.open_workspace(space.folder)


def test_the_seed_follows_from_course_and_student(space):
    assert settings(space, 'student = "ada"\ncourse = "spring"').seed == seed_of("spring", "ada")
    assert seed_of("spring", "ada") != seed_of("spring", "bob")
    assert settings(space, "seed = 4127").seed == 4127


def test_a_variant_is_pinned(space):
    for name in find_exercise("1a").variants:
        assert settings(space, f'[variants]\n1a = "{name}"').variant("1a") == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("studnet = 'a'", "did you mean 'student'"),
        ("seed = -1", "seed=-1"),
        ("seed = 'x'", "seed"),
        ("[variants]\n1z = 'softplus'", "1z"),
        ("[variants]\n1a = 'softplas'", "did you mean 'softplus'"),
        ("= 3", "TOML"),
    ],
)
def test_settings_that_make_no_sense_are_refused(space, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        settings(space, text)


def test_a_name_given_after_the_start_changes_no_variant_until_a_reset(space):
    workspace.start(space, LESSON)
    begun = space.variant("1a")
    names = [name for name in "abcdefgh" if variant_of(find_exercise("1a"), "1a", seed_of("", name)) != begun]
    named = settings(space, f'student = "{names[0]}"')
    assert named.variant("1a") == begun
    workspace.reset(named, "1a")
    assert named.variant("1a") == variant_of(find_exercise("1a"), "1a", seed_of("", names[0]))
    assert find_exercise("1a").variants[named.variant("1a")].formula in named.path("1a").read_text(encoding="utf-8")


def test_every_variant_is_drawn_by_some_seed():
    for key in ("1a", "2a", "3a"):
        exercise = find_exercise(key)
        assert {variant_of(exercise, key, seed) for seed in range(200)} == set(exercise.variants)


def test_the_folder_is_found_from_a_lesson_of_it(space):
    workspace.start(space, LESSON)
    assert workspace.open_workspace(space.folder / "01-value").folder == space.folder.absolute()


def test_a_submission_is_the_same_bytes_for_the_same_files(space):
    workspace.start(space, LESSON)
    first, second = space.folder / "a.zip", space.folder / "b.zip"
    names = submit(space, first, new=True)
    submit(space, second, new=True)
    assert first.read_bytes() == second.read_bytes()
    assert {"progress.json", "course.toml", "receipt.json", "01-value/bend.py"} <= set(names)
    with zipfile.ZipFile(first) as archive:
        receipt = json.loads(archive.read("receipt.json"))
    assert receipt["exercises"]["1a"] == {"status": "started", "variant": space.variant("1a")}
    assert receipt["graders"]["value"] == find_lesson("value").graders()


def test_nothing_is_handed_in_where_nothing_was_begun(space):
    with pytest.raises(DataError, match="nothing was begun"):
        submit(space, space.folder / "a.zip", new=True)
