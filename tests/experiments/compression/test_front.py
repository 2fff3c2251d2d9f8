"""compression.json and what is written from it: reports of one, and of a folder of several models."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import CheckpointError
from nanochat.experiments.compression.front import answers, is_on_front, read_front, write_front_report
from nanochat.experiments.compression.measure import Measured, Speed
from nanochat.experiments.compression.record import (
    Compression,
    Row,
    Source,
    Text,
    Weight,
    read_compression,
    write_compression,
)
from nanochat.experiments.compression.report import compression_report, gap_closed, headline

R = np.random.default_rng(0)
NOISE = R.standard_normal(64) * 0.01


def row(name, role, *, loss, n_bytes=1000, **fields):
    blocks = tuple((loss + NOISE).tolist())
    measured = Measured(loss=float(np.mean(blocks)), blocks=blocks, bits_per_byte=loss / 0.7, n_tokens=640, kl=0.01,
                        argmax_equal=0.9)  # fmt: skip
    return Row(name=name, role=role, parameters=n_bytes // 4, n_bytes=n_bytes, measured=measured, **fields)


def outcome(method="INT8 per output channel", *rows, kind="quantize", seed=1, loss=2.0, result=2.001, share=0.25):
    return Compression(
        kind=kind, method=method, command=f"nanochat compress {kind} --seed {seed}",
        source=Source(path="runs/a", weights_sha256=f"{seed}" * 64, seed=seed, step=10, preset="tiny"),
        text=Text("text.txt", "f" * 64, 640),
        rows=(row("source", "source", loss=loss), row("made", "result", loss=result, n_bytes=int(1000 * share)), *rows),
        speed=Speed(1000.0, 100.0, (1.0, 1.5, 2.0), (0.9, 1.0, 1.1)), samples=(("a", "a"), ("a|", "b")),
        weights=(Weight("wte.weight", "int8", 0.004),), notes=("A remark.",),
    )  # fmt: skip


TAUGHT = (
    "distilled to 2 layers",
    row("without a teacher, equal steps", "control", loss=2.4, steps=10, cpu_s=1.0),
    row("without a teacher, equal CPU time", "control", loss=2.1, steps=20, cpu_s=2.0),
)


def test_an_outcome_is_read_back_as_it_was_written(tmp_path):
    found = outcome(*TAUGHT, kind="distill")
    write_compression(found, tmp_path)
    assert read_compression(tmp_path) == found


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda content: content.update(version=2), "another format version"),
        (lambda content: content.update(format="x"), "no outcome"),
        (lambda content: content["rows"].pop(0), "no source and result"),
        (lambda content: content["rows"][0]["measured"]["blocks"].pop(), "other numbers of blocks"),
        (lambda content: content["rows"][0].pop("n_bytes"), "n_bytes"),
        (lambda content: content.pop("method"), "method"),
    ],
)
def test_a_damaged_outcome_is_refused(tmp_path, change, part):
    write_compression(outcome(), tmp_path)
    content = json.loads((tmp_path / "compression.json").read_text(encoding="utf-8"))
    change(content)
    (tmp_path / "compression.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CheckpointError, match=part):
        read_compression(tmp_path)


def test_the_report_begins_with_the_answer():
    text = compression_report(outcome())
    assert text.splitlines()[2].startswith("**INT8 per output channel: 0.250 of the bytes and +0.0010 nats a token")
    for part in (
        "nats a token",
        "1 of 2 are the same",
        "1.50 (1.00 to 2.00)",
        "A remark.",
        "nanochat compress",
    ):
        assert part in text


def test_a_report_of_a_student_says_first_which_is_better_per_second():
    found = outcome(*TAUGHT, kind="distill", result=2.2)
    assert headline(found).startswith(
        "Per second of CPU plain training is better: for as much time as teaching took it ends 0.1 nats lower."
    )
    assert gap_closed(found) == pytest.approx(0.5)
    other = outcome(*TAUGHT, kind="distill", result=2.05)
    assert headline(other).startswith(
        "Per second of CPU the teacher is worth it: plain training for as much time ends 0.05 nats higher."
    )


def write_all(folder, outcomes):
    for i, one in enumerate(outcomes):
        (folder / f"m{i}").mkdir()
        write_compression(one, folder / f"m{i}")


def test_a_folder_is_one_table_with_a_line_for_each_method(tmp_path):
    write_all(tmp_path, [
        *(outcome(seed=seed, result=2.001 + 0.001 * seed) for seed in (1, 2, 3)),
        *(outcome(*TAUGHT, kind="distill", seed=seed, share=0.5, result=2.2) for seed in (1, 2)),
        outcome("2:4 one shot", kind="prune", share=1.0, result=2.3),
    ])  # fmt: skip
    lines, _ = read_front(tmp_path)
    assert [(line.method, len(line.found)) for line in lines] == [
        ("INT8 per output channel", 3), ("distilled to 2 layers", 2), ("2:4 one shot", 1)]  # fmt: skip
    cost = lines[0].cost
    assert cost.mean == pytest.approx(0.003)
    assert cost.of_seeds > cost.of_text  # the text is the same noise on both sides
    assert [is_on_front(line, lines) for line in lines] == [True, False, False]
    assert answers(lines)[0].startswith("Per second of CPU plain training is better")
    report = write_front_report(tmp_path).read_text(encoding="utf-8")
    assert "| 1 | INT8 per output channel | 3 | 0.250 |" in report
    assert "closes 0.50 of the gap" in report
    assert (tmp_path / "front.png").is_file()
    assert "Of one model, so that another seed may say otherwise: 2:4 one shot." in report


def test_what_one_pair_of_runs_says_is_not_said_of_all(tmp_path):
    write_all(tmp_path, [outcome(*TAUGHT, kind="distill", share=0.5, result=2.2)])
    lines, _ = read_front(tmp_path)
    assert answers(lines)[0].startswith("Per second of CPU plain training is better in the one pair of runs: ")
    assert answers(lines)[0].endswith("(1 model; interval for other text alone).")


def test_what_was_measured_on_other_text_is_in_no_figure_with_the_rest(tmp_path):
    write_all(tmp_path, [outcome(), replace(outcome(seed=2), text=Text("b", "0", 9))])
    with pytest.raises(CheckpointError, match="measured on 2 texts"):
        read_front(tmp_path)
