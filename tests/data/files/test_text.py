"""Files that hold no text: each is refused by name, whichever way it is read, with how to mend it."""

import gzip
import io
import json
import zipfile

import numpy as np
import pytest

from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.data.files import text as reading
from nanochat.data.files.formats import find_problems, read_rows
from nanochat.data.large.text import read_pieces
from nanochat.data.load import load_corpus
from nanochat.errors import DataError


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text")
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


BY_CONTENT = {
    "gzip": (gzip.compress(b"text"), "is packed by gzip (by its first bytes): unpack it and name the file inside"),
    "zip": (_zip(), "is an archive (by its first bytes): unpack it"),
    "PDF": (b"%PDF-1.4\n1 0 obj\n", "is a PDF (by its first bytes): save its text as .txt"),
    "Parquet": (b"PAR1\x15\x04\x15", "is a Parquet table (by its first bytes): save it as .csv or .jsonl"),
    "SQLite": (b"SQLite format 3\0\x10\0", "is a database (by its first bytes)"),
    "NumPy": (_npy(), "is NumPy arrays (by its first bytes)"),
    "RTF": (b"{\\rtf1\\ansi text}", "is a document of a word processor (by its first bytes)"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "is a picture (by its first bytes): name a file of text, JSON, JSON Lines or CSV"),
    "UTF-16": ("text\n".encode("utf-16"), "is UTF-16 (by its first bytes): save it as UTF-8"),
    "big-endian UTF-16": (b"\xfe\xff" + "text".encode("utf-16-be"), "is UTF-16 (by its first bytes)"),
    "UTF-32": ("text\n".encode("utf-32"), "is UTF-32 (by its first bytes): save it as UTF-8"),
}


@pytest.mark.parametrize("ending", [".txt", ".json", ".jsonl", ".csv", ".log"])
@pytest.mark.parametrize("name", BY_CONTENT)
def test_what_the_first_bytes_tell_is_refused_by_name_whatever_it_is_called(tmp_path, name, ending):
    content, part = BY_CONTENT[name]
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError) as failure:
        read_rows(path)
    assert str(failure.value).startswith(f"{path} {part}")
    assert [str(problem) for problem in find_problems(path)] == [str(failure.value)]


@pytest.mark.parametrize(
    ("ending", "part"),
    [
        (".parquet", "is a Parquet table (by its ending): save it as .csv or .jsonl"),
        (".XLSX", "is a spreadsheet (by its ending): save it as .csv or .jsonl"),
        (".pdf", "is a PDF (by its ending): save its text as .txt"),
        (".docx", "is a document of a word processor (by its ending)"),
        (".zip", "is an archive (by its ending): unpack it and name the file inside"),
        (".jsonl.gz", "is packed by gzip (by its ending): unpack it and name the file inside"),
        (".safetensors", "is a model or a pickle (by its ending): name a file of text"),
    ],
)
def test_a_known_ending_is_refused_by_name_whatever_stands_in_the_file(tmp_path, ending, part):
    path = tmp_path / f"a{ending}"
    for content in (b"plain text\n" * 30, _zip()):
        path.write_bytes(content)
        for read in (load_corpus, lambda spec: build_dataset(DataConfig(source=spec)), read_rows):
            with pytest.raises(DataError) as failure:
                read(str(path))
            assert str(failure.value).startswith(f"{path} {part}")


@pytest.mark.parametrize("name", ["a", "a.md", "a.py", "a.tex", "a.log", "a.html", "a.text", ".hidden"])
def test_any_other_ending_is_text(tmp_path, name):
    path = tmp_path / name
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert read_rows(path).documents == ("one", "two")


@pytest.mark.parametrize("begin", ["PAR1 is a line of Perl", "BZh", "PK", "GIF89a", "ARROW1", "SQL", "Rar!"])
def test_a_text_may_begin_like_the_name_of_a_format(tmp_path, begin):
    path = tmp_path / "a.txt"
    path.write_text(f"{begin} and more\n", encoding="utf-8")
    assert read_rows(path).documents == (f"{begin} and more",)


def test_a_text_larger_than_memory_is_looked_at_too(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LIMIT_BYTES", 100)
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(json.dumps(list(range(999))).encode(), mtime=0))
    with pytest.raises(DataError, match="is packed by gzip"):
        build_dataset(DataConfig(source=path, cache=tmp_path / "cache"))
    with pytest.raises(DataError, match="is packed by gzip"):
        list(read_pieces(str(path)))
