"""R4: files with something changed in them. Each is refused in one typed sentence, or means exactly what it meant.

Formats with a checksum have to give the very same bits or refuse; the others may give another value, a valid one.
Every change is a pure function of (reader, number), so that a failure can be seen again by its number.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import time
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tally import Hang, Tally, limited

from nanochat.errors import NanochatError, NanochatWarning

LONGEST_S = 1.0
_BYTES_A_SECOND = 50e6
"""A file of 100 MB may take two seconds more: a reader cannot refuse what it has not read."""
LARGEST_BYTES = 64 << 20
_MEASURED_EVERY = 64
"""Memory is measured in one case of these: it makes a case slower."""
_TOKENS = [
    *(
        word.encode()
        for word in 'NaN Infinity -1 0 1e999 1e308 null true false {} [] "" , : { [ } ] \' \\u0000'.split()
    ),
    *(b"\\ud800", b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\r", b"\n", b"9" * 400, b"9" * 5000, b"[" * 3000),
    *(b"..", b"/dev/zero", b"9223372036854775808", b"-0.0", b"1.5", "\N{ZERO WIDTH JOINER}é\N{PILE OF POO}".encode()),
]


@dataclass(frozen=True)
class Reader:
    """A format that we read."""

    name: str
    make: Callable[[Path], None]
    """Write a good one into an empty folder."""
    read: Callable[[Path], Any]
    """Read it; what it holds, as something with an exact repr. Raises NanochatError."""
    is_checksummed: bool = False
    only: str = "*"
    """Glob of the files that are changed."""
    use: Callable[[Any], object] = repr
    """What one does with what was read; a valid value can be used."""
    mend: Callable[[Path], object] = lambda folder: None
    """Let the checksums agree with what is there, so that what lies behind them is asked, too."""
    cost: int = 1
    """A case takes so many times longer than others, and there are so many times fewer."""


def change(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Something else, and what was done."""
    how = rng.choice(_CHANGES)
    return how(content, rng), how.__name__.strip("_")


def _flip_bit(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _set_byte(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([rng.choice([0, 0x20, 0x7F, 0x80, 0xFF, rng.randrange(256)])]) + content[at + 1 :]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.randint(1, 16)) + content[at:]


def _delete(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.randint(1, 32) :]


def _truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _splice(content: bytes, rng: random.Random) -> bytes:
    """A piece of the file over another place of it, or in front of it."""
    start, length = rng.randrange(len(content)), rng.randint(1, 64)
    piece, at = content[start : start + length], rng.randrange(len(content))
    return content[:at] + piece + content[at + len(piece) * rng.randint(0, 1) :]


def _swap_digit(content: bytes, rng: random.Random) -> bytes:
    digits = [found.start() for found in re.finditer(rb"\d", content)]
    if not digits:
        return _flip_bit(content, rng)
    at = rng.choice(digits)
    return content[:at] + rng.choice(b"0123456789-.e").to_bytes(1, "big") + content[at + 1 :]


def _put_token(content: bytes, rng: random.Random) -> bytes:
    """A word that means something to some parser, in front of something or over it."""
    token, at = rng.choice(_TOKENS), rng.randrange(len(content) + 1)
    return content[:at] + token + content[at + len(token) * rng.randint(0, 1) :]


def _swap_value(content: bytes, rng: random.Random) -> bytes:
    """Valid JSON with another value in one place, or one key fewer, more or twice."""
    try:
        tree = json.loads(content)
    except ValueError:
        lines = content.split(b"\n")
        at = rng.randrange(len(lines))
        lines[at] = _swap_value(lines[at], rng) if lines[at][:1] == b"{" else _put_token(lines[at], rng)
        return b"\n".join(lines)
    root = [tree]
    holder: Any = root
    key: Any = 0
    while isinstance(holder[key], dict | list) and holder[key] and rng.random() < 0.8:
        holder = holder[key]
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    if isinstance(holder, dict) and rng.random() < 0.2:
        del holder[key]
        return json.dumps(root[0]).encode()
    holder[key] = "@"
    return json.dumps(root[0]).encode().replace(b'"@"', rng.choice(_VALUES))


_VALUES = [
    *(word.encode() for word in 'null true false 0 -1 1 2 1.5 -0.0 "" "a" [] {} [[]] [null] 1e308 -1e308 NaN'.split()),
    *(word.encode() for word in "1e999 99999999999999999999 -9223372036854775809 4294967296 1e-400".split()),
    *(b'"\\ud800"', b'"\\u0000"', b'{"a":1,"a":2}', b'{"":0}', b"[1,[2]]", b'"' + b"x" * 3000 + b'"', b"9" * 5000),
]
_CHANGES = (_flip_bit, _set_byte, _insert, _delete, _truncate, _splice, _swap_digit, _put_token, _swap_value)


class Bench:
    """One reader, its good files, and a folder in which one of them is changed at a time."""

    def __init__(self, reader: Reader, scratch: Path) -> None:
        self.reader, self.folder = reader, scratch / "mutated"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        reader.make(self.folder)
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        found = [path for path in files if fnmatch(path.relative_to(self.folder).as_posix(), reader.only)]
        self.good = {path: path.read_bytes() for path in found}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NanochatWarning)  # as below: a remark is no failure
            self.truth = repr(reader.read(self.folder))

    def random_changes(self, n: int, tally: Tally) -> None:
        """Cases 0 to n - 1."""
        with tally.timed():
            for number in range(n):
                rng = random.Random(f"{self.reader.name} {number}")
                path = rng.choice(list(self.good))
                changed, how = change(self.good[path], rng)
                self.try_one(path, changed, f"case {number}: {how} in {path.name}", tally, number)

    def every_bit(self, tally: Tally, *, every: int = 1, most_bytes: int = 2048) -> None:
        """Each bit of each file of up to that size, or of its beginning; or one bit of `every`."""
        with tally.timed():
            for path, good in self.good.items():
                for bit in range(0, 8 * min(len(good), most_bytes), every):
                    changed = bytearray(good)
                    changed[bit // 8] ^= 1 << bit % 8
                    self.try_one(path, bytes(changed), f"bit {bit} of {path.name}", tally, bit)

    def try_one(
        self, path: Path, changed: bytes, label: str, tally: Tally, number: int = 1, *, must_refuse: bool = False
    ) -> None:
        """Read the folder with this file changed, and put the good one back."""
        path.write_bytes(changed)
        self.reader.mend(self.folder)
        measured = number % _MEASURED_EVERY == 0
        if measured:
            tracemalloc.start()
        start = time.process_time()  # of the processor: others may be at work
        try:
            with limited(60 * LONGEST_S):  # of the clock: others may be at work
                problem = self._outcome(tally, must_refuse)
        except Hang as error:
            problem = f"hangs: {error}"
        seconds = time.process_time() - start
        if measured:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            tally.most("peak MB", round(peak / 1e6, 1))
            if peak > LARGEST_BYTES + 2 * len(changed):
                problem = problem or f"takes {peak:,} bytes of memory for a file of {len(changed):,}"
        else:
            tally.most("slowest ms", round(seconds * 1e3, 1))
            if seconds > LONGEST_S * (1 + len(changed) / _BYTES_A_SECOND):
                problem = problem or f"takes {seconds:.1f} s"
        path.write_bytes(self.good[path])
        tally.add(problem, label=label)

    def _outcome(self, tally: Tally, must_refuse: bool) -> str | None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", NanochatWarning)
            try:
                value = self.reader.read(self.folder)
                is_same = repr(value) == self.truth
                if must_refuse and not (is_same and self.reader.is_checksummed):
                    return "it is accepted"
                if is_same:
                    tally.count("identical")
                    return None
                if self.reader.is_checksummed:
                    return "another value, silently"
                self.reader.use(value)
            except NanochatError as error:
                tally.count("refused")
                return None if _is_a_sentence(str(error)) else f"no sentence: {str(error)[:300]!r}"
            except Exception as error:  # noqa: BLE001
                return f"{type(error).__name__}: {str(error)[:300]}"
        tally.count("another valid value")
        return None


def _is_a_sentence(text: str) -> bool:
    return 10 <= len(text) <= 2000
