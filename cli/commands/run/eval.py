"""`nanochat eval`: how good a trained model is, in a table, and in two files."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ....data.config import DataConfig
from ....errors import ConfigError
from ....plain import shown_path
from ....storage.strict_json import finite_or_null
from ...console import print_json, print_table, say
from ...options import JsonFlag, ReplaceFlag, RunFlag, UnknownFlag, check_count
from ...parser import Commands
from ...sampling import load_model, own_data

if TYPE_CHECKING:
    from ....checkpoints.find import Which
    from ....experiments.evaluation.evaluate import Report

commands = Commands()


@commands.work("eval", "nanochat eval --run latest --questions world")
def evaluate(
    *,
    run: RunFlag = "latest",
    against: Annotated[
        str, typer.Option(help="Another run: how far do the two differ on this text?", metavar="RUN")
    ] = "",
    data: Annotated[str, typer.Option(help="Text or conversations; by default those of the run.", metavar="PATH")] = "",
    side: Annotated[
        Literal["val", "train", "all"] | None,
        typer.Option(help="Which side of the split; val if not given, all where --data names another text."),
    ] = None,
    questions: Annotated[
        Literal["none", "world-small", "world", "world-large"], typer.Option(help="Ask about the built-in world.")
    ] = "none",
    best: Annotated[bool, typer.Option("--best", help="The checkpoint of the lowest validation loss.")] = False,
    batch_size: Annotated[int, typer.Option(help="Rows at a time; the result does not depend on it.")] = 32,
    unknown: UnknownFlag = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of evaluation.json and .md; by default the run's.", metavar="DIR", readable=False),
    ] = None,
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> None:
    """Measure a trained model: loss, perplexity, bits per byte; replies and answers where it was trained on chat."""
    from ....experiments.evaluation.evaluate import evaluate_model
    from ....experiments.evaluation.identity import identity
    from ....experiments.evaluation.quiz import questions_about
    from ....experiments.evaluation.report import check_evaluation, to_dict, write_evaluation
    from ...folders import find_folder, run_of

    check_count("--batch-size", batch_size, 1)
    path = find_folder(run)
    home = run_of(path)
    if against:
        _compare(path, find_folder(against), _data(data, home)[0], "best" if best else "last", batch_size, as_json=json)
        return
    out = out or (home if home.is_dir() else home.parent)
    if not force:
        check_evaluation(out)
    which: Which = "best" if best else "last"
    language_model = load_model(path, unknown, which)
    corpus, is_own = _data(data, home)
    report = evaluate_model(
        language_model,
        corpus,
        side=side or ("val" if is_own else "all"),
        questions=questions_about(questions),
        batch_size=batch_size,
    )
    of = identity(language_model, path, corpus, which=which, questions=questions)
    write_evaluation(report, out, path.name, of)
    if json:
        print_json(to_dict(report) | {"of": of})
    else:
        _print(report)
    say(f"written to {out / 'evaluation.md'} and {out / 'evaluation.json'}")


def _compare(
    path: Path, other: Path, data: DataConfig, which: Literal["last", "best"], batch_size: int, *, as_json: bool
) -> None:
    """The two runs on the validation text of the first; nothing is written."""
    from ....experiments.evaluation.against import measure_against

    one, two = (load_model(folder, None, which) for folder in (path, other))
    found = measure_against(one, two, data, batch_size=batch_size)
    difference = found.difference
    if as_json:
        print_json(finite_or_null(asdict(found)))
        return
    of = f"{found.n_tokens:,} tokens"
    low, high = f"{difference.low:+.4f}", f"{difference.high:+.4f}"
    print_table([
        {"measure": f"validation loss of {shown_path(path.name)}", "value": f"{found.loss:.4f} nats", "of": of},
        {"measure": f"validation loss of {shown_path(other.name)}", "value": f"{found.other_loss:.4f} nats", "of": of},
        {"measure": "the first minus the second", "value": f"{difference.mean:+.4f} nats", "of": f"{low} to {high}"},
    ])  # fmt: skip
    say(
        f"95 % interval for other text of this kind, by {found.n_blocks} blocks of this one; of one run each, it says "
        "nothing of other seeds: `nanochat ablate` does"
    )


def _data(source: str, path: Path) -> tuple[DataConfig, bool]:
    """The corpus named, or the run's own, and whether it is that. Raises ConfigError where there is neither."""
    from ....checkpoints.names import MANIFEST
    from ....training.folder.record import read_run

    if (path / "config.json").is_file() and not (path / MANIFEST).is_file():
        saved = read_run(path)
        own = saved.config.data
        if shown_path(source) in ("", own.source):
            return own_data(saved, "measured"), True
        return replace(own, source=source, layout="auto", text_field="", style="classic"), False
    if not source:
        raise ConfigError(
            f"{path} is a model without the config.json of a run, so nobody knows its text: name one with --data"
        )
    return DataConfig(source=source), False


def _print(report: Report) -> None:
    from ....experiments.evaluation.quiz import by_group
    from ....experiments.evaluation.report import LOSS_NAMES, bleu_text, caveats, share_text

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
