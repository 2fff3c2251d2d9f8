"""`nanochat eval`: how good a trained model is, in a table, and in two files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..data.config import DataConfig
from ..errors import ConfigError
from ..experiments.evaluation.evaluate import Report, evaluate_model
from ..experiments.evaluation.quiz import by_group, questions_about
from ..experiments.evaluation.report import (
    LOSS_NAMES,
    bleu_text,
    caveats,
    check_evaluation,
    share_text,
    to_dict,
    write_evaluation,
)
from ..inference.language_model import load
from ..plain import shown_path
from ..training.folder.record import read_run
from .commands import EvalCommand
from .console import print_json, print_table, say
from .folders import find_folder
from .run_sample import with_policy


def execute(command: EvalCommand) -> None:
    """Measure, print, and write both files."""
    path = find_folder(command.run)
    out = command.out or (path if path.is_dir() else path.parent)
    if not command.force:
        check_evaluation(out)
    language_model = with_policy(load(path, which="best" if command.best else "last"), command.unknown)
    data, is_own = _data(command, path)
    report = evaluate_model(
        language_model,
        data,
        side=command.side or ("val" if is_own else "all"),
        questions=questions_about(command.questions),
        batch_size=command.batch_size,
    )
    write_evaluation(report, out, path.name, {})
    if command.json:
        print_json(to_dict(report))
    else:
        _print(report)
    say(f"written to {out / 'evaluation.md'} and {out / 'evaluation.json'}")


def _data(command: EvalCommand, path: Path) -> tuple[DataConfig, bool]:
    """The corpus named, or the run's own, and whether it is that. Raises ConfigError where there is neither."""
    if (path / "config.json").is_file():
        own = read_run(path).config.data
        if shown_path(command.data) in ("", own.source):
            return own, True
        return replace(own, source=command.data, layout="auto", text_field="", style="classic"), False
    if not command.data:
        raise ConfigError(f"{path} is a model without a run, so nobody knows its text: name one with --data")
    return DataConfig(source=command.data), False


def _print(report: Report) -> None:
    text = report.text
    rows = [
        {
            "measure": LOSS_NAMES[report.side],
            "value": f"{text.loss:.4f} nats per token",
            "of": f"{text.n_tokens:,} tokens",
        },
        {"measure": "perplexity", "value": f"{text.perplexity:.4f}", "of": report.source},
        {"measure": "bits per byte", "value": f"{text.bits_per_byte:.4f}", "of": f"{report.n_text_bytes:,} bytes"},
    ]
    if report.bleu:
        n = f"{len(report.replies):,} replies"
        rows.append({"measure": "exact match", "value": share_text(report.exact), "of": n})
        rows.append({"measure": "BLEU-4", "value": bleu_text(report), "of": n})
    for group, share in by_group(report.answered).items():
        rows.append({"measure": group, "value": share_text(share), "of": f"{share.n:,} questions"})
    print_table(rows)
    for caveat in caveats(report):
        say(caveat)
