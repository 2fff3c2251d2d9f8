"""What the parts of a tokenizer.json do to the ids of a text: nothing or a split that we know; all else is refused.

A part is judged by its effect, not by its spelling: a Sequence of nothing is nothing, a Split whose expression covers
every text keeps all of it whichever way it is told to.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, cast

from ...errors import TokenizerError
from ..bpe import PATTERNS

_EXPRESSIONS = {  # spellings of the same splits that are found in files
    **{expression: name for name, expression in PATTERNS.items()},
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
}
_WHOLE = {  # what may be done with matches, or with the rest (1), so that of a text that is all matches nothing changes
    **{
        (behavior, invert): True
        for behavior in ("Isolated", "MergedWithPrevious", "MergedWithNext")
        for invert in (0, 1)
    },
    ("Removed", 1): True,
}
_IDLE: dict[str, dict[str, tuple[Any, ...]]] = {  # normalizers that change no text, set as they are here
    "Strip": {"strip_left": (False,), "strip_right": (False,)},
    "Prepend": {"prepend": ("",)},
    "BertNormalizer": {
        "clean_text": (False,),
        "handle_chinese_chars": (False,),
        "strip_accents": (None, False),
        "lowercase": (False,),
    },
}


def check_parts(d: Mapping[str, Any]) -> None:
    """Raises TokenizerError, naming it, for a part aside of model and pre_tokenizer that does something to ids."""
    for name in ("truncation", "padding"):  # settings of one call that were saved, and are made anew with each
        if d.get(name) is not None and not isinstance(d[name], Mapping):
            refuse(name, d[name], "only none, or a table of settings, is read")
    for step in _steps(d, "normalizer", "normalizers"):
        idle = _IDLE.get(str(type_of(step)))
        if idle is None or not all(step.get(setting, _NOTHING) in values for setting, values in idle.items()):
            refuse("normalizer", step, "only files whose text is left as it is are read")
    for step in _steps(d, "post_processor", "processors"):
        if type_of(step) != "ByteLevel" and not _adds_nothing(step):
            refuse("post_processor", step, "only one that adds no ids is read: remove it from the file")
    decoders = [type_of(step) for step in _steps(d, "decoder", "decoders")]
    if decoders not in (["ByteLevel"], ["ByteLevel", "Fuse"]):  # Fuse joins what is one text already
        refuse("decoder", d.get("decoder"), "only ByteLevel is read")


def read_pre_tokenizer(d: Mapping[str, Any]) -> Literal["gpt2", "gpt4"]:
    """The name of the split. Raises TokenizerError if it is not one of PATTERNS in a known spelling."""
    steps = _steps(d, "pre_tokenizer", "pretokenizers")
    if not steps or type_of(steps[-1]) != "ByteLevel":
        refuse("pre_tokenizer", d.get("pre_tokenizer"), "only ByteLevel, or Split and then ByteLevel, is read")
    if steps[-1].get("add_prefix_space", True) is not False:
        refuse("pre_tokenizer.add_prefix_space", steps[-1].get("add_prefix_space"), "only false is read")
    by_regex = steps[-1].get("use_regex", True)
    if len(steps) == 1 and by_regex is True:
        return "gpt2"
    if len(steps) != 2 or not isinstance(by_regex, bool) or type_of(steps[0]) != "Split":
        refuse("pre_tokenizer", d.get("pre_tokenizer"), "only ByteLevel, or Split and then ByteLevel, is read")
    name = _read_split(steps[0])
    if by_regex and name != "gpt2":  # which cuts its own pieces no further
        refuse("pre_tokenizer.use_regex", True, f"after a split of {name} only false is read")
    return name


def type_of(part: Any) -> Any:
    """What kind of thing a part says it is; None if it says nothing."""
    return part.get("type") if isinstance(part, Mapping) else None


def refuse(name: str, value: Any, hint: str) -> NoReturn:
    """Raises TokenizerError."""
    raise TokenizerError(f"{name}={reprlib.repr(value)} of this tokenizer.json is not supported: {hint}")


_NOTHING = object()


def _steps(d: Mapping[str, Any], name: str, inner: str) -> list[Any]:
    """The steps of a part in order, those of a Sequence in its place; none where there is no such part."""
    waiting, steps = [d[name]] if d.get(name) is not None else [], list[Any]()
    while waiting:
        step = waiting.pop()
        if type_of(step) != "Sequence":
            steps.append(step)
        elif isinstance(step.get(inner), list):
            waiting += reversed(step[inner])
        else:
            refuse(name, step, f"a Sequence has a list of {inner}")
    return steps


def _adds_nothing(step: Any) -> bool:
    """A template whose text alone is its text; what it does to pairs of texts is nothing to us."""
    if type_of(step) != "TemplateProcessing" or not isinstance(step.get("single"), list) or len(step["single"]) != 1:
        return False
    piece = step["single"][0]
    sequence = piece.get("Sequence") if isinstance(piece, Mapping) and len(piece) == 1 else None
    return isinstance(sequence, Mapping) and sequence.get("id") == "A"


def _read_split(step: Mapping[str, Any]) -> Literal["gpt2", "gpt4"]:
    pattern, behavior, invert = step.get("pattern"), step.get("behavior"), step.get("invert", False)
    if not isinstance(behavior, str) or not isinstance(invert, bool) or (behavior, invert) not in _WHOLE:
        refuse("pre_tokenizer.behavior", behavior, "only Isolated, or Removed and inverted, is read")
    expression = pattern.get("Regex") if isinstance(pattern, Mapping) else None
    if not isinstance(expression, str) or expression not in _EXPRESSIONS:
        refuse("pre_tokenizer.pattern", pattern, f"only the splits of {' and '.join(PATTERNS)} are read")
    return cast("Literal['gpt2', 'gpt4']", _EXPRESSIONS[expression])
