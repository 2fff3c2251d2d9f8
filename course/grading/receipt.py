"""What a receipt says beside what was found. It changes no mark: it tells where the two part."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol

from ..lessons import find_lesson
from .handed import RECEIPT, Handed, answer_path


class Found(Protocol):
    """What was found of one answer."""

    @property
    def finding(self) -> str:
        """A word; '' where every law holds."""

    @property
    def wrong(self) -> str:
        """The same in a sentence."""


def compare_receipt(handed: Handed, marks: Mapping[str, Found], note: Callable[[str, str], None]) -> None:
    """Notes of each answer what the receipt claims of it and is not so, and what is wrong with the answer itself."""
    receipt = _read(handed)
    if handed.files and receipt is None:
        note("no receipt", "there is no receipt.json that could be read, so nothing can be compared with it")
    digests, claims, graders = (_table(receipt, name) for name in ("sha256", "exercises", "graders"))
    others = set[str]()
    for key, mark in marks.items():
        path = answer_path(key)
        if mark.wrong and (mark.finding != "empty" or key.endswith("a")):  # b and c are theirs to leave
            note(mark.finding, mark.wrong)
        if receipt is None:
            continue
        if digests.get(path) != sha256(handed.files[path]).hexdigest():
            note("changed after the receipt", f"{key}: {path} is not the file that the receipt was written for")
        claim = claims.get(key)
        if mark.wrong and isinstance(claim, dict) and claim.get("status") == "passed":
            note("passed, says the receipt", f"{key}: the receipt says that it passed, and run again it does not")
        lesson = find_lesson(key)
        if graders.get(lesson.word) != lesson.graders():
            others.add(lesson.word)
    if others:
        words, version = ", ".join(sorted(others)), (receipt or {}).get("nanochat")
        note("other graders", f"checked by graders that are not those here, of nanochat {version!s:.20}: {words}")


def _read(handed: Handed) -> dict[str, Any] | None:
    try:
        content = json.loads(handed.files[RECEIPT])
    except (KeyError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _table(receipt: dict[str, Any] | None, name: str) -> dict[str, Any]:
    found = (receipt or {}).get(name)
    return found if isinstance(found, dict) else {}
