"""Text that is not ours made inert, one function a medium, and paths as text and back.

Names, corpora, answers of a model and files from elsewhere may hold anything. Where they enter a terminal, a Markdown
document, a figure or JSON they are read as text there, never as a command, as markup or as mathematics. Ground for
the floors, like errors.py.
"""

from __future__ import annotations

import os
import re
import sys
from html import escape
from pathlib import Path, PurePath
from urllib.parse import quote, unquote_to_bytes

_SCHEME = "file:"
_CONTROLS = (
    "\x00-\x1f\x7f-\x9f"  # controls of ASCII and of its second half: ESC, CSI, bell, carriage return
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # direction: text shown in another order than it stands
    "\u2028\u2029\ufff9-\ufffb"  # ends of lines that are no "\n", notes between lines
)
_COMMANDS, _HALVES = re.compile(f"[{_CONTROLS}]"), re.compile("[\ud800-\udfff]")
_NO_PATH = re.compile(f"[%{_CONTROLS}\ud800-\udfff]")
_ENTITIES = str.maketrans(
    # Not "\\|" and "\\$": readers disagree on what the backslash before them means in a table, and in mathematics.
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&vert;", "$": "&dollar;", "\\": "&bsol;"}
)
_MARKS = re.compile(r"[`*\[\]#~]|(?<![^\W_])_|_(?![^\W_])")
_AT_THE_START = re.compile(r"^(\d{0,9})(?=[-+.)](?: |$)|[-=_+ ]+$)")
"""Before what would make a line an item of a list, a rule or the heading of the line above."""


def shown_path(path: str | PurePath) -> str:
    """A path as text that any document can hold: itself, or `file:caf%E9.txt` where some byte of it is no text.

    So is one with a line break or another control in it. `path_of` is the inverse.
    """
    text = str(path)
    raw = _bytes(text)
    if raw is None:
        return text
    shown = raw.decode("utf-8", "surrogateescape")
    if not _HALVES.search(shown) and not _COMMANDS.search(shown):
        return shown
    return _SCHEME + _NO_PATH.sub(lambda found: quote(found[0].encode("utf-8", "surrogateescape")), shown)


def path_of(text: str) -> Path:
    """The path that `shown_path` wrote, whatever encoding the system has for names; any other text as it stands.

    A real name that begins with `file:` is written `./file:...`.
    """
    if text.startswith(_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_SCHEME))))
    raw = _bytes(text)
    return Path(text if raw is None else os.fsdecode(raw))


def typed(text: str) -> str:
    """A text from the command line as its characters, also where the locale knows ASCII alone."""
    raw = _bytes(text)
    return text if raw is None else raw.decode("utf-8", sys.getfilesystemencodeerrors())


def _bytes(text: str) -> bytes | None:
    """As they stand in a name or on a command line; None for half a character, which neither gives: whoever reads the
    text will refuse it.
    """
    try:
        return text.encode("utf-8", sys.getfilesystemencodeerrors())
    except UnicodeEncodeError:
        return None


def link(path: str | PurePath) -> str:
    """A relative path as the target of a link."""
    return quote(_bytes(str(path)) or b"")


def terminal(text: str, *, keep: str = "\n\t") -> str:
    """Text that a terminal shows and does not obey: `\\x1b` for an escape, `\\u202e` for a mark of direction.

    keep: the controls that stay; "" gives one line.
    """
    # Bytes of a name may be a mark of direction where the locale knows ASCII alone: `typed` puts them together.
    shown = _COMMANDS.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), typed(text))
    return _bytes_shown(shown) if _HALVES.search(shown) else shown


def json_text(document: str) -> str:
    """A JSON document of the same meaning, without anything that a terminal obeys or that is no UTF-8."""

    def escaped(found: re.Match[str]) -> str:
        return found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}"

    return _HALVES.sub(escaped, _COMMANDS.sub(escaped, document))


def markdown(text: str) -> str:
    """Text as it stands, on one line of a Markdown document, in a cell of a table, too: no HTML, no mathematics."""
    line = terminal(" ".join(text.split()), keep="").translate(_ENTITIES)
    line = _MARKS.sub(lambda found: "\\" + found[0], line)
    return _AT_THE_START.sub(r"\1\\", line)


def code_span(text: str) -> str:
    """The same as code, `like this`. Without the look of code where there is none that a table can hold."""
    line = terminal(text, keep="")
    if "|" in line or not line.strip():
        return markdown(line)
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    pad = " " if line.strip("` ") != line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def html(text: str) -> str:
    """Text as it stands, in an element or an attribute of HTML or SVG."""
    return escape(terminal(text, keep="\n"), quote=True)


def figure(text: str) -> str:
    """Text for matplotlib, which takes what stands between two `$` for mathematics."""
    return terminal(text, keep="").replace("$", r"\$")


def shortened(text: str, longest: int) -> str:
    """The text without its middle where it has more characters than that."""
    return text if len(text) <= longest else f"{text[: longest // 2]} ... {text[-longest // 2 :]}"


def _escaped(ch: str) -> str:
    return ch.encode("unicode_escape").decode("ascii")


def _bytes_shown(text: str) -> str:
    """What Python made of bytes that are no text: characters again where they are some, else `\\xff`."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "backslashreplace")
