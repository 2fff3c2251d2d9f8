import pytest

from nanochat.errors import GuardError
from nanochat.experiments.evaluation.quiz import UNDERSTOOD
from nanochat.experiments.phases.recipe import configs_of
from nanochat.experiments.phases.spread import check_spread, figures_of, with_seed, write_spread

EVALUATION = {
    "val_loss": 2.0,
    "bits_per_byte": 1.0,
    "replies": {"bleu_4": 10.0, "exact_match": {"share": 0.25}},
    "questions": {"taught": {"share": 0.5}, "untaught": {"share": None}},
}


def test_each_phase_of_another_seed_has_it(recipe):
    seeds = [[config.seed for config in configs_of(with_seed(recipe, i).phases)] for i in (0, 2)]
    assert seeds == [[1337, 1337], [1339, 1339]]


def test_shares_are_percent_and_what_nobody_asked_is_left_out():
    assert figures_of(EVALUATION) == {
        "val loss": 2.0,
        "bits per byte": 1.0,
        "exact match": 25.0,
        "BLEU-4": 10.0,
        "taught": 50.0,
    }


def test_the_report_has_mean_and_spread_and_is_not_written_over_another(recipe, tmp_path):
    other = {**EVALUATION, "val_loss": 3.0, "questions": {"taught": {"share": 0.6}}}
    report = write_spread(tmp_path, recipe, {"seed-1": EVALUATION, "seed-2": other}, "nanochat train").read_text(
        "utf-8"
    )
    assert "| val loss | 2.5000 | -3.8531 to 8.8531 | 0.7071 | 2.0000 | 3.0000 |" in report
    assert "| taught | 55.0 |" in report
    check_spread(tmp_path)
    (tmp_path / "spread.json").unlink()
    with pytest.raises(GuardError, match="holds other results already"):
        check_spread(tmp_path)


def test_answers_in_other_words_are_the_headline_and_no_share_is_above_100(recipe, tmp_path):
    runs = {
        f"seed-{i}": {**EVALUATION, "questions": {UNDERSTOOD: {"share": share}}}
        for i, share in enumerate((0.97, 1.0, 0.99))
    }
    text = write_spread(tmp_path, recipe, runs, "nanochat train").read_text("utf-8")
    assert "answered in 98.7 % of cases on average over 3 runs, in 97.0 to 100.0 % by run (SD 1.5)." in text
    assert f"| {UNDERSTOOD} | 98.7 | 94.9 to 100.0 |" in text
    assert "| val loss | 2.0000 | - | 0.0000 |" in text  # runs that agree tell nothing of the next one
