"""A table as CSV that a spreadsheet shows and does not compute."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

from ...plain import terminal

_FORMULA = re.compile(r"^(?=[=+\-@\uff1d\uff0b\uff0d\uff20])|(?<=;)(?=\s*[=+\-@])")
"""Where a cell begins that Excel, LibreOffice and Google Sheets take for a formula; to some of them ; divides cells."""


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of the same keys: a line of names, a line each, every cell in one line and inert."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: inert(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def inert(value: object) -> object:
    """A number as it is; a text without controls, and with ' before what would be a formula."""
    if not isinstance(value, str):
        return value
    return _FORMULA.sub("'", terminal(" ".join(value.split()), keep=""))
