"""R6: what is no JSON, and what Python reads as JSON though it is none, in every place of every JSON file that we read.

NaN, Infinity, 1e999, 5,000 digits, a key twice, nested too deep, not UTF-8: refused wherever they stand. Half a
surrogate pair, NUL, a byte order mark: refused, or a value that can be used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mutations import Bench
from tally import Tally

_LEAVES = {
    "NaN": True,
    "Infinity": True,
    "-Infinity": True,
    "1e999": True,
    "-1e999": True,
    "9" * 5000: True,
    "[" * 100_000 + "]" * 100_000: True,
    '{"a":' * 100_000 + "1" + "}" * 100_000: True,
    '{"a":1,"a":1}': True,
    "01": True,
    "'a'": True,
    '"\\ud800"': False,
    '"\\u0000"': False,
    "1e-400": False,
    "{}": False,
    "[]": False,
    "null": False,
}
"""Text in the place of a value -> whether it has to be refused."""
_MOST_LEAVES = 25
_MARK = '"@@@"'


def plant(bench: Bench, tally: Tally, *, large: bool = False, every: int = 1) -> None:
    """Every hazard in every JSON file of the bench, or one of `every`; `large` adds a string of 100 MB."""
    with tally.timed():
        for path, good in bench.good.items():
            if path.suffix not in (".json", ".jsonl"):
                continue
            hazards = [*_files(good, large=large), *_values(good), *_twins(good)]
            for what, raw, must in hazards[::every]:
                label = f"{what[:40]} in {path.name}"
                # A last line without an end was cut short by a crash, and is left out.
                content = raw + b"\n" if path.suffix == ".jsonl" else raw
                bench.try_one(path, content, label, tally, must_refuse=must)


def _files(good: bytes, *, large: bool) -> Iterator[tuple[str, bytes, bool]]:
    """(what, content of the file, whether it has to be refused)."""
    text = good.decode("utf-8")
    yield "a byte order mark first", b"\xef\xbb\xbf" + good, False
    yield "UTF-16", text.encode("utf-16"), True
    yield "UTF-32", text.encode("utf-32"), True
    yield "Latin-1", good.replace(b'"', b'"\xe9', 1), True
    yield "an overlong sequence", good.replace(b'"', b'"\xc0\xaf', 1), True
    yield "a surrogate as bytes", good.replace(b'"', b'"\xed\xa0\x80', 1), True
    yield "NULs", bytes(100), True
    yield "a NUL first", b"\0" + good, True
    yield "twice the same", good.rstrip() + good, True
    yield "a comma last", good.rstrip()[:-1] + b"," + good.rstrip()[-1:] + b"\n", True
    yield "a comment", b"// " + good, True
    for whole in (b'"a"', b"1", b"null", b"true", b"[]", b"[[[]]]"):
        yield f"only {whole.decode()}", whole + b"\n", True
    yield "nested 200,000 deep", b"[" * 200_000, True
    if large:
        yield "a string of 100 MB", b'"' + b"x" * 100_000_000 + b'"', True


def _values(good: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Each hazard in the place of values that are evenly spread over the file."""
    head, line, tail = _one_document(good)
    tree = json.loads(line)
    leaves = list(_leaves(tree))
    for path in leaves[:: max(1, len(leaves) // _MOST_LEAVES)]:
        with_mark = _with(tree, path, "@@@")
        for hazard, must in _LEAVES.items():
            text = json.dumps(with_mark, ensure_ascii=False).replace(_MARK, hazard)
            yield f"{hazard} at {'.'.join(map(str, path))}", head + text.encode() + tail, must


def _twins(good: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Each object with its first key twice."""
    head, line, tail = _one_document(good)
    text = json.dumps(json.loads(line), ensure_ascii=False)
    at = -1
    while (at := text.find('{"', at + 1)) >= 0:
        key = json.dumps(json.JSONDecoder().raw_decode(text, at + 1)[0], ensure_ascii=False)
        yield f"key {key} twice", head + f"{text[: at + 1]}{key}: 1, {text[at + 1 :]}".encode() + tail, True


def _one_document(good: bytes) -> tuple[bytes, bytes, bytes]:
    """The file, or the second line of a file of lines, and what stands around it."""
    try:
        json.loads(good)
    except ValueError:
        lines = good.splitlines(keepends=True)
        return lines[0], lines[1], b"\n" + b"".join(lines[2:])
    return b"", good, b"\n"


def _leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values that hold no others."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from _leaves(value, (*path, key))
    if path and not children:
        yield path


def _with(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the tree with another value at a place."""
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = _with(tree[path[0]], path[1:], value)
    return copy
