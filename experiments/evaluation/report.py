"""What an evaluation found, as JSON and as Markdown with examples of right and wrong answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...checkpoints.ownership import check_pair
from ...plain import code_span, markdown, shown_path
from ...storage.atomic import write_json, write_text
from ...training.evaluate import Evaluation
from ..reports.markdown import bullets, document, table
from ..reports.numbers import count, digits
from .evaluate import Reply, Report
from .matching import Share
from .quiz import Answered, by_group, by_relation

_EXAMPLES = 6
"""Of right answers, and as many of wrong ones."""
_SILENCE = "(nothing)"
_LEGEND = (
    "Exact match: the answer and nothing else, but for case, an article, and punctuation at its end. A held-out "
    "phrasing stands nowhere in training; a held-out fact was told there, but never asked for. Each question was asked "
    "alone; at turn 2, 3 and 4 the same ones stand after others, and after the model's own answers to those."
)
LOSS_NAMES = {"val": "validation loss", "train": "training loss", "all": "loss, both sides"}


def check_evaluation(folder: Path) -> None:
    """Raises GuardError where an evaluation would replace what is none."""
    check_pair(folder, "evaluation", {"source", "perplexity"})


def write_evaluation(report: Report, folder: Path, name: str, of: Mapping[str, Any]) -> None:
    """evaluation.json and evaluation.md of the model `name`; `of` is its `identity`. Raises WriteError."""
    write_json(folder / "evaluation.json", to_dict(report) | {"of": of})
    parts = [f"# Evaluation of {code_span(shown_path(name))}", *to_markdown(report)]
    if of["checkpoint"]:
        why = ", of the lowest validation loss" if of["which"] == "best" else ""
        parts.insert(1, f"Checkpoint {code_span(of['checkpoint'])}{why}.")
    if found := caveats(report):
        parts += ["## Caveats", bullets(found)]
    write_text(folder / "evaluation.md", document(parts))


def to_dict(report: Report, baselines: Mapping[str, Sequence[Answered]] | None = None) -> dict[str, Any]:
    """Plain values; shares are {"right", "n", "share", "low", "high"}."""
    text, bleu = report.text, report.bleu
    found: dict[str, Any] = {
        "source": report.source,
        "side": report.side,
        {"val": "val_loss", "train": "train_loss", "all": "loss"}[report.side]: text.loss,
        "perplexity": text.perplexity,
        "bits_per_byte": text.bits_per_byte,
        "n_tokens": text.n_tokens,
        "text_bytes": report.n_text_bytes,
        "unknown_share": report.unknown_share,
        "val_is_train": report.val_is_train,
    }
    if bleu:
        found["replies"] = {"bleu_4": bleu.score, "exact_match": _share(report.exact), "too_long": report.n_too_long}
    if report.answered:
        found["questions"] = _shares(by_group(report.answered))
        found["relations"] = {name: _shares(groups) for name, groups in by_relation(report.answered).items()}
        found["baselines"] = {name: _shares(by_group(answered)) for name, answered in (baselines or {}).items()}
    return found


def to_markdown(report: Report, baselines: Mapping[str, Sequence[Answered]] | None = None) -> list[str]:
    """The parts of a report, without a title."""
    return [
        *_text(report, report.text),
        *_questions(report.answered, baselines or {}),
        *_replies(report),
    ]


def caveats(report: Report) -> list[str]:
    """What makes the figures of the text look better than they are, in sentences."""
    found = []
    if report.val_is_train:
        found.append("The text is too short to keep a part of it unseen: the loss is of text trained on.")
    if report.unknown_share:
        found.append(
            f"{100 * report.unknown_share:.2g} % of the tokens are not in the vocabulary, and the model never had to "
            "spell them: loss, perplexity and bits per byte are lower than if it had to."
        )
    return found


def bleu_text(report: Report) -> str:
    """`37.9`, or a dash where no reply has the four words that BLEU-4 counts by."""
    assert report.bleu is not None, "there are replies"
    is_defined = report.bleu.score > 0 or not report.exact.n_right
    return f"{report.bleu.score:.1f}" if is_defined else "- (replies of fewer than four words)"


def _text(report: Report, text: Evaluation) -> list[str]:
    rows = [
        (f"{LOSS_NAMES[report.side]} (nats per token)", digits(text.loss)),
        ("perplexity", digits(text.perplexity)),
        ("bits per byte", digits(text.bits_per_byte)),
        ("tokens", count(text.n_tokens)),
        ("bytes of text", count(report.n_text_bytes)),
    ]
    if report.unknown_share:
        rows.append(("tokens that are unknown", f"{100 * report.unknown_share:.2g} %"))
    note = (
        "Every token once. Bits per byte are over the bytes of the text as it is written, and leave out tokens that "
        "stand for no text, so tokenizers can be compared."
    )
    return [f"## Text: {code_span(report.source)}", table(("", "value"), rows, right={1}), note]


def _questions(answered: Sequence[Answered], baselines: Mapping[str, Sequence[Answered]]) -> list[str]:
    if not answered:
        return []
    columns = {"this model": answered, **baselines}
    groups = {name: by_group(found) for name, found in columns.items()}
    rows = [
        (group, count(share.n), *(share_text(groups[name][group]) for name in columns))
        for group, share in groups["this model"].items()
    ]
    relations = by_relation(answered)
    names = list(dict.fromkeys(name for found in relations.values() for name in found))
    by_name = [
        (markdown(relation), *(share_text(found[name], short=True) if name in found else "" for name in names))
        for relation, found in sorted(relations.items())
    ]
    right, wrong = ([one for one in answered if one.is_right is wanted] for wanted in (True, False))
    return [
        "## Questions",
        _LEGEND,
        table(("", "questions", *columns), rows, right=set(range(1, len(columns) + 2))),
        table(("relation", *names), by_name, right=set(range(1, len(names) + 1))),
        "Right:",
        _examples(right),
        "Wrong:",
        _examples(wrong),
    ]


def _replies(report: Report) -> list[str]:
    if report.bleu is None:
        return []
    rows = [
        ("exact match", share_text(report.exact)),
        ("BLEU-4", bleu_text(report)),
        ("too long for the context", count(report.n_too_long)),
    ]
    wrong = [reply for reply in report.replies if not reply.is_right]
    return [
        f"## Replies to {len(report.replies):,} conversations of {code_span(report.source)}",
        table(("", "value"), rows, right={1}),
        *(["Not as the file has it:", _reply_examples(wrong)] if wrong else []),
    ]


def share_text(share: Share, *, short: bool = False) -> str:
    """`97.5 % (96.1 to 98.4)`, the 95 % interval in brackets."""
    text = f"{100 * share.value:.1f} %"
    return text if short else f"{text} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _examples(answered: Sequence[Answered]) -> str:
    if not answered:
        return "None."
    chosen = _spread(answered)
    rows = [(one.question.text, str(one.turn), one.said or _SILENCE, one.question.answer) for one in chosen]
    return table(("question", "turn", "said", "expected"), [tuple(map(markdown, row)) for row in rows], right={1})


def _reply_examples(replies: Sequence[Reply]) -> str:
    rows = [(one.conversation[-1].content, one.said or _SILENCE, one.expected) for one in _spread(replies)]
    return table(("asked", "said", "expected"), [tuple(map(markdown, row)) for row in rows])


def _spread(items: Sequence[Any]) -> Sequence[Any]:
    """A few, from the whole length."""
    n = min(_EXAMPLES, len(items))
    return [items[i * len(items) // n] for i in range(n)]


def _shares(groups: Mapping[str, Share]) -> dict[str, Any]:
    return {name: _share(one) for name, one in groups.items()}


def _share(share: Share) -> dict[str, Any]:
    value = share.value if share.n else None
    return {"right": share.n_right, "n": share.n, "share": value, "low": share.low, "high": share.high}
