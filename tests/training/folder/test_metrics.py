"""metrics.jsonl: whole lines only, and cut back to a step without losing or doubling one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import CheckpointError, NanochatWarning
from nanochat.training.folder.metrics import metrics_until, open_metrics, read_metrics


def lines_until(step: int, eval_every: int = 3) -> list[str]:
    """What a run writes: each step, after some its validation."""
    lines = ['{"step": 0, "val_loss": 3.5}\n']
    for number in range(1, step + 1):
        lines.append(f'{{"step": {number}, "loss": 3.0, "lr": 0.1, "grad_norm": 1.0, "n_tokens": 8}}\n')
        if number % eval_every == 0:
            lines.append(f'{{"step": {number}, "val_loss": null, "bits_per_byte": 2.0, "n_val_tokens": 8}}\n')
    return lines


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 80))
def test_whatever_was_written_after_a_checkpoint_goes(tmp_path_factory, step, more, cut):
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    kept = lines_until(step)
    if step % 3 == 0:
        kept.pop()  # the validation of the step, which is made again
    whole = "".join(lines_until(step + more))
    torn = whole[: max(len("".join(kept)), len(whole) - cut)]
    path.write_text(torn, encoding="utf-8", newline="\n")
    assert metrics_until(path, step).decode() == "".join(kept)


def test_a_last_line_that_lacks_nothing_but_its_end_is_whole(tmp_path):
    path = tmp_path / "metrics.jsonl"
    text = "".join(lines_until(4))
    path.write_text(text.rstrip("\n"), encoding="utf-8", newline="\n")
    assert metrics_until(path, 4).decode() == text


def test_no_metrics_at_all_are_a_gap_and_a_warning(tmp_path):
    with pytest.warns(NanochatWarning, match="5 steps are missing before step 5"):
        assert metrics_until(tmp_path / "metrics.jsonl", 5) == b""
    assert metrics_until(tmp_path / "metrics.jsonl", 0) == b""


def test_lines_are_appended_where_asked(tmp_path):
    for append in (False, True, False):
        with open_metrics(tmp_path / "metrics.jsonl", append=append) as metrics:
            metrics.write(step=1, loss=float("nan"))
            metrics.sync()
        expected = 2 if append else 1
        assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1}] * expected


def test_a_number_that_no_float_holds_is_damage(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1, "loss": 1{"0" * 400}}}\n', encoding="utf-8")
    with pytest.raises(CheckpointError, match="line 1 is damaged"):
        read_metrics(path)
