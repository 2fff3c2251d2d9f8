"""A path can be many things; only a regular file is read, once, and never waited for."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

from nanochat.errors import CheckpointError, DataError, TooLargeError
from nanochat.storage import reading as source_module
from nanochat.storage.reading import Sha256, Wording, file_sha256, is_there, read_bytes, reading

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    return tmp_path / "a"


def sha256(content) -> str:
    with Sha256() as digest:
        digest.update(content)
        return digest.hexdigest()


@pytest.mark.parametrize("sizes", [[], [10], [70_000, 3, 70_000, 100_000, 5], [1] * 50 + [70_000] + [1] * 50])
def test_the_sum_of_pieces_is_that_of_the_whole(sizes):
    import hashlib

    with Sha256() as digest:
        at = 0
        for size in sizes:
            digest.update(CONTENT[at : at + size])
            at += size
        assert digest.hexdigest() == hashlib.sha256(CONTENT[:at]).hexdigest()


@pytest.mark.parametrize("piece", [1, 1000, 1 << 22])
def test_what_is_read_is_the_content_in_order(path, monkeypatch, piece):
    monkeypatch.setattr(source_module, "_PIECE", max(piece, len(CONTENT) // 50))
    with reading(path, sha256=sha256(CONTENT)) as source:
        assert source.size == len(CONTENT)
        parts = [bytes(source.read(8)), bytes(source.read(0)), bytes(source.read(source.left))]
    assert b"".join(parts) == CONTENT


def test_another_content_and_content_left_unread_are_refused(path):
    with pytest.raises(CheckpointError, match="differs from its manifest"), reading(path, sha256="0" * 64) as source:
        source.read(source.left)
    with pytest.raises(CheckpointError, match="differs"), reading(path, sha256=sha256(CONTENT)) as source:
        source.read(source.left - 1)


def test_a_file_that_shrinks_while_it_is_read_is_refused(path):
    with reading(path) as source:
        os.truncate(path, 100)
        with pytest.raises(CheckpointError, match="ends after 100 bytes of 300,000"):
            source.read(source.left)


def test_more_than_there_is_memory_for_is_one_sentence(path):
    with pytest.raises(TooLargeError, match="bytes of memory"), reading(path) as source:
        source.read(1 << 62)


def test_a_folder_nothing_and_no_path_are_one_sentence(tmp_path):
    for path, part in ((tmp_path, "a"), (tmp_path / "b", "is missing"), (tmp_path / "a\0b", "is no path")):
        with pytest.raises(CheckpointError, match=part), reading(path):
            pass


@pytest.mark.skipif(os.name == "nt", reason="there are no such things there")
def test_pipes_and_devices_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(CheckpointError, match="is no regular file"), reading(tmp_path / name):
            pass


@pytest.mark.skipif(os.name == "nt", reason="links ask for rights that few have there")
def test_a_link_is_followed_only_where_that_is_allowed(path):
    link = path.with_name("link")
    link.symlink_to(path)
    with reading(link) as source:
        assert source.size == len(CONTENT)
    with pytest.raises(CheckpointError, match="is a link"), reading(link, follow=False):
        pass
    with pytest.raises(CheckpointError, match="is a link"):
        file_sha256(link)


def test_files_are_closed_whatever_happens(path, monkeypatch):
    import hashlib

    assert file_sha256(path) == hashlib.sha256(CONTENT).hexdigest()
    opened = []
    real = source_module._descriptor
    monkeypatch.setattr(source_module, "_descriptor", lambda *a, **k: opened.append(real(*a, **k)) or opened[-1])
    with pytest.raises(ZeroDivisionError), reading(path, sha256=sha256(CONTENT)) as source:
        source.read(source.left // 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="sockets of Unix")
def test_a_socket_is_no_regular_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(CheckpointError, match="is no regular file"), reading(Path("socket")):
            pass


def test_whoever_reads_has_a_sentence_of_their_own(tmp_path):
    (tmp_path / "large").write_bytes(b"12345")
    wording = Wording(
        error=DataError,
        missing="nothing at {path}",
        irregular="{path}: no file",
        no_path="{path!r}: {why}",
        too_large="{size} of {limit}",
        is_folder="{path}: a folder",
    )
    said = {
        "none": "nothing at .*none$",
        ".": ": a folder$",
        "large": "^5 of 4$",
        "a\0b": r"'.*a\\x00b': embedded null",
    }
    for name, sentence in said.items():
        with pytest.raises(DataError, match=sentence):
            read_bytes(tmp_path / name, wording, limit=4)
    assert read_bytes(tmp_path / "large", wording, limit=5) == b"12345"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_in_a_circle_are_not_called_absent(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(CheckpointError, match="symbolic links"):
        is_there(tmp_path / "loop")
    assert [is_there(path) for path in (tmp_path, tmp_path / "no", tmp_path / "a\0b")] == [True, False, False]
