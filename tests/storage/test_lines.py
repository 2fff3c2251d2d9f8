"""A file that is being written, read line by line: each whole line once, and whatever takes its place is known."""

from hypothesis import given
from hypothesis import strategies as st

from nanochat.storage.lines import Tail


@given(st.lists(st.binary(max_size=9), max_size=9))
def test_every_whole_line_is_read_once(tmp_path_factory, pieces):
    path, found = tmp_path_factory.mktemp("lines") / "file", []
    tail = Tail(path)
    assert tail.read() == []
    with path.open("ab", buffering=0) as file:
        for piece in pieces:
            file.write(piece)
            found += tail.read()
            assert not tail.is_stale
    tail.close()
    assert found == b"".join(pieces).split(b"\n")[:-1]


def test_another_file_of_the_same_name_is_known_as_such(tmp_path):
    path, tail = tmp_path / "file", Tail(tmp_path / "file")
    path.write_bytes(b"1\n2\n")
    assert tail.read() == [b"1", b"2"]
    path.unlink()
    assert tail.is_stale
    path.write_bytes(b"3\n4\n5\n")  # the system may give it the number of the file before
    assert tail.is_stale
    tail.close()
    assert tail.read() == [b"3", b"4", b"5"]
    path.write_bytes(b"6\n")  # cut, and still the same file
    assert tail.is_stale
    tail.close()


def test_the_end_of_a_file_begins_with_a_whole_line(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree\nfo")
    for n_bytes, expected in [(2, []), (8, [b"three"]), (9, [b"three"]), (11, [b"three"]), (12, [b"two", b"three"])]:
        tail = Tail(path, from_end=n_bytes)
        assert tail.read() == expected
        tail.close()
    tail = Tail(path, from_end=100)
    assert tail.read() == [b"one", b"two", b"three"]
    tail.close()
