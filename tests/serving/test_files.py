"""The files of the page: what lies in the folder and has a known ending, with its type, and nothing else."""

import pytest

pytest.importorskip("starlette", reason="needs the extra serve: requirements/serve.txt")

from nanochat.serving import files


def test_the_page_is_at_the_root(tiny):
    answer = tiny.ask("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body == (files.FOLDER / "index.html").read_bytes() == tiny.ask("GET", "/index.html").body


def test_every_file_of_the_page_is_served_as_what_it_is(tiny):
    for path in files.FOLDER.iterdir():
        answer = tiny.ask("GET", f"/{path.name}")
        assert answer.status == (200 if path.suffix in files.TYPES else 404), path
        if answer.status == 200:
            assert answer.headers["content-type"] == files.TYPES[path.suffix]
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_a_browser_has_is_not_sent_again(tiny):
    tag = tiny.ask("GET", "/").headers["etag"]
    again = tiny.ask("GET", "/", if_none_match=tag)
    assert (again.status, again.body) == (304, b"")
    assert tiny.ask("GET", "/", if_none_match='"other"').status == 200
    head = tiny.ask("HEAD", "/")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", tag)


def test_only_files_of_known_endings_are_served_and_no_links(tmp_path):
    for name in ("index.html", "a.js", "b.py", ".env", "c.txt", "d"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    (tmp_path / "link.js").symlink_to(tmp_path / "b.py")
    assert set(files.endpoints(tmp_path)) == {"/", "/index.html", "/a.js"}
