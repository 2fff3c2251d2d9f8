"""A report as one HTML file that needs nothing beside it: our own Markdown, with the pictures inside.

It knows what reports are written with (headings, paragraphs, tables, lists, fences, images, folded parts), no other
Markdown, and no HTML but <details> and <summary>.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

from ...errors import GuardError
from ...storage.atomic import write_text
from ...storage.reading import read_bytes

MARK = "<!-- written by nanochat report -->"
_STYLE = """\
body { font: 16px/1.5 "DejaVu Sans", Verdana, sans-serif; color: #222 }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: .85rem; display: block; overflow-x: auto }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
thead th { border-bottom: 2px solid #333 } .right { text-align: right; font-variant-numeric: tabular-nums }
code, pre { font-family: "DejaVu Sans Mono", monospace; font-size: .85em }
pre { background: #f5f5f5; padding: .7rem; overflow-x: auto } img { max-width: 100% }
@media print { body { margin: 0; max-width: none } details { display: none } }
"""
_INLINE = re.compile(
    r"\\(?P<plain>[^\w\s]|_)|(?P<fence>`+)(?P<code>.+?)(?<!`)(?P=fence)(?!`)"
    r"|!\[(?P<alt>(?:\\.|[^\]\\])*)\]\((?P<src>[^)\s]*)\)|\[(?P<text>(?:\\.|[^\]\\])*)\]\((?P<href>[^)\s]*)\)"
    r"|\*\*(?P<bold>.+?)\*\*|(?<!\*)\*(?P<italic>[^*]+)\*"
)
_TIED = re.compile(r" (?=to |± )|(?<=±) |(?<=<) |(?<=&lt;) ")
"""A line of a cell with an interval breaks after `to`, and nowhere else."""
_FOLDED = re.compile(r"</?details>|<summary>([^<>]*)</summary>")


def write_page(report: Path) -> Path:
    """Write report.html beside report.md. Raises CheckpointError, WriteError, GuardError on others' file."""
    page, text = report.with_suffix(".html"), read_bytes(report).decode()
    check_mark(page, MARK)
    write_text(page, to_page(text, lambda name: read_bytes(report.parent / name)))
    return page


def check_mark(path: Path, mark: str) -> None:
    """Raises GuardError where there is a file that does not begin as ours do."""
    if path.exists() and not read_bytes(path).startswith(mark.encode()):
        raise GuardError(f"{path} was not written by nanochat report: move it away")


def to_page(text: str, read: Callable[[str], bytes]) -> str:
    """The whole document; `read` gives the bytes of a picture by its name."""
    title = html.escape(html.unescape(text.partition("\n")[0].lstrip("# ").replace("`", "")))
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">\n{view}\n<title>{title}</title>\n<style>\n{_STYLE}</style>'
    start = f'{MARK}\n<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>'
    return f"{start}\n<body>\n{_body(text, read)}\n</body>\n</html>\n"


def _body(text: str, read: Callable[[str], bytes]) -> str:
    lines = iter(text.splitlines())
    found: list[str] = []
    block: list[str] = []
    for line in lines:
        if fence := re.match("`{3,}", line):
            found += [*_block(block, read), f"<pre>{html.escape(_fenced(lines, fence[0]))}</pre>"]
            block = []
        elif line.strip():
            block.append(line)
        else:
            found += _block(block, read)
            block = []
    return "\n".join([*found, *_block(block, read)])


def _fenced(lines: Iterator[str], fence: str) -> str:
    inside = []
    for line in lines:
        if line == fence:
            break
        inside.append(line)
    return "\n".join(inside)


def _block(lines: list[str], read: Callable[[str], bytes]) -> list[str]:
    """Lines without a blank one between them."""
    if not lines:
        return []
    if all(_FOLDED.fullmatch(line) for line in lines):
        return lines
    if lines[0].startswith("|"):
        return [_table(lines, read)]
    if all(line.startswith("- ") for line in lines):
        return ["<ul>", *(f"<li>{_inline(line[2:], read)}</li>" for line in lines), "</ul>"]
    if heading := re.match("(#{1,6}) (.*)", lines[0]):
        level = len(heading[1])
        return [f"<h{level}>{_inline(heading[2], read)}</h{level}>", *_block(lines[1:], read)]
    return [f"<p>{_inline(' '.join(lines), read)}</p>"]


def _table(lines: list[str], read: Callable[[str], bytes]) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    right = ['class="right"' if rule.endswith("-:") else "" for rule in rows[1]]

    def row(cells: list[str], kind: str) -> str:
        tied = [
            _TIED.sub("\N{NO-BREAK SPACE}", cell) if side else cell for cell, side in zip(cells, right, strict=False)
        ]
        parts = [f"<{kind} {side}>{_inline(cell, read)}</{kind}>" for cell, side in zip(tied, right, strict=False)]
        return f"<tr>{''.join(parts)}</tr>".replace(" >", ">")

    body = "\n".join(row(cells, "td") for cells in rows[2:])
    return f"<table>\n<thead>{row(rows[0], 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _inline(text: str, read: Callable[[str], bytes]) -> str:
    parts, end = [], 0
    for match in _INLINE.finditer(text):
        parts += [_words(text[end : match.start()]), _marked(match, read)]
        end = match.end()
    return "".join([*parts, _words(text[end:])])


def _marked(match: re.Match[str], read: Callable[[str], bytes]) -> str:
    found = match.groupdict()
    if found["plain"]:
        return html.escape(found["plain"])
    if found["code"] is not None:
        return f"<code>{html.escape(found['code'].strip() or found['code'])}</code>"
    if found["src"] is not None:
        raw = b64encode(read(unquote(found["src"]))).decode()
        alt = re.sub(r"\\([^\w\s]|_)", r"\1", found["alt"])
        return f'<img alt="{html.escape(html.unescape(alt))}" src="data:image/png;base64,{raw}">'
    if found["href"] is not None:
        inside = _inline(found["text"], read)
        is_outside = found["href"].startswith("https://")  # what lies beside the report is not beside the page
        return f'<a href="{html.escape(found["href"])}">{inside}</a>' if is_outside else inside
    word = "strong" if found["bold"] is not None else "em"
    return f"<{word}>{_inline(found['bold'] or found['italic'], read)}</{word}>"


def _words(text: str) -> str:
    return html.escape(html.unescape(text))
