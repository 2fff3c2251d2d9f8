"""The k-th call fails, in small numbers; measure.py takes every k."""

import os
from contextlib import suppress

import pytest
from amount import amount
from calls import Subject, calls_of, fail_every_call
from faults import Crash, Faults
from writers import subjects

from nanochat.checkpoints.directory import save_directory
from nanochat.errors import WriteError
from nanochat.storage.atomic import write_bytes, write_text

FAMILIES = (
    "checkpoint",
    "lm.save",
    "a file",
    "cache",
    "tokenizer",
    "metrics.jsonl",
    "record.json",
    "a run",
    "ablation",
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return list(subjects(tmp_path_factory.mktemp("subjects")))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_call_fails_in_silence_or_costs_the_former_file(everything, tmp_path, family):
    chosen = [subject for subject in everything if family in subject.name]
    assert chosen
    for subject in chosen:
        tally = fail_every_call(subject, tmp_path, most=amount(1, 2))
        assert tally.n > 5
        assert tally.failures == [], subject.name


def test_every_subject_belongs_to_a_family(everything):
    assert [s.name for s in everything if not any(family in s.name for family in FAMILIES)] == []


def test_files_are_synced_before_they_get_their_names_and_folders_after(tmp_path):
    def save(folder, i):
        save_directory(folder, i, lambda draft: write_text(draft / "model.json", "x" * 100_000) and None)

    calls = calls_of(Subject("a checkpoint", save, lambda folder: 0), tmp_path)
    renames = [i for i, (call, _) in enumerate(calls) if call == "replace"]
    for i in renames:
        assert "fsync" in {call for call, name in calls[:i] if name == calls[i][1]}, f"{calls[i]} was not synced"
    assert calls[renames[-1] + 1 :][:3][-2][0] == "fsync", "after the last rename comes its folder's sync"


def subject_of(write) -> Subject:
    """One file that `write(path, content)` writes."""

    def version(folder):
        text = (folder / "f").read_text(encoding="utf-8")
        return next((i for i in (0, 1) if text == str(i) * 50_000), "something else")

    return Subject("a file", lambda folder, i: write(folder / "f", str(i) * 50_000), version)


def careless(path, content):
    with suppress(OSError), path.open("w", encoding="utf-8") as file:
        file.write(content)


def untidy(path, content):
    with path.with_name(".draft").open("w", encoding="utf-8") as file:
        file.write(content)
    path.with_name(".draft").replace(path)


def unsentenced(path, content):
    try:
        untidy(path, content)
    except OSError:
        path.with_name(".draft").unlink(missing_ok=True)
        raise


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (careless, "a silent success"),
        (untidy, "left behind: .draft"),
        (unsentenced, "OSError instead of WriteError"),
    ],
)
def test_the_harness_sees_what_is_wrong(tmp_path, write, complaint):
    failures = " ".join(fail_every_call(subject_of(write), tmp_path).failures)
    assert complaint in failures


def test_the_harness_has_no_complaint_about_a_careful_write(tmp_path):
    tally = fail_every_call(subject_of(lambda path, text: write_bytes(path, text.encode())), tmp_path)
    assert tally.n > 30
    assert tally.failures == []


def test_a_crash_leaves_what_was_on_the_disk_and_nothing_later(tmp_path):
    (tmp_path / "f").write_text("old", encoding="utf-8")
    for at in range(1, 8):
        with suppress(Crash), Faults(tmp_path, at=at, kind="crash"):
            write_text(tmp_path / "f", "new" * 10_000)
        assert (tmp_path / "f").read_text(encoding="utf-8") in ("old", "new" * 10_000)


def test_the_calls_are_those_of_the_system_again_afterwards(tmp_path):
    before = (open, os.open, os.replace, os.write)
    with pytest.raises(WriteError), Faults(tmp_path, at=3, kind="ENOSPC"):
        write_text(tmp_path / "f", "text")
    assert (open, os.open, os.replace, os.write) == before
